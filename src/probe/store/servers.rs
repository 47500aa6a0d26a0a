//! The servers of one Postgres database, from a text that may be a secret, as `libpq` reads it: a URL, or `host=... user=...`.
//!
//! With several hosts they are tried in their order; `target_session_attrs` passes over those that take no writes, or that do. TLS is used
//! with `sslmode=require`, and then certificates are always verified, as with `verify-full`: `prefer`, which takes a connection in the
//! clear when it gets no other, would show a drill nothing. `connect_timeout` is a bound for each host.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::{net::TcpStream, runtime::Runtime};
use tokio_postgres::{
    Client, Config, Connection, Error, SimpleQueryMessage,
    config::{Host, LoadBalanceHosts, SslMode, TargetSessionAttrs},
};
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use super::{
    tls::{Secure, Secured, server_name},
    watched::{Notes, Watched},
};
use crate::{
    model::{
        probe::{NameModel, Text, TlsSettings},
        sample::SampleOutcome,
        store::known_sslmode,
    },
    probe::{address::Destination, draw::pick, http::tls::connector, secret::resolve},
};

/// One server.
pub struct OneServer {
    /// Where it is.
    pub destination: Destination,
    /// What it is called, for messages.
    pub called: String,
    /// What its certificate must name, where there is TLS.
    name: Option<ServerName<'static>>,
}

/// Servers of one database, before their connections are there.
pub struct Servers {
    hosts: Vec<OneServer>,
    config: Config,
    tls: Option<TlsConnector>,
    /// Where passwords are proven.
    aside: Option<Aside>,
}

/// A connection that has logged in, and what must be driven for it.
pub struct LoggedIn {
    /// The client.
    pub client: Client,
    /// Its other half.
    pub driver: Connection<Watched, Secured>,
    /// How the stream is.
    pub notes: Arc<Notes>,
}

/// Why nobody could log in.
pub struct NoLogIn {
    /// The class.
    pub outcome: SampleOutcome,
    /// What the client says; nothing when it was not heard to the end.
    pub error: Option<Error>,
}

/// A thread for log-ins with a password: proving that one knows it takes milliseconds of a processor (thousands of rounds of a hash), and
/// the pacing thread has none to give.
struct Aside(Option<Runtime>);

impl Aside {
    fn new() -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("log-in").enable_all().build();
        Ok(Self(Some(runtime.map_err(|error| format!("a thread for log-ins cannot be started: {error}"))?)))
    }

    /// Does something there; whoever waits no longer ends it. Nothing when it came to no end.
    async fn does<T: Send + 'static>(&self, what: impl Future<Output = T> + Send + 'static) -> Option<T> {
        AbortOnDropHandle::new(self.0.as_ref()?.spawn(what)).await.ok()
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // Inside of another runtime none may be waited for.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Servers {
    /// Words for the user when the URL cannot be used. A URL that may hold a password is never repeated.
    pub fn new(url: &Text, tls: &TlsSettings) -> Result<Self, String> {
        const BAD: &str = "the URL of Postgres cannot be read; write it like `postgres://user@host:5432/database`";
        let text = resolve(url, "the URL of Postgres")?;
        let known = known_sslmode(text.trim())
            .map_err(|_| "the URL of Postgres has an `sslmode` that cannot be used; say `disable` or `require`".to_owned())?;
        let mut config: Config = known.parse().map_err(|_| BAD.to_owned())?;
        let secure = config.get_ssl_mode() == SslMode::Require;
        if !secure && *tls != TlsSettings::default() {
            return Err("there are `tls` settings, and the URL of Postgres does not say `sslmode=require`".to_owned());
        }
        config.ssl_mode(if secure { SslMode::Require } else { SslMode::Disable });
        if config.get_application_name().is_none() {
            config.application_name("firedrill");
        }
        let hosts = hosts(&config, secure)?;
        if hosts.is_empty() {
            return Err(BAD.to_owned());
        }
        let tls = if secure { Some(connector(tls, Some(b"postgresql"))?) } else { None };
        let aside = if config.get_password().is_some() { Some(Aside::new()?) } else { None };
        Ok(Self { hosts, config, tls, aside })
    }

    /// The servers in the order in which they are tried: their own, or one that `bits` draw with `load_balance_hosts=random`.
    pub fn in_order(&self, bits: u64) -> impl Iterator<Item = &OneServer> {
        let random = self.config.get_load_balance_hosts() == LoadBalanceHosts::Random;
        let first = if random { pick(bits, self.hosts.len()) } else { 0 };
        self.hosts[first..].iter().chain(&self.hosts[..first])
    }

    /// The bound of each host, if the text has one.
    pub fn connect_timeout(&self) -> Option<std::time::Duration> {
        self.config.get_connect_timeout().copied()
    }

    /// Whether connections are secured.
    pub fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    /// Logs in over a connection to this host.
    pub async fn log_in(&self, host: &OneServer, stream: TcpStream) -> Result<LoggedIn, NoLogIn> {
        let (stream, notes) = Watched::new(stream);
        let secure = Secure { with: self.tls.clone().zip(host.name.clone()), notes: notes.clone() };
        let made = match &self.aside {
            None => Some(self.config.connect_raw(stream, secure).await),
            Some(aside) => {
                let config = self.config.clone();
                aside.does(async move { config.connect_raw(stream, secure).await }).await
            }
        };
        let error = match made {
            Some(Ok((client, driver))) => return Ok(LoggedIn { client, driver, notes }),
            Some(Err(error)) => Some(error),
            None => None,
        };
        let outcome = if error.as_ref().is_some_and(|error| error.as_db_error().is_some()) {
            // An error in its greeting (it starts up, it has too many clients) is the server's answer.
            SampleOutcome::Expectation
        } else if self.tls.is_some() && !notes.is_secured() {
            SampleOutcome::Tls
        } else {
            notes.outcome(false).unwrap_or(SampleOutcome::Expectation)
        };
        Err(NoLogIn { outcome, error })
    }

    /// Whether the server behind a connection is of the kind that is asked for. The connection must be driven.
    pub async fn fits(&self, client: &Client) -> Result<bool, Error> {
        let wanted = match self.config.get_target_session_attrs() {
            TargetSessionAttrs::ReadWrite => "off",
            TargetSessionAttrs::ReadOnly => "on",
            _ => return Ok(true),
        };
        // Also said by a primary that is set to take no writes.
        let answer = client.simple_query("SHOW transaction_read_only").await?;
        Ok(answer.iter().any(|message| matches!(message, SimpleQueryMessage::Row(row) if row.get(0) == Some(wanted))))
    }
}

fn hosts(config: &Config, secure: bool) -> Result<Vec<OneServer>, String> {
    let (names, addresses, ports) = (config.get_hosts(), config.get_hostaddrs(), config.get_ports());
    let count = names.len().max(addresses.len());
    if ports.len() > 1 && ports.len() != count {
        return Err(format!("the URL of Postgres has {count} hosts and {} ports", ports.len()));
    }
    let one = |place: usize| {
        let port = ports.get(place).or(ports.first()).copied().unwrap_or(5432);
        let name = match names.get(place) {
            Some(Host::Tcp(name)) => name.clone(),
            Some(_) => return Err("Postgres is reached over TCP: a path of a socket cannot be probed".to_owned()),
            None => addresses[place].to_string(),
        };
        let address = addresses.get(place).map_or_else(|| name.clone(), ToString::to_string);
        Ok(OneServer {
            destination: Destination::new(&address, port, &[], NameModel::EachConnection)?,
            called: format!("{name}:{port}"),
            name: if secure { Some(server_name(&name)?) } else { None },
        })
    };
    (0..count).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(text: &str) -> Result<Servers, String> {
        Servers::new(&Text::Plain(text.to_owned()), &TlsSettings::default())
    }

    #[test]
    fn texts_are_read_as_libpq_reads_them() {
        for (text, hosts, secure) in [
            ("postgres://app@127.0.0.1/shop", 1, false),
            ("postgresql://app:pass@a.example:6000,b.example:6001/shop?target_session_attrs=read-write", 2, false),
            ("host=127.0.0.1 user=app port=5433", 1, false),
            ("host=a,b user=app port=5433,5434", 2, false),
            ("hostaddr=127.0.0.1 user=app", 1, false),
            ("postgres://app@[::1]/shop?sslmode=disable", 1, false),
            ("postgres://app@db.example/shop?sslmode=require", 1, true),
            ("postgres://app@db.example/shop?sslmode=verify-full", 1, true),
        ] {
            let servers = new(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((servers.hosts.len(), servers.is_secure()), (hosts, secure), "{text}");
        }
    }

    #[test]
    fn hosts_keep_their_order_unless_they_are_to_share_the_load() {
        let order = |text: &str, bits| new(text).unwrap().in_order(bits).map(|host| host.called.clone()).collect::<Vec<_>>().join(" ");
        assert_eq!(order("postgres://app@a,b:7,c/x", u64::MAX), "a:5432 b:7 c:5432");
        assert_eq!(order("postgres://app@a,b:7,c/x?load_balance_hosts=random", u64::MAX), "c:5432 a:5432 b:7");
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for bad in [
            "postgres://app:hunter2@h:port/x",
            "host=/var/run/postgresql user=app password=hunter2",
            "user=app password=hunter2",
            "postgres://app:hunter2@h/x?sslmode=maybe",
            "host=a,b,c user=u port=1,2 password=hunter2",
            "postgres://app:hunter2@two words/x?sslmode=require",
        ] {
            let error = new(bad).err().unwrap_or_else(|| panic!("{bad} was taken"));
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert!(new("host=169.254.169.254 user=u").err().unwrap().contains("never probed"));
        let settings = TlsSettings { insecure: true, ..TlsSettings::default() };
        let in_the_clear = Servers::new(&Text::Plain("postgres://app@h/x".to_owned()), &settings);
        assert!(in_the_clear.err().unwrap().contains("sslmode=require"));
    }
}
