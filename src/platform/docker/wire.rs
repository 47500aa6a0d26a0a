//! A connection for each request. Ours instead of the client library's own transports: what kept a connection from coming about
//! stays an `io::Error` with its kind, so that the words can say what to do; and TLS trusts the given authority alone.

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bollard::{BollardRequest, Docker, errors::Error};
use http::{
    HeaderValue, Method, Request, Response, Uri,
    header::{CONTENT_TYPE, HOST},
};
use http_body_util::BodyExt;
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    task::JoinSet,
};
use tokio_rustls::TlsConnector;

use super::endpoint::{Address, Endpoint, Tls};

/// How long a connection may take to come about.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// No connection came about: nothing was asked.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NotConnected(pub(super) io::Error);

/// The way to one engine.
#[derive(Clone)]
pub(super) struct Wire(Arc<Inner>);

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Wire({})", self.0.address)
    }
}

struct Inner {
    address: Address,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    /// The open connections; ended with the last holder of this wire.
    open: Mutex<JoinSet<()>>,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Wire {
    /// Reads the certificates, if any; connects to nothing.
    pub(super) fn new(endpoint: &Endpoint) -> Result<Self, String> {
        let tls = match (&endpoint.tls, &endpoint.address) {
            (Some(tls), Address::Tcp { host, .. }) => {
                let name = ServerName::try_from(host.clone()).map_err(|_| format!("`{host}` cannot be the name of an engine"))?;
                Some((TlsConnector::from(Arc::new(trust(tls)?)), name))
            }
            _ => None,
        };
        Ok(Self(Arc::new(Inner { address: endpoint.address.clone(), tls, open: Mutex::default() })))
    }

    /// The client that talks over this wire. Its own limit is never the one that counts.
    pub(super) fn client(&self) -> Result<Docker, Error> {
        const LIMIT_SECONDS: u64 = 3600;
        let wire = Arc::clone(&self.0);
        let send = move |request: BollardRequest| {
            let inner = Arc::clone(&wire);
            async move { inner.send(request).await }
        };
        Docker::connect_with_custom_transport(send, Some("http://docker"), LIMIT_SECONDS, bollard::API_DEFAULT_VERSION)
    }
}

impl Wire {
    /// Asks the engine in its own newest API, answer and request as they are: what this build has no name for is kept.
    pub(super) async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Error> {
        let bytes = body.map(serde_json::to_vec).transpose()?.unwrap_or_default();
        let request =
            Request::builder().method(method).uri(path).header(CONTENT_TYPE, "application/json").body(bollard::body_full(bytes.into()))?;
        let answer = self.0.send(request).await?;
        let status = answer.status();
        let bytes = answer.into_body().collect().await?.to_bytes();
        if !status.is_success() {
            let text = || String::from_utf8_lossy(&bytes).into_owned();
            let said = serde_json::from_slice::<Value>(&bytes).ok().and_then(|v| v.get("message")?.as_str().map(str::to_owned));
            return Err(Error::DockerResponseServerError { status_code: status.as_u16(), message: said.unwrap_or_else(text) });
        }
        if bytes.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_slice(&bytes)?) }
    }
}

impl Inner {
    async fn send(&self, request: BollardRequest) -> Result<Response<Incoming>, Error> {
        let stream = tokio::time::timeout(CONNECT_LIMIT, self.connect())
            .await
            .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {CONNECT_LIMIT:?}"))))
            .map_err(|error| io::Error::other(NotConnected(error)))?;
        let (mut sender, connection) = http1::Builder::new().handshake(TokioIo::new(stream)).await?;
        {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            while open.try_join_next().is_some() {}
            open.spawn(async move {
                // A connection that breaks is told to the request that waits for it. With upgrades, for commands in containers.
                let _ = connection.with_upgrades().await;
            });
        }
        Ok(sender.send_request(self.addressed(request)).await?)
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

    /// The request as it goes over a connection of its own: the path alone, and the engine's name beside it.
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

fn trust(tls: &Tls) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    match &tls.ca {
        Some(path) => {
            let said = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| said(&error))?;
            }
        }
        None => {
            for certificate in rustls_native_certs::load_native_certs().certs {
                // The system's store may hold what this library does not take; the others still count.
                let _ = roots.add(certificate);
            }
        }
    }
    if roots.is_empty() {
        return Err("there is no authority to check the engine's certificate with: no ca.pem, and the system has none".to_owned());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?
        .with_root_certificates(roots);
    let Some((certificate, key)) = &tls.client else { return Ok(builder.with_no_client_auth()) };
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| format!("{}: {error}", key.display()))?;
    builder
        .with_client_auth_cert(certificates(certificate)?, secret)
        .map_err(|error| format!("{} and {} do not fit: {error}", certificate.display(), key.display()))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let said = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let all: Vec<_> =
        CertificateDer::pem_file_iter(path).map_err(|error| said(&error))?.collect::<Result<_, _>>().map_err(|error| said(&error))?;
    if all.is_empty() { Err(format!("{} holds no certificate", path.display())) } else { Ok(all) }
}
