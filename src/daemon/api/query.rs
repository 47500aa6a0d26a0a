//! What clients send and are sent, in one shape each: parameters, bodies, JSON.

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, Response, StatusCode, Uri, header},
};
use serde::{Serialize, de::DeserializeOwned};

use super::problem::Problem;
use crate::{
    redact,
    report::words::{self, visible},
};

/// The parameters of a request, each known and given once.
pub struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Of an address, when only these are there.
    ///
    /// # Errors
    /// When another one is there, or one twice.
    pub fn of(uri: &Uri, known: &[&str]) -> Result<Self, Problem> {
        let pairs: Vec<(String, String)> = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        for (at, (name, _)) in pairs.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                let known = if known.is_empty() {
                    "none".to_owned()
                } else {
                    known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
                };
                return Err(Problem::bad(format!("there is no parameter `{}`; known here: {known}", visible(name))));
            }
            if pairs[..at].iter().any(|(other, _)| other == name) {
                return Err(Problem::bad(format!("`{}` is given twice", visible(name))));
            }
        }
        Ok(Self { pairs })
    }

    /// The text of a parameter.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// The number of a parameter, in its bounds.
    ///
    /// # Errors
    /// When it is none, or out of them.
    pub fn number(&self, name: &str, usual: u64, bounds: std::ops::RangeInclusive<u64>) -> Result<u64, Problem> {
        let Some(text) = self.text(name) else { return Ok(usual) };
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|number| digits && bounds.contains(number)).ok_or_else(|| {
            Problem::bad(format!("`{name}` is a whole number from {} to {}, and not `{}`", bounds.start(), bounds.end(), visible(text)))
        })
    }
}

/// The JSON of a body.
///
/// # Errors
/// When it is something else.
pub fn body<T: DeserializeOwned>(headers: &HeaderMap, body: &Bytes) -> Result<T, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "a body of `Content-Type: application/json` is expected"));
    }
    serde_json::from_slice(body).map_err(|error| Problem::bad(format!("the body cannot be understood: {}", visible(&error.to_string()))))
}

/// An answer in JSON, without secrets.
pub fn json<T: Serialize>(value: &T) -> Response<Body> {
    json_text(&redact::json(value))
}

/// The same with another status.
pub fn json_with<T: Serialize>(code: StatusCode, value: &T) -> Response<Body> {
    let mut response = json(value);
    *response.status_mut() = code;
    response
}

/// JSON as it is.
pub fn json_value(value: &serde_json::Value) -> Response<Body> {
    json_text(&value.to_string())
}

fn json_text(text: &str) -> Response<Body> {
    typed("application/json", words::json(text).into_owned())
}

/// An answer of a type.
pub fn typed(kind: &'static str, text: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(text.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
