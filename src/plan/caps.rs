//! The blast radius: how many instances are affected at most at any time, against what the caps allow.
//!
//! Steps follow each other, so what overlaps in time is: everything in one step, and whatever earlier steps did without a hold. Only a
//! phoenix drill has its victims one after another, and leaves none behind: it goes no further until each is replaced.
//! Instances that are down already count as used: a service at half strength does not lose another half. So do those that another run
//! slows or cuts off, although they are up ([`Occupied`]): in the services and zones that this plan touches.
//! A share is rounded down, also to zero: losing the only instance of a service has to be allowed in words.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    draw::floor_share,
    refusal::{Refusal, RefusalKind},
    victims::{DrawnFault, DrawnStep, DrawnWork, Occupied},
};
use crate::model::{
    blast_radius::{Caps, MinHealthy},
    fault::FaultKind,
    ids::{InstanceId, Service, Zone},
    instance::{Instance, InstanceState, Inventory},
    plan::CapUse,
};

/// An instance in the count: where it belongs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Hit<'a> {
    id: &'a InstanceId,
    service: &'a Service,
    zone: &'a Zone,
}

/// What is done to an instance.
#[derive(Debug, Clone, Copy)]
struct Touch<'a> {
    /// Whether it is down with it, so that `min-healthy` counts it.
    down: bool,
    /// By whom, if not by the steps that are counted.
    by: Option<&'a str>,
}

impl Touch<'_> {
    const NOTHING: Self = Self { down: false, by: None };
}

/// What is affected.
type Hits<'a> = BTreeMap<Hit<'a>, Touch<'a>>;

/// Numbers about a service or a zone in the inventory.
#[derive(Debug, Default, Clone, Copy)]
struct Strength {
    present: usize,
    serving: usize,
}

/// Whether a fault's victims stay affected after its step: it has no hold, and does not end by itself.
pub fn lasts(fault: &DrawnFault) -> bool {
    fault.hold.is_none() && fault.fault.kind() != FaultKind::Restart
}

/// Checks all caps over all steps. Gives what is used of each cap, or adds refusals.
pub fn check(caps: &Caps, steps: &[DrawnStep], inventory: &Inventory, others: &[Occupied], refusals: &mut Vec<Refusal>) -> Vec<CapUse> {
    let mut by_service: BTreeMap<&Service, Strength> = BTreeMap::new();
    let mut by_zone: BTreeMap<&Zone, Strength> = BTreeMap::new();
    let serving_ids: BTreeSet<&InstanceId> = inventory.instances.iter().filter(|i| i.serving()).map(|i| &i.id).collect();
    for i in inventory.instances.iter().filter(|i| i.state != InstanceState::Gone) {
        add(by_service.entry(&i.service).or_default(), i);
        add(by_zone.entry(&i.zone).or_default(), i);
    }
    let mut lasting = Hits::new();
    for other in others {
        let hit = Hit { id: &other.instance, service: &other.service, zone: &other.zone };
        let touch = lasting.entry(hit).or_insert(Touch { down: false, by: Some(&other.by) });
        touch.down |= other.down;
    }
    let mut tally =
        Tally { caps, by_service, by_zone, serving_ids, desired: &inventory.desired, uses: BTreeMap::new(), broken: BTreeSet::new() };
    for step in steps {
        let faults = match &step.work {
            // One victim after another, each once the one before is replaced: the engine takes the next one no sooner.
            DrawnWork::Phoenix { kill, .. } => {
                for v in &kill.victims {
                    let mut now = lasting.clone();
                    now.insert(Hit { id: &v.id, service: &v.service, zone: &v.zone }, Touch { down: true, by: None });
                    tally.count(step.number, &now, refusals);
                }
                continue;
            }
            work => work.faults(),
        };
        let mut now = lasting.clone();
        let mut touched = false;
        for fault in faults.iter().filter(|f| f.fault.kind().affects_victims()) {
            for v in &fault.victims {
                touched = true;
                let down = fault.fault.kind().takes_capacity();
                let hit = Hit { id: &v.id, service: &v.service, zone: &v.zone };
                if lasts(fault) {
                    touch(&mut lasting, hit.clone(), down);
                }
                touch(&mut now, hit, down);
            }
        }
        if touched {
            tally.count(step.number, &now, refusals);
        }
    }
    tally.uses.into_values().collect()
}

/// Counts a hit of the steps' own.
fn touch<'a>(hits: &mut Hits<'a>, hit: Hit<'a>, down: bool) {
    let touch = hits.entry(hit).or_insert(Touch::NOTHING);
    *touch = Touch { down: touch.down || down, by: None };
}

/// Whether any of these is hit by the steps themselves. What only others touch is theirs to answer for.
fn own(hits: &Hits<'_>, some: &[&Hit<'_>]) -> bool {
    some.iter().any(|hit| hits[*hit].by.is_none())
}

/// What others do to these, which is counted with what is asked for: `, 1 of them affected by another run`.
fn affected(hits: &[(&Hit<'_>, Touch<'_>)]) -> String {
    let mut by: BTreeMap<&str, usize> = BTreeMap::new();
    for who in hits.iter().filter_map(|(_, touch)| touch.by) {
        *by.entry(who).or_default() += 1;
    }
    by.iter().map(|(who, n)| format!(", {n} of them affected by {who} already")).collect::<Vec<_>>().concat()
}

fn add(strength: &mut Strength, i: &Instance) {
    strength.present += 1;
    strength.serving += usize::from(i.serving());
}

struct Tally<'a> {
    caps: &'a Caps,
    by_service: BTreeMap<&'a Service, Strength>,
    by_zone: BTreeMap<&'a Zone, Strength>,
    serving_ids: BTreeSet<&'a InstanceId>,
    desired: &'a BTreeMap<Service, u32>,
    uses: BTreeMap<String, CapUse>,
    /// What was refused already: one refusal a cap, at the first step that breaks it.
    broken: BTreeSet<String>,
}

impl<'a> Tally<'a> {
    fn count(&mut self, step: u32, hits: &Hits<'a>, refusals: &mut Vec<Refusal>) {
        let caps = self.caps;
        let mut per_service: BTreeMap<&Service, Vec<&Hit<'a>>> = BTreeMap::new();
        let mut per_zone: BTreeMap<&Zone, Vec<&Hit<'a>>> = BTreeMap::new();
        for hit in hits.keys() {
            per_service.entry(hit.service).or_default().push(hit);
            per_zone.entry(hit.zone).or_default().push(hit);
        }
        for (service, hit) in per_service.iter().filter(|(_, some)| own(hits, some)) {
            let strength = self.by_service.get(service).copied().unwrap_or_default();
            let total = self.desired.get(*service).map_or(strength.present, |&d| d as usize);
            let healthy_hits = hit.iter().filter(|h| self.serving_ids.contains(h.id)).count();
            let down = total.saturating_sub(strength.serving);
            // What is hit although it is down already is not counted twice.
            let used = (healthy_hits + down).max(hit.len());
            let share = caps.service;
            let origin = if caps.service_stated { "" } else { " (default)" };
            let rule = format!("max-affected.service: {share}{origin}");
            let needed = (used * 100).div_ceil(total.max(1)).min(100);
            let others: Vec<_> = hit.iter().filter(|h| self.serving_ids.contains(h.id)).map(|h| (*h, hits[*h])).collect();
            let down_already = if down > 0 { format!(", {down} of them down already") } else { String::new() };
            let already = down_already + &affected(&others);
            self.one(step, format!("service {service}"), used, floor_share(share, total), total, rule, refusals, |allowed| {
                (
                    format!("service {service} has {total} instance{}{already}; {} allows {allowed} to be affected at a time, this plan would come to {used}", s(total), cap_name(caps)),
                    format!("take fewer, or, if that is meant, write `guardrails: {{ max-affected: {{ service: {needed}% }} }}`"),
                )
            });
            let downed = hit.iter().filter(|h| self.serving_ids.contains(h.id) && hits[**h].down).count();
            self.floor(step, service, strength.serving.saturating_sub(downed), total, refusals);
        }
        if let Some(share) = caps.zone {
            for (zone, hit) in per_zone.iter().filter(|(_, some)| own(hits, some)) {
                let total = self.by_zone.get(zone).copied().unwrap_or_default().present;
                let used = hit.len();
                let already = affected(&hit.iter().map(|h| (*h, hits[*h])).collect::<Vec<_>>());
                let needed = (used * 100).div_ceil(total.max(1)).min(100);
                self.one(step, format!("zone {zone}"), used, floor_share(share, total), total, format!("max-affected.zone: {share}"), refusals, |allowed| {
                    (
                        format!("zone {zone} has {total} instance{}{already}; the cap of {share} of a zone allows {allowed} to be affected at a time, this plan would come to {used}", s(total)),
                        format!("take fewer, or write `guardrails: {{ max-affected: {{ zone: {needed}% }} }}`"),
                    )
                });
            }
        }
        if let Some(count) = caps.count {
            let total = self.by_service.values().map(|s| s.present).sum();
            let used = hits.len();
            let already = affected(&hits.iter().map(|(hit, touch)| (hit, *touch)).collect::<Vec<_>>());
            self.one(step, "in all".to_owned(), used, count as usize, total, format!("max-affected.count: {count}"), refusals, |allowed| {
                (
                    format!(
                        "at most {allowed} instance{} may be affected at a time in all{already}; this plan would come to {used}",
                        s(allowed)
                    ),
                    format!("take fewer, or write `guardrails: {{ max-affected: {{ count: {used} }} }}`"),
                )
            });
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one row of a table; a struct would only repeat the names")]
    fn one(
        &mut self,
        step: u32,
        of: String,
        used: usize,
        allowed: usize,
        total: usize,
        rule: String,
        refusals: &mut Vec<Refusal>,
        words: impl FnOnce(usize) -> (String, String),
    ) {
        if used > allowed && self.broken.insert(of.clone()) {
            let (what, remedy) = words(allowed);
            refusals.push(Refusal { step: Some(step), kind: RefusalKind::Cap, what, remedy });
        }
        let entry = self.uses.entry(of.clone()).or_insert(CapUse { of, used: 0, allowed: allowed as u32, total: total as u32, rule });
        entry.used = entry.used.max(used as u32);
    }

    fn floor(&mut self, step: u32, service: &Service, left: usize, desired: usize, refusals: &mut Vec<Refusal>) {
        let Some(&floor) = self.caps.min_healthy.get(service) else { return };
        let (needed, says) = needed(floor, desired);
        if left < needed && self.broken.insert(format!("min-healthy {service}")) {
            refusals.push(Refusal {
                step: Some(step),
                kind: RefusalKind::MinHealthy,
                what: format!(
                    "{left} healthy instance{} of {service} would remain, and `min-healthy: {{ {service}: {says} }}` asks for {needed}",
                    s(left)
                ),
                remedy: "take fewer, lower the floor, or wait until more are healthy".to_owned(),
            });
        }
    }
}

/// The number that a floor asks for, and the floor as it is written.
fn needed(floor: MinHealthy, desired: usize) -> (usize, String) {
    match floor {
        MinHealthy::Count(n) => (n as usize, n.to_string()),
        MinHealthy::Percent(share) => ((share.0 * desired as f64 - 1e-9).ceil().max(0.0) as usize, share.to_string()),
    }
}

/// The check of `min-healthy` at the moment of the act: what the plan allowed may be too much by now.
///
/// # Errors
/// With the service and the numbers, as a sentence.
pub fn still_healthy_enough(caps: &Caps, victims: &[&Instance], now: &Inventory) -> Result<(), String> {
    for (service, floor) in &caps.min_healthy {
        let of_service: Vec<&Instance> = now.each().filter(|i| i.service == *service).collect();
        let desired = now.desired.get(service).map_or(of_service.len(), |n| *n as usize);
        let left = of_service.iter().filter(|i| i.serving() && !victims.iter().any(|v| v.id == i.id)).count();
        let (needed, says) = needed(*floor, desired);
        if left < needed && victims.iter().any(|v| v.service == *service) {
            return Err(format!(
                "{left} healthy instance{} of {service} would remain now, and `min-healthy: {{ {service}: {says} }}` asks for {needed}",
                s(left)
            ));
        }
    }
    Ok(())
}

fn cap_name(caps: &Caps) -> String {
    if caps.service_stated { format!("the file's cap of {}", caps.service) } else { format!("the default cap of {}", caps.service) }
}

/// The plural's letter.
fn s(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}
