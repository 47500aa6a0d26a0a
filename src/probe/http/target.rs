//! A probe's URL, taken apart, and the headers that go to it.

use http::{
    HeaderMap, HeaderValue, Uri,
    header::{HOST, USER_AGENT},
    uri::Authority,
};
use rustls::pki_types::ServerName;

use crate::{
    model::probe::{Text, TlsSettings},
    probe::{
        http::{Tls, tls::connector},
        secret::resolve,
    },
};

/// A URL, taken apart.
pub struct Target {
    /// All of it.
    pub uri: Uri,
    /// Whether it is spoken under TLS.
    pub https: bool,
    /// Host and port as they are written.
    pub authority: Authority,
    /// The host, without brackets.
    pub host: String,
    /// The port, the scheme's own when none is written.
    pub port: u16,
}

impl Target {
    /// Reads a URL with one of these schemes; `what` is what it is called. Words for the user when it is none.
    pub fn read(text: &str, what: &str, schemes: &[&str]) -> Result<Self, String> {
        // A password may stand in a URL that cannot be used: it is not repeated.
        let shown = if text.contains('@') { "(it has an `@`, so it is not shown)".to_owned() } else { format!("`{text}`") };
        let uri: Uri = text.parse().map_err(|error| format!("{what} {shown} cannot be read: {error}"))?;
        let scheme = uri.scheme_str().unwrap_or_default();
        if !schemes.contains(&scheme) {
            return Err(format!(
                "{what} {shown} must begin with {}",
                schemes.iter().map(|s| format!("`{s}://`")).collect::<Vec<_>>().join(" or ")
            ));
        }
        let Some(authority) = uri.authority().cloned() else {
            return Err(format!("{what} {shown} names no host"));
        };
        if authority.as_str().contains('@') {
            return Err(format!("{what} has a user name in it; send an `authorization` header with a secret by reference in its place"));
        }
        let https = matches!(scheme, "https" | "wss");
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(format!("{what} {shown} names no host"));
        }
        let port = match authority.port_u16() {
            Some(0) => return Err(format!("{what} {shown} has port 0")),
            Some(port) => port,
            None if authority.as_str().len() > authority.host().len() + 1 => {
                return Err(format!("{what} {shown} has a port that is not a number up to 65535"));
            }
            None if https => 443,
            None => 80,
        };
        Ok(Self { uri, https, authority, host, port })
    }

    /// The host as it stands before a port.
    pub fn bracketed(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }

    /// The `Host` header: the port only where it is not the scheme's own.
    pub fn host_header(&self) -> String {
        let own = if self.https { 443 } else { 80 };
        if self.port == own { self.bracketed() } else { format!("{}:{}", self.bracketed(), self.port) }
    }

    /// The headers that every request to it has.
    pub fn headers(&self) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::new();
        let host = HeaderValue::try_from(self.host_header()).map_err(|_| "the host cannot be sent in a header".to_owned())?;
        headers.insert(HOST, host);
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("firedrill/", env!("CARGO_PKG_VERSION"))));
        Ok(headers)
    }

    /// The TLS side of a connection to it, if it has one.
    pub fn tls(&self, settings: &TlsSettings) -> Result<Option<Tls>, String> {
        if !self.https {
            return Ok(None);
        }
        let server = ServerName::try_from(self.host.clone()).map_err(|_| format!("`{}` cannot be the name of a TLS server", self.host))?;
        Ok(Some(Tls { connector: connector(settings, Some(b"http/1.1"))?, server, tunnel: None }))
    }
}

/// A header's value, which may be a secret: no log shows it.
pub fn header_value(name: &str, text: &Text) -> Result<HeaderValue, String> {
    let what = format!("header `{name}`");
    let mut value =
        HeaderValue::try_from(resolve(text, &what)?).map_err(|_| format!("{what}: its value has characters that no header may have"))?;
    value.set_sensitive(true);
    Ok(value)
}
