//! Who is in service: whom users can reach, which is more than to pass one's own health check.
//!
//! An instance comes into service when its own health check passes and every balancer that it is behind sends to it. It goes out
//! when its own check fails, when it ends, and when a balancer ejects it.
//!
//! A balancer that is dead or stopped sends to nobody and says nothing. To wait for it would make each return last as long as the
//! balancer's absence, so an instance is judged without it: by its own health check and the balancers that are left. A balancer that
//! was started again has not said anything yet; it takes nobody out who is in, until its checks have had their time.
//!
//! A balancer comes into service when it listens and sends to somebody (or nobody behind it is healthy), and goes out when it ends.

use std::time::Duration;

use super::{
    Supervisor,
    live::{Link, Live},
};
use crate::{
    model::{
        ids::{InstanceId, Service},
        observation::Observed,
        time::Mono,
    },
    platform::local::{process, spec::BalancerSpec},
};

/// What a balancer gets beyond its checks to admit whom it can reach.
const SLACK: Duration = Duration::from_secs(2);

/// What becomes of one.
enum Change {
    /// It comes into service, at this time.
    In(Mono),
    /// It goes out, for this reason.
    Out(String),
}

impl Supervisor {
    /// Moves everybody into or out of service who belongs there now. `at` is when what led here happened.
    pub(super) fn settle(&mut self, at: Mono) {
        let changes: Vec<(InstanceId, Change)> =
            self.lives.values().filter_map(|live| Some((live.id.clone(), self.change(live, at)?))).collect();
        for (id, change) in changes {
            match change {
                Change::In(at) => self.in_service(&id, at),
                Change::Out(why) => self.out_of_service(&id, at, why),
            }
        }
    }

    fn change(&self, live: &Live, at: Mono) -> Option<Change> {
        let healthy = live.healthy.filter(|_| live.running)?;
        match &live.balancer {
            Some(_) if live.serving => None,
            Some(link) => self.first_service(link, healthy, at).map(Change::In),
            None if live.serving => self.kept_out(live, at).map(Change::Out),
            None => self.admitted(live, healthy, at).map(Change::In),
        }
    }

    /// Since when a balancer that listens is of use.
    fn first_service(&self, link: &Link, listening: Mono, at: Mono) -> Option<Mono> {
        let first = self.behind(link.index).filter_map(|l| link.words.get(&l.id)?.as_ref().ok()).min();
        match first {
            Some(first) => Some(listening.max(*first)),
            None if self.behind(link.index).any(|l| l.healthy.is_some()) => None,
            None => Some(listening.max(at)),
        }
    }

    /// Since when all balancers send to an instance; `None` while one that could does not.
    fn admitted(&self, live: &Live, healthy: Mono, at: Mono) -> Option<Mono> {
        let mut since = healthy;
        for (_, balancer, link) in self.in_front_of(live) {
            since = since.max(match link.words.get(&live.id) {
                Some(Ok(admitted)) => *admitted,
                _ if sends(balancer) => return None,
                _ => at,
            });
        }
        Some(since)
    }

    /// Why a balancer does not send to an instance that is in service.
    fn kept_out(&self, live: &Live, at: Mono) -> Option<String> {
        self.in_front_of(live).find_map(|(spec, balancer, link)| {
            let why = match link.words.get(&live.id) {
                Some(Err(why)) => format!("{} does not send to it: {why}", spec.name),
                None if at.since(link.since) > patience(spec) => format!("{} has not begun to send to it", spec.name),
                Some(Ok(_)) | None => return None,
            };
            sends(balancer).then_some(why)
        })
    }

    fn in_front_of<'s>(&'s self, live: &Live) -> impl Iterator<Item = (&'s BalancerSpec, &'s Live, &'s Link)> {
        self.balancers_of(live).into_iter().filter_map(|index| {
            let spec = &self.setup.spec.balancers[index];
            let balancer = self.lives.get(&InstanceId(spec.name.clone()))?;
            Some((spec, balancer, balancer.balancer.as_ref()?))
        })
    }

    fn in_service(&mut self, id: &InstanceId, at: Mono) {
        let Some(live) = self.lives.get_mut(id) else { return };
        live.serving = true;
        let (instance, service, zone) = (id.clone(), live.service.clone(), live.zone.clone());
        self.observe(at, "supervisor", Observed::InService { instance, service: service.clone(), zone });
        self.count(&service, at);
    }

    /// One that is not in service stays so without a word.
    pub(super) fn out_of_service(&mut self, id: &InstanceId, at: Mono, why: String) {
        let Some(live) = self.lives.get_mut(id).filter(|l| l.serving) else { return };
        live.serving = false;
        let (instance, service, zone) = (id.clone(), live.service.clone(), live.zone.clone());
        self.observe(at, "supervisor", Observed::OutOfService { instance, service: service.clone(), zone, why });
        self.count(&service, at);
    }

    /// Tells how many instances of a service serve, if that changed.
    pub(super) fn count(&mut self, service: &Service, at: Mono) {
        let Some(desired) = self.setup.spec.service(service).map(crate::platform::local::spec::ServiceSpec::desired) else { return };
        let serving = self.lives.values().filter(|l| l.service == *service && l.serving).count() as u32;
        if self.capacity.insert(service.clone(), serving) != Some(serving) {
            self.observe(at, "supervisor", Observed::Capacity { service: service.clone(), serving, desired });
        }
    }
}

/// Whether a balancer's process runs and is not stopped.
fn sends(balancer: &Live) -> bool {
    let stat = balancer.process.and_then(|(pid, start)| process::stat(pid).filter(|s| s.start_time == start));
    balancer.running && stat.is_some_and(|s| s.alive() && !s.stopped())
}

/// How long after its start a balancer that has not admitted a healthy backend is taken to be unable to.
fn patience(spec: &BalancerSpec) -> Duration {
    (spec.check.every + spec.check.timeout) * spec.check.rise + SLACK
}
