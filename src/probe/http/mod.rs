//! The `http` probe. It drives HTTP/1.1 connections itself: a pooled client would reuse, retry and hide what happened.

mod exchange;
mod expect;
mod failure;
mod link;
mod pool;
mod prepare;
mod proxy;
mod tls;
mod wire;

use std::rc::Rc;

use http::{HeaderName, HeaderValue, Request};
use tokio_rustls::TlsConnector;

pub use exchange::{Ear, Exchanged};
pub use expect::{Expect, fill_json};
pub use link::{Body, Link};
pub use prepare::PreparedHttp;

use crate::{
    model::{
        probe::{Connections, NameModel},
        sample::{Policy, SampleOutcome},
    },
    probe::{
        address::Destination,
        connect::connect,
        draw::{Purpose, draw, pick},
        pacer::Shared,
        stage::{Stage, Trace},
    },
};
use pool::Pool;
use wire::Socket;

/// An `http` probe on the pacing thread.
pub struct HttpKind {
    connections: Connections,
    /// The request as a new visitor sends it, who closes the connection.
    request_new: Request<Body>,
    /// The request as it is sent on a connection that is kept.
    request_kept: Request<Body>,
    /// Where connections go: the host, or the proxy.
    destination: Destination,
    names: NameModel,
    /// One for all, or one per pinned address.
    pools: Vec<Pool>,
    tls: Option<Tls>,
    expect: Expect,
    unreachable: bool,
    body_limit: u64,
    backend_header: Option<HeaderName>,
    zone_header: Option<HeaderName>,
    /// The header that carries each request's number.
    number_header: Option<HeaderName>,
}

/// What a connection does before it speaks HTTP to the host.
struct Tls {
    connector: TlsConnector,
    server: rustls::pki_types::ServerName<'static>,
    /// Asks a proxy for a tunnel first.
    tunnel: Option<Vec<u8>>,
}

impl HttpKind {
    /// Whether the probe expects a closed door.
    pub fn must_be_closed(&self) -> bool {
        self.unreachable
    }

    /// The request as it is sent on a kept connection, or by one who closes it.
    pub fn request(&self, keep: bool) -> Request<Body> {
        if keep { self.request_kept.clone() } else { self.request_new.clone() }
    }

    /// What an answer must be.
    pub fn expect(&self) -> &Expect {
        &self.expect
    }

    /// One request, as the user's draw says.
    pub async fn attempt(&self, shared: &Rc<Shared>, trace: &mut Trace) -> SampleOutcome {
        let bits = |purpose| draw(shared.seed, trace.due.probe, trace.due.number, purpose);
        trace.policy = match self.connections {
            Connections::New => Policy::New,
            Connections::Both if bits(Purpose::Policy) & 1 == 0 => Policy::New,
            Connections::KeepAlive | Connections::Both => Policy::KeepAlive,
        };
        let (address, connection) = (bits(Purpose::Address), bits(Purpose::Connection));
        if self.unreachable {
            trace.policy = Policy::New;
            return match connect(shared, &self.destination, address, trace).await {
                Ok(_) => SampleOutcome::Expectation,
                Err(why) => why,
            };
        }
        if trace.policy == Policy::New {
            return match self.open(shared, address, trace).await {
                Ok(link) => self.fresh(shared, link, self.numbered(&self.request_new, trace), trace).await.0,
                Err(failed) => failed,
            };
        }
        let pool = &self.pools[pick(address, self.pools.len())];
        while let Some(link) = pool.take(connection) {
            trace.address = link.address;
            trace.stage = Stage::Waiting;
            match self.exchange(shared, link, self.numbered(&self.request_kept, trace), None, trace).await {
                Exchanged::Done(outcome, link) => {
                    if let Some(link) = link {
                        pool.put(link);
                    }
                    return outcome;
                }
                // Its end had arrived before the request left: a browser takes another connection.
                Exchanged::NeverSent => {}
            }
        }
        trace.reused = false;
        match self.open(shared, address, trace).await {
            Ok(mut link) => {
                pool.join(&mut link);
                let (outcome, link) = self.fresh(shared, link, self.numbered(&self.request_kept, trace), trace).await;
                if let Some(link) = link {
                    pool.put(link);
                }
                outcome
            }
            Err(failed) => failed,
        }
    }

    /// The same request once more on a new connection, as a browser does in silence.
    pub async fn retry(&self, shared: &Rc<Shared>, trace: &mut Trace) -> SampleOutcome {
        // A user who cached one address tries that one again.
        let purpose = if self.names == NameModel::Pinned { Purpose::Address } else { Purpose::RetryAddress };
        let bits = draw(shared.seed, trace.due.probe, trace.due.number, purpose);
        match self.open(shared, bits, trace).await {
            // Without its number: the system's logs tell it from the request itself.
            Ok(link) => self.fresh(shared, link, self.request_new.clone(), trace).await.0,
            Err(failed) => failed,
        }
    }

    /// The request with its number in it, where the probe names a header for that.
    fn numbered(&self, request: &Request<Body>, trace: &Trace) -> Request<Body> {
        let mut request = request.clone();
        if let Some(name) = &self.number_header {
            request.headers_mut().insert(name, HeaderValue::from(trace.due.number));
        }
        request
    }

    async fn fresh(&self, shared: &Rc<Shared>, link: Link, request: Request<Body>, trace: &mut Trace) -> (SampleOutcome, Option<Link>) {
        match self.exchange(shared, link, request, None, trace).await {
            Exchanged::Done(outcome, link) => (outcome, link),
            Exchanged::NeverSent => (SampleOutcome::EofNew, None),
        }
    }

    /// A new connection: name, TCP, proxy, TLS.
    pub async fn open(&self, shared: &Rc<Shared>, bits: u64, trace: &mut Trace) -> Result<Link, SampleOutcome> {
        let connected = connect(shared, &self.destination, bits, trace).await?;
        let socket = match &self.tls {
            None => Socket::Plain(connected.stream),
            Some(tls) => {
                let mut stream = connected.stream;
                if let Some(tunnel) = &tls.tunnel {
                    trace.stage = Stage::Waiting;
                    proxy::open_tunnel(&mut stream, tunnel, trace).await?;
                }
                trace.stage = Stage::Securing;
                // Whatever ends a handshake, a bad certificate or a closed connection: the user sees that TLS failed.
                let secured = tls.connector.connect(tls.server.clone(), stream).await.map_err(|_| SampleOutcome::Tls)?;
                Socket::Tls(Box::new(secured))
            }
        };
        trace.connected();
        Link::new(socket, connected.held, trace.address).await.map_err(|_| SampleOutcome::SendFailed)
    }
}
