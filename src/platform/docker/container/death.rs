//! The end of a container's life: how it would be undone, and looking whether and when it came.

use std::time::Duration;

use bollard::models::ContainerInspectResponse;

use super::{definition::anonymous_volumes, recreate, state};
use crate::{
    clock,
    model::{
        act::{Effect, EffectStatus, Prepared},
        time::{Bracket, Mono},
        undo::Undo,
    },
    platform::{
        PlatformError,
        docker::{
            deed::On,
            engine::Trouble,
            inventory::SWARM_TASK,
            undo::{Before, Owed},
        },
    },
};

/// How long a death is looked for after the call.
const SEEN_WITHIN: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);
/// How long after a death the engine may write it down: 1 ms alone, at worst 130 ms seen when fifty died at once. The bracket begins that
/// much earlier, though never before the request.
const WRITTEN_WITHIN: Duration = Duration::from_millis(150);

/// How the end of a container is undone.
///
/// # Errors
/// When it does not run: there is nothing to end.
pub async fn way_back(on: On<'_>, now: &ContainerInspectResponse) -> Result<Undo, PlatformError> {
    way_back_from(on, now, false).await
}

/// The same; `deleted` says that the fault deletes it, as the engine itself does with one that was started with `--rm`.
///
/// # Errors
/// When it does not run, or could not be made again.
pub async fn way_back_from(on: On<'_>, now: &ContainerInspectResponse, deleted: bool) -> Result<Undo, PlatformError> {
    let name = &on.instance.name;
    state::runs(now).map_err(|why| PlatformError::Refused(format!("{name} {why}")))?;
    if on.instance.labels.contains_key(SWARM_TASK) {
        return Ok(Undo::Nothing { why: format!("{name} is a task of Swarm, which starts another in its place") });
    }
    let auto = now.host_config.as_ref().and_then(|host| host.auto_remove) == Some(true);
    if auto && anonymous_volumes(&on.engine.inspect_all(on.id()).await?) {
        return Ok(Undo::Impossible {
            why: format!("{name} was started with --rm: as soon as it ends, the engine deletes it and the volumes that nobody named"),
        });
    }
    if auto || deleted {
        return recreate::way_back(on, state::ran(now)).await;
    }
    // Docker takes what its API ended as stopped by hand.
    let policy =
        state::restart_policy(now).map(|policy| format!(" (its restart policy, {policy}, does not act on what the engine was asked for)"));
    let says = format!("start {name} again unless it runs{}", policy.unwrap_or_default());
    Ok(Before::Ran(state::ran(now)).into_undo(on.engine, &on.instance.id, says))
}

/// Looks until the life that the act was prepared on is over, and tells when it ended. `and_back`: until the next one has begun, too.
pub async fn seen(on: On<'_>, prepared: &Prepared, mut effect: Effect, and_back: bool) -> Effect {
    let name = &on.instance.name;
    let life = Owed::read(&prepared.undo).ok().map(|owed| owed.before);
    let life = life.as_ref().and_then(Before::started_at);
    let answered = effect.status.happened();
    let deadline = tokio::time::Instant::now() + SEEN_WITHIN;
    let unknown = |why: String| EffectStatus::Unknown { why };
    loop {
        let not_yet = match on.inspect().await {
            Ok(now) => {
                let another = life.is_some_and(|life| life != state::started_at(&now));
                let over = another || !state::running(&now);
                let back = another && state::running(&now);
                if over && (back || !and_back) {
                    conclude(on, &now, &mut effect);
                    return effect;
                }
                if over {
                    format!("{name} ended, but was not started again: it is {}", state::says(&now))
                } else {
                    format!("{name} still runs")
                }
            }
            Err(Trouble::Gone(_)) if answered && !and_back => {
                // Started with --rm: the engine deleted it, and its time of death with it.
                effect.took_effect = Some(Bracket { after: effect.requested, by: effect.answered.unwrap_or_else(clock::now) });
                "the container is gone".clone_into(&mut effect.source);
                return effect;
            }
            Err(Trouble::Gone(_)) => {
                effect.status = unknown(format!("{name} is gone, and whether this act ended it is not known"));
                return effect;
            }
            Err(trouble) => format!("whether {name} ended could not be seen: {trouble}"),
        };
        if tokio::time::Instant::now() > deadline {
            let first = effect.status.why().map(|why| format!("{why}; ")).unwrap_or_default();
            effect.status = unknown(format!("{first}{not_yet}"));
            effect.took_effect = None;
            return effect;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn conclude(on: On<'_>, now: &ContainerInspectResponse, effect: &mut Effect) {
    let seen = clock::now();
    let told = on.engine.clock.bracket(state::finished_at(now));
    match told.map(|told| when(told, effect.requested, seen)) {
        Some(Death::Before) => {
            let found = format!("{} had ended before it was asked for: at {}", on.instance.name, state::finished_at(now));
            effect.status = EffectStatus::Vanished { found };
            effect.took_effect = None;
        }
        Some(Death::Within(bracket)) => {
            effect.status = EffectStatus::Happened;
            effect.took_effect = Some(bracket);
            "State.FinishedAt".clone_into(&mut effect.source);
        }
        None | Some(Death::Contradicts) => {
            effect.status = EffectStatus::Happened;
            effect.took_effect = Some(Bracket { after: effect.requested, by: effect.answered.unwrap_or(seen) });
            "State.Running (the engine's clock contradicts ours)".clone_into(&mut effect.source);
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Death {
    /// Before the request: not ours.
    Before,
    Within(Bracket),
    /// Later than it was seen: the clock was stepped.
    Contradicts,
}

/// What the engine's clock tells of a death that was asked for at `requested` and seen at `seen`.
fn when(told: Bracket, requested: Mono, seen: Mono) -> Death {
    if told.by < requested {
        return Death::Before;
    }
    if told.after > seen {
        return Death::Contradicts;
    }
    Death::Within(Bracket { after: told.after.minus(WRITTEN_WITHIN).max(requested), by: told.by.min(seen) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn told(after: u64, by: u64) -> Bracket {
        Bracket { after: Mono(after * MS), by: Mono(by * MS) }
    }

    #[test]
    fn a_death_lies_between_request_and_sight() {
        let found = |t| when(t, Mono(1000 * MS), Mono(2000 * MS));
        assert_eq!(found(told(1500, 1504)), Death::Within(told(1350, 1504)));
        assert_eq!(found(told(1100, 1104)), Death::Within(told(1000, 1104)), "never before the request");
        assert_eq!(found(told(1990, 2010)), Death::Within(told(1840, 2000)), "never after it was seen");
        assert_eq!(found(told(900, 1001)), Death::Within(told(1000, 1001)), "in doubt it is ours");
        assert_eq!(found(told(900, 999)), Death::Before);
        assert_eq!(found(told(2001, 2010)), Death::Contradicts);
    }
}
