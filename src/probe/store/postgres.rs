//! Postgres: its own client's protocol over connections of ours.

use std::rc::Rc;

use tokio_postgres::{Client, Error};

pub use super::servers::Servers;
use super::{
    servers::{LoggedIn, OneServer},
    watched::LARGEST,
};
use crate::{
    model::sample::{Policy, SampleOutcome},
    probe::{
        connect::connect,
        draw::{Purpose, draw},
        pacer::Shared,
        stage::{Stage, Trace},
        store::keep::{Keep, Live, Taken},
    },
};

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

    /// Whatever is asked of a client, on a connection as `trace.policy` says; the answer has at most so many bytes.
    pub async fn on<T>(
        &self,
        shared: &Rc<Shared>,
        trace: &mut Trace,
        most: u64,
        ask: impl AsyncFnOnce(&Client) -> Result<T, Error>,
    ) -> Result<T, SampleOutcome> {
        let connection = draw(shared.seed, trace.due.probe, trace.due.number, Purpose::Connection);
        if trace.policy != Policy::KeepAlive {
            let live = self.open(shared, trace).await?;
            return send(&live, false, trace, most, ask).await;
        }
        let (taken, reused): (Taken<Client>, bool) = self.keep.get(connection, async || self.open(shared, trace).await).await?;
        trace.address = taken.live().address;
        let answer = send(taken.live(), reused, trace, most, ask).await;
        taken.finish();
        answer
    }

    /// The first host that can be used; the last one's failure when none can.
    async fn open(&self, shared: &Rc<Shared>, trace: &mut Trace) -> Result<Live<Client>, SampleOutcome> {
        let bits = draw(shared.seed, trace.due.probe, trace.due.number, Purpose::Address);
        let mut why = SampleOutcome::Unreachable;
        for host in self.servers.in_order(bits) {
            let opened = match self.servers.connect_timeout() {
                None => self.open_at(host, shared, bits, trace).await,
                Some(limit) => match tokio::time::timeout(limit, self.open_at(host, shared, bits, trace)).await {
                    Ok(opened) => opened,
                    Err(_) => Err(trace.stage.at_deadline()),
                },
            };
            match opened {
                Ok(live) => {
                    trace.connected();
                    return Ok(live);
                }
                Err(failed) => why = failed,
            }
        }
        Err(why)
    }

    async fn open_at(&self, host: &OneServer, shared: &Rc<Shared>, bits: u64, trace: &mut Trace) -> Result<Live<Client>, SampleOutcome> {
        let connected = connect(shared, &host.destination, bits, trace).await?;
        trace.stage = if self.servers.is_secure() { Stage::Securing } else { Stage::Waiting };
        let LoggedIn { client, driver, notes } = self.servers.log_in(host, connected.stream).await.map_err(|refused| refused.outcome)?;
        // It ends with the client, or with the server: requests on it are told why by the stream's notes.
        drop(tokio::task::spawn_local(async move { drop(driver.await) }));
        trace.stage = Stage::Waiting;
        match self.servers.fits(&client).await {
            Ok(true) => Ok(Live::new(client, notes, trace.address, connected.held)),
            Ok(false) => Err(SampleOutcome::Expectation),
            Err(_) => Err(notes.outcome(false).unwrap_or(SampleOutcome::Expectation)),
        }
    }
}

async fn send<T>(
    live: &Live<Client>,
    reused: bool,
    trace: &mut Trace,
    most: u64,
    ask: impl AsyncFnOnce(&Client) -> Result<T, Error>,
) -> Result<T, SampleOutcome> {
    trace.stage = Stage::Waiting;
    trace.reused = reused;
    live.notes.allow(most);
    let answer = ask(&live.client).await;
    live.notes.allow(LARGEST);
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
