//! Values taken from answers. They come from the system, so they are bounded, and made safe where they are used.

use http::HeaderMap;
use regex_lite::Regex;
use url::Url;

use crate::{model::journey::Capture, probe::journey::jar::Jar};

/// The longest value, in bytes: a longer one counts as not found, since a part of a token is none.
const LONGEST: usize = 4096;

/// Where a value is found.
#[derive(Debug)]
pub enum Finder {
    /// In a header.
    Header(http::HeaderName),
    /// In the jar.
    Cookie(String),
    /// In the body, as JSON.
    Json(String),
    /// In the body, as text.
    Matches(Regex),
}

impl Finder {
    /// Words for the user when it makes no sense.
    pub fn new(capture: &Capture) -> Result<Self, String> {
        Ok(match capture {
            Capture::Header(name) => {
                Self::Header(http::HeaderName::try_from(name.as_str()).map_err(|_| format!("`{name}` is not a header's name"))?)
            }
            Capture::Cookie(name) => Self::Cookie(name.clone()),
            Capture::Json(pointer) => Self::Json(pointer.clone()),
            Capture::Matches(text) => {
                let regex = Regex::new(text).map_err(|error| format!("`{text}` in `capture` is not a regular expression: {error}"))?;
                Self::Matches(regex)
            }
        })
    }

    /// Whether it looks into the body.
    pub fn needs_body(&self) -> bool {
        matches!(self, Self::Json(_) | Self::Matches(_))
    }

    /// The value, when there is one.
    pub fn find(&self, headers: &HeaderMap, jar: &Jar, url: &Url, body: &[u8]) -> Option<String> {
        let found = match self {
            Self::Header(name) => headers.get(name)?.to_str().ok()?.to_owned(),
            Self::Cookie(name) => jar.value(name, url)?.to_owned(),
            Self::Json(pointer) => match serde_json::from_slice::<serde_json::Value>(body).ok()?.pointer(pointer)? {
                serde_json::Value::String(text) => text.clone(),
                value @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_)) => value.to_string(),
                _ => return None,
            },
            Self::Matches(regex) => regex.captures(&String::from_utf8_lossy(body))?.get(1)?.as_str().to_owned(),
        };
        (!found.is_empty() && found.len() <= LONGEST).then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(capture: &Capture, body: &str) -> Option<String> {
        let headers = HeaderMap::from_iter([(http::header::LOCATION, http::HeaderValue::from_static("/items/7"))]);
        let url = Url::parse("http://shop.example/").unwrap();
        let mut jar = Jar::default();
        jar.store(&HeaderMap::from_iter([(http::header::SET_COOKIE, http::HeaderValue::from_static("id=9"))]), &url);
        Finder::new(capture).unwrap().find(&headers, &jar, &url, body.as_bytes())
    }

    #[test]
    fn each_place_gives_its_value_or_none() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(find(&Capture::Header("location".to_owned()), ""), some("/items/7"));
        assert_eq!(find(&Capture::Header("x-none".to_owned()), ""), None);
        assert_eq!(find(&Capture::Cookie("id".to_owned()), ""), some("9"));
        assert_eq!(find(&Capture::Cookie("ID".to_owned()), ""), None);
        let json = |pointer: &str| find(&Capture::Json(pointer.to_owned()), r#"{"a":["x",7,true,null,{}]}"#);
        assert_eq!((json("/a/0"), json("/a/1"), json("/a/2")), (some("x"), some("7"), some("true")));
        assert_eq!((json("/a/3"), json("/a/4"), json("/b")), (None, None, None));
        let matches = |text: &str| find(&Capture::Matches("t=([a-z]*)".to_owned()), text);
        assert_eq!((matches("a t=xy b"), matches("t="), matches("none")), (some("xy"), None, None));
        assert_eq!(matches(&format!("t={}", "x".repeat(5000))), None, "too long");
    }
}
