//! The `http` probe. It drives HTTP/1.1 connections itself: a pooled client would reuse, retry and hide what happened.

pub mod dial;
mod exchange;
mod expect;
mod failure;
mod link;
mod pool;
mod prepare;
mod proxy;
pub mod target;
pub mod tls;
pub mod wire;

use std::{net::SocketAddr, rc::Rc};

use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri};

pub use exchange::{Ear, Exchanged};
pub use expect::{Expect, fill_json};
pub use link::{Body, Link};
pub use prepare::PreparedHttp;

use crate::{
    model::{
        probe::Connections,
        sample::{Policy, SampleOutcome},
    },
    probe::{
        address::Way,
        connect::{connect, locate},
        draw::{Purpose, draw, pick},
        pacer::Shared,
        stage::{Stage, Trace},
    },
};
use dial::Tls;
use pool::Pools;

/// An `http` probe on the pacing thread.
pub struct HttpKind {
    connections: Connections,
    /// The request as a new visitor sends it, who closes the connection.
    request_new: Request<Body>,
    /// The request as it is sent on a connection that is kept.
    request_kept: Request<Body>,
    /// Where connections go, the host or the proxy: a way for each kind of user, with the connections that those keep.
    ways: Vec<(Way, Pools)>,
    tls: Option<Tls>,
    expect: Expect,
    unreachable: bool,
    body_limit: u64,
    backend_header: Option<HeaderName>,
    zone_header: Option<HeaderName>,
    /// The header that carries each request's number.
    number_header: Option<HeaderName>,
}

/// A request in place of the probe's own, to the same host, and what its answer must be.
pub struct Given {
    /// Path and query.
    pub uri: Uri,
    /// Headers beside the probe's own.
    pub headers: HeaderMap,
    /// The body.
    pub body: Body,
    /// In place of the probe's.
    pub expect: Expect,
    /// Whether the body of a right answer is wanted.
    pub wants_answer: bool,
    /// It.
    pub answer: Vec<u8>,
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
        self.ask(shared, trace, None).await
    }

    /// One request: the probe's own, or another one to the same host.
    pub async fn ask(&self, shared: &Rc<Shared>, trace: &mut Trace, mut given: Option<&mut Given>) -> SampleOutcome {
        let bits = |purpose| draw(shared.seed, trace.due.probe, trace.due.number, purpose);
        trace.policy = match self.connections {
            Connections::New => Policy::New,
            Connections::Both if bits(Purpose::Policy) & 1 == 0 => Policy::New,
            Connections::KeepAlive | Connections::Both => Policy::KeepAlive,
        };
        if self.expect.threshold.is_some() {
            trace.policy = Policy::None;
        }
        let (way, pools) = self.way(shared, trace);
        trace.names = way.told;
        let (address, connection) = (bits(Purpose::Address), bits(Purpose::Connection));
        if self.unreachable {
            trace.policy = Policy::New;
            return match connect(shared, &way.destination, address, trace).await {
                Ok(_) => SampleOutcome::Expectation,
                Err(why) => why,
            };
        }
        if trace.policy != Policy::KeepAlive {
            return match self.open(shared, way, None, address, trace).await {
                Ok(link) => self.fresh(shared, link, self.request_of(true, given.as_deref(), trace), given, trace).await.0,
                Err(failed) => failed,
            };
        }
        // One who keeps to an address has connections to that one only.
        let bound = if way.is_bound() {
            match locate(shared, &way.destination, address, trace).await {
                Ok(address) => Some(address),
                Err(failed) => return failed,
            }
        } else {
            None
        };
        let pool = pools.of(bound);
        while let Some(link) = pool.take(connection) {
            trace.address = link.address;
            trace.stage = Stage::Waiting;
            let request = self.request_of(false, given.as_deref(), trace);
            match self.exchanged(shared, link, request, given.as_deref_mut(), trace).await {
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
        match self.open(shared, way, bound, address, trace).await {
            Ok(mut link) => {
                pool.join(&mut link);
                let request = self.request_of(false, given.as_deref(), trace);
                let (outcome, link) = self.fresh(shared, link, request, given, trace).await;
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
        let (way, _) = self.way(shared, trace);
        // A user who keeps to one address tries that one again.
        let purpose = if way.is_bound() { Purpose::Address } else { Purpose::RetryAddress };
        let bits = draw(shared.seed, trace.due.probe, trace.due.number, purpose);
        match self.open(shared, way, None, bits, trace).await {
            // Without its number: the system's logs tell it from the request itself.
            Ok(link) => self.fresh(shared, link, self.request_new.clone(), None, trace).await.0,
            Err(failed) => failed,
        }
    }

    /// The way of the request's user.
    fn way(&self, shared: &Shared, trace: &Trace) -> &(Way, Pools) {
        let bits = draw(shared.seed, trace.due.probe, trace.due.number, Purpose::Names);
        &self.ways[pick(bits, self.ways.len())]
    }

    /// The request as a new visitor sends it or as it goes on a kept connection, with its number in it where the probe names a header
    /// for that.
    fn request_of(&self, new: bool, given: Option<&Given>, trace: &Trace) -> Request<Body> {
        let own = if new { &self.request_new } else { &self.request_kept };
        let mut request = own.clone();
        if let Some(given) = given {
            *request.uri_mut() = given.uri.clone();
            *request.body_mut() = given.body.clone();
            request.headers_mut().extend(given.headers.clone());
        }
        if let Some(name) = &self.number_header {
            request.headers_mut().insert(name, HeaderValue::from(trace.due.number));
        }
        request
    }

    async fn fresh(
        &self,
        shared: &Rc<Shared>,
        link: Link,
        request: Request<Body>,
        given: Option<&mut Given>,
        trace: &mut Trace,
    ) -> (SampleOutcome, Option<Link>) {
        match self.exchanged(shared, link, request, given, trace).await {
            Exchanged::Done(outcome, link) => (outcome, link),
            Exchanged::NeverSent => (SampleOutcome::EofNew, None),
        }
    }

    /// An exchange; of a request that was given, the answer is held against its own expectation.
    async fn exchanged(
        &self,
        shared: &Rc<Shared>,
        link: Link,
        request: Request<Body>,
        given: Option<&mut Given>,
        trace: &mut Trace,
    ) -> Exchanged {
        let Some(given) = given else { return self.exchange(shared, link, request, None, trace).await };
        let mut ear = Ear { expect: &given.expect, on_head: &mut |_| {}, wants_body: given.wants_answer, body: Vec::new() };
        let done = self.exchange(shared, link, request, Some(&mut ear), trace).await;
        given.answer = ear.body;
        done
    }

    /// A new connection of a user who keeps to no address, for a request that is made elsewhere.
    pub async fn open_anew(&self, shared: &Rc<Shared>, bits: u64, trace: &mut Trace) -> Result<Link, SampleOutcome> {
        let (way, _) = self.way(shared, trace);
        self.open(shared, way, None, bits, trace).await
    }

    /// A new connection, to this address or to one that `bits` draw: name, TCP, proxy, TLS.
    async fn open(
        &self,
        shared: &Rc<Shared>,
        way: &Way,
        address: Option<SocketAddr>,
        bits: u64,
        trace: &mut Trace,
    ) -> Result<Link, SampleOutcome> {
        let (socket, held) = dial::dial(shared, &way.destination, address, bits, self.tls.as_ref(), trace).await?;
        Link::new(socket, held, trace.address).await.map_err(|_| SampleOutcome::SendFailed)
    }
}
