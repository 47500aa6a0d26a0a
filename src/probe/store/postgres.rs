//! Postgres: its own client's protocol over a connection of ours. With several hosts they are tried in their order, as `libpq` does;
//! `target_session_attrs=read-write` passes over those that are standbys.

use std::rc::Rc;

use tokio_postgres::{
    Client, Config, Error, NoTls,
    config::{Host, SslMode, TargetSessionAttrs},
};

use crate::{
    model::{
        probe::{NameModel, Text},
        sample::{Policy, SampleOutcome},
    },
    probe::{
        address::Destination,
        connect::connect,
        draw::{Purpose, draw},
        pacer::Shared,
        secret::resolve,
        stage::{Stage, Trace},
        store::{
            keep::{Keep, Live, Taken},
            watched::Watched,
        },
    },
};

/// Servers of one database, before their connections are there.
pub struct Servers {
    destinations: Vec<Destination>,
    config: Config,
}

impl Servers {
    /// Words for the user when the URL cannot be used. A URL that may hold a password is never repeated.
    pub fn new(url: &Text) -> Result<Self, String> {
        const BAD: &str = "the URL of Postgres cannot be read; write it like `postgres://user@host:5432/database`";
        let config: Config = resolve(url, "the URL of Postgres")?.parse().map_err(|_| BAD.to_owned())?;
        if config.get_ssl_mode() == SslMode::Require {
            return Err("Postgres is spoken to without TLS here: a URL with `sslmode=require` cannot be used".to_owned());
        }
        let ports = config.get_ports();
        let mut destinations = Vec::new();
        for (place, host) in config.get_hosts().iter().enumerate() {
            let Host::Tcp(host) = host else {
                return Err("Postgres is reached over TCP: a path of a socket cannot be probed".to_owned());
            };
            let port = ports.get(place).or(ports.first()).copied().unwrap_or(5432);
            destinations.push(Destination::new(host, port, &[], NameModel::EachConnection)?);
        }
        if destinations.is_empty() {
            return Err(BAD.to_owned());
        }
        Ok(Self { destinations, config })
    }

    /// How they are spoken to.
    pub fn config(&self) -> &Config {
        &self.config
    }
}

/// The servers and the connections that are kept to them.
pub struct Postgres {
    servers: Servers,
    keep: Keep<Client>,
}

impl Postgres {
    /// For so many requests a second.
    pub fn new(servers: Servers, rate: f64) -> Self {
        Self { servers, keep: Keep::new(rate) }
    }

    /// How many connections it may hold.
    pub fn size(&self) -> u64 {
        self.keep.size()
    }

    /// Whatever is asked of a client, on a connection as `trace.policy` says.
    pub async fn on<T>(
        &self,
        shared: &Rc<Shared>,
        trace: &mut Trace,
        ask: impl AsyncFnOnce(&Client) -> Result<T, Error>,
    ) -> Result<T, SampleOutcome> {
        let connection = draw(shared.seed, trace.due.probe, trace.due.number, Purpose::Connection);
        if trace.policy != Policy::KeepAlive {
            let live = self.open(shared, trace).await?;
            return send(&live, false, trace, ask).await;
        }
        let (taken, reused): (Taken<Client>, bool) = self.keep.get(connection, async || self.open(shared, trace).await).await?;
        trace.address = taken.live().address;
        let answer = send(taken.live(), reused, trace, ask).await;
        taken.finish();
        answer
    }

    /// The first host that can be used; the last one's failure when none can.
    async fn open(&self, shared: &Rc<Shared>, trace: &mut Trace) -> Result<Live<Client>, SampleOutcome> {
        let bits = draw(shared.seed, trace.due.probe, trace.due.number, Purpose::Address);
        let mut why = SampleOutcome::Unreachable;
        for destination in &self.servers.destinations {
            match self.open_at(destination, shared, bits, trace).await {
                Ok(live) => {
                    trace.connected();
                    return Ok(live);
                }
                Err(failed) => why = failed,
            }
        }
        Err(why)
    }

    async fn open_at(
        &self,
        destination: &Destination,
        shared: &Rc<Shared>,
        bits: u64,
        trace: &mut Trace,
    ) -> Result<Live<Client>, SampleOutcome> {
        let connected = connect(shared, destination, bits, trace).await?;
        let (stream, notes) = Watched::new(connected.stream);
        trace.stage = Stage::Waiting;
        // An error in its greeting (it starts up, it has too many clients) is the server's answer.
        let answered = |_| notes.outcome(false).unwrap_or(SampleOutcome::Expectation);
        let (client, connection) = self.servers.config.connect_raw(stream, NoTls).await.map_err(answered)?;
        // It ends with the client, or with the server: requests on it are told why by the stream's notes.
        drop(tokio::task::spawn_local(async move { drop(connection.await) }));
        if self.servers.config.get_target_session_attrs() == TargetSessionAttrs::ReadWrite {
            let standby = client.query_one("SELECT pg_is_in_recovery()", &[]).await.map_err(answered)?;
            if standby.try_get::<_, bool>(0).unwrap_or(true) {
                return Err(SampleOutcome::Expectation);
            }
        }
        Ok(Live::new(client, notes, trace.address, connected.held))
    }
}

async fn send<T>(
    live: &Live<Client>,
    reused: bool,
    trace: &mut Trace,
    ask: impl AsyncFnOnce(&Client) -> Result<T, Error>,
) -> Result<T, SampleOutcome> {
    trace.stage = Stage::Waiting;
    trace.reused = reused;
    let answer = ask(&live.client).await;
    trace.first_byte(crate::clock::now());
    answer.map_err(|error| match live.notes.outcome(reused) {
        // A server that ends (57P01) says so first, and then closes: to the request it is the closing.
        Some(ended) => ended,
        None if error.as_db_error().is_some() => SampleOutcome::Expectation,
        None if error.is_closed() && reused => SampleOutcome::EofReused,
        None if error.is_closed() => SampleOutcome::EofNew,
        None => SampleOutcome::Expectation,
    })
}
