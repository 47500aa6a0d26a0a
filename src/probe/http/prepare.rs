//! From the model's `http` probe to one that can be sent: everything that can be wrong is found here, before the start.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri,
    header::{CONNECTION, HOST, TRANSFER_ENCODING, USER_AGENT},
    uri::{Authority, Scheme},
};
use http_body_util::Full;
use rustls::pki_types::ServerName;

use crate::{
    model::probe::{HttpProbe, NameModel},
    probe::{
        address::Destination,
        http::{Body, Expect, HttpKind, Pool, Tls, proxy::tunnel_request, tls::connector},
        secret::resolve,
    },
};

/// An `http` probe, ready to move to the pacing thread.
pub struct PreparedHttp {
    probe: HttpKindParts,
    rate: f64,
}

/// All of `HttpKind` that is not bound to a thread: the pools are made there.
struct HttpKindParts {
    spec: HttpProbe,
    request: Request<Body>,
    destination: Destination,
    tls: Option<Tls>,
    expect: Expect,
    backend_header: Option<HeaderName>,
    zone_header: Option<HeaderName>,
    number_header: Option<HeaderName>,
}

impl PreparedHttp {
    /// Words for the user when the probe cannot be sent.
    pub fn new(spec: &HttpProbe, rate: f64) -> Result<Self, String> {
        let url = Target::read(&spec.url, "the URL", &["http", "https"])?;
        let proxy = spec.proxy.as_deref().map(|text| Target::read(text, "the proxy", &["http"])).transpose()?;
        let request = request(spec, &url, proxy.is_some())?;
        // With a proxy, names are its business; but an address that we are given to see is never a metadata service.
        let own =
            Destination::new(&url.host, url.port, &spec.addresses, if proxy.is_some() { NameModel::EachConnection } else { spec.names })?;
        let destination = match &proxy {
            Some(proxy) if !spec.addresses.is_empty() => {
                return Err(format!("`addresses` and `proxy` exclude each other: the proxy `{}` resolves the name", proxy.authority));
            }
            Some(proxy) => Destination::new(&proxy.host, proxy.port, &[], spec.names)?,
            None => own,
        };
        let tls = if url.https {
            let server =
                ServerName::try_from(url.host.clone()).map_err(|_| format!("`{}` cannot be the name of a TLS server", url.host))?;
            let tunnel = proxy.is_some().then(|| tunnel_request(&format!("{}:{}", url.bracketed(), url.port)));
            Some(Tls { connector: connector(&spec.tls)?, server, tunnel })
        } else {
            None
        };
        let header = |name: Option<&String>| {
            name.map(|name| HeaderName::try_from(name.as_str()).map_err(|_| format!("`{name}` is not a header's name"))).transpose()
        };
        let served_by = spec.served_by.as_ref();
        let number_header = header(spec.number_header.as_ref())?;
        if let Some(name) = number_header.as_ref().filter(|name| {
            request.headers().contains_key(*name) || [CONNECTION, TRANSFER_ENCODING, http::header::CONTENT_LENGTH].contains(*name)
        }) {
            return Err(format!(
                "`number-header`: the header `{name}` carries something else; take one of your own, like `x-request-number`"
            ));
        }
        let probe = HttpKindParts {
            request,
            destination,
            tls,
            expect: Expect::new(&spec.expect)?,
            backend_header: header(served_by.and_then(|by| by.header.as_ref()))?,
            zone_header: header(served_by.and_then(|by| by.zone_header.as_ref()))?,
            number_header,
            spec: spec.clone(),
        };
        Ok(Self { probe, rate })
    }

    /// The probe on the pacing thread.
    pub fn into_kind(self) -> HttpKind {
        let probe = self.probe;
        let mut request_new = probe.request.clone();
        // We are going to close it, so we say so: then the server closes first, and no port of ours stays in TIME_WAIT.
        request_new.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        let groups = match (&probe.destination, probe.spec.names) {
            (Destination::Fixed(list), NameModel::Pinned) => list.len(),
            _ => 1,
        };
        HttpKind {
            connections: probe.spec.connections,
            request_new,
            request_kept: probe.request,
            pools: (0..groups).map(|_| Pool::new(self.rate / groups as f64)).collect(),
            destination: probe.destination,
            names: probe.spec.names,
            tls: probe.tls,
            expect: probe.expect,
            unreachable: probe.spec.expect.unreachable,
            body_limit: probe.spec.body_limit,
            backend_header: probe.backend_header,
            zone_header: probe.zone_header,
            number_header: probe.number_header,
        }
    }
}

/// A URL, taken apart.
struct Target {
    uri: Uri,
    https: bool,
    authority: Authority,
    host: String,
    port: u16,
}

impl Target {
    fn read(text: &str, what: &str, schemes: &[&str]) -> Result<Self, String> {
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
        let https = uri.scheme() == Some(&Scheme::HTTPS);
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
    fn bracketed(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }

    /// The `Host` header: the port only where it is not the scheme's own.
    fn host_header(&self) -> String {
        let own = if self.https { 443 } else { 80 };
        if self.port == own { self.bracketed() } else { format!("{}:{}", self.bracketed(), self.port) }
    }
}

fn request(spec: &HttpProbe, url: &Target, proxied: bool) -> Result<Request<Body>, String> {
    let method = Method::try_from(spec.method.as_str()).map_err(|_| format!("`{}` is not an HTTP method", spec.method))?;
    if method == Method::CONNECT {
        return Err("the method `CONNECT` is not a request to a host".to_owned());
    }
    let path = url.uri.path_and_query().map_or("/", |path| path.as_str());
    let uri: Uri = if proxied && !url.https { format!("http://{}{path}", url.host_header()) } else { path.to_owned() }
        .parse()
        .map_err(|error| format!("the path of the URL cannot be sent: {error}"))?;
    let mut headers = HeaderMap::new();
    let host = HeaderValue::try_from(url.host_header()).map_err(|_| "the host cannot be sent in a header".to_owned())?;
    headers.insert(HOST, host);
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("firedrill/", env!("CARGO_PKG_VERSION"))));
    for (name, text) in &spec.headers {
        let key = HeaderName::try_from(name.as_str()).map_err(|_| format!("`{name}` is not a header's name"))?;
        if key == CONNECTION || key == TRANSFER_ENCODING || key == http::header::CONTENT_LENGTH {
            return Err(format!("the header `{name}` is the probe's own business; `connections` says how connections are used"));
        }
        let what = format!("header `{name}`");
        let mut value = HeaderValue::try_from(resolve(text, &what)?)
            .map_err(|_| format!("{what}: its value has characters that no header may have"))?;
        value.set_sensitive(true);
        if key == HOST || key == USER_AGENT {
            headers.insert(key, value);
        } else {
            headers.append(key, value);
        }
    }
    let body = match &spec.body {
        Some(text) => Bytes::from(resolve(text, "body")?),
        None => Bytes::new(),
    };
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    Ok(request)
}
