//! Such a run in the record that the reports over several files render: its probes are the conditions, its actions the acts.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value as Json;

use crate::{
    chaostoolkit::{model::Experiment, run::Finished},
    event::EVENT_VERSION,
    model::{
        act::{Effect, EffectStatus},
        blast_radius::Caps,
        experiment::{self, Bind, Recovery},
        ids::{ActId, RunId},
        measurement::{Judged, JudgedResult, Measurement, Trust},
        outcome::{Ended, Outcome, Shown},
        steady_state::Phase,
        time::{Mono, Wall},
    },
    redact,
    report::RunRecord,
};

/// The record of a run that ended.
pub(super) fn of(run: &RunId, file: &str, begun: (Mono, Wall), experiment: &Experiment, finished: &Finished) -> RunRecord {
    let journal = &finished.journal;
    let (before, during, after) =
        (&journal["steady_states"]["before"], &journal["steady_states"]["during"], &journal["steady_states"]["after"]);
    let checks = |phase: Phase, when: &str, checks: Vec<&Json>| -> Vec<Judged> {
        let names = experiment.hypothesis.iter().flat_map(|h| &h.probes).map(|probe| probe.name.as_str());
        names.map(|name| judged(name, phase, when, &checks)).collect()
    };
    let mut conditions = Vec::new();
    if !before.is_null() {
        conditions.extend(checks(Phase::Baseline, "before the method", vec![before]));
    }
    if let Some(list) = during.as_array().filter(|list| !list.is_empty()) {
        conditions.extend(checks(Phase::Fault, "during the method", list.iter().collect()));
    }
    if !after.is_null() {
        conditions.extend(checks(Phase::Fault, "after the method", vec![after]));
    }
    RunRecord {
        version: EVENT_VERSION,
        run: Some(run.clone()),
        tool: concat!("firedrill ", env!("CARGO_PKG_VERSION")).to_owned(),
        file: Some(file.to_owned()),
        experiment: Some(Box::new(named(journal["experiment"]["title"].as_str().unwrap_or(&experiment.title)))),
        effects: effects(journal, begun.0),
        measurement: Some(Box::new(nothing_measured(begun.0))),
        judged: conditions,
        // A program may say a secret back, and its words are reasons here; all else is from the journal, which holds none.
        outcome: Some(redact::without(finished.outcome.clone().unwrap_or_else(|| {
            let shown = if finished.exit_code == 0 { Shown::Held } else { Shown::Deviated };
            Outcome { ended: Ended::Completed, shown, residue: Vec::new() }
        }))),
        started: Some(begun),
        last: Some(begun),
        ..RunRecord::default()
    }
}

/// How one probe fared in some checks.
fn judged(name: &str, phase: Phase, when: &str, checks: &[&Json]) -> Judged {
    let of_it = checks.iter().flat_map(|check| check["probes"].as_array().into_iter().flatten());
    let asked: Vec<bool> =
        of_it.filter(|probe| probe["activity"]["name"] == name).map(|probe| probe["tolerance_met"] == Json::Bool(true)).collect();
    let met = asked.iter().filter(|met| **met).count();
    let (result, why) = match asked.len() {
        0 => (JudgedResult::Untold, Some("it was not asked: a probe before it was not met".to_owned())),
        n if n == met => (JudgedResult::Held, None),
        _ => (JudgedResult::Broken, None),
    };
    Judged {
        condition: format!("{name} within its tolerance {when}"),
        phase: Some(phase),
        measured: format!("met {met} of {} times", asked.len()),
        value: None,
        result,
        why,
    }
}

fn effects(journal: &Json, at: Mono) -> Vec<Effect> {
    let actions = journal["run"].as_array().into_iter().flatten().filter(|entry| entry["activity"]["type"] == "action");
    let effect = |(n, entry): (usize, &Json)| {
        let bad = match (entry["status"].as_str(), entry["output"]["status"].as_i64(), entry["activity"]["provider"]["type"].as_str()) {
            (Some("failed"), ..) => entry["exception"][0].as_str().map(str::to_owned).or_else(|| Some("it failed".to_owned())),
            (_, Some(status), Some("process")) if status != 0 => Some(format!("it ended with status {status}")),
            (_, Some(status), Some("http")) if status >= 400 => Some(format!("the answer has status {status}")),
            _ => None,
        };
        Effect {
            act: ActId { step: u32::try_from(n + 1).unwrap_or(u32::MAX), act: 1 },
            instance: None,
            status: bad.map_or(EffectStatus::Happened, |why| EffectStatus::Failed { why: why.trim().to_owned() }),
            requested: at,
            answered: None,
            took_effect: None,
            source: "what the action returned".to_owned(),
        }
    };
    actions.enumerate().map(effect).collect()
}

/// An experiment of ours that has no more than the title.
fn named(title: &str) -> experiment::Experiment {
    experiment::Experiment {
        title: title.to_owned(),
        description: None,
        owner: None,
        labels: BTreeMap::new(),
        environment: None,
        seed: None,
        probes: Vec::new(),
        steady_state: Vec::new(),
        objective: None,
        warm_up: Duration::ZERO,
        baseline: Duration::ZERO,
        recovery: Recovery { hold: Duration::ZERO, limit: Duration::ZERO },
        watch: Duration::ZERO,
        bind: Bind::AtStart,
        method: Vec::new(),
        caps: Caps::default(),
        abort_when: Vec::new(),
        versions: BTreeMap::new(),
    }
}

/// Such experiments have no open-loop probes, so there are no numbers.
fn nothing_measured(origin: Mono) -> Measurement {
    Measurement {
        origin,
        phases: Vec::new(),
        probes: Vec::new(),
        victims: Vec::new(),
        recovered_after_s: None,
        capacity_back_after_s: None,
        capacity_lost: false,
        watched_after_effect_s: None,
        capacity_by_step: Vec::new(),
        death_spread_s: BTreeMap::new(),
        replacements: Vec::new(),
        phoenixes: Vec::new(),
        findings: Vec::new(),
        trust: Trust::default(),
    }
}
