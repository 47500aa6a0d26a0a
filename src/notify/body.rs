//! What is sent: a message as a webhook's body, as a text for Slack.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::{Map, Value as Json, json};

use crate::model::{
    notify::{Body, Message},
    template,
};

/// The longest text that Slack is sent: it cuts at 40,000 characters.
const SLACK: usize = 8_000;
/// The longest value of a field in a webhook's body.
const FIELD: usize = 32_000;

/// A webhook's body, and what it is.
pub(super) fn webhook(body: &Body, message: &Message) -> (Bytes, &'static str) {
    let field = |name: &str| cut(message.field(name), FIELD).into_owned();
    match body {
        Body::Fields => {
            let fields: Map<String, Json> = message.fields().map(|(name, _)| (name.to_owned(), Json::String(field(name)))).collect();
            (Bytes::from(Json::Object(fields).to_string()), "application/json")
        }
        Body::Json(value) => (Bytes::from(filled(value, &field).to_string()), "application/json"),
        Body::Text(text) => (Bytes::from(template::fill(text, field)), "text/plain; charset=utf-8"),
    }
}

/// The value with its texts filled in; names stay as they are.
fn filled(value: &Json, field: &dyn Fn(&str) -> String) -> Json {
    match value {
        Json::String(text) => Json::String(template::fill(text, field)),
        Json::Array(items) => items.iter().map(|item| filled(item, field)).collect(),
        Json::Object(map) => map.iter().map(|(name, item)| (name.clone(), filled(item, field))).collect(),
        other => other.clone(),
    }
}

/// The body for Slack. What stands in a message calls nobody (`<!channel>`) and links nowhere.
pub(super) fn slack(message: &Message) -> Bytes {
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let mut text = format!("*{}*", escaped(&message.summary));
    if !message.details.is_empty() {
        text.push('\n');
        text.push_str(&escaped(&cut(&message.details, SLACK)));
    }
    Bytes::from(json!({ "text": text }).to_string())
}

/// The first characters of a text.
pub(super) fn cut(text: &str, longest: usize) -> Cow<'_, str> {
    match text.char_indices().nth(longest) {
        Some((at, _)) => Cow::Owned(format!("{}…", &text[..at])),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NASTY: &str = "\", \"admin\": true, \"x\": \"<!channel> & ${run}\u{1b}\n";

    fn message() -> Message {
        Message { title: NASTY.to_owned(), summary: NASTY.to_owned(), run: "r1".to_owned(), ..Message::default() }
    }

    #[test]
    fn whatever_a_title_holds_it_stays_one_text() {
        let template = json!({ "a": ["${title}/${run}", 1, null], "${title}": "$${run}" });
        let (bytes, kind) = webhook(&Body::Json(template), &message());
        let got: Json = serde_json::from_slice(&bytes).unwrap();
        assert_eq!((got, kind), (json!({ "a": [format!("{NASTY}/r1"), 1, null], "${title}": "${run}" }), "application/json"));
        let (bytes, _) = webhook(&Body::Fields, &message());
        let got: Json = serde_json::from_slice(&bytes).unwrap();
        assert_eq!((&got["title"], &got["run"], got.as_object().unwrap().len()), (&json!(NASTY), &json!("r1"), Message::FIELDS.len()));
    }

    #[test]
    fn slack_is_told_nothing_that_it_would_obey() {
        let got: Json = serde_json::from_slice(&slack(&message())).unwrap();
        assert!(got["text"].as_str().unwrap().contains("&lt;!channel&gt; &amp; "), "{got}");
        let long = Message { details: "é".repeat(100_000), ..Message::default() };
        assert!(slack(&long).len() < 3 * SLACK);
    }
}
