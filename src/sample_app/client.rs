//! HTTP for applications that ask each other: one request on a connection of its own, with one limit over everything.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// The largest answer that is read.
const LARGEST: usize = 1 << 20;

/// A request for a path.
pub fn request(method: Method, path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body.into()));
    *request.method_mut() = method;
    // A path that is no path asks for the root, which no caller here means: its answer says so.
    *request.uri_mut() = path.parse().unwrap_or_default();
    request
}

/// Asks `HOST:PORT`; the answer's status and body.
///
/// # Errors
/// In words: there was no answer within the limit, or a broken or too large one.
pub async fn ask(at: &str, request: Request<Full<Bytes>>, within: Duration) -> Result<(StatusCode, Bytes), String> {
    let asked = async {
        let (parts, body) = open(at, request).await?.into_parts();
        let body = Limited::new(body, LARGEST).collect().await.map_err(|error| format!("{at}: {error}"))?;
        Ok((parts.status, body.to_bytes()))
    };
    tokio::time::timeout(within, asked).await.unwrap_or_else(|_| Err(format!("{at}: no answer within {within:?}")))
}

/// As [`ask`], without a limit: the body comes piece by piece.
///
/// # Errors
/// In words: there was no answer.
pub async fn open(at: &str, mut request: Request<Full<Bytes>>) -> Result<Response<Incoming>, String> {
    let host = HeaderValue::from_str(at).map_err(|_| format!("{at:?} is no address"))?;
    request.headers_mut().insert(header::HOST, host);
    let stream = TcpStream::connect(at).await.map_err(|error| format!("{at}: {error}"))?;
    stream.set_nodelay(true).map_err(|error| format!("{at}: {error}"))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| format!("{at}: {error}"))?;
    // Ends with the answer's body, or when the answer is dropped.
    tokio_util::task::TaskTracker::new().spawn(connection);
    sender.send_request(request).await.map_err(|error| format!("{at}: {error}"))
}
