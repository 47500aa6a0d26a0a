//! How a host becomes an address: one address per request, no happy eyeballs, and never a metadata service.
//!
//! Since nothing is tried twice, addresses that no user here would end up at are left out before the draw: those of a family to
//! which this machine has no route, and `::1` of `localhost` where it has `127.0.0.1` too (a server that listens on one of them is
//! whole for a browser, which tries both; write `[::1]` to probe the other). Addresses written in the file are taken as they are.

use std::{
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr, ToSocketAddrs},
    sync::{Arc, mpsc},
    time::Duration,
};

use crate::{
    model::probe::{NameModel, NameModels},
    probe::{
        book::Book,
        lookup::{Asked, NotFound},
    },
};

/// How long a name may take at launch.
const LAUNCH_LIMIT: Duration = Duration::from_secs(10);

/// The most addresses of a name that are told apart.
const MOST_ADDRESSES: usize = 128;

/// Where a request goes.
#[derive(Debug, Clone)]
pub enum Destination {
    /// One of these: written in the file, a literal address, or what the name was resolved to at launch.
    Fixed(Vec<SocketAddr>),
    /// Resolved for each new connection by the system.
    Name {
        /// The host.
        host: String,
        /// The port.
        port: u16,
    },
    /// Looked up by ourselves, and kept as the users' model says.
    Kept(Arc<Book>),
}

/// A host as a probe's file gives it.
#[derive(Debug, Clone, Copy)]
pub struct Host<'a> {
    /// Its name or address.
    pub name: &'a str,
    /// The port.
    pub port: u16,
    /// Addresses in place of looking the name up.
    pub listed: &'a [String],
    /// The name server to ask in place of the system's.
    pub resolver: Option<SocketAddr>,
    /// How long a question may take.
    pub limit: Duration,
}

/// The users of one name model, and where they go.
pub struct Way {
    /// How they look names up.
    pub model: NameModel,
    /// Where they go.
    pub destination: Destination,
    /// The model for the record, where the probe has users of several kinds.
    pub told: Option<NameModel>,
}

impl Way {
    /// The ways of a probe's users, one a model; words for the user when there cannot be one.
    pub fn all(host: Host<'_>, models: &NameModels) -> Result<Vec<Self>, String> {
        let models = models.list();
        models
            .iter()
            .map(|&model| Ok(Self { model, destination: host.destination(model)?, told: (models.len() > 1).then_some(model) }))
            .collect()
    }

    /// Whether a user keeps to one address, whatever becomes of its connections.
    pub fn is_bound(&self) -> bool {
        matches!(self.model, NameModel::Pinned | NameModel::EachAddress)
    }
}

/// Why there is no address.
#[derive(Debug)]
pub enum NoAddress {
    /// The name does not resolve.
    Failed,
    /// No name server answered in time.
    Late,
    /// It resolves to an address that is never probed.
    Forbidden(SocketAddr),
}

impl Host<'_> {
    /// Where the users of one model go; words for the user when there cannot be such a place.
    pub fn destination(&self, model: NameModel) -> Result<Destination, String> {
        let host = self.name.trim_start_matches('[').trim_end_matches(']');
        let port = self.port;
        let fixed = if !self.listed.is_empty() {
            self.listed.iter().map(|text| read(text, port)).collect::<Result<Vec<_>, _>>()?
        } else if let Ok(ip) = host.parse::<IpAddr>() {
            vec![SocketAddr::new(ip, port)]
        } else if model == NameModel::Pinned {
            resolve_within(host, port, self.resolver, LAUNCH_LIMIT)?
        } else if model == NameModel::EachConnection && self.resolver.is_none() {
            return Ok(Destination::Name { host: host.to_owned(), port });
        } else {
            let asked = Asked::new(self.resolver, self.limit)?;
            return Ok(Destination::Kept(Book::new(host.to_owned(), port, model, asked, self.limit)));
        };
        match fixed.iter().find(|address| forbidden(address.ip())) {
            Some(address) => Err(forbidden_words(*address)),
            None => Ok(Destination::Fixed(fixed)),
        }
    }
}

impl Destination {
    /// The destination of a probe that asks the system; words for the user when there cannot be one.
    pub fn new(host: &str, port: u16, listed: &[String], names: NameModel) -> Result<Self, String> {
        Host { name: host, port, listed, resolver: None, limit: LAUNCH_LIMIT }.destination(names)
    }

    /// Whether a request asks a name server by itself, and so needs sockets of its own for that.
    pub fn asks_each_time(&self) -> bool {
        matches!(self, Self::Kept(book) if book.asks_each_time())
    }

    /// The address of one request, drawn by `bits`.
    pub async fn address(&self, bits: u64) -> Result<SocketAddr, NoAddress> {
        match self {
            Self::Fixed(list) => Ok(list[super::draw::pick(bits, list.len())]),
            Self::Name { host, port } => {
                let found = tokio::net::lookup_host((host.as_str(), *port)).await;
                draw_from(host, found.map(Iterator::collect), bits)
            }
            Self::Kept(book) => match book.addresses().await {
                Ok(list) => allowed(list[super::draw::pick(bits, list.len())]),
                Err(NotFound::Failed) => Err(NoAddress::Failed),
                Err(NotFound::Late) => Err(NoAddress::Late),
            },
        }
    }
}

fn draw_from(host: &str, found: io::Result<Vec<SocketAddr>>, bits: u64) -> Result<SocketAddr, NoAddress> {
    let list = sensible(host, found.map_err(|_| NoAddress::Failed)?, has_route);
    if list.is_empty() {
        return Err(NoAddress::Failed);
    }
    allowed(list[super::draw::pick(bits, list.len())])
}

fn allowed(address: SocketAddr) -> Result<SocketAddr, NoAddress> {
    if forbidden(address.ip()) { Err(NoAddress::Forbidden(address)) } else { Ok(address) }
}

/// The addresses that are drawn from, in an order of their own: the resolver may rotate its answer, and the draw alone decides.
pub fn sensible(host: &str, mut list: Vec<SocketAddr>, has_route: impl Fn(SocketAddr) -> bool) -> Vec<SocketAddr> {
    list.sort_unstable();
    list.dedup();
    // A hostile answer holds thousands.
    list.truncate(MOST_ADDRESSES);
    let both = list.iter().any(SocketAddr::is_ipv4) && list.iter().any(SocketAddr::is_ipv6);
    if both {
        let name = host.trim_end_matches('.').to_ascii_lowercase();
        let local = name == "localhost" || name.ends_with(".localhost");
        let kept: Vec<_> = list.iter().copied().filter(|&address| if local { address.is_ipv4() } else { has_route(address) }).collect();
        // Without a route to any, the user sees `unreachable`, and so do we.
        if !kept.is_empty() {
            return kept;
        }
    }
    list
}

/// Whether the kernel knows a way to an address. Connecting a datagram socket sends nothing.
pub fn has_route(address: SocketAddr) -> bool {
    let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    std::net::UdpSocket::bind(any).is_ok_and(|socket| socket.connect(address).is_ok())
}

/// What is said of an address that is never probed.
pub fn forbidden_words(address: SocketAddr) -> String {
    format!("{} is a link-local or metadata address, which is never probed", address.ip())
}

/// Link-local addresses, where clouds keep their metadata services.
fn forbidden(ip: IpAddr) -> bool {
    const METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip == METADATA || ip.is_unicast_link_local() || ip.to_ipv4().is_some_and(|ip| ip.is_link_local()),
    }
}

fn read(text: &str, port: u16) -> Result<SocketAddr, String> {
    let ip = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if let Ok(ip) = ip.parse::<IpAddr>() {
        return Ok(SocketAddr::new(ip, port));
    }
    text.parse().map_err(|_| format!("`{text}` in `addresses` is neither an IP address nor `ip:port`"))
}

/// Resolves on a thread of its own: the system's resolver has no deadline, and a question needs a runtime.
fn resolve_within(host: &str, port: u16, resolver: Option<SocketAddr>, limit: Duration) -> Result<Vec<SocketAddr>, String> {
    const PINNED: &str = "(it is `pinned`, so it is resolved once, at the start)";
    let (tx, rx) = mpsc::channel();
    let name = host.to_owned();
    std::thread::spawn(move || {
        let found = match resolver {
            Some(server) => asked(&name, port, server, limit),
            None => (name.as_str(), port).to_socket_addrs().map(Iterator::collect),
        };
        let _ = tx.send(found.map(|found| sensible(&name, found, has_route)));
    });
    match rx.recv_timeout(limit + Duration::from_secs(1)) {
        Ok(Ok(list)) if !list.is_empty() => Ok(list),
        Ok(Ok(_)) => Err(format!("the name `{host}` has no address {PINNED}")),
        Ok(Err(error)) => Err(format!("the name `{host}` does not resolve {PINNED}: {error}")),
        Err(_) => Err(format!("the name `{host}` did not resolve within {} s", limit.as_secs())),
    }
}

/// Asks a name server from a thread that may wait.
fn asked(host: &str, port: u16, server: SocketAddr, limit: Duration) -> io::Result<Vec<SocketAddr>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match runtime.block_on(Asked::Server(server).addresses(host, limit)) {
        Ok(found) => Ok(found.addresses.into_iter().map(|ip| SocketAddr::new(ip, port)).collect()),
        Err(NotFound::Failed) => Err(io::Error::other(format!("{server} knows no address of it"))),
        Err(NotFound::Late) => Err(io::Error::other(format!("{server} did not answer within {} s", limit.as_secs()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_services_are_never_probed_however_they_are_written() {
        for ip in ["169.254.169.254", "169.254.0.1", "fd00:ec2::254", "::ffff:169.254.169.254", "::169.254.169.254", "fe80::1"] {
            assert!(forbidden(ip.parse().unwrap()), "{ip}");
        }
        for ip in ["127.0.0.1", "10.0.0.1", "::1", "fd00:ec2::253", "192.168.1.1"] {
            assert!(!forbidden(ip.parse().unwrap()), "{ip}");
        }
        let found = Ok(vec!["169.254.169.254:80".parse().unwrap()]);
        assert!(matches!(draw_from("x", found, 0), Err(NoAddress::Forbidden(_))));
        assert!(Destination::new("169.254.169.254", 80, &[], NameModel::EachConnection).unwrap_err().contains("never probed"));
        assert!(Destination::new("fine", 80, &["[fd00:ec2::254]:80".to_owned()], NameModel::EachConnection).is_err());
    }

    #[test]
    fn listed_addresses_take_the_port_of_the_url_unless_they_have_one() {
        let listed = ["127.0.0.1".to_owned(), "127.0.0.2:81".to_owned(), "::1".to_owned(), "[::1]".to_owned(), "[::1]:82".to_owned()];
        let Ok(Destination::Fixed(list)) = Destination::new("any.example", 80, &listed, NameModel::EachConnection) else {
            panic!("not fixed")
        };
        let list: Vec<_> = list.iter().map(ToString::to_string).collect();
        assert_eq!(list, ["127.0.0.1:80", "127.0.0.2:81", "[::1]:80", "[::1]:80", "[::1]:82"]);
        assert!(Destination::new("any.example", 80, &["localhost".to_owned()], NameModel::Pinned).unwrap_err().contains("`localhost`"));
    }

    #[test]
    fn an_answer_without_addresses_is_a_failure_and_every_address_is_drawn() {
        assert!(matches!(draw_from("x", Ok(vec![]), 1), Err(NoAddress::Failed)));
        let both: Vec<SocketAddr> = vec!["127.0.0.2:1".parse().unwrap(), "127.0.0.1:1".parse().unwrap()];
        assert_eq!(draw_from("x", Ok(both.clone()), 0).unwrap(), both[1]);
        assert_eq!(draw_from("x", Ok(both.clone()), u64::MAX).unwrap(), both[0]);
    }

    #[test]
    fn nobody_is_sent_where_a_user_would_not_end_up() {
        let list = |text: &[&str]| text.iter().map(|a| a.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let both = list(&["[2001:db8::1]:80", "192.0.2.1:80", "192.0.2.1:80"]);
        assert_eq!(sensible("shop.example", both.clone(), |_| true).len(), 2);
        assert_eq!(sensible("shop.example", both.clone(), |a| a.is_ipv4()), list(&["192.0.2.1:80"]));
        assert_eq!(sensible("shop.example", both.clone(), |a| a.is_ipv6()), list(&["[2001:db8::1]:80"]));
        assert_eq!(sensible("shop.example", both, |_| false).len(), 2, "none is left out when none would be left");
        assert_eq!(sensible("shop.example", list(&["192.0.2.1:80"]), |_| false).len(), 1);
        let local = list(&["[::1]:80", "127.0.0.1:80"]);
        assert_eq!(sensible("LocalHost.", local.clone(), |_| true), list(&["127.0.0.1:80"]));
        assert_eq!(sensible("web.localhost", local.clone(), |_| true), list(&["127.0.0.1:80"]));
        assert_eq!(sensible("notlocalhost", local, |_| true).len(), 2);
        assert_eq!(sensible("localhost", list(&["[::1]:80"]), |_| true).len(), 1);
        assert!(has_route("127.0.0.1:80".parse().unwrap()));
    }
}
