//! Connections to one engine.
//!
//! A request that changes something has a connection of its own: nothing that happened to an earlier request can touch it. A question may
//! use a connection that an earlier question left (over TLS a new one costs a handshake, and an act asks fifty questions right before it);
//! when the engine has closed that one meanwhile, the question is asked again on a new one.

use std::{
    io,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bollard::BollardRequest;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, Uri, header::HOST};
use hyper::{
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    sync::oneshot,
    task::JoinSet,
};
use tokio_rustls::TlsConnector;

use super::NotConnected;
use crate::{clock, model::time::Mono, platform::docker::endpoint::Address};

/// How long a connection may take to come about.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long a connection that ended may take to tell why.
const REASON_LIMIT: Duration = Duration::from_secs(1);
/// How long a connection is kept for the next question: for the many before an act, and not until somebody between us and the engine has
/// forgotten it without a word.
const KEPT_FOR: Duration = Duration::from_secs(5);
/// Connections that are kept for the next question.
const MOST_KEPT: usize = 64;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

type Body = <BollardRequest as Parts>::Body;

/// The type of the body of a request.
trait Parts {
    type Body;
}
impl<B> Parts for Request<B> {
    type Body = B;
}

/// Why no answer came.
pub(super) enum Unanswered {
    /// Nothing was asked.
    NotAsked(NotConnected),
    /// It was asked.
    Asked(hyper::Error),
}

impl From<io::Error> for Unanswered {
    fn from(error: io::Error) -> Self {
        Self::NotAsked(NotConnected(error))
    }
}

/// An open connection.
struct Line {
    sender: SendRequest<Body>,
    /// Why it ended, if it did not end well.
    ended: oneshot::Receiver<hyper::Error>,
    /// When it was asked last.
    asked: Mono,
}

/// The connections to one engine.
pub(super) struct Lines {
    address: Address,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    /// What drives the open ones; ended with this.
    driven: Mutex<JoinSet<()>>,
    /// Those that a question left, among them some whose answer is still being read.
    kept: Mutex<Vec<Line>>,
}

impl Lines {
    pub(super) fn new(address: Address, tls: Option<(TlsConnector, ServerName<'static>)>) -> Self {
        Self { address, tls, driven: Mutex::default(), kept: Mutex::default() }
    }

    /// Where they lead.
    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Sends a request; gives the head of its answer.
    pub(super) async fn send(&self, request: BollardRequest) -> Result<Response<Incoming>, Unanswered> {
        let mut request = self.addressed(request);
        let question = request.method() == Method::GET;
        while question && let Some(mut line) = self.idle() {
            let again = copy(&request);
            if let Ok(answer) = line.sender.try_send_request(request).await {
                self.keep(line);
                return Ok(answer);
            }
            request = again;
        }
        let mut line = self.open().await?;
        match line.sender.try_send_request(request).await {
            Ok(answer) => {
                if question {
                    self.keep(line);
                }
                Ok(answer)
            }
            // The request came back: it never left. The connection knows why it ended; an engine that does not let us in says so there.
            Err(unsent) if unsent.message().is_some() => {
                let reason = tokio::time::timeout(REASON_LIMIT, line.ended).await;
                let reason = reason.ok().and_then(Result::ok).unwrap_or_else(|| unsent.into_error());
                Err(io::Error::new(io::ErrorKind::ConnectionAborted, reason).into())
            }
            Err(error) => Err(Unanswered::Asked(error.into_error())),
        }
    }

    /// A connection that waits for a question.
    fn idle(&self) -> Option<Line> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|line| !line.sender.is_closed() && clock::now().since(line.asked) < KEPT_FOR);
        let free = kept.iter().position(|line| line.sender.is_ready())?;
        Some(kept.swap_remove(free))
    }

    fn keep(&self, mut line: Line) {
        line.asked = clock::now();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < MOST_KEPT {
            kept.push(line);
        }
    }

    async fn open(&self) -> Result<Line, Unanswered> {
        let stream = tokio::time::timeout(CONNECT_LIMIT, self.connect())
            .await
            .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {CONNECT_LIMIT:?}"))))?;
        let (sender, connection) = http1::Builder::new().handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        let (tell, ended) = oneshot::channel();
        let mut driven = self.driven.lock().unwrap_or_else(PoisonError::into_inner);
        while driven.try_join_next().is_some() {}
        driven.spawn(async move {
            // With upgrades, for commands in containers.
            if let Err(error) = connection.with_upgrades().await {
                let _ = tell.send(error);
            }
        });
        Ok(Line { sender, ended, asked: clock::now() })
    }

    async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        match &self.address {
            Address::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
            Address::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                match &self.tls {
                    None => Ok(Box::new(stream)),
                    Some((connector, name)) => Ok(Box::new(connector.connect(name.clone(), stream).await?)),
                }
            }
        }
    }

    /// The request as it goes over a connection: the path alone, and the engine's name beside it.
    fn addressed(&self, mut request: BollardRequest) -> BollardRequest {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        if let Ok(path) = path.parse::<Uri>() {
            *request.uri_mut() = path;
        }
        let host = match &self.address {
            Address::Unix(_) => "docker".to_owned(),
            tcp @ Address::Tcp { .. } => tcp.to_string().trim_start_matches("tcp://").to_owned(),
        };
        if let Ok(host) = HeaderValue::try_from(host) {
            request.headers_mut().insert(HOST, host);
        }
        request
    }
}

/// The same question: it has no body.
fn copy(question: &BollardRequest) -> BollardRequest {
    let mut copy = Request::new(bollard::body_full(Bytes::new()));
    copy.method_mut().clone_from(question.method());
    copy.uri_mut().clone_from(question.uri());
    copy.headers_mut().clone_from(question.headers());
    copy
}
