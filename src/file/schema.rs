//! JSON Schema of the files, made from the key tables that reading uses.

use serde_json::{Map, Value as Json, json};

use super::{
    gameday::GAMEDAY,
    lower::{self, http},
    project::PROJECT,
    table::{Kind, Table},
};

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";
/// A text in which a variable stands: it may become any quantity.
const VARIABLE: &str = r"\$\{";

/// The schema of experiment files.
pub fn experiment() -> Json {
    document(&lower::EXPERIMENT, "firedrill experiment", "What is done to a system, what measures it, and what must hold.")
}

/// The schema of `firedrill.yaml`.
pub fn project() -> Json {
    document(&PROJECT, "firedrill.yaml", "The environments that experiments run in.")
}

/// The schema of `gameday.yaml`.
pub fn gameday() -> Json {
    document(&GAMEDAY, "gameday.yaml", "The agenda of a game day: drills, and what happens between people around them.")
}

/// The schema of another file with a key table.
pub fn document(root: &'static Table, title: &str, description: &str) -> Json {
    let mut definitions = Definitions::default();
    let mut out = definitions.object(root);
    out["$schema"] = json!(DRAFT);
    out["title"] = json!(title);
    out["description"] = json!(description);
    out["$defs"] = Json::Object(definitions.made);
    out
}

/// Tables that were written once, and are referred to from then on.
#[derive(Default)]
struct Definitions {
    made: Map<String, Json>,
    names: Vec<(*const Table, String)>,
}

impl Definitions {
    fn reference(&mut self, table: &'static Table) -> Json {
        let known = self.names.iter().find(|(at, _)| std::ptr::eq(*at, table)).map(|(_, name)| name.clone());
        let name = known.unwrap_or_else(|| {
            let plain = table.is.trim_start_matches("a ").trim_start_matches("an ").replace('`', "").replace(' ', "-");
            let taken = self.names.iter().filter(|(_, n)| *n == plain || n.starts_with(&format!("{plain}-"))).count();
            let name = if taken == 0 { plain } else { format!("{plain}-{}", taken + 1) };
            self.names.push((table, name.clone()));
            let object = self.object(table);
            self.made.insert(name.clone(), object);
            name
        });
        json!({ "$ref": format!("#/$defs/{name}") })
    }

    fn object(&mut self, table: &'static Table) -> Json {
        let mut properties = Map::new();
        for key in table.all() {
            let mut form = self.form(key.kind);
            form["description"] = json!(key.about);
            properties.insert(key.name.to_owned(), form);
        }
        let required: Vec<&str> = table.all().filter(|k| k.required).map(|k| k.name).collect();
        let mut out = json!({ "type": "object", "additionalProperties": false, "properties": properties });
        if !required.is_empty() {
            out["required"] = json!(required);
        }
        if !table.one_of.is_empty() {
            out["oneOf"] = table.one_of.iter().map(|name| json!({ "required": [name] })).collect();
        }
        out
    }

    fn form(&mut self, kind: Kind) -> Json {
        let pattern = |pattern: &str| json!({ "type": "string", "pattern": format!("{pattern}|{VARIABLE}") });
        match kind {
            Kind::Text => json!({ "type": ["string", "number", "boolean"] }),
            Kind::Secret => json!({ "anyOf": [{ "type": ["string", "number", "boolean"] }, self.reference(&http::SECRET)] }),
            Kind::Integer => json!({ "anyOf": [{ "type": "integer", "minimum": 0 }, pattern("^[0-9]+$")] }),
            Kind::Bool => json!({ "anyOf": [{ "type": "boolean" }, { "type": "string", "pattern": VARIABLE }] }),
            Kind::Duration => pattern(r"^\s*([0-9.]+\s*(ns|us|µs|ms|s|m|min|h|d)\s*)+$"),
            Kind::Share => pattern(r"^\s*[0-9.]+\s*%$"),
            Kind::Rate => pattern(r"^\s*[0-9.]+\s*/\s*(s|m|min|h)\s*$"),
            Kind::Bytes => pattern(r"^\s*[0-9]+\s*(B|KB|kB|KiB|MB|MiB|GiB)\s*$"),
            Kind::Bandwidth => pattern(r"^\s*[0-9]+\s*(B|KB|kB|KiB|MB|MiB|GiB|kbit|Mbit|Gbit)\s*(/s)?\s*$"),
            Kind::Comparison => pattern(r"^\s*(>=|<=|==|>|<)\s*[0-9]"),
            Kind::Threshold => pattern(r"^\s*(>=|<=|==|>|<)\s*[-+0-9.]"),
            Kind::Words(words) => json!({ "anyOf": [{ "enum": words }, { "type": "string", "pattern": VARIABLE }] }),
            Kind::List(of) => json!({ "type": "array", "items": self.form(*of) }),
            Kind::Map(of) => json!({ "type": "object", "additionalProperties": self.form(*of) }),
            Kind::Table(table) => self.reference(table),
            Kind::Tables(tables) => json!({ "anyOf": tables.iter().map(|t| self.reference(t)).collect::<Vec<_>>() }),
            Kind::Either(forms) => json!({ "anyOf": forms.iter().map(|f| self.form(*f)).collect::<Vec<_>>() }),
            Kind::Any => json!({}),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::file::{Sink, Source, yaml};

    fn tables(kind: &Kind, out: &mut Vec<&'static Table>) {
        match kind {
            Kind::Table(table) => walk(table, out),
            Kind::Tables(all) => all.iter().for_each(|t| walk(t, out)),
            Kind::List(of) | Kind::Map(of) => tables(of, out),
            Kind::Either(forms) => forms.iter().for_each(|f| tables(f, out)),
            Kind::Secret => walk(&http::SECRET, out),
            _ => {}
        }
    }

    fn walk(table: &'static Table, out: &mut Vec<&'static Table>) {
        if !out.iter().any(|t| std::ptr::eq(*t, table)) {
            out.push(table);
            table.all().for_each(|key| tables(&key.kind, out));
        }
    }

    #[test]
    fn each_key_that_is_read_is_in_the_schema_with_a_description() {
        let mut all = Vec::new();
        walk(&lower::EXPERIMENT, &mut all);
        assert!(all.len() > 25, "{}", all.len());
        let schema = experiment();
        let objects: Vec<&Json> = std::iter::once(&schema).chain(schema["$defs"].as_object().unwrap().values()).collect();
        assert_eq!(objects.len(), all.len());
        for table in all {
            let names: BTreeSet<&str> = table.names().collect();
            let object =
                objects.iter().find(|o| o["properties"].as_object().unwrap().keys().map(String::as_str).collect::<BTreeSet<_>>() == names);
            let object = object.unwrap_or_else(|| panic!("{} is not in the schema", table.is));
            assert!(object["properties"].as_object().unwrap().values().all(|p| p["description"].as_str().is_some_and(|d| !d.is_empty())));
        }
    }

    fn valid(schema: &Json, text: &str) -> Result<(), String> {
        let source = Source::new("t.yaml", text);
        let node = yaml::parse(&source, &mut Sink::new(&source)).unwrap();
        let validator = jsonschema::validator_for(schema).unwrap();
        validator.validate(&http::json(&node)).map_err(|e| e.to_string())
    }

    #[test]
    fn the_schema_takes_good_files_and_refuses_bad_ones() {
        let schema = experiment();
        let good = include_str!("testdata/everything.yaml");
        assert_eq!(valid(&schema, good), Ok(()));
        for (from, to) in [
            ("take: 25%", "take: much"),
            ("title:", "titel:"),
            ("hold: 20s", "hold: 20"),
            ("kill:", "kil:"),
            ("rate: 200/s", "rate: fast"),
            ("mode: disconnect", "mode: disconect"),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good, "{from}");
            assert!(valid(&schema, &bad).is_err(), "{to}");
        }
        let good = "environments: { a: { platform: { local: x.yaml }, vars: { port: 80 } } }";
        assert_eq!(valid(&project(), good), Ok(()));
        assert!(valid(&project(), "environments: { a: { platfrom: { local: x.yaml } } }").is_err());
    }
}
