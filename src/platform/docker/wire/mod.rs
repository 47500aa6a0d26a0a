//! The wire to an engine. Ours instead of the client library's own transports: what kept a connection from coming about stays an
//! `io::Error` with its kind, so that the words can say what to do; it is known whether a request was ever sent; and TLS trusts the given
//! authority alone.

mod line;
mod trust;

use std::{io, sync::Arc};

use bollard::{BollardRequest, Docker, errors::Error};
use http::{Method, Request, Response, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::Value;

use self::line::{Lines, Unanswered};
use super::endpoint::Endpoint;
use crate::failpoint::{self, Fail};

/// The most of an answer: thousands of containers with all that is known of them.
const LARGEST: usize = 256 << 20;

/// No connection came about: nothing was asked.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NotConnected(#[source] pub(super) io::Error);

/// The way to one engine.
#[derive(Clone)]
pub(super) struct Wire(Arc<Lines>);

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Wire({})", self.0.address())
    }
}

impl Wire {
    /// Reads the certificates, if any; connects to nothing.
    pub(super) fn new(endpoint: &Endpoint) -> Result<Self, String> {
        Ok(Self(Arc::new(Lines::new(endpoint.address.clone(), trust::connector(endpoint)?))))
    }

    /// The client that talks over this wire. Its own limit is never the one that counts.
    pub(super) fn client(&self) -> Result<Docker, Error> {
        const LIMIT_SECONDS: u64 = 3600;
        let wire = self.clone();
        let send = move |request: BollardRequest| {
            let wire = wire.clone();
            async move { wire.send(request).await }
        };
        Docker::connect_with_custom_transport(send, Some("http://docker"), LIMIT_SECONDS, bollard::API_DEFAULT_VERSION)
    }

    /// Asks the engine in its own newest API, answer and request as they are: what this build has no name for is kept.
    pub(super) async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Error> {
        let bytes = body.map(serde_json::to_vec).transpose()?.unwrap_or_default();
        let request =
            Request::builder().method(method).uri(path).header(CONTENT_TYPE, "application/json").body(bollard::body_full(bytes.into()))?;
        let answer = self.send(request).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), LARGEST).collect().await;
        let bytes = body.map_err(io::Error::other)?.to_bytes();
        if !status.is_success() {
            let text = || String::from_utf8_lossy(&bytes).into_owned();
            let said = serde_json::from_slice::<Value>(&bytes).ok().and_then(|v| v.get("message")?.as_str().map(str::to_owned));
            return Err(Error::DockerResponseServerError { status_code: status.as_u16(), message: said.unwrap_or_else(text) });
        }
        if bytes.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_slice(&bytes)?) }
    }

    async fn send(&self, request: BollardRequest) -> Result<Response<Incoming>, Error> {
        let fail = if request.method() == Method::GET { None } else { failpoint::visit("engine") };
        failpoint::crash(fail, Fail::Before);
        if fail == Some(Fail::Io) {
            return Err(not_asked(NotConnected(io::Error::other("a fail point"))));
        }
        let answer = self.0.send(request).await;
        failpoint::crash(fail, Fail::After);
        if fail == Some(Fail::Lost) {
            return Err(io::Error::other("a fail point").into());
        }
        answer.map_err(|unanswered| match unanswered {
            Unanswered::NotAsked(why) => not_asked(why),
            Unanswered::Asked(error) => error.into(),
        })
    }
}

fn not_asked(why: NotConnected) -> Error {
    io::Error::other(why).into()
}

/// Why an engine refused our side of TLS. It tells that only after the handshake, when it is asked for something or about to be, and then
/// has not read it.
pub(super) fn turned_away(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let inner = error.downcast_ref::<io::Error>().and_then(|error| error.get_ref());
        if let Some(rustls::Error::AlertReceived(alert)) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return Some(format!("{alert:?}"));
        }
        // An `io::Error` hides what it was made from behind its own source.
        cause = inner.map(|inner| inner as &(dyn std::error::Error + 'static)).or_else(|| error.source());
    }
    None
}
