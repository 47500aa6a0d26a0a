//! The whole file.

use std::{collections::BTreeMap, time::Duration};

use super::{guardrails, method, probes, schedule, steady_state, versions};
use crate::{
    file::{
        diagnostic::Sink,
        escape::quote,
        read::{self, Fields},
        table::{Key, Kind, Table, key, must},
        yaml::Node,
    },
    model::{
        blast_radius::Caps,
        experiment::{Bind, Experiment, Objective, Recovery},
        quantity::Share,
    },
};

/// The version of the format that this build writes, and the newest it reads.
pub const VERSION: u64 = 1;

const KEYS: &[Key] = &[
    key("version", Kind::Integer, "the version of the format; the newest when left out"),
    must("title", Kind::Text, "one sentence that says what is believed to hold"),
    key("description", Kind::Text, "more words"),
    key("owner", Kind::Text, "who is told"),
    key("labels", Kind::Map(&Kind::Text), "labels of the experiment itself"),
    key("environment", Kind::Text, "the environment of firedrill.yaml to run in; `--env` overrides it"),
    key(
        "seed",
        Kind::Integer,
        "the seed of every draw: the same inventory and seed give the same victims; drawn and printed when left out",
    ),
    must("probes", Kind::Map(&Kind::Tables(probes::KINDS)), "what measures, by name"),
    must("steady-state", Kind::List(&Kind::Tables(steady_state::KINDS)), "the conditions that must hold, with numbers"),
    key("versions", Kind::Map(&versions::ENDPOINT_FORM), "where the instances of a service say which version they are, by service"),
    key("objective", Kind::Table(&OBJECTIVE), "an availability objective, for the error budget"),
    key("warm-up", Kind::Duration, "how long probes run before anything counts; 2s when left out"),
    key("baseline", Kind::Duration, "how long the untouched system is measured; 10s when left out"),
    key("recovery", Kind::Table(&RECOVERY), "when the system counts as recovered"),
    key("watch", Kind::Duration, "how long an act that has no undo is watched; 30s when left out"),
    key("bind", Kind::Words(&["at-start", "at-step"]), "when victims are drawn: all before the first act, or each step's when it begins"),
    must("method", Kind::List(&method::STEP_FORM), "what is done, in order"),
    key("guardrails", Kind::Table(&guardrails::GUARDRAILS), "the blast radius, and what ends the run early"),
    key("schedule", Kind::Table(&schedule::SCHEDULE), "when the daemon runs the experiment; nothing else reads it"),
];

/// The keys of an experiment file.
pub static EXPERIMENT: Table = Table::new("the experiment", KEYS);

static OBJECTIVE: Table = Table::new(
    "the objective",
    &[
        must("availability", Kind::Share, "the availability that is promised, below 100%"),
        key("over", Kind::Duration, "the period of the promise; 30d when left out"),
    ],
);

static RECOVERY: Table = Table::new(
    "`recovery`",
    &[
        key("hold", Kind::Duration, "the steady state must hold for so long; 5s when left out"),
        key("limit", Kind::Duration, "and begin to within so long; 60s when left out"),
    ],
);

/// Reads the tree of an experiment file. `None` when anything is wrong; everything that is wrong is in the sink.
pub fn experiment(root: &Node, sink: &mut Sink) -> Option<Experiment> {
    let fields = Fields::new(root, &EXPERIMENT, sink)?;
    if let Some(version) = fields.integer("version", sink).filter(|v| *v != VERSION) {
        let span = fields.node("version").map_or(fields.span, |n| n.span);
        sink.error(span, format!("version {version} of the format is not known to this build")).expected(format!("version {VERSION}"));
    }
    let probes = fields.get("probes", sink, probes::probes).unwrap_or_default();
    let names = probes::names(fields.node("probes"));
    let recovery = fields.get("recovery", sink, recovery);
    let (caps, abort_when) = fields
        .get("guardrails", sink, |node, sink| guardrails::guardrails(node, &names, fields.has("objective"), sink))
        .unwrap_or_else(|| (Caps::default(), Vec::new()));
    fields.get("schedule", sink, schedule::check);
    let experiment = Experiment {
        title: fields.get("title", sink, read::line).unwrap_or_default().trim().to_owned(),
        // A folded text keeps its last line break, which means nothing.
        description: fields.text("description", sink).map(|text| text.trim_end().to_owned()),
        owner: fields.get("owner", sink, read::line).map(str::to_owned),
        labels: fields.get("labels", sink, labels).unwrap_or_default(),
        environment: fields.get("environment", sink, read::line).map(str::to_owned),
        seed: fields.integer("seed", sink),
        probes,
        steady_state: fields.get("steady-state", sink, |node, sink| steady_state::steady_state(node, &names, sink)).unwrap_or_default(),
        objective: fields.get("objective", sink, objective),
        warm_up: fields.duration("warm-up", sink).unwrap_or(Duration::from_secs(2)),
        baseline: fields.get("baseline", sink, read::some_time).unwrap_or(Duration::from_secs(10)),
        recovery: recovery.unwrap_or(Recovery { hold: Duration::from_secs(5), limit: Duration::from_mins(1) }),
        watch: fields.duration("watch", sink).unwrap_or(Duration::from_secs(30)),
        bind: match fields.get("bind", sink, |node, sink| read::word(node, &["at-start", "at-step"], sink)) {
            Some("at-step") => Bind::AtStep,
            _ => Bind::AtStart,
        },
        method: fields.get("method", sink, method::method).unwrap_or_default(),
        caps,
        abort_when,
        versions: fields.get("versions", sink, versions::versions).unwrap_or_default(),
    };
    if experiment.title.is_empty() && fields.node("title").is_some_and(|n| n.text().is_some_and(|t| t.trim().is_empty())) {
        sink.error(fields.key_span("title"), "the title is empty").expected("one sentence that says what is believed to hold");
    }
    (!sink.has_errors()).then_some(experiment)
}

fn objective(node: &Node, sink: &mut Sink) -> Option<Objective> {
    let fields = Fields::new(node, &OBJECTIVE, sink)?;
    let availability = fields.share("availability", sink)?;
    if availability >= Share(1.0) || availability <= Share(0.0) {
        let span = fields.node("availability").map_or(fields.span, |n| n.span);
        sink.error(span, format!("an objective of {availability} leaves no error budget to speak of"))
            .expected("a percentage between 0% and 100%, like `99.9%`");
    }
    let over = fields.get("over", sink, read::some_time).unwrap_or(Duration::from_hours(30 * 24));
    Some(Objective { availability, over })
}

fn recovery(node: &Node, sink: &mut Sink) -> Option<Recovery> {
    let fields = Fields::new(node, &RECOVERY, sink)?;
    let hold = fields.get("hold", sink, read::some_time).unwrap_or(Duration::from_secs(5));
    let limit = fields.get("limit", sink, read::some_time).unwrap_or(Duration::from_mins(1));
    Some(Recovery { hold, limit })
}

/// Labels: keys and values are one line each.
pub fn labels(node: &Node, sink: &mut Sink) -> Option<BTreeMap<String, String>> {
    let entries = read::map(node, "labels", sink)?;
    let mut out = BTreeMap::new();
    for entry in entries {
        if entry.key.len() > 128 {
            sink.error(entry.key_span, format!("the label {} is too long", quote(&entry.key))).expected("at most 128 bytes");
        }
        if let Some(value) = read::line(&entry.value, sink) {
            out.insert(entry.key.clone(), value.to_owned());
        }
    }
    Some(out)
}
