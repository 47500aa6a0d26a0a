//! What acts came to, in the engine's words.

use super::trouble::Trouble;
use crate::{
    clock,
    model::{
        act::{Effect, EffectStatus, Prepared},
        time::{Bracket, Mono},
    },
};

/// An effect without a time.
pub(super) fn effect(prepared: &Prepared, requested: Mono, status: EffectStatus) -> Effect {
    let instance = prepared.act.target.instance().map(|i| i.id.clone());
    let source = "AWS's answer".to_owned();
    Effect { act: prepared.act.id, instance, status, requested, answered: Some(clock::now()), took_effect: None, source }
}

/// What a call came to: it was taken, or why not.
pub(super) fn answered(prepared: &Prepared, requested: Mono, answer: &Result<(), Trouble>) -> Effect {
    match answer {
        Ok(()) => {
            let mut done = effect(prepared, requested, EffectStatus::Happened);
            done.took_effect = Some(Bracket { after: requested, by: clock::now() });
            done
        }
        Err(trouble) => {
            let mut failed = effect(prepared, requested, failure(trouble));
            if !trouble.nothing_done() {
                failed.answered = None;
            }
            failed
        }
    }
}

/// What a failed call means for the act.
pub(super) fn failure(trouble: &Trouble) -> EffectStatus {
    let why = trouble.to_string();
    match trouble {
        Trouble::Gone(_) => EffectStatus::Vanished { found: why },
        Trouble::Refused(_) | Trouble::Denied { .. } | Trouble::Quota(_) | Trouble::Conflict(_) => EffectStatus::Refused { why },
        Trouble::Credentials(_) | Trouble::Throttled(_) | Trouble::Unreachable(_) => EffectStatus::Failed { why },
        Trouble::Failed(_) | Trouble::Lost(_) => EffectStatus::Unknown { why },
    }
}

/// It was seen to have happened, between the request and this moment (or the answer).
pub(super) fn seen(effect: &mut Effect, source: impl Into<String>) {
    let by = effect.answered.unwrap_or_else(clock::now);
    effect.took_effect = Some(Bracket { after: effect.requested, by: by.max(effect.requested) });
    effect.source = source.into();
    effect.status = EffectStatus::Happened;
}

/// It was looked at, and is not seen to have happened.
pub(super) fn unseen(effect: &mut Effect, why: &str) {
    effect.took_effect = None;
    let first = effect.status.why().map(|first| format!("{first}; ")).unwrap_or_default();
    effect.status = EffectStatus::Unknown { why: format!("{first}{why}") };
}
