//! A backend as the balancer knows it.

use std::sync::atomic::AtomicBool;

use http::HeaderValue;
use tokio_util::sync::CancellationToken;

use super::{config_check::BadBackend, faults::Faults, pool::Pool, protocol::Backend};

/// A backend, from its addition to its removal (and on, until its last request has ended).
pub(super) struct Member {
    /// As configured.
    pub(super) backend: Backend,
    /// For `x-served-by`.
    pub(super) served_by: HeaderValue,
    /// For `x-zone`.
    pub(super) zone: HeaderValue,
    /// For requests without `Host`.
    pub(super) host: HeaderValue,
    /// For `set-cookie`, when the balancer is sticky.
    pub(super) cookie: Option<HeaderValue>,
    /// Written by its health checks only.
    pub(super) healthy: AtomicBool,
    /// It gets no new requests: somebody takes it out of service.
    pub(super) draining: AtomicBool,
    /// Ends its health checks, and keeps connections out of the pool.
    pub(super) removed: CancellationToken,
    /// What lies on the way to it.
    pub(super) faults: Faults,
    /// Connections that wait for a request.
    pub(super) idle: Pool,
}

impl Member {
    /// A backend that has not been checked yet. `sticky` is the cookie's name.
    pub(super) fn new(backend: Backend, sticky: Option<&str>) -> Result<Self, BadBackend> {
        let id = backend.id.as_str();
        let header = |what, text: &str| {
            HeaderValue::from_str(text).map_err(|_| BadBackend(format!("the {what} {text:?} of backend {id:?} does not fit into a header")))
        };
        if sticky.is_some() && !id.bytes().all(is_cookie_octet) {
            return Err(BadBackend(format!(
                "the id {id:?} does not fit into a cookie: no spaces, quotes, commas, semicolons or backslashes"
            )));
        }
        Ok(Self {
            served_by: header("id", id)?,
            zone: header("zone", backend.zone.as_str())?,
            host: header("address", &backend.address.to_string())?,
            cookie: sticky.map(|name| header("cookie", &format!("{name}={id}; Path=/; HttpOnly"))).transpose()?,
            healthy: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            removed: CancellationToken::new(),
            faults: Faults::none(id),
            idle: Pool::default(),
            backend,
        })
    }
}

/// What RFC 6265 allows in a cookie's value.
fn is_cookie_octet(b: u8) -> bool {
    matches!(b, 0x21 | 0x23..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e)
}
