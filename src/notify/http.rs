//! One HTTP request and whether it was taken. Nothing in an error shows the URL: it may be the secret.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinSet,
};
use tokio_rustls::TlsConnector;
use url::Url;

use crate::{model::probe::TlsSettings, probe};

/// The longest pause that a receiver may ask for, seconds: no message waits so long.
const LONGEST_PAUSE_S: u64 = 3_600;

/// Where requests go.
pub struct Endpoint {
    url: Url,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// Why something was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotTaken {
    /// Why.
    pub why: String,
    /// Whether the same may be taken later.
    pub again: bool,
    /// Not before so long.
    pub after: Option<Duration>,
}

impl NotTaken {
    /// What may be tried again.
    pub fn for_now(why: impl Into<String>) -> Self {
        Self { why: why.into(), again: true, after: None }
    }

    /// What will never be taken.
    pub fn for_good(why: impl Into<String>) -> Self {
        Self { why: why.into(), again: false, after: None }
    }
}

impl Endpoint {
    /// Reads a URL; the error does not show it.
    pub fn new(text: &str) -> Result<Self, String> {
        let url = Url::parse(text.trim()).map_err(|error| format!("it is not a URL: {error}"))?;
        let tls = match (url.scheme(), url.host_str()) {
            ("http", Some(_)) => None,
            ("https", Some(host)) => {
                let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
                let server = ServerName::try_from(bare).map_err(|_| "its host cannot be the name of a TLS server".to_owned())?;
                Some((probe::tls_connector(&TlsSettings::default(), Some(b"http/1.1"))?, server))
            }
            _ => return Err("it begins with neither `http://` nor `https://`".to_owned()),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err("it holds a user name or password: an `authorization` header takes their place".to_owned());
        }
        Ok(Self { url, tls })
    }

    /// The host, for people. The path may be a secret.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Sends one request; the caller bounds its time.
    pub async fn send(&self, method: &Method, headers: &HeaderMap, body: Bytes) -> Result<(), NotTaken> {
        let host = self.host().trim_start_matches('[').trim_end_matches(']');
        let port = self.url.port_or_known_default().unwrap_or(80);
        let stream = TcpStream::connect((host, port)).await.map_err(|error| NotTaken::for_now(format!("no connection: {error}")))?;
        let request = self.request(method, headers, body)?;
        match &self.tls {
            None => exchange(stream, request).await,
            Some((connector, server)) => {
                let stream = connector.connect(server.clone(), stream).await;
                exchange(stream.map_err(|error| NotTaken::for_now(format!("no TLS connection: {error}")))?, request).await
            }
        }
    }

    fn request(&self, method: &Method, headers: &HeaderMap, body: Bytes) -> Result<Request<Full<Bytes>>, NotTaken> {
        let path = match self.url.query() {
            Some(query) => format!("{}?{query}", self.url.path()),
            None => self.url.path().to_owned(),
        };
        let authority = match self.url.port() {
            Some(port) => format!("{}:{port}", self.host()),
            None => self.host().to_owned(),
        };
        let request = Request::builder().method(method).uri(path).header(header::HOST, authority);
        let mut request = request.body(Full::new(body)).map_err(|_| NotTaken::for_good("the request cannot be written"))?;
        let own = HeaderValue::from_static(concat!("firedrill/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().insert(header::USER_AGENT, own);
        for (name, value) in headers {
            request.headers_mut().insert(name, value.clone());
        }
        Ok(request)
    }
}

/// The most of an answer that is read: it is only there to be thrown away.
const ANSWER: usize = 64 * 1024;

async fn exchange(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, request: Request<Full<Bytes>>) -> Result<(), NotTaken> {
    let lost = |error: hyper::Error| NotTaken::for_now(format!("no answer: {error}"));
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(lost)?;
    // Ends with this call.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let mut answer = sender.send_request(request).await.map_err(lost)?;
    let mut read = 0;
    while let Some(Ok(frame)) = answer.frame().await {
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > ANSWER {
            break;
        }
    }
    judge(answer.status(), answer.headers())
}

/// What a status means. A redirection is not followed: it could lead a secret to somebody else.
fn judge(status: StatusCode, headers: &HeaderMap) -> Result<(), NotTaken> {
    if status.is_success() {
        return Ok(());
    }
    let again = status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
    let after = headers
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .map(|seconds: u64| Duration::from_secs(seconds.min(LONGEST_PAUSE_S)));
    Err(NotTaken { why: format!("it answered {status}"), again, after: after.filter(|_| again) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_tried_again_and_what_will_not_is_not() {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("7"));
        let of = |status: u16| judge(StatusCode::from_u16(status).unwrap(), &headers);
        assert_eq!(of(204), Ok(()));
        assert_eq!(of(429).unwrap_err().after, Some(Duration::from_secs(7)));
        let far = HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from_static("18446744073709551615"))]);
        let longest = Some(Duration::from_secs(LONGEST_PAUSE_S));
        assert_eq!(judge(StatusCode::SERVICE_UNAVAILABLE, &far).unwrap_err().after, longest, "no clock goes so far");
        assert!(of(503).unwrap_err().again && !of(404).unwrap_err().again && !of(302).unwrap_err().again);
        assert_eq!(of(404).unwrap_err().after, None);
    }

    #[test]
    fn an_error_about_a_url_does_not_show_it() {
        for bad in ["planted", "ftp://planted/x", "https://planted:planted@host/", "http://"] {
            let error = Endpoint::new(bad).err().unwrap();
            assert!(!error.contains("planted"), "{error}");
        }
        let endpoint = Endpoint::new("https://[::1]:8443/services/planted?x=1").unwrap();
        assert_eq!(endpoint.host(), "[::1]");
        let request = endpoint.request(&Method::POST, &HeaderMap::new(), Bytes::new()).unwrap();
        assert_eq!(
            (request.uri().to_string().as_str(), request.headers()["host"].as_bytes()),
            ("/services/planted?x=1", &b"[::1]:8443"[..])
        );
    }
}
