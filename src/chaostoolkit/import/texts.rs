//! Texts of the original with `${name}` in them. A value that stands in the file is put in; one that the environment gives stays a variable,
//! or, where the whole text is one, a reference: secrets are never written out.

use std::{cell::RefCell, collections::BTreeMap};

use serde_json::{Map, Value as Json};

use crate::{
    chaostoolkit::{
        model::{Experiment, Setting, SettingValue},
        substitute::{Values, words},
    },
    model::{
        probe::Text,
        template::{Piece, pieces},
    },
};

/// Around a name that is to be a variable, until the file is written.
const MARKS: (&str, &str) = ("⟦firedrill:", "⟧");

/// What names stand for.
pub(super) struct Texts<'e> {
    experiment: &'e Experiment,
    literal: Values,
    /// Variables that were left in a text.
    used: RefCell<BTreeMap<String, String>>,
}

impl<'e> Texts<'e> {
    pub fn new(experiment: &'e Experiment) -> Self {
        let mut configuration = Map::new();
        for setting in &experiment.configuration {
            if let SettingValue::Literal(value) | SettingValue::Env { default: Some(value), .. } = &setting.value {
                configuration.insert(setting.name.clone(), value.clone());
            }
        }
        Self { experiment, literal: Values { configuration, secrets: Vec::new() }, used: RefCell::default() }
    }

    /// A value with every text in it filled as far as the file says what names stand for.
    pub fn value(&self, value: &Json) -> Json {
        let braced = match value {
            Json::String(text) => Json::String(self.braced(text)),
            other => other.clone(),
        };
        match self.literal.fill(&braced) {
            Json::String(text) => Json::String(self.mark(&text)),
            Json::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Json::Object(map) => Json::Object(map.iter().map(|(key, value)| (key.clone(), self.value(value))).collect()),
            other => other,
        }
    }

    /// A text, filled.
    pub fn fill(&self, text: &str) -> String {
        words(&self.value(&Json::String(text.to_owned())))
    }

    /// A text that may be a secret: a reference where it is wholly one, and nothing where a secret is only a part of it.
    pub fn reference(&self, text: &str) -> Option<Text> {
        let text = &self.braced(text);
        let whole = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        if let Some(key) = whole.and_then(|name| self.environment(name)) {
            return Some(Text::Env(key));
        }
        let secret = |piece: Piece<'_>| matches!(piece, Piece::Var(name) if self.secret(name).is_some());
        if pieces(text).into_iter().any(secret) {
            return None;
        }
        Some(Text::Plain(self.fill(text)))
    }

    /// Whether a secret is part of the text.
    pub fn has_secret(&self, text: &str) -> bool {
        pieces(&self.braced(text)).into_iter().any(|piece| matches!(piece, Piece::Var(name) if self.secret(name).is_some()))
    }

    /// The text with each `$name` that the file knows as `${name}`, which means the same there.
    fn braced(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..=at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                out.push('$');
                rest = after;
                continue;
            }
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            let name = &rest[..end];
            if self.was(name).is_some() || self.secret(name).is_some() {
                out.push('{');
                out.push_str(name);
                out.push('}');
                rest = &rest[end..];
            }
        }
        out.push_str(rest);
        out
    }

    /// The variables that were left.
    pub fn variables(&self) -> BTreeMap<String, String> {
        self.used.borrow().clone()
    }

    fn secret(&self, name: &str) -> Option<&'e SettingValue> {
        fn within<'s>(settings: &'s [Setting], name: &str) -> Option<&'s SettingValue> {
            settings.iter().find_map(|setting| match &setting.value {
                SettingValue::Scope(inner) => within(inner, name),
                value if setting.name == name => Some(value),
                _ => None,
            })
        }
        let configured = self.experiment.configuration.iter().any(|setting| setting.name == name);
        if configured { None } else { within(&self.experiment.secrets, name) }
    }

    /// The environment variable that a name stands for.
    fn environment(&self, name: &str) -> Option<String> {
        let configured = self.experiment.configuration.iter().find(|setting| setting.name == name).map(|setting| &setting.value);
        match configured.or_else(|| self.secret(name)) {
            Some(SettingValue::Env { key, default: None, .. }) => Some(key.clone()),
            _ => None,
        }
    }

    /// Names that the file knows and whose value it has not become variables.
    fn mark(&self, text: &str) -> String {
        let mut out = String::new();
        for piece in pieces(text) {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Open => out.push_str("${"),
                Piece::Var(name) => {
                    let (before, behind) = if let Some(was) = self.was(name) {
                        self.used.borrow_mut().insert(name.to_owned(), was);
                        MARKS
                    } else {
                        ("${", "}")
                    };
                    out.extend([before, name, behind]);
                }
            }
        }
        out
    }

    /// Where the value of a name comes from, in words.
    fn was(&self, name: &str) -> Option<String> {
        let setting = self.experiment.configuration.iter().find(|setting| setting.name == name);
        match &setting?.value {
            SettingValue::Env { key, .. } => Some(format!("the environment variable {key}")),
            SettingValue::Probe(probe) => Some(format!("what the probe {} gives", probe.name)),
            _ => None,
        }
    }
}

/// The written file with its variables.
pub(super) fn with_variables(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once(MARKS.0) {
        out.push_str(before);
        if let Some((name, after)) = behind.split_once(MARKS.1) {
            out.extend(["${", name, "}"]);
            rest = after;
        } else {
            out.push_str(MARKS.0);
            rest = behind;
        }
    }
    out.push_str(rest);
    out
}
