//! Probes, actions, references to them, and their providers.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::{
    Context,
    fields::{Fields, words},
};
use crate::{
    chaostoolkit::{
        model::{Activity, ActivityKind, Arguments, Http, Process, Provider},
        value,
    },
    file::{
        Node, Span, Value,
        escape::quote,
        read::{head, map, word, wrong},
        suggest::nearest,
    },
};

const KEYS: &[&str] =
    &["type", "name", "provider", "tolerance", "background", "pauses", "controls", "configuration", "secrets", "dry", "timeout"];

/// The length of a pause, where there is one.
type Pause = Option<(Json, Span)>;

impl Context<'_> {
    /// An activity of a list, or `{ref: name}` of one that stands elsewhere.
    pub(super) fn activity_or_reference(&mut self, node: &Node, referable: &BTreeMap<String, Activity>) -> Option<Activity> {
        let Some(reference) = node.get("ref") else { return self.activity(node) };
        let fields = Fields::new(node, "a reference", &["ref", "background"], self.sink)?;
        let name = words(reference, self.sink)?;
        let Some(activity) = referable.get(&name) else {
            self.sink
                .error(reference.span, format!("there is no activity {}", quote(&name)))
                .expected("the name of one in the method or in the hypothesis")
                .nearest(nearest(&name, referable.keys().map(String::as_str)));
            return None;
        };
        let mut activity = activity.clone();
        activity.span = head(node);
        // Whether the next one waits is said by who names it.
        activity.background = fields.get("background").is_some_and(|node| value::json(node, self.form) == json!(true));
        Some(activity)
    }

    /// An activity that is written out.
    pub(super) fn activity(&mut self, node: &Node) -> Option<Activity> {
        let fields = Fields::new(node, "an activity", KEYS, self.sink)?;
        let kind = fields.must("type", "`probe` or `action`", self.sink).and_then(|node| word(node, &["probe", "action"], self.sink));
        let name = fields.words("name", self.sink);
        let provider_node = fields.must("provider", "how it is done", self.sink);
        let provider = provider_node.and_then(|node| self.provider(node));
        let background = match fields.get("background").map(|node| (node, value::json(node, self.form))) {
            None => false,
            Some((_, Json::Bool(background))) => background,
            Some((node, _)) => wrong(node, "`true` or `false`", self.sink)?,
        };
        let (pause_before, pause_after) = match fields.get("pauses") {
            Some(node) if !node.is_null() => self.pauses(node)?,
            _ => (None, None),
        };
        let tolerance = match fields.get("tolerance") {
            Some(node) => Some(self.tolerance(node)?),
            None => None,
        };
        if let Some(node) = fields.get("timeout").filter(|node| !node.is_null()) {
            let what = "a time limit of an activity has no effect: the provider's has";
            self.sink.warning(head(node), what).expected("`timeout` in `provider`");
        }
        self.controls(&fields, &format!("the activity {}", quote(name.as_deref().unwrap_or_default())));
        Some(Activity {
            span: head(node),
            document: value::json(node, self.form),
            kind: if kind? == "probe" { ActivityKind::Probe } else { ActivityKind::Action },
            name: name?,
            provider: provider?,
            provider_span: provider_node.map(head).unwrap_or_default(),
            background,
            pause_before,
            pause_after,
            tolerance,
            never_dry: fields.get("dry").is_some(),
        })
    }

    fn pauses(&mut self, node: &Node) -> Option<(Pause, Pause)> {
        let fields = Fields::new(node, "pauses", &["before", "after"], self.sink)?;
        let mut pause = |key: &str| match fields.get(key).map(|node| (node, value::json(node, self.form))) {
            None | Some((_, Json::Null)) => Some(None),
            Some((node, Json::Number(number))) if number.as_f64().is_some_and(|n| (0.0..=604_800.0).contains(&n)) => {
                Some(Some((Json::Number(number), node.span)))
            }
            Some((node, Json::String(text))) if text.starts_with("${") && text.ends_with('}') => {
                Some(Some((Json::String(text), node.span)))
            }
            Some((node, _)) => wrong(node, "seconds (a number, at most a week), or `${name}` of the configuration", self.sink),
        };
        Some((pause("before")?, pause("after")?))
    }

    fn provider(&mut self, node: &Node) -> Option<Provider> {
        let kind = map(node, "a provider", self.sink)?.iter().find(|entry| entry.key == "type").map(|entry| &entry.value);
        let Some(kind) = kind else {
            self.sink.error(head(node), "the provider says not what it is").expected("`type`: `http`, `process` or `python`");
            return None;
        };
        match word(kind, &["http", "process", "python"], self.sink)? {
            "http" => self.http(node).map(Provider::Http),
            "process" => self.process(node).map(Provider::Process),
            _ => self.python(node),
        }
    }

    fn http(&mut self, node: &Node) -> Option<Http> {
        const KEYS: &[&str] =
            &["type", "url", "method", "headers", "arguments", "timeout", "verify_tls", "max_retries", "secrets", "expected_status"];
        let fields = Fields::new(node, "an http provider", KEYS, self.sink)?;
        if let Some(node) = fields.get("expected_status") {
            self.sink
                .warning(node.span, "`expected_status` stands in the documentation of Chaos Toolkit, and has no effect")
                .expected("a `tolerance` of a probe in the hypothesis");
        }
        let url = fields.must("url", "the address to ask", self.sink).and_then(|node| Some((words(node, self.sink)?, node.span)));
        let method = match fields.get("method") {
            None => "GET".to_owned(),
            Some(node) => words(node, self.sink)?.to_ascii_uppercase(),
        };
        let headers = match fields.get("headers").map(|node| (node, value::json(node, self.form))) {
            None | Some((_, Json::Null)) => json!({}),
            Some((_, headers @ Json::Object(_))) => headers,
            Some((node, _)) => wrong(node, "headers: a map of names and texts", self.sink)?,
        };
        let arguments = self.arguments(&fields);
        let timeout = match fields.get("timeout").map(|node| (node, value::json(node, self.form))) {
            None | Some((_, Json::Null)) => None,
            Some((node, timeout)) => match &timeout {
                Json::Number(_) | Json::String(_) => Some((timeout, node.span)),
                Json::Array(items) if items.len() == 2 && items.iter().all(Json::is_number) => Some((timeout, node.span)),
                _ => wrong(node, "seconds: a number, or two (for connecting and for reading)", self.sink)?,
            },
        };
        let verify_tls = match fields.get("verify_tls").map(|node| (node, value::json(node, self.form))) {
            None => json!(true),
            Some((_, verify @ (Json::Bool(_) | Json::String(_)))) => verify,
            Some((node, _)) => wrong(node, "`true`, `false`, or the file with the authorities", self.sink)?,
        };
        let max_retries = match fields.get("max_retries").map(|node| (node, value::json(node, self.form))) {
            None => 0,
            Some((node, retries)) => match retries.as_u64().filter(|n| *n <= 100) {
                Some(retries) => retries,
                None => wrong(node, "a whole number from 0 to 100", self.sink)?,
            },
        };
        Some(Http { url: url?, method, headers, arguments, timeout, verify_tls, max_retries })
    }

    fn process(&mut self, node: &Node) -> Option<Process> {
        let fields = Fields::new(node, "a process provider", &["type", "path", "arguments", "timeout", "secrets"], self.sink)?;
        let path = fields.must("path", "the program", self.sink).and_then(|node| Some((words(node, self.sink)?, node.span)));
        let timeout = match fields.get("timeout").map(|node| (node, value::json(node, self.form))) {
            None | Some((_, Json::Null)) => None,
            Some((node, timeout)) => match timeout.as_f64().filter(|seconds| (0.0..=604_800.0).contains(seconds)) {
                Some(seconds) => Some((seconds, node.span)),
                None => wrong(node, "seconds: a number, at most a week", self.sink)?,
            },
        };
        let arguments = match fields.get("arguments") {
            None => (Arguments::List(Vec::new()), fields.span),
            Some(node) => (self.process_arguments(node)?, head(node)),
        };
        Some(Process { path: path?, arguments, timeout })
    }

    fn process_arguments(&mut self, node: &Node) -> Option<Arguments> {
        if let Value::Map(entries) = &node.value {
            return Some(Arguments::Pairs(entries.iter().map(|e| (e.key.clone(), value::json(&e.value, self.form))).collect()));
        }
        match value::json(node, self.form) {
            Json::Null => Some(Arguments::List(Vec::new())),
            Json::Array(items) => Some(Arguments::List(items)),
            Json::String(text) if text.is_empty() => Some(Arguments::List(Vec::new())),
            Json::String(text) => Some(Arguments::Shell(text)),
            _ => wrong(node, "a list of arguments", self.sink),
        }
    }

    fn python(&mut self, node: &Node) -> Option<Provider> {
        let fields = Fields::new(node, "a python provider", &["type", "module", "func", "arguments", "secrets"], self.sink)?;
        let module = fields.words("module", self.sink);
        let func = fields.words("func", self.sink);
        Some(Provider::Python { module: module?, func: func?, arguments: self.arguments(&fields).0 })
    }

    fn arguments(&mut self, fields: &Fields<'_>) -> (Json, Span) {
        fields.get("arguments").map_or((Json::Null, fields.span), |node| (value::json(node, self.form), head(node)))
    }
}
