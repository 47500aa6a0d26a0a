//! From the text of a file to a checked experiment, with everything that is wrong at its place and all of it at once.

mod activity;
mod fields;
mod settings;
mod tolerance;
mod traps;

use std::{collections::BTreeMap, sync::Arc};

use super::{
    json,
    model::{Activity, Experiment, Hypothesis, HypothesisStrategy, RollbackStrategy},
    value::{self, Form},
};
use crate::file::{
    self, Diagnostics, Node, Sink, Source, Span, Value,
    escape::quote,
    read::{head, list, word},
};
use fields::Fields;

/// The most activities of a file, all lists taken together.
const MOST_ACTIVITIES: usize = 1_000;

const KEYS: &[&str] = &[
    "title",
    "description",
    "method",
    "steady-state-hypothesis",
    "rollbacks",
    "configuration",
    "secrets",
    "controls",
    "runtime",
    "tags",
    "contributions",
    "extensions",
    "version",
    "dry",
];

/// A file with what there is to say about it; no error among that.
pub struct Read {
    /// The experiment.
    pub experiment: Experiment,
    /// Warnings.
    pub findings: Diagnostics,
}

/// What a file may say, with its place.
type Placed<T> = Option<(T, Span)>;

/// What is read while reading.
pub(super) struct Context<'s> {
    /// Where findings go.
    pub sink: &'s mut Sink,
    /// How the file is written.
    pub form: Form,
    /// What nothing here reads.
    pub not_carried: Vec<(Span, String)>,
}

/// The tree of a source: JSON where its name says so, else YAML.
pub fn tree(source: &Arc<Source>, sink: &mut Sink) -> Option<(Node, Form)> {
    if is_json(&source.name) {
        return json::parse(source, sink).map(|node| (node, Form::Json));
    }
    file::parse(source, sink).map(|node| (node, Form::Yaml))
}

/// Whether the name of a file says that it is JSON.
pub fn is_json(name: &str) -> bool {
    std::path::Path::new(name).extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"))
}

/// Whether this is a Chaos Toolkit experiment, by its shape: it has a key that only such files have, or a list of activities as its method.
pub fn is_one(root: &Node) -> bool {
    let activity = |node: &Node| node.get("provider").is_some() || node.get("ref").is_some();
    let in_method = match root.get("method").map(|method| &method.value) {
        Some(Value::Seq(items)) => items.iter().any(activity),
        _ => false,
    };
    in_method || root.get("steady-state-hypothesis").is_some() || root.get("method").is_some() && root.get("rollbacks").is_some()
}

/// Reads a source.
///
/// # Errors
/// Everything that is wrong with it, and its warnings.
pub fn read(source: &Arc<Source>) -> Result<Read, Diagnostics> {
    let mut sink = Sink::new(source);
    let experiment = tree(source, &mut sink).and_then(|(root, form)| {
        let mut context = Context { sink: &mut sink, form, not_carried: Vec::new() };
        let mut experiment = context.experiment(source, &root)?;
        experiment.not_carried = context.not_carried;
        Some(experiment)
    });
    if let Some(experiment) = &experiment {
        traps::warn(experiment, &mut sink);
    }
    match experiment {
        Some(experiment) if !sink.has_errors() => Ok(Read { experiment, findings: sink.finish() }),
        _ => Err(sink.finish()),
    }
}

impl Context<'_> {
    fn experiment(&mut self, source: &Arc<Source>, root: &Node) -> Option<Experiment> {
        let fields = Fields::new(root, "a Chaos Toolkit experiment", KEYS, self.sink)?;
        let document = value::json(root, self.form);
        let title = fields.words("title", self.sink);
        let description = fields.words("description", self.sink);
        let tags = fields.get("tags").map(|node| self.tags(node)).unwrap_or_default();
        let configuration = fields.get("configuration").and_then(|node| self.configuration(node)).unwrap_or_default();
        let secrets = fields.get("secrets").and_then(|node| self.secrets(node, 0)).unwrap_or_default();
        let (hypothesis_strategy, rollback_strategy) = fields.get("runtime").map(|node| self.runtime(node)).unwrap_or_default();
        self.controls(&fields, "the experiment");
        for key in ["contributions", "extensions"] {
            if let Some(node) = fields.get(key) {
                self.not_carried.push((head(node), format!("`{key}`: nothing here reads them")));
            }
        }
        let hypothesis = fields.get("steady-state-hypothesis");
        let method = fields.must("method", "a list of actions and probes, which may be empty", self.sink);
        let referable = self.referable(hypothesis, method);
        let hypothesis = hypothesis.filter(|node| !node.is_null()).and_then(|node| self.hypothesis(node, &referable));
        let method = method.and_then(|node| self.activities(node, &referable, false));
        let rollbacks = match fields.get("rollbacks") {
            Some(node) if !node.is_null() => self.activities(node, &referable, false),
            _ => Some(Vec::new()),
        };
        Some(Experiment {
            source: Arc::clone(source),
            document,
            title: title?,
            description: description?,
            tags,
            hypothesis,
            method: method?,
            rollbacks: rollbacks?,
            configuration,
            secrets,
            hypothesis_strategy,
            rollback_strategy,
            not_carried: Vec::new(),
        })
    }

    fn tags(&mut self, node: &Node) -> Vec<String> {
        let Some(items) = list(node, "words", self.sink) else { return Vec::new() };
        items.iter().filter_map(|item| fields::words(item, self.sink)).collect()
    }

    /// Activities that others may name: those of the method, then those of the hypothesis, and of two with one name the last.
    fn referable(&mut self, hypothesis: Option<&Node>, method: Option<&Node>) -> BTreeMap<String, Activity> {
        let probes = hypothesis.and_then(|node| node.get("probes"));
        let nodes = [method, probes].into_iter().flatten().filter_map(|node| match &node.value {
            Value::Seq(items) => Some(items),
            _ => None,
        });
        let mut out = BTreeMap::new();
        for node in nodes.flatten().take(MOST_ACTIVITIES).filter(|node| node.get("ref").is_none()) {
            // What is wrong with it is said where it stands.
            let mut quiet = Sink::new(self.sink.source());
            let mut context = Context { sink: &mut quiet, form: self.form, not_carried: Vec::new() };
            if let Some(activity) = context.activity(node) {
                out.insert(activity.name.clone(), activity);
            }
        }
        out
    }

    /// A list of activities; those of a hypothesis are `judged`, so they must have a tolerance.
    fn activities(&mut self, node: &Node, referable: &BTreeMap<String, Activity>, judged: bool) -> Option<Vec<Activity>> {
        let items = list(node, "actions and probes", self.sink)?;
        if items.len() > MOST_ACTIVITIES {
            self.sink.error(head(node), format!("{} activities", items.len())).expected(format!("at most {MOST_ACTIVITIES}"));
            return None;
        }
        let all: Vec<Option<Activity>> = items.iter().map(|item| self.activity_or_reference(item, referable)).collect();
        if judged {
            for probe in all.iter().flatten().filter(|probe| probe.tolerance.is_none()) {
                self.sink
                    .error(probe.span, format!("the probe {} says not what its result must be", quote(&probe.name)))
                    .expected("`tolerance`: every probe of a hypothesis has one");
            }
        }
        all.into_iter().collect()
    }

    fn hypothesis(&mut self, node: &Node, referable: &BTreeMap<String, Activity>) -> Option<Hypothesis> {
        let fields = Fields::new(node, "a steady-state hypothesis", &["title", "probes", "controls"], self.sink)?;
        self.controls(&fields, "the hypothesis");
        let title = fields.words("title", self.sink);
        let probes = match fields.get("probes") {
            Some(node) if !node.is_null() => self.activities(node, referable, true)?,
            _ => Vec::new(),
        };
        Some(Hypothesis { span: head(node), title: title?, probes })
    }

    fn runtime(&mut self, node: &Node) -> (Placed<HypothesisStrategy>, Placed<RollbackStrategy>) {
        let Some(fields) = Fields::new(node, "the run's settings", &["hypothesis", "rollbacks"], self.sink) else { return (None, None) };
        let hypothesis = fields.get("hypothesis").and_then(|node| self.strategy(node, &HypothesisStrategy::NAMES));
        let rollbacks = fields.get("rollbacks").and_then(|node| self.strategy(node, &RollbackStrategy::NAMES));
        (hypothesis, rollbacks)
    }

    fn strategy<T: Copy>(&mut self, node: &Node, names: &[(&'static str, T)]) -> Option<(T, Span)> {
        let fields = Fields::new(node, "a strategy", &["strategy"], self.sink)?;
        let node = fields.get("strategy")?;
        let words: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
        let word = word(node, &words, self.sink)?;
        names.iter().find(|(name, _)| *name == word).map(|(_, strategy)| (*strategy, node.span))
    }

    /// Hooks in Python: noted, never loaded.
    fn controls(&mut self, fields: &Fields<'_>, of: &str) {
        let Some(node) = fields.get("controls") else { return };
        let items = match &node.value {
            Value::Seq(items) => items.as_slice(),
            _ => return,
        };
        for item in items {
            let name = item.get("name").and_then(Node::text).unwrap_or("without a name");
            self.not_carried.push((head(item), format!("the control {} of {of}: it is Python", quote(name))));
        }
    }
}
