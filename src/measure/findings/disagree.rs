//! Users who look names up in different ways, keep to different addresses, or keep their connections, may feel the same fault very
//! differently: a new visitor next to nothing, and one who cached a dead address all of it.
//!
//! Two groups disagree when the intervals of their availabilities do not overlap, so that it is not chance, and a percentage point at
//! least lies between them, so that it matters.

use crate::{
    measure::words,
    model::{
        finding::{Finding, FindingKind},
        measurement::{Estimate, GroupBy, ProbeMeasurement},
        probe::{NameModel, ProbeKind, ProbeSpec},
        sample::Policy,
        steady_state::Phase,
    },
};

/// The least difference that is worth a sentence.
const LEAST: f64 = 0.01;

/// The disagreements of a probe's users in the fault phase.
pub fn findings(spec: &ProbeSpec, probe: &ProbeMeasurement) -> Vec<Finding> {
    let ways = [GroupBy::Names, GroupBy::Address, GroupBy::Policy];
    ways.into_iter()
        .filter(|by| *by != GroupBy::Address || keeps_addresses(spec))
        .filter_map(|by| {
            let (best, worst) = extremes(probe, by)?;
            let says = sentence(spec.name.as_str(), by, best, worst);
            Some(Finding { kind: FindingKind::NamesDisagree, says })
        })
        .collect()
}

/// Whether some of its users keep to an address, so that an address has users of its own.
fn keeps_addresses(spec: &ProbeSpec) -> bool {
    let names = match &spec.kind {
        ProbeKind::Http(http) => &http.names,
        ProbeKind::Tcp(tcp) => &tcp.names,
        ProbeKind::WebSocket(socket) => &socket.names,
        ProbeKind::Command(_) | ProbeKind::Dns(_) | ProbeKind::Prometheus(_) => return false,
    };
    names.has(NameModel::Pinned) || names.has(NameModel::EachAddress)
}

/// A group's name and its availability in the fault phase.
type Group<'a> = (&'a str, Estimate);

/// The best and the worst group, when they disagree.
fn extremes(probe: &ProbeMeasurement, by: GroupBy) -> Option<(Group<'_>, Group<'_>)> {
    let groups = || {
        let within = probe.groups.iter().filter(move |group| group.by == by && group.phase == Phase::Fault);
        within.filter_map(|group| Some((group.key.as_str(), group.stats.availability?)))
    };
    let best = groups().max_by(|a, b| a.1.value.total_cmp(&b.1.value))?;
    let worst = groups().min_by(|a, b| a.1.value.total_cmp(&b.1.value))?;
    (best.1.low > worst.1.high && best.1.value - worst.1.value >= LEAST).then_some((best, worst))
}

fn sentence(probe: &str, by: GroupBy, best: Group<'_>, worst: Group<'_>) -> String {
    let lost = |group: Group<'_>| words::lost(group.1.value);
    match by {
        GroupBy::Names => {
            let who = |key: &str| {
                let user = NameModel::ALL.into_iter().find(|model| model.name() == key).map_or("one", NameModel::user);
                format!("{user} ({key})")
            };
            format!("{probe}: {} lost {} in the fault phase, {} {}", who(best.0), lost(best), who(worst.0), lost(worst))
        }
        GroupBy::Address => {
            format!(
                "{probe}: who was sent to {} lost {} in the fault phase, who was sent to {} {}",
                best.0,
                lost(best),
                worst.0,
                lost(worst)
            )
        }
        _ => {
            let who = |key: &str| if key == Policy::New.name() { "on new connections" } else { "on connections that were already open" };
            format!(
                "{probe}: {} ({}) {} were lost in the fault phase, {} ({}) {}",
                who(best.0),
                best.0,
                lost(best),
                who(worst.0),
                worst.0,
                lost(worst)
            )
        }
    }
}
