//! Spans to a collector: OTLP over HTTP, as JSON, by the standard variables.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde_json::{Value as Json, json};
use tokio::time::{sleep, timeout};

use super::fold::attribute;
use crate::{notify::http::Endpoint, redact};

/// So many spans go into one request.
const BATCH: usize = 512;
/// So often a request is tried.
const TRIES: u32 = 3;
/// The longest that the specification's variable can make us wait.
const LONGEST: Duration = Duration::from_secs(20);

/// Where traces go, as the environment says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// The whole URL.
    pub url: String,
    /// Headers, by name.
    pub headers: Vec<(String, String)>,
    /// The longest time for one request.
    pub timeout: Duration,
    /// Attributes of the service that is us.
    pub resource: Vec<(String, String)>,
}

impl Settings {
    /// From variables; `None` when nothing says where traces go, or that there are to be none.
    ///
    /// # Errors
    /// When they ask for what there is not.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, String> {
        let get = |name: &str| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let traces = |name: &str| get(&format!("OTEL_EXPORTER_OTLP_TRACES_{name}")).or_else(|| get(&format!("OTEL_EXPORTER_OTLP_{name}")));
        if get("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
            || get("OTEL_TRACES_EXPORTER").as_deref() == Some("none")
        {
            return Ok(None);
        }
        let base = get("OTEL_EXPORTER_OTLP_ENDPOINT").map(|base| format!("{}/v1/traces", base.trim_end_matches('/')));
        let Some(url) = get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or(base) else { return Ok(None) };
        if traces("PROTOCOL").as_deref() == Some("grpc") {
            return Err("OTEL_EXPORTER_OTLP_PROTOCOL asks for grpc, and traces are sent by http/json only".to_owned());
        }
        let timeout = traces("TIMEOUT").and_then(|text| text.parse().ok()).map_or(Duration::from_secs(10), Duration::from_millis);
        let mut resource = pairs(&get("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default());
        if let Some(name) =
            get("OTEL_SERVICE_NAME").or_else(|| resource.iter().all(|(key, _)| key != "service.name").then(|| "firedrill".to_owned()))
        {
            resource.retain(|(key, _)| key != "service.name");
            resource.push(("service.name".to_owned(), name));
        }
        resource.push(("service.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()));
        Ok(Some(Self { url, headers: pairs(&traces("HEADERS").unwrap_or_default()), timeout: timeout.min(LONGEST), resource }))
    }
}

/// `a=b,c=d`, percent-encoded.
fn pairs(text: &str) -> Vec<(String, String)> {
    let pair = |part: &str| {
        let (key, value) = part.split_once('=')?;
        // A plus stands for itself here.
        let value =
            form_urlencoded::parse(format!("v={}", value.trim().replace('+', "%2B").replace('&', "%26")).as_bytes()).next()?.1.into_owned();
        Some((key.trim().to_owned(), value))
    };
    text.split(',').filter_map(pair).collect()
}

/// Sends spans.
pub struct Exporter {
    endpoint: Endpoint,
    headers: HeaderMap,
    settings: Settings,
}

impl Exporter {
    /// Gets ready. The headers' values are secrets from now on.
    ///
    /// # Errors
    /// When the URL or a header is none.
    pub fn new(settings: Settings) -> Result<Self, String> {
        let endpoint = Endpoint::new(&settings.url).map_err(|why| format!("OTEL_EXPORTER_OTLP_ENDPOINT: {why}"))?;
        let mut headers = HeaderMap::new();
        for (name, value) in &settings.headers {
            redact::keep(value);
            let bad = || format!("OTEL_EXPORTER_OTLP_HEADERS: the header `{name}` cannot be sent");
            let mut value = HeaderValue::try_from(value).map_err(|_| bad())?;
            value.set_sensitive(true);
            headers.insert(HeaderName::try_from(name.as_str()).map_err(|_| bad())?, value);
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(Self { endpoint, headers, settings })
    }

    /// Sends all of them. Blocking, for a bounded time.
    pub(super) fn send(&self, spans: &[Json]) -> Result<(), String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
        let sent = runtime.block_on(async { timeout(LONGEST, self.batches(spans)).await });
        sent.unwrap_or_else(|_| Err(format!("{} did not take the traces in time", self.endpoint.host())))
    }

    async fn batches(&self, spans: &[Json]) -> Result<(), String> {
        for batch in spans.chunks(BATCH) {
            let body = Bytes::from(self.request(batch).to_string());
            let mut tried = 0;
            loop {
                tried += 1;
                let answer = timeout(self.settings.timeout, self.endpoint.send(&Method::POST, &self.headers, body.clone())).await;
                let (why, pause) = match answer {
                    Ok(Ok(())) => break,
                    Ok(Err(not)) => (not.why, not.again.then(|| not.after.unwrap_or(Duration::from_secs(1)))),
                    Err(_) => ("no answer in time".to_owned(), Some(Duration::ZERO)),
                };
                match pause.filter(|_| tried < TRIES) {
                    Some(pause) => sleep(pause).await,
                    None => return Err(format!("{}: {why}", self.endpoint.host())),
                }
            }
        }
        Ok(())
    }

    fn request(&self, spans: &[Json]) -> Json {
        let resource: Vec<Json> = self.settings.resource.iter().map(|(key, value)| attribute(key, value)).collect();
        let scope = json!({ "name": "firedrill", "version": env!("CARGO_PKG_VERSION") });
        json!({ "resourceSpans": [{ "resource": { "attributes": resource }, "scopeSpans": [{ "scope": scope, "spans": spans }] }] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<Settings>, String> {
        Settings::read(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn the_standard_variables_say_where_traces_go() {
        assert_eq!(read(&[]), Ok(None));
        let settings = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20a+b, x-key = c"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,team=sre"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "500"),
        ]);
        let settings = settings.unwrap().unwrap();
        assert_eq!((settings.url.as_str(), settings.timeout), ("http://collector:4318/v1/traces", Duration::from_millis(500)));
        assert_eq!(settings.headers, pairs("authorization=Bearer a+b,x-key=c"));
        assert_eq!(settings.headers[0].1, "Bearer a+b");
        assert!(settings.resource.contains(&("service.name".to_owned(), "other".to_owned())));
        let exact = read(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c/x"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://d")]);
        assert_eq!(exact.unwrap().unwrap().url, "http://c/x");
        assert_eq!(read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c"), ("OTEL_SDK_DISABLED", "true")]), Ok(None));
        assert!(read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).is_err());
    }
}
