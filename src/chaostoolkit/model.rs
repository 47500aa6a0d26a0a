//! A Chaos Toolkit experiment, read and checked. Every part knows its place in the file, because every part may have to be explained.

use std::sync::Arc;

use serde_json::Value as Json;

use super::jsonpath::JsonPath;
use crate::file::{Source, Span};

/// One file.
#[derive(Debug, Clone)]
pub struct Experiment {
    /// The text it was read from.
    pub source: Arc<Source>,
    /// All of it as plain values, for the journal.
    pub document: Json,
    /// One sentence; may hold `${name}`.
    pub title: String,
    /// More words.
    pub description: String,
    /// Words to find it by, with the place of each.
    pub tags: Vec<String>,
    /// What must hold.
    pub hypothesis: Option<Hypothesis>,
    /// What is done, in order.
    pub method: Vec<Activity>,
    /// What brings everything back, in order.
    pub rollbacks: Vec<Activity>,
    /// Values for `${name}`, in the order of the file.
    pub configuration: Vec<Setting>,
    /// Secret values, by scope.
    pub secrets: Vec<Setting>,
    /// When the hypothesis is checked, where the file says it.
    pub hypothesis_strategy: Option<(HypothesisStrategy, Span)>,
    /// When rollbacks are played, where the file says it.
    pub rollback_strategy: Option<(RollbackStrategy, Span)>,
    /// What the file holds and nothing here reads, in order: a control, contributions, an extension.
    pub not_carried: Vec<(Span, String)>,
}

/// The steady-state hypothesis.
#[derive(Debug, Clone)]
pub struct Hypothesis {
    /// Where it begins.
    pub span: Span,
    /// One sentence.
    pub title: String,
    /// Its probes, in order; each has a tolerance.
    pub probes: Vec<Activity>,
}

/// A probe or an action.
#[derive(Debug, Clone)]
pub struct Activity {
    /// Where it begins.
    pub span: Span,
    /// As written, for the journal.
    pub document: Json,
    /// Whether it looks or acts.
    pub kind: ActivityKind,
    /// Its name.
    pub name: String,
    /// How it is done.
    pub provider: Provider,
    /// Where the provider begins.
    pub provider_span: Span,
    /// The next one does not wait for it.
    pub background: bool,
    /// Seconds to wait before it; a number or `${name}`.
    pub pause_before: Option<(Json, Span)>,
    /// Seconds to wait after it; a number or `${name}`.
    pub pause_after: Option<(Json, Span)>,
    /// What its result must be; always there in a hypothesis.
    pub tolerance: Option<Tolerance>,
    /// It says itself whether it is left out of a dry run; the file's own word has no such word, so it is never left out.
    pub never_dry: bool,
}

/// Whether an activity looks or acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActivityKind {
    /// It looks.
    Probe,
    /// It changes something.
    Action,
}

/// How an activity is done.
#[derive(Debug, Clone)]
pub enum Provider {
    /// An HTTP request.
    Http(Http),
    /// A program.
    Process(Process),
    /// A function of a Python module: known by name, never called.
    Python {
        /// The module.
        module: String,
        /// The function.
        func: String,
        /// Its arguments.
        arguments: Json,
    },
}

/// An HTTP request. All texts but the method may hold `${name}`.
#[derive(Debug, Clone)]
pub struct Http {
    /// Where to.
    pub url: (String, Span),
    /// In capitals.
    pub method: String,
    /// Header to value.
    pub headers: Json,
    /// The query of a GET; else the body.
    pub arguments: (Json, Span),
    /// Seconds, or a list of two: for connecting and for each read.
    pub timeout: Option<(Json, Span)>,
    /// `false`: any certificate will do; text: the file with the authorities.
    pub verify_tls: Json,
    /// How often a connection that fails is tried again.
    pub max_retries: u64,
}

/// A program.
#[derive(Debug, Clone)]
pub struct Process {
    /// Which; a name is looked for in `PATH`.
    pub path: (String, Span),
    /// Its arguments.
    pub arguments: (Arguments, Span),
    /// Seconds.
    pub timeout: Option<(f64, Span)>,
}

/// The arguments of a program. Their texts may hold `${name}`.
#[derive(Debug, Clone)]
pub enum Arguments {
    /// One by one.
    List(Vec<Json>),
    /// One text behind the program's path, which a shell reads.
    Shell(String),
    /// Each key and each value is an argument, in the order of the file.
    Pairs(Vec<(String, Json)>),
}

/// What a result must be.
#[derive(Debug, Clone)]
pub struct Tolerance {
    /// Where.
    pub span: Span,
    /// What.
    pub must: Must,
}

/// The kinds of tolerance.
#[derive(Debug, Clone)]
pub enum Must {
    /// The value itself, or the `status` of a result that has one.
    Number(i64),
    /// The value itself.
    Bool(bool),
    /// The value itself; may hold `${name}`, and be of any type then.
    Text(String),
    /// Two: a range of the value. Else, and for a `status`: one of these.
    List(Vec<Json>),
    /// A range, both ends included.
    Range {
        /// The lower end.
        low: f64,
        /// The upper end.
        high: f64,
        /// What of the result.
        target: Option<String>,
    },
    /// A regular expression that is found in it.
    Regex {
        /// The expression; may hold `${name}`.
        pattern: String,
        /// What of the result.
        target: Option<String>,
    },
    /// What a path finds.
    JsonPath {
        /// The path; read beforehand where it holds no `${name}`.
        path: String,
        /// It, read.
        parsed: Option<JsonPath>,
        /// The values that it must find.
        expect: Option<Json>,
        /// How many it must find.
        count: Option<Json>,
        /// What of the result.
        target: Option<String>,
    },
    /// Another activity judges: it gets the value as its argument `value`.
    Probe(Box<Activity>),
}

/// A configuration value or a secret.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// Where the name is.
    pub span: Span,
    /// What it is.
    pub value: SettingValue,
}

/// Where a value comes from.
#[derive(Debug, Clone)]
pub enum SettingValue {
    /// The file.
    Literal(Json),
    /// An environment variable.
    Env {
        /// Its name.
        key: String,
        /// Taken when it is not set.
        default: Option<Json>,
        /// What its text is turned to: `int`, `bool`, …
        kind: Option<String>,
    },
    /// A probe that is asked once before the run.
    Probe(Box<Activity>),
    /// A store of secrets, which is not asked.
    Vault,
    /// A scope of secrets.
    Scope(Vec<Setting>),
}

/// When the hypothesis is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum HypothesisStrategy {
    Default,
    BeforeMethodOnly,
    AfterMethodOnly,
    DuringMethodOnly,
    Continuously,
    Skip,
}

impl HypothesisStrategy {
    /// Name in files to strategy; the last one is a common slip that the format forgives.
    pub const NAMES: [(&str, Self); 7] = [
        ("default", Self::Default),
        ("before-method-only", Self::BeforeMethodOnly),
        ("after-method-only", Self::AfterMethodOnly),
        ("during-method-only", Self::DuringMethodOnly),
        ("continuously", Self::Continuously),
        ("skip", Self::Skip),
        ("continously", Self::Continuously),
    ];

    /// Whether it is checked before the method.
    pub fn before(self) -> bool {
        matches!(self, Self::Default | Self::BeforeMethodOnly | Self::Continuously)
    }

    /// Whether it is checked again and again during the method.
    pub fn during(self) -> bool {
        matches!(self, Self::DuringMethodOnly | Self::Continuously)
    }

    /// Whether it is checked after the method.
    pub fn after(self) -> bool {
        matches!(self, Self::Default | Self::AfterMethodOnly | Self::Continuously)
    }
}

/// When rollbacks are played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum RollbackStrategy {
    Default,
    Always,
    Never,
    Deviated,
}

impl RollbackStrategy {
    /// Name in files to strategy.
    pub const NAMES: [(&str, Self); 4] =
        [("default", Self::Default), ("always", Self::Always), ("never", Self::Never), ("deviated", Self::Deviated)];
}

impl Experiment {
    /// All activities of the hypothesis, the method and the rollbacks, in this order.
    pub fn activities(&self) -> impl Iterator<Item = &Activity> {
        self.hypothesis.iter().flat_map(|h| &h.probes).chain(&self.method).chain(&self.rollbacks)
    }

    /// Whether the method changes anything.
    pub fn acts(&self) -> bool {
        self.method.iter().any(|activity| activity.kind == ActivityKind::Action)
    }
}
