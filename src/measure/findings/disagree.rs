//! Users who look names up in different ways, keep to different addresses, or keep their connections, may feel the same fault very
//! differently: a new visitor next to nothing, and one who cached a dead address all of it.
//!
//! Two groups disagree when the intervals of their availabilities do not overlap, so that it is not chance, and a percentage point at
//! least lies between them, so that it matters.

use crate::{
    measure::words,
    model::{
        finding::{Finding, FindingKind},
        measurement::{Estimate, GroupBy, GroupStats},
        probe::{NameModel, ProbeKind, ProbeSpec},
        sample::Policy,
        steady_state::Phase,
    },
};

/// The least difference that is worth a sentence.
const LEAST: f64 = 0.01;

/// The disagreements of a probe's users in the fault phase.
pub fn findings(spec: &ProbeSpec, groups: &[GroupStats]) -> Vec<Finding> {
    let ways = [GroupBy::Names, GroupBy::Address, GroupBy::Policy];
    ways.into_iter()
        .filter(|by| *by != GroupBy::Address || keeps_addresses(spec))
        .filter_map(|by| {
            let (best, worst) = extremes(groups, by)?;
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
        _ => return false,
    };
    names.has(NameModel::Pinned) || names.has(NameModel::EachAddress)
}

/// A group's name and its availability in the fault phase.
type Group<'a> = (&'a str, Estimate);

/// The best and the worst group, when they disagree.
fn extremes(groups: &[GroupStats], by: GroupBy) -> Option<(Group<'_>, Group<'_>)> {
    let felt = || {
        let within = groups.iter().filter(move |group| group.by == by && group.phase == Phase::Fault);
        within.filter_map(|group| Some((group.key.as_str(), group.stats.availability?)))
    };
    let best = felt().max_by(|a, b| a.1.value.total_cmp(&b.1.value))?;
    let worst = felt().min_by(|a, b| a.1.value.total_cmp(&b.1.value))?;
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::{
        measurement::Stats,
        probe::{NameModels, TcpProbe},
        quantity::Rate,
    };

    fn group(by: GroupBy, key: &str, phase: Phase, failed: u64, half_width: f64) -> GroupStats {
        let value = 1.0 - failed as f64 / 1000.0;
        let estimate = Estimate { value, low: (value - half_width).max(0.0), high: (value + half_width).min(1.0), n: 1000 };
        let stats =
            Stats { requests: 1000, ok: 1000 - failed, availability: Some(estimate), failures: BTreeMap::new(), ..Stats::default() };
        GroupStats { by, key: key.to_owned(), phase, stats }
    }

    fn said(names: NameModels, groups: &[GroupStats]) -> Vec<String> {
        let spec = ProbeSpec {
            name: "home".into(),
            kind: ProbeKind::Tcp(TcpProbe { names, ..TcpProbe::default() }),
            rate: Rate(10.0),
            timeout: std::time::Duration::from_secs(1),
            slow: None,
            service: None,
        };
        findings(&spec, groups).into_iter().map(|finding| finding.says).collect()
    }

    #[test]
    fn users_who_felt_the_fault_differently_are_told_apart() {
        let names = NameModels::Several(vec![NameModel::EachConnection, NameModel::Ttl, NameModel::Pinned]);
        let by = |key, failed| group(GroupBy::Names, key, Phase::Fault, failed, 0.03);
        assert_eq!(
            said(names.clone(), &[by("each-connection", 4), by("ttl", 20), by("pinned", 330)]),
            ["home: a new visitor (each-connection) lost 0.4 % in the fault phase, one who kept a looked-up address (pinned) 33 %"]
        );
        assert_eq!(said(names.clone(), &[by("each-connection", 4), by("ttl", 20), by("pinned", 60)]), [""; 0], "chance");
        let baseline = |key, failed| group(GroupBy::Names, key, Phase::Baseline, failed, 0.001);
        assert_eq!(said(names, &[baseline("each-connection", 0), baseline("pinned", 900)]), [""; 0], "not by the fault");
    }

    #[test]
    fn a_difference_that_is_certain_and_small_is_not_worth_a_sentence() {
        let by = |key, failed| group(GroupBy::Policy, key, Phase::Fault, failed, 0.0001);
        assert_eq!(said(NameModels::default(), &[by("new", 0), by("keep-alive", 9)]), [""; 0]);
        assert_eq!(
            said(NameModels::default(), &[by("new", 0), by("keep-alive", 11)]),
            ["home: on new connections (new) 0 % were lost in the fault phase, on connections that were already open (keep-alive) 1.1 %"]
        );
    }

    #[test]
    fn addresses_are_compared_where_somebody_keeps_to_one() {
        let groups = || {
            let by = |key, failed| group(GroupBy::Address, key, Phase::Fault, failed, 0.01);
            vec![by("10.0.0.1:80", 0), by("10.0.0.2:80", 1000)]
        };
        assert_eq!(said(NameModel::EachConnection.into(), &groups()), [""; 0]);
        assert_eq!(
            said(NameModel::EachAddress.into(), &groups()),
            ["home: who was sent to 10.0.0.1:80 lost 0 % in the fault phase, who was sent to 10.0.0.2:80 100 %"]
        );
    }
}
