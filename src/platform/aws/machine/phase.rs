//! Waiting until instances are what an act made of them, or are again what they were.

use std::time::Duration;

use crate::{
    clock,
    model::{
        act::{Effect, EffectStatus, Prepared},
        time::Bracket,
    },
    platform::aws::{
        connection::Place,
        effect::unseen,
        reach::Reach,
        read,
        trouble::Trouble,
        world::{Machine, Machines, Phase},
    },
};

use super::by_region;

/// EC2 shows a change of state within seconds; until then the old one is listed.
const SEEN_WITHIN: Duration = Duration::from_secs(20);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Looks whether instances are in a state that `fits`; one that EC2 does not know any more counts as `terminated`.
pub(super) async fn seen(reach: &Reach, acts: &[&Prepared], mut effects: Vec<Effect>, fits: fn(Phase) -> bool) -> Vec<Effect> {
    let wanted = |effect: &Effect| matches!(effect.status, EffectStatus::Happened | EffectStatus::Unknown { .. });
    for (region, acts) in by_region(acts) {
        let mut waiting: Vec<(usize, &Prepared)> = acts.into_iter().filter(|(at, _)| wanted(&effects[*at])).collect();
        if waiting.is_empty() {
            continue;
        }
        let place = match reach.connection.place(&region) {
            Ok(place) => place,
            Err(error) => {
                for (at, _) in waiting {
                    unseen(&mut effects[at], &error.to_string());
                }
                continue;
            }
        };
        let give_up = clock::now().plus(SEEN_WITHIN);
        let mut pause = FIRST_PAUSE;
        loop {
            let asked = clock::now();
            let found = look(place, &waiting).await;
            if let Ok(found) = &found {
                reach.sight.learn(&region, found);
            }
            let mut rest = Vec::new();
            for (at, prepared) in waiting {
                let Some(instance) = prepared.act.target.instance() else { continue };
                match &found {
                    Ok(found) => {
                        let machine = found.get(instance.id.as_str()).map(AsRef::as_ref);
                        let state = machine.map_or(Phase::Terminated, |m| m.state);
                        if fits(state) {
                            happened(&mut effects[at], machine, state, asked);
                        } else if asked >= give_up {
                            unseen(&mut effects[at], &format!("EC2 still shows it {} {SEEN_WITHIN:?} later", state.word()));
                        } else {
                            rest.push((at, prepared));
                        }
                    }
                    Err(trouble) if asked >= give_up || !trouble.passes() => {
                        unseen(&mut effects[at], &format!("it could not be looked at: {trouble}"));
                    }
                    Err(_) => rest.push((at, prepared)),
                }
            }
            waiting = rest;
            if waiting.is_empty() {
                break;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
    effects
}

async fn look(place: &Place, waiting: &[(usize, &Prepared)]) -> Result<Machines, Trouble> {
    let ids = waiting.iter().filter_map(|(_, prepared)| prepared.act.target.instance()).map(|instance| instance.id.as_str());
    read::machines_by_id(place, ids).await
}

/// It happened after it was asked for, and no later than it was seen.
fn happened(effect: &mut Effect, machine: Option<&Machine>, state: Phase, looked: crate::model::time::Mono) {
    let by = effect.answered.unwrap_or(looked).max(effect.requested);
    effect.took_effect = Some(Bracket { after: effect.requested, by });
    let because = machine.map(|m| m.because.as_str()).filter(|because| !because.is_empty());
    effect.source = match because {
        Some(because) => format!("DescribeInstances: {}, {}", state.word(), crate::platform::aws::trouble::short(because)),
        None => format!("DescribeInstances: {}", state.word()),
    };
    effect.status = EffectStatus::Happened;
}
