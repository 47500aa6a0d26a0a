//! Judgements to what the run showed. Never green when the measurement is not to be trusted or a fault did not verifiably happen.

use super::words;
use crate::model::{
    act::Effect,
    ids::InstanceId,
    measurement::{Judged, JudgedResult, Trust},
    outcome::Shown,
};

/// What the run showed. Doubts about the measurement or the fault win over a broken condition: a condition that failed without
/// the fault, or by our own lateness, is no finding about the system.
pub fn shown(judged: &[Judged], trust: &Trust, effects: &[Effect], wanted_victims: usize) -> Shown {
    let mut why: Vec<String> = trust.doubts.iter().map(|doubt| words::untrusted(doubt)).collect();
    if effects.is_empty() {
        why.push(words::NO_ACTS.to_owned());
    }
    for effect in effects.iter().filter(|effect| !effect.status.happened() && !effect.status.spared()) {
        let victim = effect.instance.as_ref().map(InstanceId::as_str);
        why.push(words::not_happened(&effect.act.to_string(), victim, effect.status.word(), effect.status.why()));
    }
    let mut hit: Vec<_> = effects.iter().filter(|e| e.status.happened()).filter_map(|e| e.instance.as_ref()).collect();
    hit.sort();
    hit.dedup();
    if hit.len() < wanted_victims {
        why.push(words::fewer_victims(hit.len(), wanted_victims));
    }
    if judged.is_empty() {
        why.push(words::NO_CONDITIONS.to_owned());
    }
    if !why.is_empty() {
        return Shown::Untold { why };
    }
    if judged.iter().any(|j| j.result == JudgedResult::Broken) {
        return Shown::Deviated;
    }
    let untold = judged.iter().filter(|j| j.result == JudgedResult::Untold);
    let why: Vec<String> = untold.map(|j| words::untold(&j.condition, j.phase, j.why.as_deref().unwrap_or(words::NOT_MEASURED))).collect();
    if why.is_empty() { Shown::Held } else { Shown::Untold { why } }
}
