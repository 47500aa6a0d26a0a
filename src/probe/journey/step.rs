//! A step made ready: what is the same for all users is made once, and the rest for each request.

use std::time::Duration;

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Request, Uri,
    header::{CONTENT_TYPE, COOKIE},
};
use http_body_util::Full;
use url::Url;

use crate::{
    model::{
        journey::{JourneyProbe, JourneyStep, StepBody},
        probe::{Connections, HttpProbe, NameModel, NameModels, Text},
        template::{Piece, escape, fill, names, pieces},
    },
    probe::{
        http::{Body, Expect, HttpKind, PreparedHttp, fill_json},
        journey::{capture::Finder, jar::Jar},
        secret::resolve,
    },
};

/// A step that may still move to the pacing thread.
pub struct PreparedStep {
    http: PreparedHttp,
    parts: Parts,
}

/// A step on the pacing thread.
pub struct Step {
    /// Connects, sends and reads. Its own request has neither path nor body.
    pub http: HttpKind,
    /// What the users do with it.
    pub parts: Parts,
}

/// All of a step that is bound to no thread.
pub struct Parts {
    /// As the file has it.
    pub spec: JourneyStep,
    /// `http://host:port`, the same for all users.
    pub origin: String,
    /// What is behind it: a template.
    path: String,
    /// Headers with values of their own for each user: templates.
    headers: Vec<(HeaderName, String)>,
    body: Content,
    /// Whether the expectation differs from user to user.
    expects_names: bool,
    /// What is taken from the answer.
    pub captures: Vec<(String, Finder)>,
}

/// The body, as templates; a secret is a text without names.
enum Content {
    None,
    Form(Vec<(String, String)>),
    Json(serde_json::Value),
    Text(String),
}

impl PreparedStep {
    /// Words for the user when the step cannot be sent.
    pub fn new(journey: &JourneyProbe, spec: &JourneyStep, timeout: Duration) -> Result<Self, String> {
        let at = |problem: String| format!("step `{}`: {problem}", spec.name);
        let (origin, path) = split(&spec.url).ok_or_else(|| at(format!("its URL names no host: `{}`", spec.url)))?;
        let fixed = |text: &Text| !matches!(text, Text::Plain(text) if names(text).next().is_some());
        let mut headers = Vec::new();
        for (name, text) in spec.headers.iter().filter(|(_, text)| !fixed(text)) {
            let key = HeaderName::try_from(name.as_str()).map_err(|_| at(format!("`{name}` is not a header's name")))?;
            headers.push((key, template(text, name).map_err(at)?));
        }
        let http = HttpProbe {
            url: format!("{origin}/"),
            method: spec.method.clone(),
            headers: spec.headers.iter().filter(|(_, text)| fixed(text)).map(|(name, text)| (name.clone(), unescaped(text))).collect(),
            body: None,
            connections: Connections::Both,
            names: NameModels::One(NameModel::EachConnection),
            resolver: None,
            addresses: Vec::new(),
            expect: spec.expect.clone(),
            body_limit: journey.body_limit,
            served_by: journey.served_by.clone(),
            number_header: None,
            tls: journey.tls.clone(),
            proxy: None,
        };
        let captures = spec.capture.iter().map(|(name, capture)| Ok((name.clone(), Finder::new(capture)?)));
        let parts = Parts {
            origin: origin.to_owned(),
            path: path.to_owned(),
            headers,
            body: match &spec.body {
                None => Content::None,
                Some(StepBody::Form(fields)) => {
                    let fields = fields.iter().map(|(name, text)| Ok((name.clone(), template(text, &format!("field `{name}`"))?)));
                    Content::Form(fields.collect::<Result<_, String>>().map_err(at)?)
                }
                Some(StepBody::Json(value)) => Content::Json(value.clone()),
                Some(StepBody::Text(text)) => Content::Text(template(text, "body").map_err(at)?),
            },
            // Where there is no name, there may still be an escape.
            expects_names: expectation_texts(spec).iter().any(|text| text.contains("${")),
            captures: captures.collect::<Result<_, String>>().map_err(at)?,
            spec: spec.clone(),
        };
        let step = Self { http: PreparedHttp::new(&http, 1.0, timeout).map_err(at)?, parts };
        step.parts.uri(&|_| "1".to_owned()).map_err(at)?;
        Ok(step)
    }

    /// The step on the pacing thread.
    pub fn into_step(self) -> Step {
        Step { http: self.http.into_kind(), parts: self.parts }
    }
}

impl Step {
    /// The request of one user, and its URL.
    pub fn request(&self, value: &dyn Fn(&str) -> String, jar: &Jar, keep: bool) -> (Request<Body>, Url) {
        let mut request = self.http.request(keep);
        // What could be sent with other values can be sent with these: they are encoded.
        let uri = self.parts.uri(value).unwrap_or_else(|_| Uri::from_static("/"));
        let url = Url::parse(&format!("{}{uri}", self.parts.origin)).or_else(|_| Url::parse(&self.parts.origin));
        let url = url.unwrap_or_else(|_| unreachable!("`{}` was read as a URL before", self.parts.origin));
        *request.uri_mut() = uri;
        let (body, kind) = self.parts.content(value);
        *request.body_mut() = Full::new(body);
        let headers = request.headers_mut();
        for (name, template) in &self.parts.headers {
            if let Ok(value) = HeaderValue::try_from(fill(template, |name| visible_ascii(&value(name)))) {
                headers.insert(name, value);
            }
        }
        if let (Some(kind), false) = (kind, headers.contains_key(CONTENT_TYPE)) {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        if let Some(cookies) = jar.header(&url) {
            // A cookie that the file gives comes first; there is one header.
            let both = headers.get(COOKIE).map(|given| [given.as_bytes(), b"; ", cookies.as_bytes()].concat());
            headers.insert(COOKIE, both.and_then(|both| HeaderValue::try_from(both).ok()).unwrap_or(cookies));
        }
        (request, url)
    }

    /// What this user's answer must be, where that is not the same for all.
    pub fn expect(&self, value: &dyn Fn(&str) -> String) -> Option<Expect> {
        self.parts.expects_names.then(|| self.http.expect().filled(&|text| fill(text, value)))
    }
}

impl Parts {
    /// Path and query with a user's values.
    fn uri(&self, value: &dyn Fn(&str) -> String) -> Result<Uri, String> {
        let mut out = String::new();
        for piece in pieces(&self.path) {
            match piece {
                Piece::Text(text) => out.push_str(text),
                // The whole path, as a `Location` gives it: its signs are meant.
                Piece::Var(name) if out == "/" => {
                    let value = value(name);
                    let path = value.strip_prefix(&self.origin).unwrap_or(&value);
                    encode(&mut out, path.trim_start_matches('/'), b"-._~/?&=%:@!$'()*+,;");
                }
                Piece::Var(name) => encode(&mut out, &value(name), b"-._~"),
                Piece::Open => {}
            }
        }
        if !out.starts_with('/') {
            out.insert(0, '/');
        }
        out.parse().map_err(|error| format!("the path of the URL cannot be sent: {error}"))
    }

    fn content(&self, value: &dyn Fn(&str) -> String) -> (Bytes, Option<&'static str>) {
        match &self.body {
            Content::None => (Bytes::new(), None),
            Content::Form(fields) => {
                let mut form = url::form_urlencoded::Serializer::new(String::new());
                form.extend_pairs(fields.iter().map(|(name, text)| (name, fill(text, value))));
                (Bytes::from(form.finish()), Some("application/x-www-form-urlencoded"))
            }
            Content::Json(template) => {
                let mut json = template.clone();
                fill_json(&mut json, &|text| fill(text, value));
                (Bytes::from(json.to_string()), Some("application/json"))
            }
            Content::Text(text) => (Bytes::from(fill(text, value)), None),
        }
    }

    /// Whether the answer's body is looked at beside the expectation.
    pub fn captures_body(&self) -> bool {
        self.captures.iter().any(|(_, finder)| finder.needs_body())
    }
}

/// Origin, and path with query.
fn split(url: &str) -> Option<(&str, &str)> {
    let host = url.find("://")? + 3;
    let end = url[host..].find(['/', '?', '$']).map_or(url.len(), |at| host + at);
    (end > host).then(|| url.split_at(end))
}

/// A text as a template: a secret has no names, whatever it looks like.
fn template(text: &Text, what: &str) -> Result<String, String> {
    match text {
        Text::Plain(text) => Ok(text.clone()),
        secret => Ok(escape(&resolve(secret, what)?)),
    }
}

/// A text without names as it is meant.
fn unescaped(text: &Text) -> Text {
    if let Text::Plain(text) = text { Text::Plain(fill(text, |_| String::new())) } else { text.clone() }
}

fn expectation_texts(spec: &JourneyStep) -> Vec<String> {
    let expect = &spec.expect;
    let json = expect.json.values().map(serde_json::Value::to_string);
    expect.headers.values().cloned().chain(expect.body_contains.clone()).chain(json).collect()
}

/// Writes a text with all bytes but letters, digits and `plain` as `%41`.
fn encode(out: &mut String, text: &str, plain: &[u8]) {
    use std::fmt::Write as _;
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// A value that fits into a header, whatever an answer put into it.
fn visible_ascii(text: &str) -> String {
    let mut out = String::new();
    let visible: Vec<u8> = (b' '..=b'~').collect();
    encode(&mut out, text, &visible);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(path: &str, value: &str) -> String {
        let spec = JourneyStep {
            name: "x".to_owned(),
            method: "GET".to_owned(),
            url: format!("http://shop.example:81{path}"),
            headers: Vec::new(),
            body: None,
            expect: crate::model::probe::HttpExpect::default(),
            capture: std::collections::BTreeMap::new(),
            think: None,
            state_lost: false,
            log_in: false,
            repeat: crate::model::journey::Repeat::Once,
            service: None,
        };
        let (origin, path) = split(&spec.url).unwrap();
        let (origin, path) = (origin.to_owned(), path.to_owned());
        let parts = Parts { origin, path, headers: vec![], body: Content::None, expects_names: false, captures: vec![], spec };
        parts.uri(&|_| value.to_owned()).unwrap().to_string()
    }

    #[test]
    fn a_value_never_leaves_its_place_in_a_url() {
        assert_eq!(
            uri("/items/${id}?q=${id}", "a b/../c?d=e&f#g\r\n%"),
            "/items/a%20b%2F..%2Fc%3Fd%3De%26f%23g%0D%0A%25?q=a%20b%2F..%2Fc%3Fd%3De%26f%23g%0D%0A%25"
        );
        for (value, path) in [
            ("/orders/7?new=1", "/orders/7?new=1"),
            ("http://shop.example:81/orders/7", "/orders/7"),
            ("http://evil.example/", "/http://evil.example/"),
            ("//evil.example/", "/evil.example/"),
            ("@evil.example/\r\nx: y", "/@evil.example/%0D%0Ax:%20y"),
        ] {
            assert_eq!(uri("/${next}", value), path);
        }
        assert_eq!((uri("", ""), uri("?a=${x}", "1")), ("/".to_owned(), "/?a=1".to_owned()));
        assert_eq!(visible_ascii("a\r\nb é~"), "a%0D%0Ab %C3%A9~");
    }
}
