//! The body of an answer: the backend's, streamed, or a line of our own.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::{faults::CutOff, member::Member, pool::Lease};

/// An answer's body.
pub(super) enum Answer {
    /// From the backend.
    Streamed(Streamed),
    /// Our own.
    Text(Full<Bytes>),
}

/// A backend's body on its way to the client.
pub(super) struct Streamed {
    body: Incoming,
    member: Arc<Member>,
    /// Until the body ends; then the connection goes back.
    lease: Option<Lease>,
    /// Waiting for the end of a partition.
    held: Option<Waiting<Result<(), CutOff>>>,
    /// Waiting for a partition that refuses, while the backend is silent.
    cut: Option<Waiting<CutOff>>,
}

type Waiting<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Why a body broke off; the client sees its connection close.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    #[error("{0}")]
    Backend(#[from] hyper::Error),
    #[error("{0}")]
    CutOff(#[from] CutOff),
    #[error("{0}")]
    Never(#[from] Infallible),
}

impl Answer {
    /// The backend's body; the lease goes back when it ends.
    pub(super) fn streamed(body: Incoming, lease: Lease) -> Self {
        let mut streamed = Streamed { body, member: lease.member.clone(), lease: Some(lease), held: None, cut: None };
        streamed.give_back_at_end();
        Self::Streamed(streamed)
    }

    /// No body.
    pub(super) fn empty() -> Self {
        Self::Text(Full::default())
    }

    /// An answer of our own.
    pub(super) fn text(status: StatusCode, text: String) -> Response<Self> {
        let mut response = Response::new(Self::Text(Full::new(Bytes::from(text))));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/plain; charset=utf-8"));
        response
    }
}

impl Streamed {
    fn give_back_at_end(&mut self) {
        if self.body.is_end_stream()
            && let Some(lease) = self.lease.take()
        {
            lease.give_back();
        }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.held.is_none() && !self.member.faults.open() {
            let member = self.member.clone();
            self.held = Some(Box::pin(async move { member.faults.pass().await }));
        }
        if let Some(held) = &mut self.held {
            let passed = ready!(held.as_mut().poll(cx));
            self.held = None;
            if let Err(cut) = passed {
                self.lease = None;
                return Poll::Ready(Some(Err(cut.into())));
            }
        }
        let Poll::Ready(polled) = Pin::new(&mut self.body).poll_frame(cx) else {
            let cut = self.cut.get_or_insert_with(|| {
                let member = self.member.clone();
                Box::pin(async move { member.faults.cut().await })
            });
            let cut = ready!(cut.as_mut().poll(cx));
            self.cut = None;
            self.lease = None;
            return Poll::Ready(Some(Err(cut.into())));
        };
        match polled {
            Some(Ok(frame)) => {
                // hyper does not poll a body of known length to its `None`.
                self.give_back_at_end();
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => {
                self.lease = None;
                Poll::Ready(Some(Err(error.into())))
            }
            None => {
                if let Some(lease) = self.lease.take() {
                    lease.give_back();
                }
                Poll::Ready(None)
            }
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Streamed(streamed) => streamed.poll_frame(cx),
            Self::Text(text) => Pin::new(text).poll_frame(cx).map_err(Into::into),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Streamed(streamed) => streamed.body.is_end_stream(),
            Self::Text(text) => text.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Streamed(streamed) => streamed.body.size_hint(),
            Self::Text(text) => text.size_hint(),
        }
    }
}
