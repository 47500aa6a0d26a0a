//! Whether an experiment can be run as it is: what it needs must be there, and what is not carried must not be needed. Found before anything
//! is touched, all at once.

use serde_json::Value as Json;

use super::{Mode, Options};
use crate::{
    chaostoolkit::{
        jsonpath::JsonPath,
        model::{Activity, Experiment, HypothesisStrategy, Must, Provider, RollbackStrategy, Setting, SettingValue},
        provider::process,
        regex,
        substitute::{Values, words},
    },
    file::{Diagnostics, Sink, Span, escape::quote},
};

/// Every reason why not, and what is good to know. `values` are the settled ones.
pub fn check(experiment: &Experiment, values: &Values, options: &Options) -> Diagnostics {
    let mut sink = Sink::new(&experiment.source);
    // A value that a probe gives is known only in the run.
    let dynamic = experiment.configuration.iter().any(|setting| matches!(setting.value, SettingValue::Probe(_)));
    for activity in experiment.activities() {
        one(activity, values, dynamic, &mut sink);
    }
    for setting in &experiment.configuration {
        if let SettingValue::Probe(probe) = &setting.value {
            one(probe, values, true, &mut sink);
        }
    }
    vaults(&experiment.secrets, &mut sink);
    for (span, what) in &experiment.not_carried {
        if !what.starts_with("the secret ") {
            sink.warning(*span, format!("not carried: {what}"));
        }
    }
    if options.mode == Mode::Strict {
        strict(experiment, options, &mut sink);
    }
    sink.finish()
}

fn one(activity: &Activity, values: &Values, dynamic: bool, sink: &mut Sink) {
    match &activity.provider {
        Provider::Python { module, func, .. } => {
            sink.error(
                activity.provider_span,
                format!("{} is Python ({}), which is not run here", quote(&activity.name), quote(&format!("{module}.{func}"))),
            )
            .expected("an `http` or a `process` provider; `firedrill import chaos-toolkit` says what of it has its like in firedrill");
        }
        Provider::Process(process) => {
            if process::find(&process.path.0).is_none() {
                sink.error(process.path.1, format!("{} is not a program that can be run", quote(&process.path.0)))
                    .expected("a path, or a name that is found in PATH");
            }
            if has_secret(&activity.document["provider"]["arguments"], values) {
                sink.warning(
                    process.arguments.1,
                    format!(
                        "a secret is among the arguments of {}, where every process of this machine can read it",
                        quote(&activity.name)
                    ),
                )
                .expected("a program that reads it from its environment or from a file");
            }
        }
        Provider::Http(http) => {
            if let Some((timeout, span)) = &http.timeout
                && !dynamic
                && !matches!(values.fill(timeout), Json::Number(_) | Json::Array(_))
            {
                sink.error(*span, "this is no number of seconds").expected("a number, or `${name}` of the configuration that is one");
            }
        }
    }
    for (pause, span) in [&activity.pause_before, &activity.pause_after].into_iter().flatten() {
        let filled = values.fill(pause);
        let fits = filled.as_f64().is_some_and(|seconds| (0.0..=604_800.0).contains(&seconds));
        if !fits && !dynamic {
            sink.error(*span, "this is no number of seconds")
                .expected("a number, at most a week, or `${name}` of the configuration that is one");
        }
    }
    if let Some(tolerance) = &activity.tolerance {
        must(&tolerance.must, tolerance.span, values, dynamic, sink);
    }
}

/// What only the values make whole: else a slip in it would look like a system that is not well.
fn must(must: &Must, span: Span, values: &Values, dynamic: bool, sink: &mut Sink) {
    match must {
        Must::Probe(judge) => one(judge, values, dynamic, sink),
        Must::Regex { pattern, .. } if !dynamic => {
            if let Err(why) = regex::compile(&words(&values.text(pattern))) {
                // Without the values: one of them may be a secret.
                sink.error(span, format!("{} cannot be looked for: {why}", quote(pattern))).expected("a regular expression");
            }
        }
        Must::JsonPath { path, parsed: None, .. } if !dynamic => {
            if let Err(why) = JsonPath::parse(words(&values.text(path)).trim()) {
                sink.error(span, format!("{} is no path: {why}", quote(path))).expected("a JSON path like `$.items[*].name`");
            }
        }
        _ => {}
    }
}

/// Whether a secret is put into it.
fn has_secret(value: &Json, values: &Values) -> bool {
    let open = Values { configuration: values.configuration.clone(), secrets: Vec::new() };
    values.fill(value) != open.fill(value)
}

fn vaults(settings: &[Setting], sink: &mut Sink) {
    for setting in settings {
        match &setting.value {
            SettingValue::Vault => {
                sink.error(setting.span, format!("the secret `{}` is in Vault, which is not asked here", setting.name))
                    .expected("`{ type: env, key: NAME }`");
            }
            SettingValue::Scope(inner) => vaults(inner, sink),
            _ => {}
        }
    }
}

/// What is never green strictly, said before.
fn strict(experiment: &Experiment, options: &Options, sink: &mut Sink) {
    let top = Span::default();
    let probes = experiment.hypothesis.as_ref().map_or(0, |hypothesis| hypothesis.probes.len());
    if probes == 0 {
        let span = experiment.hypothesis.as_ref().map_or(top, |hypothesis| hypothesis.span);
        sink.error(span, "there is no hypothesis with a probe, so there is nothing to judge")
            .expected("`steady-state-hypothesis` with `probes`; `--compatible` runs the experiment as Chaos Toolkit does");
    }
    let written = experiment.hypothesis_strategy;
    let strategy = options.hypothesis.or(written.map(|(strategy, _)| strategy));
    let span = written.map_or(top, |(_, span)| span);
    match strategy {
        Some(HypothesisStrategy::Skip | HypothesisStrategy::BeforeMethodOnly) => {
            sink.error(span, "with this strategy nothing is judged once the method has begun")
                .expected("`continuously`, `during-method-only` or `after-method-only`; or `--compatible`");
        }
        Some(HypothesisStrategy::AfterMethodOnly) => {
            sink.warning(
                span,
                "with this strategy an outage that heals before the end of the method is not seen, and nothing is looked at before",
            )
            .expected("`continuously`");
        }
        Some(HypothesisStrategy::DuringMethodOnly) => {
            sink.warning(span, "with this strategy the method begins whatever state the system is in").expected("`continuously`");
        }
        None | Some(HypothesisStrategy::Default | HypothesisStrategy::Continuously) => {}
    }
    let rollbacks = options.rollbacks.or(experiment.rollback_strategy.map(|(strategy, _)| strategy));
    if matches!(rollbacks, Some(RollbackStrategy::Never | RollbackStrategy::Deviated)) {
        let span = experiment.rollback_strategy.map_or(top, |(_, span)| span);
        sink.warning(span, "strictly, rollbacks are played whenever an action was begun: this strategy has no effect");
    }
}
