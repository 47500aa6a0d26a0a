//! From the model's `websocket` probe to one that can be opened: everything that can be wrong is found here, before the start.

use std::time::Duration;

use http::{
    HeaderName, HeaderValue, Request,
    header::{CONNECTION, ORIGIN, SEC_WEBSOCKET_VERSION, UPGRADE},
};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::{
    model::protocol::{WebSocketExchange, WebSocketProbe},
    probe::{
        address::{Host, Way},
        http::{
            dial::Tls,
            target::{Target, header_value},
        },
        websocket::{WebSocketKind, place::Population},
    },
};

/// The population of a fast probe.
const MOST_USERS: usize = 16;
/// What is read ahead of messages.
const READ_AHEAD: usize = 16 * 1024;

/// A `websocket` probe, ready to move to the pacing thread.
pub struct PreparedWebSocket {
    /// The request that opens a connection, but for its key.
    pub request: Request<()>,
    /// How the users look names up.
    pub ways: Vec<Way>,
    /// TLS, if it is spoken.
    pub tls: Option<Tls>,
    /// The header that names the instance.
    pub backend_header: Option<HeaderName>,
    /// The header that names the zone.
    pub zone_header: Option<HeaderName>,
    /// What a request does on its connection.
    pub exchange: WebSocketExchange,
    /// How many connections are kept.
    pub sockets: usize,
    /// Bounds of messages.
    pub config: WebSocketConfig,
    /// The deadline of a request.
    pub timeout: Duration,
}

impl PreparedWebSocket {
    /// Words for the user when the probe cannot be sent.
    pub fn new(spec: &WebSocketProbe, rate: f64, timeout: Duration) -> Result<Self, String> {
        let url = Target::read(&spec.url, "the URL", &["ws", "wss"])?;
        let host = Host { name: &url.host, port: url.port, listed: &[], resolver: spec.resolver, limit: timeout };
        // As many as an HTTP probe of this rate keeps, when nothing is said.
        let sockets = spec.sockets.map_or_else(|| ((rate / 4.0) as usize).clamp(1, MOST_USERS), |n| (n as usize).max(1));
        let limit = usize::try_from(spec.message_limit).unwrap_or(usize::MAX);
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_AHEAD.min(limit.max(1024)))
            .write_buffer_size(0)
            .max_write_buffer_size(1 << 20)
            .max_message_size(Some(limit))
            .max_frame_size(Some(limit));
        Ok(Self {
            ways: Way::all(host, &spec.names)?,
            tls: url.tls(&spec.tls)?,
            request: request(spec, &url)?,
            backend_header: header(spec.served_by.as_ref().and_then(|by| by.header.as_ref()))?,
            zone_header: header(spec.served_by.as_ref().and_then(|by| by.zone_header.as_ref()))?,
            exchange: spec.exchange.clone(),
            sockets,
            config,
            timeout,
        })
    }

    /// The probe on the pacing thread.
    pub fn into_kind(self) -> WebSocketKind {
        WebSocketKind(Population::new(self))
    }
}

fn header(name: Option<&String>) -> Result<Option<HeaderName>, String> {
    name.map(|name| HeaderName::try_from(name.as_str()).map_err(|_| format!("`{name}` is not a header's name"))).transpose()
}

/// The request that opens a connection, but for its key.
fn request(spec: &WebSocketProbe, url: &Target) -> Result<Request<()>, String> {
    let mut request = Request::new(());
    *request.uri_mut() = url.uri.clone();
    let mut headers = url.headers()?;
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    if let Some(origin) = &spec.origin {
        headers.insert(ORIGIN, HeaderValue::try_from(origin).map_err(|_| "`origin` has characters that no header may have".to_owned())?);
    }
    for (name, text) in &spec.headers {
        let key = HeaderName::try_from(name.as_str()).map_err(|_| format!("`{name}` is not a header's name"))?;
        headers.insert(key, header_value(name, text)?);
    }
    *request.headers_mut() = headers;
    Ok(request)
}
