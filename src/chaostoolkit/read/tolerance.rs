//! What the result of a probe must be, in each of the forms that it is written in.

use serde_json::Value as Json;

use super::{
    Context,
    fields::{Fields, words},
};
use crate::{
    chaostoolkit::{
        jsonpath::JsonPath,
        model::{Arguments, Must, Provider, Tolerance},
        regex, value,
    },
    file::{
        Node,
        escape::quote,
        read::{head, word, wrong},
    },
};

const FORMS: &str = "a whole number, `true`, `false`, text, a list, or a map with `type: range`, `regex`, `jsonpath` or `probe`";

impl Context<'_> {
    pub(super) fn tolerance(&mut self, node: &Node) -> Option<Tolerance> {
        let must = match value::json(node, self.form) {
            Json::Bool(yes) => Must::Bool(yes),
            Json::String(text) => Must::Text(text),
            Json::Array(items) => Must::List(items),
            Json::Object(_) => self.typed(node)?,
            Json::Number(number) => match number.as_i64() {
                Some(number) => Must::Number(number),
                None => wrong(node, format!("{FORMS}; a number with a point is written as a range"), self.sink)?,
            },
            Json::Null => wrong(node, FORMS, self.sink)?,
        };
        Some(Tolerance { span: head(node), must })
    }

    fn typed(&mut self, node: &Node) -> Option<Must> {
        let kind = node.get("type").or_else(|| {
            self.sink.error(head(node), "the tolerance says not what it is").expected(FORMS);
            None
        })?;
        match word(kind, &["range", "regex", "jsonpath", "probe"], self.sink)? {
            "range" => self.range(node),
            "regex" => self.regex(node),
            "jsonpath" => self.json_path(node),
            _ => self.judge(node),
        }
    }

    fn range(&mut self, node: &Node) -> Option<Must> {
        let fields = Fields::new(node, "a range", &["type", "range", "target", "name"], self.sink)?;
        let ends = fields.must("range", "its two ends", self.sink)?;
        let numbers: Option<Vec<f64>> = match value::json(ends, self.form) {
            Json::Array(items) if items.len() == 2 => items.iter().map(Json::as_f64).collect(),
            _ => None,
        };
        match numbers.as_deref() {
            Some([low, high]) => Some(Must::Range { low: *low, high: *high, target: self.target(&fields) }),
            _ => wrong(ends, "a list of two numbers", self.sink),
        }
    }

    fn regex(&mut self, node: &Node) -> Option<Must> {
        let fields = Fields::new(node, "a regular expression", &["type", "pattern", "target", "name"], self.sink)?;
        let written = fields.must("pattern", "a regular expression", self.sink)?;
        let pattern = words(written, self.sink)?;
        if !pattern.contains('$')
            && let Err(why) = regex::compile(&pattern)
        {
            self.sink.error(written.span, format!("{} cannot be looked for: {why}", quote(&pattern))).expected("a regular expression");
            return None;
        }
        Some(Must::Regex { pattern, target: self.target(&fields) })
    }

    fn json_path(&mut self, node: &Node) -> Option<Must> {
        let fields = Fields::new(node, "a JSON path", &["type", "path", "expect", "count", "target", "name"], self.sink)?;
        let written = fields.must("path", "a JSON path", self.sink)?;
        let path = words(written, self.sink)?;
        let parsed = if path.contains("${") {
            None
        } else {
            match JsonPath::parse(path.trim()) {
                Ok(parsed) => Some(parsed),
                Err(why) => {
                    self.sink
                        .error(written.span, format!("{} is no path: {why}", quote(&path)))
                        .expected("a JSON path like `$.items[*].name`");
                    return None;
                }
            }
        };
        let count = fields.get("count").map(|node| value::json(node, self.form)).filter(|count| !count.is_null());
        let expect = fields.get("expect").map(|node| value::json(node, self.form));
        Some(Must::JsonPath { path, parsed, expect, count, target: self.target(&fields) })
    }

    fn judge(&mut self, node: &Node) -> Option<Must> {
        let activity = self.activity(node)?;
        // The value is one more argument, so the arguments must be a map: else its own tool fails in the middle of the run.
        let takes_it = match &activity.provider {
            Provider::Http(http) => http.arguments.0.is_object(),
            Provider::Process(process) => matches!(process.arguments.0, Arguments::Pairs(_)),
            Provider::Python { arguments, .. } => arguments.is_object(),
        };
        if !takes_it {
            self.sink
                .error(activity.provider_span, "the probe that judges has no map of arguments, so it could not be given the value")
                .expected("`arguments: {}`: the value comes in as the argument `value`");
            return None;
        }
        Some(Must::Probe(Box::new(activity)))
    }

    /// What of a result is meant. One that is no text is said, and with an error nothing is read.
    fn target(&mut self, fields: &Fields<'_>) -> Option<String> {
        words(fields.get("target").filter(|node| !node.is_null())?, self.sink)
    }
}
