//! Postgres: its own client's protocol over a connection of ours. With several hosts they are tried in their order, as `libpq` does;
//! `target_session_attrs=read-write` passes over those that are standbys.

use std::{pin::pin, rc::Rc};

use futures_util::future::{Either, select};
use tokio::net::TcpStream;
use tokio_postgres::{
    Client, Config, Error, NoTls,
    config::{Host, SslMode, TargetSessionAttrs},
    error::SqlState,
};

use crate::{
    model::{
        probe::{NameModel, Text},
        sample::{Policy, SampleOutcome},
    },
    probe::{
        address::{Destination, NoAddress, forbidden_words},
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

    /// Says something to the first of them that can be used, once, outside of a run.
    ///
    /// # Errors
    /// What the last of them answered.
    pub async fn meet(&self, statements: &str) -> Result<(), NotMet> {
        let mut why = NotMet { why: "there is no server".to_owned(), code: None };
        for destination in &self.destinations {
            match self.meet_at(destination, statements).await {
                Ok(()) => return Ok(()),
                Err(error) => why = error,
            }
        }
        Err(why)
    }

    async fn meet_at(&self, destination: &Destination, statements: &str) -> Result<(), NotMet> {
        let plain = |why: String| NotMet { why, code: None };
        let address = destination.address(0).await.map_err(|none| {
            plain(match none {
                NoAddress::Failed => "its name does not resolve".to_owned(),
                NoAddress::Late => "no name server answered".to_owned(),
                NoAddress::Forbidden(address) => forbidden_words(address),
            })
        })?;
        let stream = TcpStream::connect(address).await.map_err(|error| plain(format!("{address}: {error}")))?;
        let (client, connection) = self.config.connect_raw(Watched::new(stream).0, NoTls).await?;
        let work = async {
            if self.config.get_target_session_attrs() == TargetSessionAttrs::ReadWrite && is_standby(&client).await? {
                return Err(plain(format!("{address} is a standby")));
            }
            Ok(client.batch_execute(statements).await?)
        };
        let (mut work, mut connection) = (pin!(work), pin!(connection));
        // The connection ends only with the client.
        match select(work.as_mut(), connection.as_mut()).await {
            Either::Left((done, _)) => done,
            Either::Right((ended, work)) => {
                ended?;
                work.await
            }
        }
    }
}

/// Why a server could not be spoken to, in its own words or ours, which hold no password.
#[derive(Debug)]
pub struct NotMet {
    /// In words.
    pub why: String,
    /// What kind of refusal it is, when the server said so.
    pub code: Option<SqlState>,
}

impl From<Error> for NotMet {
    fn from(error: Error) -> Self {
        let why = error.as_db_error().map_or_else(|| error.to_string(), |said| said.message().to_owned());
        Self { why, code: error.code().cloned() }
    }
}

/// Whether a server only follows another one.
async fn is_standby(client: &Client) -> Result<bool, Error> {
    let row = client.query_one("SELECT pg_is_in_recovery()", &[]).await?;
    Ok(row.try_get(0).unwrap_or(true))
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
        self.on_for(0, shared, trace, ask).await
    }

    /// The same, for an answer of up to so many bytes.
    pub async fn on_for<T>(
        &self,
        most: u64,
        shared: &Rc<Shared>,
        trace: &mut Trace,
        ask: impl AsyncFnOnce(&Client) -> Result<T, Error>,
    ) -> Result<T, SampleOutcome> {
        let connection = draw(shared.seed, trace.due.probe, trace.due.number, Purpose::Connection);
        if trace.policy != Policy::KeepAlive {
            let live = self.open(shared, trace).await?;
            live.notes.expects(most);
            return send(&live, false, trace, ask).await;
        }
        let (taken, reused): (Taken<Client>, bool) = self.keep.get(connection, async || self.open(shared, trace).await).await?;
        trace.address = taken.live().address;
        taken.live().notes.expects(most);
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
        let read_write = self.servers.config.get_target_session_attrs() == TargetSessionAttrs::ReadWrite;
        if read_write && is_standby(&client).await.map_err(answered)? {
            return Err(SampleOutcome::Expectation);
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
    live.notes.answered();
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
