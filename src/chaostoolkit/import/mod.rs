//! From a Chaos Toolkit experiment to one of ours, with every difference in meaning at its place. What cannot be said in our format is not
//! guessed: it is left out, and listed.

mod aws;
mod probes;
mod steps;
mod texts;

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use crate::{
    chaostoolkit::model::{Experiment as Theirs, HypothesisStrategy, RollbackStrategy, SettingValue},
    file::{Span, write},
    model::{
        blast_radius::Caps,
        experiment::{Bind, Experiment, Recovery},
        steady_state::Phase,
    },
};
use texts::Texts;

/// What an import gives.
#[derive(Debug)]
pub struct Imported {
    /// The experiment in our format.
    pub text: String,
    /// The differences, in the order of the file.
    pub differences: Vec<Difference>,
    /// Variables (`${name}`) that must be set before it runs, each with what it was.
    pub variables: BTreeMap<String, String>,
    /// Why the result cannot run as it is; nothing when it can.
    pub incomplete: Vec<String>,
}

/// Where ours does something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where it is in the file.
    pub span: Span,
    /// What was meant, and what ours does instead.
    pub says: String,
    /// Whether it is left out altogether.
    pub left_out: bool,
}

/// Collects the differences while parts are turned over.
pub(super) struct Turning<'e> {
    texts: Texts<'e>,
    differences: Vec<Difference>,
}

impl Turning<'_> {
    fn differs(&mut self, span: Span, says: impl Into<String>) {
        self.differences.push(Difference { span, says: says.into(), left_out: false });
    }

    fn left_out(&mut self, span: Span, says: impl Into<String>) {
        self.differences.push(Difference { span, says: says.into(), left_out: true });
    }
}

/// Turns it over.
pub fn import(theirs: &Theirs) -> Imported {
    let mut turning = Turning { texts: Texts::new(theirs), differences: Vec::new() };
    let top = Span::default();
    turning.differs(top, "where it runs is no part of the file: in firedrill, an environment of firedrill.yaml says it");
    for setting in theirs.configuration.iter().filter(|setting| matches!(setting.value, SettingValue::Probe(_))) {
        turning.left_out(setting.span, format!("the configuration `{}` is asked of a probe: here it is a variable to set", setting.name));
    }
    for setting in &theirs.configuration {
        if let SettingValue::Env { key, default: Some(_), .. } = &setting.value {
            turning.differs(
                setting.span,
                format!("the configuration `{}` may come from the environment variable {key}: here its default is written", setting.name),
            );
        }
    }
    for (span, what) in &theirs.not_carried {
        turning.left_out(*span, what.clone());
    }
    let strategy = theirs.hypothesis_strategy.unwrap_or((HypothesisStrategy::Default, top));
    let phases = phases(&mut turning, strategy);
    let (probes, steady_state) = probes::hypothesis(&mut turning, theirs.hypothesis.as_ref(), &phases);
    let method = steps::method(&mut turning, theirs);
    if let Some((RollbackStrategy::Never | RollbackStrategy::Deviated, span)) = theirs.rollback_strategy {
        turning.differs(span, "the rollbacks are not always played: here every act is undone, whatever became of the run");
    }
    let mut incomplete = Vec::new();
    if probes.is_empty() {
        incomplete.push("it has no probe: nothing of the hypothesis can be said in our format".to_owned());
    }
    if method.is_empty() {
        incomplete.push("it has no step: nothing of the method can be said in our format".to_owned());
    }
    let ours = Experiment {
        title: turning.texts.fill(&theirs.title),
        description: Some(turning.texts.fill(&theirs.description)),
        owner: None,
        labels: theirs.tags.iter().filter(|tag| !tag.is_empty()).map(|tag| (tag.clone(), "tag".to_owned())).collect(),
        environment: None,
        seed: None,
        probes,
        steady_state,
        objective: None,
        warm_up: Duration::from_secs(1),
        baseline: Duration::from_secs(10),
        recovery: Recovery { hold: Duration::from_secs(5), limit: Duration::from_mins(1) },
        watch: Duration::from_secs(30),
        bind: Bind::AtStart,
        method,
        caps: Caps::default(),
        abort_when: Vec::new(),
        versions: BTreeMap::new(),
    };
    turning.differences.sort_by_key(|difference| difference.span.start);
    let variables = turning.texts.variables();
    let text = texts::with_variables(&write::experiment(&ours));
    Imported { text: headed(theirs, &turning, &variables, &text), differences: turning.differences, variables, incomplete }
}

fn phases(turning: &mut Turning<'_>, (strategy, span): (HypothesisStrategy, Span)) -> Vec<Phase> {
    match strategy {
        HypothesisStrategy::Default => {
            turning.differs(
                span,
                "the hypothesis is checked once before and once after the method: here the probes run all the time, and it must hold in every phase \
                 (`in: [baseline, recovery]` looks away during the fault)",
            );
            Phase::COUNTED.to_vec()
        }
        HypothesisStrategy::Continuously => {
            turning.differs(span, "the checks during the method have no effect on the verdict there: here each of them must be met");
            Phase::COUNTED.to_vec()
        }
        HypothesisStrategy::BeforeMethodOnly => vec![Phase::Baseline],
        HypothesisStrategy::DuringMethodOnly => {
            turning.differs(span, "the checks during the method have no effect on the verdict there: here each of them must be met");
            vec![Phase::Fault]
        }
        HypothesisStrategy::AfterMethodOnly => {
            turning.differs(
                span,
                "the check after the method comes before the rollbacks there: here it is the recovery, which comes after the undo",
            );
            vec![Phase::Recovery]
        }
        HypothesisStrategy::Skip => {
            turning.differs(span, "the hypothesis is not checked there: here it is");
            Phase::COUNTED.to_vec()
        }
    }
}

/// The text with what a reader must know above it.
fn headed(theirs: &Theirs, turning: &Turning<'_>, variables: &BTreeMap<String, String>, text: &str) -> String {
    let mut out = String::new();
    let line = |text: &str| text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    let _ = writeln!(out, "# Made by `firedrill import chaos-toolkit` of {}.", line(&theirs.source.name));
    if !variables.is_empty() {
        let _ = writeln!(out, "# Variables to set (in an environment's `vars:`, or by --var):");
        for (name, was) in variables {
            let _ = writeln!(out, "#   {}: {}", line(name), line(was));
        }
    }
    if !turning.differences.is_empty() {
        let _ = writeln!(out, "# Where it differs from the original:");
        for difference in &turning.differences {
            let (at, _) = theirs.source.line_column(difference.span.start);
            let kind = if difference.left_out { "not carried: " } else { "" };
            let _ = writeln!(out, "#   line {at}: {kind}{}", line(&difference.says));
        }
    }
    out.push('\n');
    out.push_str(text);
    out
}
