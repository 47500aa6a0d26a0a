//! `configuration` and `secrets`: where the values of `${name}` come from.

use serde_json::Value as Json;

use super::{
    Context,
    fields::{Fields, words},
};
use crate::{
    chaostoolkit::{
        model::{Setting, SettingValue},
        value,
    },
    file::{
        Node,
        read::{head, map, word},
    },
};

const KINDS: &[&str] = &["str", "string", "int", "integer", "float", "number", "bytes", "bool", "json"];
/// How deep scopes of secrets may nest.
const DEEPEST: usize = 8;

impl Context<'_> {
    pub(super) fn configuration(&mut self, node: &Node) -> Option<Vec<Setting>> {
        if node.is_null() {
            return Some(Vec::new());
        }
        let entries = map(node, "the configuration", self.sink)?;
        let settings = entries.iter().filter_map(|entry| {
            let kind = entry.value.get("type").and_then(Node::text);
            let value = match kind {
                Some("env") => self.env(&entry.value)?,
                Some("probe") => SettingValue::Probe(Box::new(self.activity(&entry.value)?)),
                _ => SettingValue::Literal(value::json(&entry.value, self.form)),
            };
            Some(Setting { name: entry.key.clone(), span: entry.key_span, value })
        });
        Some(settings.collect())
    }

    pub(super) fn secrets(&mut self, node: &Node, depth: usize) -> Option<Vec<Setting>> {
        if node.is_null() {
            return Some(Vec::new());
        }
        if depth > DEEPEST {
            self.sink.error(head(node), format!("scopes of secrets nest deeper than {DEEPEST} levels")).expected("a flatter file");
            return None;
        }
        let entries = map(node, "a scope of secrets", self.sink)?;
        let mut out = Vec::new();
        for entry in entries {
            let kind = entry.value.get("type").and_then(Node::text);
            let value = match kind {
                Some("env") => self.env(&entry.value),
                Some("vault") => {
                    self.not_carried.push((entry.key_span, format!("the secret `{}`: Vault is not asked", entry.key)));
                    Some(SettingValue::Vault)
                }
                _ => match value::json(&entry.value, self.form) {
                    Json::Object(_) => self.secrets(&entry.value, depth + 1).map(SettingValue::Scope),
                    literal => {
                        // Nobody is to read it in a message of ours.
                        self.sink.source().hide(entry.value.span);
                        self.sink
                            .warning(entry.key_span, format!("the secret `{}` stands in the file", entry.key))
                            .expected("`{ type: env, key: NAME }`: who reads the file reads the secret");
                        Some(SettingValue::Literal(literal))
                    }
                },
            };
            // Its own tool ends with a defect here: a secret stands in a scope.
            if depth == 0 && value.as_ref().is_some_and(|value| !matches!(value, SettingValue::Scope(_) | SettingValue::Vault)) {
                self.sink
                    .error(entry.key_span, format!("the secret `{}` stands in no scope", entry.key))
                    .expected("a scope around it: `{ scope: { name: { type: env, key: NAME } } }`");
            }
            out.extend(value.map(|value| Setting { name: entry.key.clone(), span: entry.key_span, value }));
        }
        Some(out)
    }

    fn env(&mut self, node: &Node) -> Option<SettingValue> {
        let fields = Fields::new(node, "an environment variable", &["type", "key", "default", "env_var_type"], self.sink)?;
        let key = words(fields.must("key", "the variable's name", self.sink)?, self.sink)?;
        let default = fields.get("default").map(|node| value::json(node, self.form));
        let kind = match fields.get("env_var_type").filter(|node| !node.is_null()) {
            Some(node) => Some(word(node, KINDS, self.sink)?.to_owned()),
            None => None,
        };
        Some(SettingValue::Env { key, default, kind })
    }
}
