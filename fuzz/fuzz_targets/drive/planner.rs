//! The planner: whatever a file asks of whatever inventory, nobody is chosen who may not be, and no cap is exceeded. The caps are counted
//! here once more, in another way than the planner does.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use firedrill::{
    model::{
        blast_radius::{Caps, MinHealthy},
        experiment::{Bind, Experiment, FaultStep, PhoenixStep, Recovery, Step},
        fault::{Fault, FaultKind, PartitionMode},
        ids::{InstanceId, Service, Zone},
        instance::{Instance, InstanceState, Inventory, PROTECTED},
        quantity::Share,
        selector::{Pick, ProcessMatch, Selector, Take},
        undo::Undo,
    },
    plan::{self, Drawn, DrawnWork, Occupied, caps, draw_step, draw_victims, expand},
};

use super::bytes::Bytes;

const SERVICES: [&str; 4] = ["web", "api", "edge", "<b>\u{1b}[31m"];
const ZONES: [&str; 4] = ["a", "b", "c", ""];
const REGIONS: [&str; 2] = ["r", "s"];
const STATES: [InstanceState; 8] = [
    InstanceState::Running,
    InstanceState::Running,
    InstanceState::Running,
    InstanceState::Running,
    InstanceState::Starting,
    InstanceState::Paused,
    InstanceState::Stopped,
    InstanceState::Gone,
];

/// A world, caps and a method, drawn from the input; or, one time in eight, a plan file.
pub fn drive(data: &[u8]) {
    let mut bytes = Bytes(data);
    if bytes.rarely(8) {
        if let Ok(plan) = plan::file::parse(&String::from_utf8_lossy(bytes.0)) {
            assert_eq!(plan::file::parse(&plan::file::write(&plan)).as_ref(), Ok(&plan));
            let shown = plan::show::show(&plan, false);
            assert!(!shown.contains('\u{1b}'), "{shown:?}");
        }
        return;
    }
    let inventory = inventory(&mut bytes);
    let experiment = experiment(&mut bytes);
    let seed = bytes.number();
    let others: Vec<Occupied> = bytes.several(2, |b| {
        let there = inventory.instances.get(b.below(inventory.instances.len() + 1));
        let down = !b.rarely(4);
        there.map_or_else(
            || Occupied { instance: "of-another".into(), service: "web".into(), zone: "a".into(), down: true, by: "r".into() },
            |i| Occupied { instance: i.id.clone(), service: i.service.clone(), zone: i.zone.clone(), down, by: "r".into() },
        )
    });
    let drawn = draw_victims(&experiment, &inventory, seed, &others);
    assert_eq!(drawn, draw_victims(&experiment, &inventory, seed, &others), "the same draw twice differs");
    let mut turned = inventory.clone();
    turned.instances.reverse();
    assert_eq!(drawn, draw_victims(&experiment, &turned, seed, &others), "the order of the inventory matters");
    match &drawn {
        Err(refusals) => assert!(refusals.iter().all(|r| !r.to_string().is_empty()) && !refusals.is_empty()),
        Ok(drawn) => {
            judge(drawn, &experiment, &inventory, &others);
            planned(drawn.clone(), &experiment);
        }
    }
    for number in 1..=experiment.method.len() as u32 {
        if let Ok(drawn) = draw_step(&experiment, number, &inventory, seed, &others) {
            judge(&drawn, &experiment, &inventory, &others);
        }
    }
}

fn instance(b: &mut Bytes<'_>, n: usize) -> Instance {
    let service = *b.of(&SERVICES);
    let mut labels = BTreeMap::new();
    if b.rarely(8) {
        labels.insert(PROTECTED.to_owned(), (*b.of(&["true", "false"])).to_owned());
    }
    if service == "edge" {
        labels.insert(plan::select::ROLE.to_owned(), "balancer".to_owned());
    }
    let managed = !b.rarely(8);
    if !managed {
        // What a platform found by each of the two selectors that `target` makes.
        labels.insert(plan::select::PROCESS.to_owned(), format!("{}\n{}", process(false), process(true)));
    }
    Instance {
        id: format!("{service}-{n}").as_str().into(),
        name: format!("{service}-{n}"),
        service: service.into(),
        zone: (*b.of(&ZONES)).into(),
        region: (*b.of(&REGIONS)).into(),
        state: *b.of(&STATES),
        healthy: *b.of(&[Some(true), None, Some(false)]),
        labels: labels.into(),
        address: None,
        identity: n.to_string(),
        fingerprint: "f".to_owned(),
        managed,
        kept_out: b.rarely(16).then(|| "the tool's own".to_owned()),
    }
}

fn inventory(b: &mut Bytes<'_>) -> Inventory {
    let instances = (0..b.below(12)).map(|n| Arc::new(instance(b, n))).collect();
    let desired = b.several(3, |b| (Service::from(*b.of(&SERVICES)), u32::from(b.byte()) % 9)).into_iter().collect();
    Inventory { scope: "fuzz".into(), instances, desired }
}

fn share(b: &mut Bytes<'_>) -> Share {
    Share(f64::from(b.byte()) / 255.0)
}

/// Processes that firedrill did not start, with a pattern of arguments or without.
fn process(arguments: bool) -> ProcessMatch {
    ProcessMatch::Command { executable: "/usr/**".to_owned(), arguments: arguments.then(|| "(".to_owned()) }
}

fn selector(b: &mut Bytes<'_>) -> Selector {
    fn pick<T: for<'t> From<&'t str>>(b: &mut Bytes<'_>, names: &[&str]) -> Pick<T> {
        if b.rarely(2) { Pick::Random } else { Pick::Named((0..=b.below(2)).map(|_| T::from(*b.of(names))).collect()) }
    }
    let services = b.several(2, |b| (*b.of(&SERVICES)).into());
    Selector {
        services,
        zone: b.maybe(|b| pick(b, &ZONES)),
        region: if b.rarely(4) { Some(pick(b, &REGIONS)) } else { None },
        labels: if b.rarely(8) { BTreeMap::from([(PROTECTED.to_owned(), "true".to_owned())]) } else { BTreeMap::new() },
        name: b.rarely(4).then(|| (*b.of(&["*", "web-*", "[", "*-3", "{a,b}*", "?"])).to_owned()),
        ids: if b.rarely(8) { vec![format!("web-{}", b.below(12)).as_str().into()] } else { Vec::new() },
        process: b.rarely(8).then(|| process(b.rarely(2))),
        all: b.rarely(4),
        take: match b.below(4) {
            0 => Take::All,
            1 => Take::Percent(share(b)),
            2 => Take::Count(u32::MAX - u32::from(b.byte())),
            _ => Take::Count(u32::from(b.byte()) % 6),
        },
    }
}

fn fault(b: &mut Bytes<'_>) -> FaultStep {
    let fault = match b.below(12) {
        0 => Fault::Stop { grace: Duration::ZERO },
        1 => Fault::Pause,
        2 => Fault::Restart { grace: Duration::ZERO },
        3 => Fault::Partition { mode: PartitionMode::Hang },
        4 => Fault::ZONE_OUTAGE,
        5 => Fault::REGION_OUTAGE,
        6 => Fault::SuspendReplacement,
        7 => Fault::Loss { share: share(b) },
        8 => Fault::Run { command: vec!["true".to_owned()], undo: None, timeout: Duration::ZERO },
        9 => Fault::REMOVE,
        _ => Fault::Kill { signal: None },
    };
    FaultStep { fault, target: selector(b), hold: b.maybe(|b| Duration::from_secs(u64::from(b.byte()))) }
}

fn experiment(b: &mut Bytes<'_>) -> Experiment {
    let floor = |b: &mut Bytes<'_>| if b.rarely(2) { MinHealthy::Percent(share(b)) } else { MinHealthy::Count(u32::from(b.byte()) % 6) };
    Experiment {
        title: "fuzz".to_owned(),
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
        bind: if b.rarely(8) { Bind::AtStep } else { Bind::AtStart },
        caps: Caps {
            service: share(b),
            service_stated: b.rarely(2),
            zone: b.maybe(share),
            count: b.maybe(|b| u32::from(b.byte()) % 8),
            min_healthy: b.several(2, |b| (Service::from(*b.of(&SERVICES)), floor(b))).into_iter().collect(),
        },
        method: b.several(5, |b| match b.below(8) {
            0 => Step::Wait(Duration::ZERO),
            1 => Step::Phoenix(PhoenixStep { target: selector(b), wait: Duration::ZERO }),
            _ => Step::Faults((0..=b.below(3)).map(|_| fault(b)).collect()),
        }),
        abort_when: Vec::new(),
        versions: BTreeMap::new(),
    }
}

/// Whether an instance is down because of it, by what the plan does with it.
type Affected<'a> = BTreeMap<&'a InstanceId, (&'a Instance, bool)>;

fn judge(drawn: &Drawn, experiment: &Experiment, inventory: &Inventory, others: &[Occupied]) {
    let mut lasting: Affected<'_> = BTreeMap::new();
    for step in &drawn.steps {
        let asked = match &experiment.method[step.number as usize - 1] {
            Step::Faults(faults) => faults.iter().map(|f| (&f.target, f.fault.kind())).collect(),
            Step::Phoenix(phoenix) => vec![(&phoenix.target, FaultKind::Kill)],
            Step::Wait(_) | Step::UntilMitigated(_) | Step::Command(_) => Vec::new(),
        };
        for fault in step.work.faults() {
            let ids: BTreeSet<&InstanceId> = fault.victims.iter().map(|v| &v.id).collect();
            assert_eq!(ids.len(), fault.victims.len(), "one victim twice");
            for victim in &fault.victims {
                assert!(inventory.instances.contains(victim), "{} is not there", victim.id);
                assert!(!victim.protected() && victim.kept_out.is_none() && victim.state == InstanceState::Running, "{}", victim.id);
                let mut targets = asked.iter().filter(|(_, kind)| *kind == fault.fault.kind()).map(|(target, _)| *target);
                assert!(targets.any(|t| names(t, victim)), "{} was not asked for", victim.id);
            }
        }
        if let DrawnWork::Phoenix { kill, .. } = &step.work {
            for victim in &kill.victims {
                let mut now = lasting.clone();
                now.insert(&victim.id, (victim, true));
                within_caps(&now, &experiment.caps, inventory, others);
            }
            continue;
        }
        let mut now = lasting.clone();
        let mut touched = false;
        for fault in step.work.faults().iter().filter(|f| f.fault.kind().affects_victims()) {
            for victim in &fault.victims {
                touched = true;
                let down = fault.fault.kind().takes_capacity();
                now.entry(&victim.id).or_insert((victim, false)).1 |= down;
                if caps::lasts(fault) {
                    lasting.entry(&victim.id).or_insert((victim, false)).1 |= down;
                }
            }
        }
        if touched {
            within_caps(&now, &experiment.caps, inventory, others);
        }
    }
}

/// Whether a selector can mean an instance at all, by what it says in words.
fn names(target: &Selector, i: &Instance) -> bool {
    let at = |named: &[&str], here: &str| named.contains(&here);
    let zone = match &target.zone {
        Some(Pick::Named(zones)) => at(&zones.iter().map(Zone::as_str).collect::<Vec<_>>(), i.zone.as_str()),
        _ => true,
    };
    (target.services.is_empty() || target.services.contains(&i.service))
        && zone
        && (i.managed || target.process.is_some())
        && (!target.unbounded() || target.all)
}

fn within_caps(now: &Affected<'_>, caps: &Caps, inventory: &Inventory, others: &[Occupied]) {
    // What other runs affect counts as if it were this run's, in the services and zones that this one touches.
    let services: BTreeSet<&Service> = now.values().map(|(i, _)| &i.service).collect();
    let zones: BTreeSet<&str> = now.values().map(|(i, _)| i.zone.as_str()).collect();
    let mut all: BTreeMap<&InstanceId, (&Service, &str, bool)> =
        now.iter().map(|(id, (i, down))| (*id, (&i.service, i.zone.as_str(), *down))).collect();
    for other in others {
        all.entry(&other.instance).or_insert((&other.service, other.zone.as_str(), false)).2 |= other.down;
    }
    let there = || inventory.instances.iter().filter(|i| i.state != InstanceState::Gone);
    let of = |share: Share, total: usize| share.0 * total as f64 + 1e-6;
    for service in services {
        let total = inventory.desired.get(service).map_or(there().filter(|i| i.service == *service).count(), |n| *n as usize);
        let hit = all.values().filter(|(s, ..)| *s == service).count();
        assert!(hit as f64 <= of(caps.service, total), "{hit} of {total} of {service}, with a cap of {}", caps.service);
        let Some(floor) = caps.min_healthy.get(service) else { continue };
        let left = there().filter(|i| i.service == *service && i.serving() && !all.get(&i.id).is_some_and(|(.., down)| *down)).count();
        let needed = match floor {
            MinHealthy::Count(n) => f64::from(*n),
            MinHealthy::Percent(share) => share.0 * total as f64 - 1e-6,
        };
        assert!(left as f64 >= needed, "{left} of {service} are left, and {needed} must be");
    }
    if let Some(share) = caps.zone {
        for zone in zones {
            let total = there().filter(|i| i.zone.as_str() == zone).count();
            let hit = all.values().filter(|(_, z, _)| *z == zone).count();
            assert!(hit as f64 <= of(share, total), "{hit} of {total} in {zone}, with a cap of {share}");
        }
    }
    if let Some(count) = caps.count {
        assert!(all.len() <= count as usize, "{} in all, with a cap of {count}", all.len());
    }
}

/// The plan of the draw is a file that reads back, and is shown without obeying anything in it.
fn planned(drawn: Drawn, experiment: &Experiment) {
    let expanded = expand(drawn, |fault, victims, _| {
        victims.iter().map(|v| (fault.clone(), firedrill::model::act::Target::Instance(Arc::clone(v)))).collect()
    });
    let undos: Vec<Undo> = expanded.acts().map(|_| Undo::Nothing { why: "a test".to_owned() }).collect();
    let plan = expanded.into_plan("fuzz", plan::digest(experiment), "fake", undos).expect("as many undos as acts");
    assert_eq!(plan::file::read(&plan::file::write(&plan), experiment).as_ref(), Ok(&plan));
    assert!(!plan::show::show(&plan, false).contains('\u{1b}'));
}
