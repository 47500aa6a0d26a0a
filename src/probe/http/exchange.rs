//! One request on one connection: send, head, body to the bound, expectations.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    rc::Rc,
};

use http::HeaderMap;
use hyper::body::Body as _;
use hyper::{Request, Response, body::Incoming};

use crate::{
    clock,
    model::sample::{NameIndex, SampleOutcome},
    probe::{
        http::{
            Expect, HttpKind,
            failure::classify,
            link::{Body, LARGEST_HEAD, Link},
        },
        pacer::Shared,
        stage::Trace,
    },
};

/// What became of an exchange.
pub enum Exchanged {
    /// The request is over; the connection comes back if it can be used again.
    Done(SampleOutcome, Option<Link>),
    /// The connection had ended before a byte of the request was written: nothing happened yet.
    NeverSent,
}

/// Somebody who hears more of an answer than whether it was right.
pub struct Ear<'a> {
    /// What the answer must be, in place of the probe's own expectation.
    pub expect: &'a Expect,
    /// Is told the headers as soon as they are there, whatever becomes of the body.
    pub on_head: &'a mut dyn FnMut(&HeaderMap),
    /// Whether the body is wanted.
    pub wants_body: bool,
    /// The body of an answer that was right, if it was wanted.
    pub body: Vec<u8>,
}

impl HttpKind {
    /// Carries out one exchange.
    pub async fn exchange(
        &self,
        shared: &Rc<Shared>,
        mut link: Link,
        request: Request<Body>,
        mut ear: Option<&mut Ear<'_>>,
        trace: &mut Trace,
    ) -> Exchanged {
        let expect = ear.as_ref().map_or(&self.expect, |ear| ear.expect);
        let keeps = expect.needs_body() || ear.as_ref().is_some_and(|ear| ear.wants_body);
        let reused = link.used;
        link.used = true;
        link.notes().clear();
        // The library bounds a head, and not how many come before the one that counts. It reads ahead of the head by as much again.
        link.notes().most.set(Some(3 * LARGEST_HEAD as u64));
        trace.reused = reused;
        let answer = {
            let mut answer = pin!(link.sender.send_request(request));
            // The future borrows nothing of the link: the sender has handed the request over.
            poll_fn(|cx| link.poll_with(cx, |cx| answer.as_mut().poll(cx))).await
        };
        if let Some(at) = link.notes().first_byte.get() {
            trace.first_byte(at);
        }
        let response = match answer {
            Ok(response) => response,
            Err(_) if reused && link.notes().written.get() == 0 && link.notes().received.get() == 0 && link.notes().eof.get() => {
                return Exchanged::NeverSent;
            }
            Err(error) => return Exchanged::Done(classify(&error, link.notes(), reused, false), None),
        };
        // A chunk of one byte takes six.
        link.notes().most.set(Some(self.body_limit.saturating_mul(8).saturating_add(4 * LARGEST_HEAD as u64)));
        self.note_head(shared, &response, trace);
        if let Some(ear) = &mut ear {
            (ear.on_head)(response.headers());
        }
        let head = if expect.status_fits(trace.status) {
            expect.headers_fit(response.headers())
        } else {
            trace.certain = Some(SampleOutcome::Status);
            Err(SampleOutcome::Status)
        };
        let body = self.read_body(&mut link, response.into_body(), reused, keeps, trace).await;
        let outcome = match (head, &body) {
            (Err(wrong), _) => wrong,
            (Ok(()), Err(failed)) => *failed,
            (Ok(()), Ok(body)) if expect.body_fits(body) => SampleOutcome::Ok,
            (Ok(()), Ok(_)) => SampleOutcome::Expectation,
        };
        let whole = body.is_ok();
        if let (Some(ear), Ok(body), SampleOutcome::Ok) = (ear, body, outcome) {
            ear.body = body;
        }
        let again = whole && poll_fn(|cx| std::task::Poll::Ready(link.settle(cx))).await;
        Exchanged::Done(outcome, again.then_some(link))
    }

    fn note_head(&self, shared: &Shared, response: &Response<Incoming>, trace: &mut Trace) {
        if trace.first_byte_us == crate::model::sample::NEVER {
            trace.first_byte(clock::now());
        }
        trace.status = response.status().as_u16();
        let name = |header: &Option<http::HeaderName>| {
            let value = header.as_ref().and_then(|header| response.headers().get(header)).and_then(|value| value.to_str().ok());
            value.map_or(NameIndex(0), |value| shared.names.borrow_mut().index(value.trim()))
        };
        trace.backend = name(&self.backend_header);
        trace.zone = name(&self.zone_header);
    }

    /// The body, kept only where somebody looks at it. Answers the class when it does not end well.
    async fn read_body(
        &self,
        link: &mut Link,
        body: Incoming,
        reused: bool,
        keeps: bool,
        trace: &mut Trace,
    ) -> Result<Vec<u8>, SampleOutcome> {
        let mut kept = Vec::new();
        if body.size_hint().lower() > self.body_limit {
            return Err(SampleOutcome::TooLarge);
        }
        let mut body = pin!(body);
        loop {
            if body.is_end_stream() {
                return Ok(kept);
            }
            let frame = poll_fn(|cx| link.poll_with(cx, |cx| Pin::as_mut(&mut body).poll_frame(cx))).await;
            match frame {
                None => return Ok(kept),
                Some(Err(error)) => return Err(classify(&error, link.notes(), reused, true)),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        trace.bytes += data.len() as u64;
                        if trace.bytes > self.body_limit {
                            return Err(SampleOutcome::TooLarge);
                        }
                        if keeps {
                            kept.extend_from_slice(&data);
                        }
                    }
                }
            }
        }
    }
}
