//! `${name}`: put in as Python's templates do it. A text that is only one `${name}` takes the value with its type; in other text a value is
//! written as Python writes it; a name that is not known stays as it is.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json};

/// What names stand for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Values {
    /// Looked in first.
    pub configuration: Map<String, Json>,
    /// Then these, scope by scope.
    pub secrets: Vec<Map<String, Json>>,
}

impl Values {
    /// Whether nothing can be put in: then arguments are not even looked at, and `$$` in them stays.
    pub fn is_empty(&self) -> bool {
        self.configuration.is_empty() && self.secrets.is_empty()
    }

    fn get(&self, name: &str) -> Option<&Json> {
        self.configuration.get(name).or_else(|| self.secrets.iter().find_map(|scope| scope.get(name)))
    }

    /// A value with every text in it filled.
    pub fn fill(&self, value: &Json) -> Json {
        match value {
            Json::String(text) => self.text(text),
            Json::Array(items) => items.iter().map(|item| self.fill(item)).collect(),
            Json::Object(map) => Json::Object(map.iter().map(|(key, value)| (key.clone(), self.fill(value))).collect()),
            other => other.clone(),
        }
    }

    /// A text, filled.
    pub fn text(&self, text: &str) -> Json {
        if let Some(name) = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'))
            && is_name(name)
            && let Some(value) = self.get(name)
        {
            return value.clone();
        }
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            rest = &rest[at..];
            let (length, piece) = self.piece(rest);
            out.push_str(&piece);
            rest = &rest[length..];
        }
        out.push_str(rest);
        Json::String(out)
    }

    /// What stands for the text that begins with `$`: how long it is, and what comes in its place.
    fn piece(&self, text: &str) -> (usize, String) {
        if text.starts_with("$$") {
            return (2, "$".to_owned());
        }
        let braced = text.strip_prefix("${").and_then(|rest| rest.find('}').map(|end| &rest[..end]));
        let (length, name) = if let Some(name) = braced {
            (name.len() + 3, name)
        } else {
            let name = &text[1..];
            let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
            (end + 1, &name[..end])
        };
        match self.get(name).filter(|_| is_name(name)) {
            Some(value) => (length, words(value)),
            None => (1, "$".to_owned()),
        }
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A value as Python's `str` writes it.
pub fn words(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => repr(other),
    }
}

fn repr(value: &Json) -> String {
    match value {
        Json::Null => "None".to_owned(),
        Json::Bool(true) => "True".to_owned(),
        Json::Bool(false) => "False".to_owned(),
        Json::Number(number) => number.to_string(),
        Json::String(text) => {
            let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
            let mut out = String::from(quote);
            for c in text.chars() {
                match c {
                    '\n' => out.push_str("\\n"),
                    '\r' => out.push_str("\\r"),
                    '\t' => out.push_str("\\t"),
                    '\\' => out.push_str("\\\\"),
                    c if c == quote => {
                        let _ = write!(out, "\\{c}");
                    }
                    c => out.push(c),
                }
            }
            out.push(quote);
            out
        }
        Json::Array(items) => format!("[{}]", items.iter().map(repr).collect::<Vec<_>>().join(", ")),
        Json::Object(map) => {
            let pairs: Vec<String> =
                map.iter().map(|(key, value)| format!("{}: {}", repr(&Json::String(key.clone())), repr(value))).collect();
            format!("{{{}}}", pairs.join(", "))
        }
    }
}

/// Whether Python takes the value for true.
pub fn is_true(value: &Json) -> bool {
    match value {
        Json::Null => false,
        Json::Bool(yes) => *yes,
        Json::Number(number) => number.as_f64() != Some(0.0),
        Json::String(text) => !text.is_empty(),
        Json::Array(items) => !items.is_empty(),
        Json::Object(map) => !map.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_put_in_as_python_does() {
        let scope = json!({ "token": "t", "port": 1 });
        let configuration = json!({ "port": 8080, "yes": true, "none": null, "list": [1, "a'b"], "host": "h" });
        let values =
            Values { configuration: configuration.as_object().unwrap().clone(), secrets: vec![scope.as_object().unwrap().clone()] };
        for (text, filled) in [
            ("${port}", json!(8080)),
            ("$port", json!("8080")),
            ("http://${host}:${port}/", json!("http://h:8080/")),
            ("${token}", json!("t")),
            ("${yes} ${none} ${list}", json!("True None [1, \"a'b\"]")),
            ("${unknown} $5 $$ $", json!("${unknown} $5 $ $")),
            ("${a b}", json!("${a b}")),
            ("${port}${port}", json!("80808080")),
            ("${open", json!("${open")),
            ("é$hosté", json!("éhé")),
        ] {
            assert_eq!(values.text(text), filled, "{text}");
        }
        assert_eq!(values.fill(&json!({ "a": ["${port}", 1] })), json!({ "a": [8080, 1] }));
    }
}
