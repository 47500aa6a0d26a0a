//! Secrets that this process has read, and their removal from whatever is about to be shown or kept. Nothing of ours writes a secret; but
//! the systems that are told one may say it back: in a header that names an instance, in the last words of a command, in an error. Every
//! event, every line on a terminal and every text of the journal goes through here on its way out.

use std::{
    borrow::Cow,
    sync::{PoisonError, RwLock},
};

use base64::Engine as _;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// What stands in a secret's place.
pub const HIDDEN: &str = "(secret)";
/// Shorter values are words like `on` or `7`: hiding them would make every text unreadable, and they protect nothing.
const SHORTEST: usize = 6;

static KNOWN: RwLock<Known> = RwLock::new(Known { secrets: Vec::new(), public: String::new() });

struct Known {
    /// The longer first: a part of one must not leave the rest of it standing.
    secrets: Vec<String>,
    public: String,
}

/// From now on, this value is not shown. Of a value with a scheme (`Bearer TOKEN`) the token is not shown either, of a URL its password.
pub fn keep(value: &str) {
    let value = value.trim();
    let scheme = value.split_once(' ').map(|(_, rest)| rest.trim());
    let password = value.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@')).and_then(|(user, _)| user.split_once(':'));
    let password = password.map(|(_, password)| password);
    let decoded = password.map(decoded);
    // As a form, a URL or basic authentication would carry them.
    let mut written: Vec<String> = [Some(value), scheme, decoded.as_deref()].into_iter().flatten().flat_map(carried).collect();
    written.sort_unstable();
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    for text in [Some(value), scheme, password, decoded.as_deref()].into_iter().flatten().chain(written.iter().map(String::as_str)) {
        if text.len() >= SHORTEST && !known.public.contains(text) && !known.secrets.iter().any(|secret| secret == text) {
            known.secrets.push(text.to_owned());
        }
    }
    known.secrets.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
}

/// A text that everybody may read, such as an experiment: what stands in it is no secret, whatever else it is used for.
pub fn is_public(text: &str) {
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    known.secrets.retain(|secret| !text.contains(secret.as_str()));
    known.public.push_str(text);
    known.public.push('\n');
}

/// The text without the secrets.
pub fn hide(text: &str) -> Cow<'_, str> {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    let mut out = Cow::Borrowed(text);
    for secret in known.secrets.iter().filter(|secret| text.contains(secret.as_str())) {
        out = Cow::Owned(out.replace(secret.as_str(), HIDDEN));
    }
    out
}

/// A page of HTML without the secrets: in it they stand as they are, or as a page writes them.
pub fn html(page: &str) -> Cow<'_, str> {
    written(page, |secret| secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").into())
}

/// Metrics without the secrets: in a label they stand as in JSON.
pub fn metrics(text: &str) -> Cow<'_, str> {
    written(text, inside)
}

/// The text without the secrets, as they are and as this kind of text writes them.
fn written(text: &str, write: fn(&str) -> Cow<'_, str>) -> Cow<'_, str> {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    let mut out = Cow::Borrowed(text);
    for secret in &known.secrets {
        for form in [Cow::Borrowed(secret.as_str()), write(secret)] {
            if out.contains(form.as_ref()) {
                out = Cow::Owned(out.replace(form.as_ref(), HIDDEN));
            }
        }
    }
    out
}

/// The same thing without secrets in any of its texts; numbers stay what they are. A secret without which it would be no such thing any
/// more is a word that it is made of (`passed`), and is no secret.
pub fn without<T: Serialize + DeserializeOwned>(thing: T) -> T {
    let secrets = KNOWN.read().unwrap_or_else(PoisonError::into_inner).secrets.clone();
    if secrets.is_empty() || serde_json::to_string(&thing).is_ok_and(|text| !stand_in(&secrets, &text)) {
        return thing;
    }
    let Ok(mut value) = serde_json::to_value(&thing) else { return thing };
    let mut out = thing;
    for secret in secrets {
        let mut hidden = value.clone();
        if !replace(&mut hidden, &secret) {
            continue;
        }
        if let Ok(changed) = T::deserialize(&hidden) {
            (out, value) = (changed, hidden);
        }
    }
    out
}

/// As JSON, without the secrets: for what is written once and not read back.
pub fn json<T: Serialize>(thing: &T) -> String {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    // A list of a thousand runs is no tree of values only because there are secrets somewhere else.
    if let Ok(text) = serde_json::to_string(thing)
        && !stand_in(&known.secrets, &text)
    {
        return text;
    }
    let mut value = serde_json::to_value(thing).unwrap_or_default();
    for secret in &known.secrets {
        replace(&mut value, secret);
    }
    value.to_string()
}

/// Whether one of them stands in a text of JSON: then as it is written there, whatever stands around it.
fn stand_in(secrets: &[String], json: &str) -> bool {
    secrets.iter().any(|secret| json.contains(inside(secret).as_ref()))
}

/// How a text is written within a text of JSON.
fn inside(text: &str) -> Cow<'_, str> {
    if !text.contains(|c: char| c == '"' || c == '\\' || c.is_ascii_control()) {
        return Cow::Borrowed(text);
    }
    let quoted = Value::String(text.to_owned()).to_string();
    Cow::Owned(quoted[1..quoted.len() - 1].to_owned())
}

/// Replaces a secret in all texts and names of a value; says whether there was one.
fn replace(value: &mut Value, secret: &str) -> bool {
    match value {
        Value::String(text) => {
            let found = text.contains(secret);
            if found {
                *text = text.replace(secret, HIDDEN);
            }
            found
        }
        Value::Array(items) => replace_in(items, secret),
        Value::Object(map) => {
            let mut found = replace_in(map.values_mut(), secret);
            let names: Vec<String> = map.keys().filter(|name| name.contains(secret)).cloned().collect();
            for name in names {
                found = true;
                if let Some(item) = map.remove(&name) {
                    map.insert(name.replace(secret, HIDDEN), item);
                }
            }
            found
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The same in each of several values.
fn replace_in<'v>(values: impl IntoIterator<Item = &'v mut Value>, secret: &str) -> bool {
    let mut found = false;
    for value in values {
        found |= replace(value, secret);
    }
    found
}

/// How a value is written where not every character may stand.
fn carried(value: &str) -> [String; 3] {
    let form: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
    let url = form.replace('+', "%20");
    [form, url, base64::engine::general_purpose::STANDARD.encode(value)]
}

/// `%41` as `A`, where that is text.
fn decoded(text: &str) -> String {
    let hex = |at: usize| text.get(at + 1..at + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        let decoded = hex(at).filter(|_| byte == b'%');
        out.push(decoded.unwrap_or(byte));
        at += if decoded.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_hidden_as_a_page_and_as_metrics_write_it() {
        keep("pla<nt>&ed \"quoted\" in a page");
        let page = "<p>pla&lt;nt&gt;&amp;ed &quot;quoted&quot; in a page</p>";
        assert_eq!(html(page), "<p>(secret)</p>");
        assert_eq!(metrics(r#"up{of="pla<nt>&ed \"quoted\" in a page"} 1"#), r#"up{of="(secret)"} 1"#);
        assert_eq!(html("<p>plain</p>"), "<p>plain</p>");
    }

    #[test]
    fn what_was_read_as_a_secret_is_shown_nowhere_whole_or_in_its_parts() {
        keep("Bearer planted-\"quoted\"-token");
        keep("redis://someone:planted%2Dpassword@store:6379/1");
        keep("short");
        assert_eq!(hide("it said planted-\"quoted\"-token, and Bearer planted-\"quoted\"-token"), "it said (secret), and (secret)");
        assert_eq!(hide("redis://someone:planted%2Dpassword@store:6379/1"), HIDDEN);
        assert_eq!(hide("wrong password: planted-password or planted%2Dpassword"), "wrong password: (secret) or (secret)");
        assert_eq!(hide("a short text"), "a short text");
        keep("planted/form & 4711");
        assert_eq!(
            hide("p=planted%2Fform+%26+4711 p=planted%2Fform%20%26%204711 cGxhbnRlZC9mb3JtICYgNDcxMQ=="),
            "p=(secret) p=(secret) (secret)"
        );
        keep("1234567");
        let value = serde_json::json!({ "planted-password": ["planted-\"quoted\"-token", 91_234_567, 1.5, "1234567"], "b": null });
        assert_eq!(without(value), serde_json::json!({ "(secret)": ["(secret)", 91_234_567, 1.5, "(secret)"], "b": null }));
        let named = serde_json::json!({ "it is planted-password": 1 });
        assert_eq!(json(&named), "{\"it is (secret)\":1}");
        let said = "it is planted-\"quoted\"-token";
        assert_eq!(
            (json(&said), json(&"it is 91234567"), json(&91_234_567)),
            ("\"it is (secret)\"".into(), "\"it is 9(secret)\"".into(), "91234567".into())
        );
        keep("passed");
        let verdict = crate::model::verdict::Verdict::Passed;
        assert_eq!(without(verdict), verdict, "what it is made of stays");
        keep("planted-but-public");
        is_public("title: planted-but-public");
        keep("planted-but-public");
        assert_eq!(hide("planted-but-public"), "planted-but-public");
    }
}
