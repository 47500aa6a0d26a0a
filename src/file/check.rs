//! What a file means: references to the world, and whether this platform can do what is asked.

use super::{
    diagnostic::{Diagnostic, Diagnostics},
    escape::quote,
    load::Loaded,
    suggest::{listed, nearest},
};
use crate::model::{
    capabilities::Capabilities,
    experiment::{FaultStep, Step},
    fault::{Fault, FaultKind, LONGEST_STRESS, Mechanism, PartitionMode},
    quantity::show_duration,
    selector::{Pick, Selector, Take},
    steady_state::Expect,
};

/// Names that are known to exist, where somebody knows them (a system file does before anything runs).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Services.
    pub services: Vec<String>,
    /// Zones.
    pub zones: Vec<String>,
    /// Regions.
    pub regions: Vec<String>,
    /// Those of the services whose dead instances are replaced by new ones.
    pub replaced: Vec<String>,
}

/// Checks an experiment against a platform, and against the names that are known, if any.
pub fn check(loaded: &Loaded, capabilities: &Capabilities, known: Option<&Known>) -> Diagnostics {
    let mut checker = Checker { loaded, capabilities, known, out: Vec::new() };
    checker.recovery();
    for (number, step) in loaded.experiment.method.iter().enumerate() {
        if let Step::Faults(faults) = step {
            for (place, fault) in faults.iter().enumerate() {
                let group = format!("method[{number}].together[{place}]");
                let path = if loaded.spans.contains_key(&group) { group } else { format!("method[{number}]") };
                checker.fault(&path, fault);
            }
        }
    }
    checker.floors();
    checker.services();
    checker.phoenixes();
    checker.out.into()
}

struct Checker<'a> {
    loaded: &'a Loaded,
    capabilities: &'a Capabilities,
    known: Option<&'a Known>,
    out: Vec<Diagnostic>,
}

impl Checker<'_> {
    fn error(&mut self, path: &str, message: String) -> &mut Diagnostic {
        let at = self.out.len();
        self.out.push(self.loaded.error(path, message));
        &mut self.out[at]
    }

    fn recovery(&mut self) {
        let limit = self.loaded.experiment.recovery.limit;
        for (number, condition) in self.conditions() {
            let Expect::RecoveredWithin(within) = condition else { continue };
            if within > limit {
                let shown = show_duration(limit);
                self.error(
                    &format!("steady-state[{number}].recovered-within"),
                    format!("the recovery phase ends after {shown}: longer is never seen"),
                )
                .expected(format!("at most {shown}, or a longer `recovery: {{ limit: … }}`"));
            }
        }
    }

    /// The conditions with their places in the file: an item of the file with several metrics is several conditions.
    fn conditions(&self) -> Vec<(usize, Expect)> {
        let recovered = self.loaded.experiment.steady_state.iter().filter(|c| matches!(c.expect, Expect::RecoveredWithin(_)));
        let items = (0..).take_while(|n| self.loaded.spans.contains_key(&format!("steady-state[{n}]")));
        let places = items.filter(|n| self.loaded.spans.contains_key(&format!("steady-state[{n}].recovered-within")));
        places.zip(recovered.map(|c| c.expect.clone())).collect()
    }

    fn fault(&mut self, path: &str, step: &FaultStep) {
        let kind = step.fault.kind();
        let here = format!("{path}.{kind}");
        if !self.capabilities.can(kind) {
            let platform = self.capabilities.platform;
            let can = listed(self.capabilities.faults.iter().map(|f| f.name()), "or");
            let why = self.capabilities.why_not.get(&kind).cloned();
            let error = self.error(&format!("{here}#key"), format!("the platform `{platform}` cannot do `{kind}`"));
            error.expected(can);
            if let Some(why) = why {
                error.note(why);
            }
        }
        self.partition_mode(&here, &step.fault);
        self.mechanism(&here, &step.fault);
        self.shifted(&here, step);
        self.decrement(&here, &step.fault);
        if kind == FaultKind::Stress
            && let Some(hold) = step.hold
            && hold > LONGEST_STRESS
        {
            let longest = show_duration(LONGEST_STRESS);
            self.error(&format!("{path}.hold"), format!("a stress ends by itself after {longest}: it would not last so long"))
                .expected(format!("at most {longest}"));
        }
        let target = &step.target;
        if target.process.is_some() {
            let allowed = self.loaded.environment.as_ref().is_some_and(|e| e.foreign);
            if !self.capabilities.foreign {
                let platform = self.capabilities.platform;
                self.error(&format!("{here}.process#key"), format!("the platform `{platform}` only knows targets of its own"))
                    .expected("another target: `service`, `zone`, `name` or `id`");
            } else if !allowed {
                self.error(
                    &format!("{here}.process#key"),
                    "processes that the tool did not start are not allowed in this environment".to_owned(),
                )
                .expected("`foreign: allowed` in the environment, when you are sure");
            }
        }
        if target.unbounded() && !target.all {
            self.error(&here, "nothing says which targets are meant".to_owned())
                .expected("`service`, `zone`, `name`, `labels` or `id`; or `all: true` for everything");
        }
        if let (Take::Count(take), Some(cap)) = (target.take, self.loaded.experiment.caps.count)
            && take > cap
        {
            self.error(&format!("{here}.take"), format!("`take: {take}` is more than `max-affected: {{ count: {cap} }}` allows"))
                .expected(format!("at most {cap}, or a higher cap"));
        }
        self.places(&here, target);
    }

    /// The names of services, zones and regions in a target.
    fn places(&mut self, here: &str, target: &Selector) {
        let Some(known) = self.known else { return };
        for (number, service) in target.services.iter().enumerate() {
            self.known_name(&format!("{here}.service"), number, "service", service.as_str(), &known.services);
        }
        if let Some(Pick::Named(zones)) = &target.zone {
            for (number, zone) in zones.iter().enumerate() {
                self.known_name(&format!("{here}.zone"), number, "zone", zone.as_str(), &known.zones);
            }
        }
        if let Some(Pick::Named(regions)) = &target.region {
            for (number, region) in regions.iter().enumerate() {
                self.known_name(&format!("{here}.region"), number, "region", region.as_str(), &known.regions);
            }
        }
    }

    /// A partition may be possible in some modes only.
    fn partition_mode(&mut self, here: &str, fault: &Fault) {
        let Fault::Partition { mode } = *fault else { return };
        if !self.capabilities.can(FaultKind::Partition) {
            return;
        }
        let Some(why) = self.capabilities.no_mode.get(&mode).cloned() else { return };
        let cannot = match mode {
            PartitionMode::Hang => "make connections hang",
            PartitionMode::Refuse => "refuse connections",
            PartitionMode::Disconnect => "take its target off the network",
        };
        let can = PartitionMode::ALL.into_iter().filter(|mode| !self.capabilities.no_mode.contains_key(mode));
        let can: Vec<String> = can.map(|mode| format!("mode: {}", mode.name())).collect();
        let said = format!("{here}.mode");
        let (path, told) = if self.loaded.spans.contains_key(&said) {
            (said, "")
        } else {
            (format!("{here}#key"), ", which is what it does unless told otherwise")
        };
        let platform = self.capabilities.platform;
        self.error(&path, format!("on the platform `{platform}`, `partition` cannot {cannot} here{told}"))
            .expected(listed(can.iter().map(String::as_str), "or"))
            .note(why);
    }

    /// An outage does to each instance what the platform must be able to do.
    fn mechanism(&mut self, here: &str, fault: &Fault) {
        let zone = matches!(fault, Fault::ZoneOutage { .. });
        let can = |checker: &Self, mechanism: Mechanism| {
            let capabilities = checker.capabilities;
            if mechanism == Mechanism::Shift {
                return capabilities.shifts && zone;
            }
            let fault = mechanism.on_each();
            let mode = matches!(fault, Fault::Partition { mode } if capabilities.no_mode.contains_key(&mode));
            capabilities.can(fault.kind()) && !mode
        };
        let Some(mechanism) = fault.mechanism() else { return };
        if !self.capabilities.can(fault.kind()) || can(self, mechanism) {
            return;
        }
        let possible: Vec<String> =
            Mechanism::ALL.into_iter().filter(|m| can(self, *m)).map(|m| format!("mechanism: {}", m.name())).collect();
        let (platform, kind) = (self.capabilities.platform, mechanism.on_each().kind());
        let why = self.capabilities.why_not.get(&kind).or_else(|| self.capabilities.no_mode.get(&PartitionMode::Hang)).cloned();
        let said = format!("{here}.mechanism");
        let path = if self.loaded.spans.contains_key(&said) { said } else { format!("{here}#key") };
        let message = if mechanism == Mechanism::Shift {
            format!(
                "`shift` needs load balancers that lead users out of a zone when they are told to, which the platform `{platform}` has not got"
            )
        } else {
            format!("an outage by `{}` needs `{kind}`, which the platform `{platform}` cannot do here", mechanism.name())
        };
        let why = why.filter(|_| mechanism != Mechanism::Shift);
        let error = self.error(&path, message);
        error.expected(listed(possible.iter().map(String::as_str), "or"));
        if let Some(why) = why {
            error.note(why);
        }
    }

    /// A load balancer leads everybody out of a zone, not the users of some instances.
    fn shifted(&mut self, here: &str, step: &FaultStep) {
        if step.fault.mechanism() == Some(Mechanism::Shift) && self.capabilities.shifts && !step.target.labels.is_empty() {
            self.error(
                &format!("{here}.labels"),
                "`shift` moves all users of a load balancer, whatever labels its instances carry".to_owned(),
            )
            .expected("a zone, perhaps with `service`");
        }
    }

    /// An instance that is ended without its place needs a group that fills it again.
    fn decrement(&mut self, here: &str, fault: &Fault) {
        if !matches!(fault, Fault::Remove { decrement: false }) || self.capabilities.keeps_place || !self.capabilities.can(fault.kind()) {
            return;
        }
        let platform = self.capabilities.platform;
        self.error(
            &format!("{here}.decrement"),
            format!("on the platform `{platform}`, what `remove` deletes is gone until the undo: there is no place that is filled again"),
        )
        .expected("no `decrement`; to end an instance that is replaced, use `kill`");
    }

    fn known_name(&mut self, path: &str, number: usize, what: &str, name: &str, known: &[String]) {
        if known.iter().any(|k| k == name) {
            return;
        }
        let item = format!("{path}[{number}]");
        let path = if self.loaded.spans.contains_key(&item) { item } else { path.to_owned() };
        let names = || known.iter().map(String::as_str);
        let expected = if known.is_empty() { format!("nothing: the system has no {what}s") } else { listed(names(), "or") };
        self.error(&path, format!("there is no {what} {}", quote(name))).expected(expected).nearest(nearest(name, names()));
    }

    fn floors(&mut self) {
        let Some(known) = self.known else { return };
        for service in self.loaded.experiment.caps.min_healthy.keys() {
            self.known_name(&format!("guardrails.min-healthy.{service}#key"), 0, "service", service.as_str(), &known.services);
        }
    }

    /// The services that probes and `versions` name.
    fn services(&mut self) {
        let Some(known) = self.known else { return };
        for probe in &self.loaded.experiment.probes {
            if let Some(service) = &probe.service {
                self.known_name(&format!("probes.{}.service", probe.name), 0, "service", service.as_str(), &known.services);
            }
        }
        for service in self.loaded.experiment.versions.keys() {
            self.known_name(&format!("versions.{service}#key"), 0, "service", service.as_str(), &known.services);
        }
    }

    /// A phoenix drill needs a platform that kills, and somebody who puts new instances in the place of the dead.
    fn phoenixes(&mut self) {
        for (number, step) in self.loaded.experiment.method.iter().enumerate() {
            let Step::Phoenix(phoenix) = step else { continue };
            let here = format!("method[{number}].phoenix");
            if !self.capabilities.can(FaultKind::Kill) {
                let platform = self.capabilities.platform;
                self.error(&format!("{here}#key"), format!("the platform `{platform}` cannot do `kill`, which a phoenix drill does"))
                    .expected("another step");
            }
            self.places(&here, &phoenix.target);
            let Some(known) = self.known else { continue };
            for (number, service) in phoenix.target.services.iter().enumerate() {
                let name = service.as_str();
                if known.services.iter().any(|k| k == name) && !known.replaced.iter().any(|k| k == name) {
                    let item = format!("{here}.service[{number}]");
                    let path = if self.loaded.spans.contains_key(&item) { item } else { format!("{here}.service") };
                    let mut can: Vec<&str> = known.replaced.iter().map(String::as_str).collect();
                    can.sort_unstable();
                    let expected =
                        if can.is_empty() { "a service with `replace:` in the system's file".to_owned() } else { listed(can, "or") };
                    self.error(&path, format!("nobody puts a new instance in the place of a dead one of {}", quote(name)))
                        .expected(expected)
                        .note("a phoenix drill ends instances one after another, and waits for the replacement of each");
                }
            }
        }
    }
}
