//! One request on one connection: send, head, body to the bound, expectations.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    rc::Rc,
};

use hyper::body::Body as _;
use hyper::{Request, Response, body::Incoming};

use crate::{
    clock,
    model::sample::{NameIndex, SampleOutcome},
    probe::{
        http::{
            HttpKind,
            failure::classify,
            link::{Body, Link},
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

impl HttpKind {
    /// Carries out one exchange.
    pub async fn exchange(&self, shared: &Rc<Shared>, mut link: Link, request: Request<Body>, trace: &mut Trace) -> Exchanged {
        let reused = link.used;
        link.used = true;
        link.notes().clear();
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
        self.note_head(shared, &response, trace);
        let head = if self.expect.status_fits(trace.status) {
            self.expect.headers_fit(response.headers())
        } else {
            trace.certain = Some(SampleOutcome::Status);
            Err(SampleOutcome::Status)
        };
        let body = self.read_body(&mut link, response.into_body(), reused, trace).await;
        let outcome = match (head, &body) {
            (Err(wrong), _) => wrong,
            (Ok(()), Err(failed)) => *failed,
            (Ok(()), Ok(body)) if self.expect.body_fits(body) => SampleOutcome::Ok,
            (Ok(()), Ok(_)) => SampleOutcome::Expectation,
        };
        let again = body.is_ok() && poll_fn(|cx| std::task::Poll::Ready(link.settle(cx))).await;
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

    /// The body, kept only where an expectation looks at it. Answers the class when it does not end well.
    async fn read_body(&self, link: &mut Link, body: Incoming, reused: bool, trace: &mut Trace) -> Result<Vec<u8>, SampleOutcome> {
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
                        if self.expect.needs_body() {
                            kept.extend_from_slice(&data);
                        }
                    }
                }
            }
        }
    }
}
