//! Names through hickory: one question to a server that the file names, or to those of the system. Nothing is remembered here, and
//! nothing is asked twice of a named server: a lost datagram is a late answer, as the user sees it.

use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use hickory_net::{
    NetError,
    proto::{
        op::{DnsRequest, DnsRequestOptions, DnsResponse, Query, ResponseCode},
        rr::{Name, RData, Record, RecordType},
    },
    runtime::TokioRuntimeProvider,
    tcp::TcpClientStream,
    udp::UdpClientStream,
    xfer::{DnsHandle, DnsRequestSender, FirstAnswer},
};
use hickory_resolver::{TokioResolver, config::LookupIpStrategy, system_conf::read_system_conf};
use tokio::task::JoinSet;

/// Whom to ask.
#[derive(Clone)]
pub enum Asked {
    /// This name server, with the name as it is written.
    Server(SocketAddr),
    /// The system's servers, with its search domains and its file of hosts.
    System(Arc<TokioResolver>),
}

/// The addresses of a name.
#[derive(Debug, Clone)]
pub struct Found {
    /// In no order.
    pub addresses: Vec<IpAddr>,
    /// How long they may be kept.
    pub ttl: Duration,
}

/// Why there are no addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotFound {
    /// The name does not exist, has no address, or the server said that it cannot tell.
    Failed,
    /// No answer in time.
    Late,
}

impl Asked {
    /// The named server, or the system's; words for the user when the system's cannot be read.
    pub fn new(server: Option<SocketAddr>, limit: Duration) -> Result<Self, String> {
        if let Some(server) = server {
            return Ok(Self::Server(server));
        }
        let provider = TokioRuntimeProvider::default();
        let mut builder = TokioResolver::builder(provider).map_err(|error| no_system(&error))?;
        let options = builder.options_mut();
        options.cache_size = 0;
        options.timeout = limit;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        builder.build().map(|resolver| Self::System(Arc::new(resolver))).map_err(|error| no_system(&error))
    }

    /// The addresses of a host, of both families.
    pub async fn addresses(&self, host: &str, limit: Duration) -> Result<Found, NotFound> {
        match self {
            Self::Server(server) => {
                let name = absolute(host).map_err(|_| NotFound::Failed)?;
                let ask = |record| ask(*server, name.clone(), record, limit);
                let (four, six) = futures_util::join!(ask(RecordType::A), ask(RecordType::AAAA));
                both(&four, &six)
            }
            Self::System(resolver) => {
                let (resolver, host) = (Arc::clone(resolver), host.to_owned());
                match tokio::time::timeout(limit, apart(async move { resolver.lookup_ip(host).await })).await {
                    Ok(Ok(found)) => of_records(found.as_lookup().answers()).ok_or(NotFound::Failed),
                    Ok(Err(error)) => Err(not_found(&error)),
                    Err(_) => Err(NotFound::Late),
                }
            }
        }
    }
}

fn no_system(error: &NetError) -> String {
    format!("the system's name servers cannot be read: {error}; name one with `resolver: IP:PORT`")
}

/// The first of the system's name servers.
pub fn first_server() -> Result<SocketAddr, String> {
    let (config, _) = read_system_conf().map_err(|error| no_system(&error))?;
    let first = config.name_servers().first().ok_or("the system names no name server; name one with `server: IP:PORT`")?;
    let port = first.connections.first().map_or(53, |connection| connection.port);
    Ok(SocketAddr::new(first.ip, port))
}

/// A name as it is written, whatever the system's search domains are.
pub fn absolute(host: &str) -> Result<Name, String> {
    let mut name = Name::from_str(host).map_err(|error| format!("`{host}` is not a name: {error}"))?;
    name.set_fqdn(true);
    Ok(name)
}

/// One question over UDP; over TCP when the answer was cut short. Whatever code the server gives is an answer.
pub async fn ask(server: SocketAddr, name: Name, record: RecordType, limit: Duration) -> Result<DnsResponse, NetError> {
    let whole = async move {
        let request = || DnsRequest::from_query(Query::query(name.clone(), record), DnsRequestOptions::default());
        let provider = TokioRuntimeProvider::default();
        let mut datagrams = UdpClientStream::builder(server, provider.clone())
            .with_timeout(Some(limit))
            .with_max_retries(0)
            .with_os_port_selection(true)
            .build();
        let answer = datagrams.send_message(request()).first_answer().await?;
        if !answer.truncation {
            return Ok(answer);
        }
        let exchange = TcpClientStream::exchange(server, None, limit, None, provider).await?;
        exchange.send(request()).first_answer().await
    };
    tokio::time::timeout(limit, apart(whole)).await.unwrap_or(Err(NetError::Timeout))
}

/// Carries a question out in a task of the runtime's, which gives way to others however much comes: somebody who sends datagrams without
/// end would else be listened to without end. Dropped, it ends.
async fn apart<T: Send + 'static>(question: impl Future<Output = Result<T, NetError>> + Send + 'static) -> Result<T, NetError> {
    let mut task = JoinSet::new();
    task.spawn(question);
    match task.join_next().await {
        Some(Ok(answer)) => answer,
        Some(Err(_)) | None => Err(NetError::from("the question came to no end")),
    }
}

/// What both families' answers come to. One that failed does not take away what the other found.
fn both(four: &Result<DnsResponse, NetError>, six: &Result<DnsResponse, NetError>) -> Result<Found, NotFound> {
    let of_one = |answer: &Result<DnsResponse, NetError>| match answer {
        Ok(answer) if answer.response_code == ResponseCode::NoError => of_records(&answer.answers).ok_or(NotFound::Failed),
        Ok(_) => Err(NotFound::Failed),
        Err(error) => Err(not_found(error)),
    };
    match (of_one(four), of_one(six)) {
        (Ok(mut found), Ok(other)) => {
            found.addresses.extend(other.addresses);
            found.ttl = found.ttl.min(other.ttl);
            Ok(found)
        }
        (Ok(found), Err(_)) | (Err(_), Ok(found)) => Ok(found),
        (Err(NotFound::Late), Err(_)) | (Err(_), Err(NotFound::Late)) => Err(NotFound::Late),
        (Err(NotFound::Failed), Err(NotFound::Failed)) => Err(NotFound::Failed),
    }
}

/// The addresses in an answer; they may be kept as long as the shortest-lived record that led to them.
fn of_records(records: &[Record]) -> Option<Found> {
    let addresses: Vec<IpAddr> = records
        .iter()
        .filter_map(|record| match &record.data {
            RData::A(address) => Some(IpAddr::V4(address.0)),
            RData::AAAA(address) => Some(IpAddr::V6(address.0)),
            _ => None,
        })
        .collect();
    // RFC 2181: a time to live with its highest bit set is none at all.
    let ttl = records.iter().map(|record| if record.ttl > i32::MAX as u32 { 0 } else { record.ttl }).min()?;
    (!addresses.is_empty()).then_some(Found { addresses, ttl: Duration::from_secs(u64::from(ttl)) })
}

fn not_found(error: &NetError) -> NotFound {
    if is_late(error) { NotFound::Late } else { NotFound::Failed }
}

/// Whether there was no answer in time.
pub fn is_late(error: &NetError) -> bool {
    match error {
        NetError::Timeout => true,
        NetError::Io(error) => error.kind() == std::io::ErrorKind::TimedOut,
        _ => false,
    }
}
