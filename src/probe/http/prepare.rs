//! From the model's `http` probe to one that can be sent: everything that can be wrong is found here, before the start.

use std::time::Duration;

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Method, Request, Uri,
    header::{CONNECTION, HOST, TRANSFER_ENCODING, USER_AGENT},
};
use http_body_util::Full;

use crate::{
    model::probe::{HttpProbe, NameModel},
    probe::{
        address::{Destination, Host, Way},
        http::{
            Body, Expect, HttpKind, Pools, Tls,
            proxy::tunnel_request,
            target::{Target, header_value},
        },
        prometheus::Threshold,
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
    ways: Vec<Way>,
    tls: Option<Tls>,
    expect: Expect,
    backend_header: Option<HeaderName>,
    zone_header: Option<HeaderName>,
    number_header: Option<HeaderName>,
}

impl PreparedHttp {
    /// Words for the user when the probe cannot be sent.
    pub fn new(spec: &HttpProbe, rate: f64, timeout: Duration) -> Result<Self, String> {
        let url = Target::read(&spec.url, "the URL", &["http", "https"])?;
        let proxy = spec.proxy.as_deref().map(|text| Target::read(text, "the proxy", &["http"])).transpose()?;
        let request = request(spec, &url, proxy.is_some())?;
        let Target { host: name, port, .. } = proxy.as_ref().unwrap_or(&url);
        if let Some(proxy) = &proxy {
            // Names are the proxy's business; but an address that we are given to see is never a metadata service.
            Destination::new(&url.host, url.port, &spec.addresses, NameModel::EachConnection)?;
            if !spec.addresses.is_empty() {
                return Err(format!("`addresses` and `proxy` exclude each other: the proxy `{}` resolves the name", proxy.authority));
            }
        }
        let host = Host { name, port: *port, listed: &spec.addresses, resolver: spec.resolver, limit: timeout };
        let ways = Way::all(host, &spec.names)?;
        let mut tls = url.tls(&spec.tls)?;
        if let (Some(tls), Some(_)) = (&mut tls, &proxy) {
            tls.tunnel = Some(tunnel_request(&format!("{}:{}", url.bracketed(), url.port)));
        }
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
            ways,
            tls,
            expect: Expect::new(&spec.expect)?,
            backend_header: header(served_by.and_then(|by| by.header.as_ref()))?,
            zone_header: header(served_by.and_then(|by| by.zone_header.as_ref()))?,
            number_header,
            spec: spec.clone(),
        };
        Ok(Self { probe, rate })
    }

    /// With an expectation on the values of a monitoring system's answer. Its requests are all alike: no connection is kept.
    pub fn with_threshold(mut self, threshold: Threshold) -> Self {
        self.probe.expect.threshold = Some(threshold);
        self
    }

    /// The probe on the pacing thread.
    pub fn into_kind(self) -> HttpKind {
        let probe = self.probe;
        let mut request_new = probe.request.clone();
        // We are going to close it, so we say so: then the server closes first, and no port of ours stays in TIME_WAIT.
        request_new.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        let rate = self.rate / probe.ways.len() as f64;
        let pools = |way: &Way| match &way.destination {
            Destination::Fixed(list) => Pools::new(rate, list.len()),
            _ => Pools::new(rate, 1),
        };
        HttpKind {
            connections: probe.spec.connections,
            request_new,
            request_kept: probe.request,
            ways: probe.ways.into_iter().map(|way| (pools(&way), way)).map(|(pools, way)| (way, pools)).collect(),
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

fn request(spec: &HttpProbe, url: &Target, proxied: bool) -> Result<Request<Body>, String> {
    let method = Method::try_from(spec.method.as_str()).map_err(|_| format!("`{}` is not an HTTP method", spec.method))?;
    if method == Method::CONNECT {
        return Err("the method `CONNECT` is not a request to a host".to_owned());
    }
    let path = url.uri.path_and_query().map_or("/", |path| path.as_str());
    let uri: Uri = if proxied && !url.https { format!("http://{}{path}", url.host_header()) } else { path.to_owned() }
        .parse()
        .map_err(|error| format!("the path of the URL cannot be sent: {error}"))?;
    let mut headers = url.headers()?;
    for (name, text) in &spec.headers {
        let key = HeaderName::try_from(name.as_str()).map_err(|_| format!("`{name}` is not a header's name"))?;
        if key == CONNECTION || key == TRANSFER_ENCODING || key == http::header::CONTENT_LENGTH {
            return Err(format!("the header `{name}` is the probe's own business; `connections` says how connections are used"));
        }
        let value = header_value(name, text)?;
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
