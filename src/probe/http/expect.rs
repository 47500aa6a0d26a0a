//! What an answer must be.

use http::{HeaderMap, HeaderName};
use regex_lite::Regex;

use crate::{
    model::{probe::HttpExpect, sample::SampleOutcome},
    probe::prometheus::Threshold,
};

/// Expectations, read and checked.
#[derive(Debug, Clone)]
pub struct Expect {
    status: Vec<u16>,
    headers: Vec<(HeaderName, String)>,
    contains: Option<String>,
    matches: Option<Regex>,
    json: Vec<(String, serde_json::Value)>,
    /// What a monitoring system's values must be.
    pub threshold: Option<Threshold>,
}

impl Expect {
    /// Words for the user when an expectation makes no sense.
    pub fn new(spec: &HttpExpect) -> Result<Self, String> {
        let mut headers = Vec::new();
        for (name, value) in &spec.headers {
            let name = HeaderName::try_from(name.as_str()).map_err(|_| format!("`{name}` in `expect` is not a header's name"))?;
            headers.push((name, value.clone()));
        }
        let matches = match &spec.body_matches {
            Some(text) => Some(Regex::new(text).map_err(|error| format!("`{text}` in `expect` is not a regular expression: {error}"))?),
            None => None,
        };
        if let Some(pointer) = spec.json.keys().find(|pointer| !pointer.is_empty() && !pointer.starts_with('/')) {
            return Err(format!("`{pointer}` in `expect` is not a JSON pointer; write it like `/status`"));
        }
        let json = spec.json.iter().map(|(pointer, value)| (pointer.clone(), value.clone())).collect();
        Ok(Self { status: spec.status.clone(), headers, contains: spec.body_contains.clone(), matches, json, threshold: None })
    }

    /// The same with its texts made by `fill`: those of headers and bodies, and those in JSON.
    #[must_use]
    pub fn filled(&self, fill: &dyn Fn(&str) -> String) -> Self {
        let mut out = self.clone();
        out.headers.iter_mut().for_each(|(_, value)| *value = fill(value));
        out.contains = out.contains.map(|text| fill(&text));
        out.json.iter_mut().for_each(|(_, value)| fill_json(value, fill));
        out
    }

    /// Whether the status is accepted.
    pub fn status_fits(&self, status: u16) -> bool {
        if self.status.is_empty() { (200..300).contains(&status) } else { self.status.contains(&status) }
    }

    /// Whether all headers are there.
    pub fn headers_fit(&self, headers: &HeaderMap) -> Result<(), SampleOutcome> {
        let fits = |(name, value): &(HeaderName, String)| headers.get_all(name).iter().any(|found| found.as_bytes() == value.as_bytes());
        if self.headers.iter().all(fits) { Ok(()) } else { Err(SampleOutcome::Expectation) }
    }

    /// Whether the body must be kept to be looked at.
    pub fn needs_body(&self) -> bool {
        self.contains.is_some() || self.matches.is_some() || !self.json.is_empty() || self.threshold.is_some()
    }

    /// Whether the body is right.
    pub fn body_fits(&self, body: &[u8]) -> bool {
        if !self.needs_body() {
            return true;
        }
        let text = String::from_utf8_lossy(body);
        self.contains.as_ref().is_none_or(|part| text.contains(part.as_str()))
            && self.matches.as_ref().is_none_or(|regex| regex.is_match(&text))
            && (self.json.is_empty() || self.json_fits(body))
            && self.threshold.is_none_or(|threshold| threshold.holds(body))
    }

    fn json_fits(&self, body: &[u8]) -> bool {
        serde_json::from_slice::<serde_json::Value>(body)
            .is_ok_and(|found| self.json.iter().all(|(pointer, value)| found.pointer(pointer) == Some(value)))
    }
}

/// Makes each text in a value by `fill`; keys stay.
pub fn fill_json(value: &mut serde_json::Value, fill: &dyn Fn(&str) -> String) {
    match value {
        serde_json::Value::String(text) => *text = fill(text),
        serde_json::Value::Array(items) => items.iter_mut().for_each(|item| fill_json(item, fill)),
        serde_json::Value::Object(map) => map.values_mut().for_each(|item| fill_json(item, fill)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_compared_as_text_by_pattern_and_as_json() {
        let mut spec =
            HttpExpect { body_contains: Some("o'clock".to_owned()), body_matches: Some("^It is \\d+".to_owned()), ..HttpExpect::default() };
        let expect = Expect::new(&spec).unwrap();
        assert!(expect.body_fits(b"It is 12 o'clock"));
        assert!(!expect.body_fits(b"It is twelve o'clock"));
        assert!(!expect.body_fits(b"It is 12"));
        spec = HttpExpect::default();
        spec.json.insert("/a/0".to_owned(), serde_json::json!("x"));
        let expect = Expect::new(&spec).unwrap();
        assert!(expect.body_fits(br#"{"a":["x"]}"#));
        assert!(!expect.body_fits(br#"{"a":["y"]}"#));
        assert!(!expect.body_fits(b"not json"));
    }

    #[test]
    fn a_status_is_a_success_unless_told_otherwise() {
        let mut spec = HttpExpect::default();
        assert!(Expect::new(&spec).unwrap().status_fits(204));
        assert!(!Expect::new(&spec).unwrap().status_fits(302));
        spec.status = vec![302];
        assert!(Expect::new(&spec).unwrap().status_fits(302));
        assert!(!Expect::new(&spec).unwrap().status_fits(200));
    }

    #[test]
    fn nonsense_is_refused_with_words() {
        let regex = HttpExpect { body_matches: Some("(".to_owned()), ..HttpExpect::default() };
        assert!(Expect::new(&regex).unwrap_err().contains("not a regular expression"));
        let mut pointer = HttpExpect::default();
        pointer.json.insert("a.b".to_owned(), serde_json::Value::Null);
        assert_eq!(Expect::new(&pointer).unwrap_err(), "`a.b` in `expect` is not a JSON pointer; write it like `/status`");
    }
}
