//! The first stage: who is hit. Selects, draws, and has the caps checked; every refusal at once.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    caps,
    draw::{Stream, take},
    refusal::{Refusal, RefusalKind},
    select::{Compiled, Matches, is_aside, names, select},
};
use crate::model::{
    act::Group,
    experiment::{Bind, CommandStep, Experiment, FaultStep, PhoenixStep, Step},
    fault::{Fault, FaultKind},
    ids::{InstanceId, Region, Scope, Service, Zone},
    instance::{Instance, Inventory},
    plan::{CapUse, PlannedFault, PlannedStep, Work},
    quantity::plural,
    selector::{Pick, Selector, Take},
};

/// An instance that is affected already, by another run or an earlier step: the caps hold over all of them together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occupied {
    /// Which.
    pub instance: InstanceId,
    /// Its service.
    pub service: Service,
    /// Its zone.
    pub zone: Zone,
    /// Whether it is down with it, so that `min-healthy` counts it.
    pub down: bool,
    /// By whom, as a person reads it: `another run`, `an earlier step`.
    pub by: String,
}

/// The victims of all steps, before the platform is asked how each act is done and undone.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    /// The scope of the inventory.
    pub scope: Scope,
    /// The seed of all draws.
    pub seed: u64,
    /// The steps, in order.
    pub steps: Vec<DrawnStep>,
    /// What the caps allow and how much is used.
    pub caps: Vec<CapUse>,
    /// Things worth knowing.
    pub notes: Vec<String>,
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub struct DrawnStep {
    /// From 1.
    pub number: u32,
    /// What it does.
    pub work: DrawnWork,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub enum DrawnWork {
    /// Faults that start at once.
    Faults(Vec<DrawnFault>),
    /// Nothing for a while.
    Wait(Duration),
    /// Nothing until the fault is mitigated.
    UntilMitigated(Duration),
    /// A command.
    Command(CommandStep),
    /// Victims that are ended one after another, each once the one before was replaced.
    Phoenix {
        /// All of them, to be killed.
        kill: DrawnFault,
        /// Within so long each must be replaced.
        wait: Duration,
    },
}

impl DrawnWork {
    /// Its faults; none for a wait or a command.
    pub fn faults(&self) -> &[DrawnFault] {
        match self {
            Self::Faults(faults) => faults,
            Self::Phoenix { kill, .. } => std::slice::from_ref(kill),
            Self::Wait(_) | Self::UntilMitigated(_) | Self::Command(_) => &[],
        }
    }

    fn faults_mut(&mut self) -> &mut [DrawnFault] {
        match self {
            Self::Faults(faults) => faults,
            Self::Phoenix { kill, .. } => std::slice::from_mut(kill),
            Self::Wait(_) | Self::UntilMitigated(_) | Self::Command(_) => &mut [],
        }
    }
}

/// A fault with its victims.
#[derive(Debug, Clone, PartialEq)]
pub struct DrawnFault {
    /// As in the file.
    pub fault: Fault,
    /// The zone that was drawn, if one was.
    pub zone: Option<Zone>,
    /// The region that was drawn, if one was.
    pub region: Option<Region>,
    /// Where the victims were chosen: what an outage or `suspend-replacement` acts on.
    pub group: Group,
    /// How many matched before `take`.
    pub matched: u32,
    /// Undone after so long.
    pub hold: Option<Duration>,
    /// The victims, sorted by id.
    pub victims: Vec<Arc<Instance>>,
    /// Whether the victims are drawn again when the step begins.
    pub bound_at_step: bool,
}

/// A step of a plan as it was drawn, as far as the caps ask: whom its acts are done to.
pub fn of_plan(step: &PlannedStep) -> DrawnStep {
    let drawn = |planned: &PlannedFault| DrawnFault {
        fault: planned.fault.clone(),
        zone: planned.zone.clone(),
        region: planned.region.clone(),
        group: Group::default(),
        matched: planned.matched,
        hold: planned.hold,
        victims: planned.acts.iter().filter_map(|prepared| prepared.act.target.instance().cloned()).collect(),
        bound_at_step: planned.bound_at_step,
    };
    let work = match &step.work {
        Work::Faults(faults) => DrawnWork::Faults(faults.iter().map(drawn).collect()),
        Work::Phoenix(phoenix) => DrawnWork::Phoenix { kill: drawn(&phoenix.kill), wait: phoenix.wait },
        Work::Wait(d) => DrawnWork::Wait(*d),
        Work::UntilMitigated(most) => DrawnWork::UntilMitigated(*most),
        Work::Command(command) => DrawnWork::Command(command.clone()),
    };
    DrawnStep { number: step.number, work }
}

/// Draws the victims of all steps. `others` are instances that overlapping runs already affect.
///
/// Under `bind: at-step` the draw shows whether the steps are possible at all; the step's own draw is [`draw_step`].
///
/// # Errors
/// Every reason not to act, all at once.
pub fn draw_victims(experiment: &Experiment, inventory: &Inventory, seed: u64, others: &[Occupied]) -> Result<Drawn, Vec<Refusal>> {
    draw(experiment, inventory, seed, others, None)
}

/// Draws one step (from 1) on the inventory of now, for `bind: at-step`. `others` holds what this run's earlier steps still
/// affect, too.
///
/// # Errors
/// Every reason not to act.
pub fn draw_step(
    experiment: &Experiment,
    number: u32,
    inventory: &Inventory,
    seed: u64,
    others: &[Occupied],
) -> Result<Drawn, Vec<Refusal>> {
    draw(experiment, inventory, seed, others, Some(number))
}

fn draw(experiment: &Experiment, inventory: &Inventory, seed: u64, others: &[Occupied], only: Option<u32>) -> Result<Drawn, Vec<Refusal>> {
    let mut drawer = Drawer { inventory, seed, notes: Vec::new(), refusals: Vec::new(), taken: BTreeMap::new() };
    let mut steps = Vec::new();
    for (number, step) in (1_u32..).zip(&experiment.method) {
        if only.is_some_and(|only| only != number) {
            continue;
        }
        let work = match step {
            Step::Wait(d) => DrawnWork::Wait(*d),
            Step::UntilMitigated(most) => DrawnWork::UntilMitigated(*most),
            Step::Command(c) => DrawnWork::Command(c.clone()),
            Step::Faults(faults) => DrawnWork::Faults(drawer.step(number, faults)),
            Step::Phoenix(phoenix) => match drawer.phoenix(number, phoenix) {
                Some(kill) => DrawnWork::Phoenix { kill, wait: phoenix.wait },
                // Refused, which is noted.
                None => continue,
            },
        };
        steps.push(DrawnStep { number, work });
    }
    let Drawer { mut notes, mut refusals, .. } = drawer;
    let caps = caps::check(&experiment.caps, &steps, inventory, others, &mut refusals);
    if !refusals.is_empty() {
        refusals.sort_by_key(|r| r.step);
        return Err(refusals);
    }
    if experiment.bind == Bind::AtStep && only.is_none() {
        for step in &mut steps {
            for fault in step.work.faults_mut() {
                fault.victims.clear();
                fault.bound_at_step = true;
            }
        }
        notes.push(
            "bind: at-step: each step draws its victims when it begins; the draw of now was only checked against the caps".to_owned(),
        );
    }
    Ok(Drawn { scope: inventory.scope.clone(), seed, steps, caps, notes })
}

struct Drawer<'a> {
    inventory: &'a Inventory,
    seed: u64,
    notes: Vec<String>,
    refusals: Vec<Refusal>,
    /// What earlier faults did to an instance for good, or still do in the same step.
    taken: BTreeMap<InstanceId, Vec<(u32, FaultKind)>>,
}

impl Drawer<'_> {
    fn step(&mut self, number: u32, faults: &[FaultStep]) -> Vec<DrawnFault> {
        let before = self.taken.clone();
        let mut drawn = Vec::new();
        for (index, fault) in (0_u32..).zip(faults) {
            match self.fault(number, index, fault) {
                Ok(mut some) => {
                    for v in some.iter().flat_map(|d| &d.victims) {
                        self.taken.entry(v.id.clone()).or_default().push((number, fault.fault.kind()));
                    }
                    drawn.append(&mut some);
                }
                Err(refusal) => self.refusals.push(refusal),
            }
        }
        self.taken = before;
        for d in drawn.iter().filter(|d| caps::lasts(d)) {
            for v in &d.victims {
                self.taken.entry(v.id.clone()).or_default().push((number, d.fault.kind()));
            }
        }
        drawn
    }

    /// The victims of a phoenix drill: the draw of a kill, of all that match.
    fn phoenix(&mut self, number: u32, phoenix: &PhoenixStep) -> Option<DrawnFault> {
        let kill = FaultStep { fault: Fault::Kill { signal: None }, target: phoenix.target.clone(), hold: None };
        let drawn = self.step(number, std::slice::from_ref(&kill)).pop()?;
        let n = drawn.victims.len();
        self.note(number, &format!("phoenix: of {} to be replaced, one at a time is away", plural(n, "instance")));
        Some(drawn)
    }

    fn fault(&mut self, step: u32, index: u32, fault: &FaultStep) -> Result<Vec<DrawnFault>, Refusal> {
        let refuse = |kind, what: String, remedy: &str| Refusal { step: Some(step), kind, what, remedy: remedy.to_owned() };
        let selector = &fault.target;
        let kind = fault.fault.kind();
        let outage = matches!(kind, FaultKind::ZoneOutage | FaultKind::RegionOutage);
        let compiled = Compiled::new(selector).map_err(|why| refuse(RefusalKind::Selector, why, "correct the pattern"))?;
        if selector.unbounded() && !selector.all && kind != FaultKind::SuspendReplacement {
            return Err(refuse(
                RefusalKind::Everything,
                format!("the target of {kind} names nothing, which would mean everything"),
                "name a service, a zone, a label, a name or an id, or write `all: true`",
            ));
        }
        if kind == FaultKind::ZoneOutage && selector.zone.is_none() {
            return Err(refuse(RefusalKind::Selector, "zone-outage says no zone".to_owned(), "write `zone: NAME` or `zone: random`"));
        }
        if kind == FaultKind::RegionOutage && selector.region.is_none() {
            return Err(refuse(
                RefusalKind::Selector,
                "region-outage says no region".to_owned(),
                "write `region: NAME` or `region: random`",
            ));
        }
        let mut matches = select(&compiled, self.inventory);
        if outage && selector.services.is_empty() {
            matches.eligible.retain(|i| !is_aside(i));
        }
        let region = self.random_region(step, index, selector, &mut matches);
        let zone = self.random_zone(step, index, selector, &mut matches);
        for text in matches.left_out() {
            self.note(step, &text);
        }
        if kind == FaultKind::SuspendReplacement {
            return Ok(groups(fault, selector, zone.as_ref(), region.as_ref())
                .into_iter()
                .map(|group| drawn(fault, group, zone.clone(), region.clone(), 0, Vec::new()))
                .collect());
        }
        let all = self.inventory.instances.iter().filter(|i| i.serving()).count();
        if !outage && !selector.all && selector.services.is_empty() && selector.ids.is_empty() && all > 1 && matches.eligible.len() >= all {
            return Err(refuse(
                RefusalKind::Everything,
                format!("the target of {kind} matches all {all} instances there are"),
                "narrow it, or write `all: true`",
            ));
        }
        let matched = matches.eligible.len();
        let mut free: Vec<&Arc<Instance>> = matches.eligible.clone();
        free.retain(|i| !self.already(&i.id, kind));
        if matched == 0 {
            let there = self.there();
            return Err(refuse(RefusalKind::NoMatch, format!("nothing matches the target of {kind}{}", left_out_words(&matches)), &there));
        }
        if free.len() < matched {
            let gone: Vec<&Arc<Instance>> = matches.eligible.iter().copied().filter(|i| self.already(&i.id, kind)).collect();
            self.note(step, &format!("left out, an earlier fault still affects them: {}", names(&gone)));
        }
        if free.is_empty() {
            return Err(refuse(
                RefusalKind::NoMatch,
                format!("every match of {kind} is still affected by an earlier fault that has no hold"),
                "give the earlier fault a `hold:`, or choose other targets",
            ));
        }
        let wanted = if outage { take(Take::All, free.len()) } else { take(selector.take, free.len()) };
        if wanted.count > free.len() {
            return Err(refuse(
                RefusalKind::TooFew,
                format!(
                    "`take: {}` of {kind} asks for {}, and {} match{}: {}{}",
                    selector.take,
                    wanted.count,
                    free.len(),
                    if free.len() == 1 { "es" } else { "" },
                    names(&free),
                    left_out_words(&matches)
                ),
                "take fewer, or `take: all`",
            ));
        }
        if wanted.count == 0 {
            return Err(refuse(RefusalKind::TooFew, "`take: 0` chooses nothing".to_owned(), "take at least 1"));
        }
        if wanted.rounded_up {
            self.note(step, &format!("take: {} of {} is less than one: rounded up to 1", selector.take, free.len()));
        }
        // The whole of the matches is shuffled and then filtered, so that an earlier step changes the draw no more than it must.
        let mut order: Vec<&Arc<Instance>> = matches.eligible.clone();
        Stream::new(self.seed, step, index, "victims").shuffle(&mut order);
        order.retain(|i| !self.already(&i.id, kind));
        order.truncate(wanted.count);
        order.sort_by(|a, b| a.id.cmp(&b.id));
        let groups = groups(fault, selector, zone.as_ref(), region.as_ref());
        let matched = matched as u32;
        if !outage {
            let victims = order.into_iter().cloned().collect();
            let group = groups.into_iter().next().unwrap_or_default();
            return Ok(vec![drawn(fault, group, zone, region, matched, victims)]);
        }
        let mut parts = Vec::new();
        for group in groups {
            let here = |i: &&Arc<Instance>| {
                group.zone.as_ref().is_none_or(|z| *z == i.zone) && group.region.as_ref().is_none_or(|r| *r == i.region)
            };
            let victims: Vec<Arc<Instance>> = order.iter().copied().filter(here).cloned().collect();
            if victims.is_empty() {
                return Err(refuse(RefusalKind::NoMatch, format!("nothing matches the target of {kind}: {group}"), &self.there()));
            }
            let matched = victims.len() as u32;
            parts.push(drawn(fault, group, zone.clone(), region.clone(), matched, victims));
        }
        Ok(parts)
    }

    /// Whether an earlier fault, still in force, ended the instance or did the same to it.
    fn already(&self, id: &InstanceId, kind: FaultKind) -> bool {
        self.taken.get(id).is_some_and(|done| done.iter().any(|&(_, earlier)| earlier == kind || ends(earlier)))
    }

    fn random_region(&self, step: u32, index: u32, selector: &Selector, matches: &mut Matches<'_>) -> Option<Region> {
        if selector.region != Some(Pick::Random) {
            return None;
        }
        let regions: std::collections::BTreeSet<&Region> = matches.eligible.iter().map(|i| &i.region).collect();
        let region = one_of(&regions.into_iter().collect::<Vec<_>>(), self.seed, step, index, "region")?.clone();
        matches.only_region(&region);
        Some(region)
    }

    fn random_zone(&self, step: u32, index: u32, selector: &Selector, matches: &mut Matches<'_>) -> Option<Zone> {
        if selector.zone != Some(Pick::Random) {
            return None;
        }
        let zones: std::collections::BTreeSet<&Zone> = matches.eligible.iter().map(|i| &i.zone).collect();
        let zone = one_of(&zones.into_iter().collect::<Vec<_>>(), self.seed, step, index, "zone")?.clone();
        matches.only_zone(&zone);
        Some(zone)
    }

    fn note(&mut self, step: u32, text: &str) {
        self.notes.push(format!("step {step}: {text}"));
    }

    /// What there is to choose from, as a remedy.
    fn there(&self) -> String {
        let list = |names: std::collections::BTreeSet<&str>| names.into_iter().take(12).collect::<Vec<_>>().join(", ");
        if self.inventory.instances.is_empty() {
            return "the inventory is empty: is the system running?".to_owned();
        }
        format!(
            "there are the services {} in the zones {} (`firedrill targets` lists everything)",
            list(self.inventory.instances.iter().map(|i| i.service.as_str()).collect()),
            list(self.inventory.instances.iter().map(|i| i.zone.as_str()).collect()),
        )
    }
}

fn one_of<'a, T>(items: &[&'a T], seed: u64, step: u32, index: u32, what: &str) -> Option<&'a T> {
    if items.is_empty() { None } else { Some(items[Stream::new(seed, step, index, what).below(items.len())]) }
}

fn ends(kind: FaultKind) -> bool {
    matches!(
        kind,
        FaultKind::Kill | FaultKind::Crash | FaultKind::Stop | FaultKind::Remove | FaultKind::ZoneOutage | FaultKind::RegionOutage
    )
}

fn left_out_words(matches: &Matches<'_>) -> String {
    let left_out = matches.left_out();
    if left_out.is_empty() { String::new() } else { format!(" ({})", left_out.join("; ")) }
}

/// Where a fault acts: a group for each named zone (or region), one for anything else.
fn groups(fault: &FaultStep, selector: &Selector, zone: Option<&Zone>, region: Option<&Region>) -> Vec<Group> {
    let services = selector.services.clone();
    let zones = picked(selector.zone.as_ref(), zone);
    let regions = picked(selector.region.as_ref(), region);
    let spread = matches!(fault.fault.kind(), FaultKind::ZoneOutage | FaultKind::RegionOutage | FaultKind::SuspendReplacement);
    // A fault on instances has their ids; its group only tells the reader, and names a place when there is just one.
    if !spread {
        let only = |n: usize| n == 1;
        return vec![Group {
            services,
            zone: zones.first().filter(|_| only(zones.len())).cloned(),
            region: regions.first().filter(|_| only(regions.len())).cloned(),
        }];
    }
    let optional = |n: usize| n.max(1);
    let mut groups = Vec::new();
    for r in 0..optional(regions.len()) {
        for z in 0..optional(zones.len()) {
            groups.push(Group { services: services.clone(), zone: zones.get(z).cloned(), region: regions.get(r).cloned() });
        }
    }
    groups
}

fn picked<T: Clone>(pick: Option<&Pick<T>>, drawn: Option<&T>) -> Vec<T> {
    match pick {
        Some(Pick::Named(names)) => names.clone(),
        Some(Pick::Random) => drawn.cloned().into_iter().collect(),
        None => Vec::new(),
    }
}

fn drawn(
    fault: &FaultStep,
    group: Group,
    zone: Option<Zone>,
    region: Option<Region>,
    matched: u32,
    victims: Vec<Arc<Instance>>,
) -> DrawnFault {
    DrawnFault { fault: fault.fault.clone(), zone, region, group, matched, hold: fault.hold, victims, bound_at_step: false }
}
