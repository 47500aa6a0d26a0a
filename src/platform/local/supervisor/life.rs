//! Birth, health, death and what follows it: restart, or replacement by a new instance.

use std::{os::unix::process::ExitStatusExt, time::Duration};

use super::{Message, Supervisor, live::Live, said};
use crate::{
    clock,
    model::{
        act::Group,
        ids::{InstanceId, Zone},
        observation::Observed,
        time::Mono,
    },
    platform::local::{
        control::Traffic,
        fingerprint::{self, Declared},
        health,
        launch::{self, Place},
        output::Output,
        process,
        spec::{AddressSpec, RestartPolicy, RestartSpec, ServiceSpec},
    },
};

impl Supervisor {
    /// A new instance of a service, with the next number of its zone, at the address of this slot. Not launched yet.
    pub(super) fn create(&mut self, service: &ServiceSpec, zone: &Zone, slot: u32) -> Result<InstanceId, String> {
        let prefix = format!("{}-{zone}", service.name);
        let number = self.numbers.entry(prefix.clone()).or_insert(0);
        *number += 1;
        let id = InstanceId(format!("{prefix}-{number}"));
        let address = launch::address(service.address, slot).map_err(|why| format!("{id} cannot start: {why}"))?;
        let live = Live {
            id: id.clone(),
            service: service.name.clone(),
            zone: zone.clone(),
            region: self.setup.spec.region(zone),
            slot,
            address,
            generation: 0,
            process: None,
            running: false,
            healthy: None,
            serving: false,
            has_served: false,
            ended: None,
            ended_well: false,
            held: false,
            fingerprint: String::new(),
            output: Output::new(self.setup.logs.join(format!("{id}.log"))),
            traffic: Traffic::default(),
            draining: false,
            pending: None,
            health: None,
            balancer: None,
        };
        self.lives.insert(id.clone(), live);
        Ok(id)
    }

    /// Launches an instance of a service (again).
    pub(super) fn launch(&mut self, id: &InstanceId) -> Result<(), String> {
        self.counter += 1;
        let generation = self.counter;
        let Some(live) = self.lives.get_mut(id) else { return Err(format!("there is no instance {id}")) };
        let Some(service) = self.setup.spec.service(&live.service) else { return Err(format!("{id} belongs to no service")) };
        if service.address != AddressSpec::Auto {
            launch::free(live.address).map_err(|why| format!("{id} cannot start: {why}"))?;
        }
        let place = Place {
            program: &self.setup.program,
            folder: &self.setup.spec.folder,
            data: &self.setup.data,
            mark: &self.setup.mark,
            id,
            zone: &live.zone,
            region: &live.region,
            address: live.address,
        };
        let directory = service.working_directory.as_ref().unwrap_or(&self.setup.spec.folder);
        let declared = Declared { command: &service.command, env: &service.env, directory };
        let fingerprint = fingerprint::declared(declared, |word| place.fill(word));
        let mut child = place.start(&service.command, &service.env, directory, false).map_err(|why| format!("{id} cannot start: {why}"))?;
        let pid = child.id().unwrap_or_default().cast_signed();
        live.generation = generation;
        live.process = Some((pid, process::stat(pid).map_or(0, |s| s.start_time)));
        live.fingerprint = fingerprint;
        (live.running, live.healthy, live.serving, live.has_served, live.held) = (true, None, false, false, false);
        live.ended = None;
        live.pending = None;
        if let Some(out) = child.stdout.take() {
            self.tasks.spawn(live.output.clone().drain(out));
        }
        if let Some(out) = child.stderr.take() {
            self.tasks.spawn(live.output.clone().drain(out));
        }
        let (health, address, outbox, checked) = (service.health.clone(), live.address, self.outbox.clone(), id.clone());
        live.health = Some(self.tasks.spawn(async move {
            health::watch(health, address, |state| {
                let _ = outbox.send(Message::Health { id: checked.clone(), generation, state, at: clock::now() });
            })
            .await;
        }));
        self.await_end(child, id.clone(), generation);
        Ok(())
    }

    /// Tells the loop when the process ends.
    pub(super) fn await_end(&mut self, mut child: tokio::process::Child, id: InstanceId, generation: u64) {
        let outbox = self.outbox.clone();
        self.tasks.spawn(async move {
            let status = child.wait().await;
            let at = clock::now();
            // What it wrote last is to be read before its end is told.
            tokio::time::sleep(Duration::from_millis(5)).await;
            let (how, well) = match status {
                Ok(status) => (describe(status), status.success()),
                Err(e) => (format!("ended, its status is not known: {e}"), false),
            };
            let _ = outbox.send(Message::Ended { id, generation, how, well, at });
        });
    }

    pub(super) fn health(&mut self, id: &InstanceId, state: Result<(), String>, at: Mono) {
        let Some(live) = self.lives.get_mut(id).filter(|l| l.running) else { return };
        live.healthy = state.is_ok().then_some(at);
        live.has_served |= state.is_ok();
        if let Err(why) = state {
            self.out_of_service(id, at, why);
        }
        self.settle(at);
    }

    pub(super) fn ended(&mut self, id: &InstanceId, how: String, well: bool, at: Mono) {
        let Some(live) = self.lives.get_mut(id) else { return };
        (live.running, live.healthy, live.serving) = (false, None, false);
        (live.ended, live.ended_well) = (Some(how.clone()), well);
        if let Some(health) = live.health.take() {
            health.abort();
        }
        let (service, zone) = (live.service.clone(), live.zone.clone());
        if !self.ready && !live.has_served && self.failed.is_none() {
            self.failed = Some(format!("{id} ended before it was healthy: {how}{}", said(&live.output.last())));
        }
        self.observe(at, "supervisor", Observed::Died { instance: id.clone(), service: service.clone(), zone, how });
        self.count(&service, at);
        self.settle(at);
        self.follow(id);
    }

    /// What follows an end, unless something is already on its way or replacement is held back there.
    pub(super) fn follow(&mut self, id: &InstanceId) {
        let Some(live) = self.lives.get(id).filter(|l| !l.running && l.pending.is_none()) else { return };
        if self.stop.is_some() || self.failed.is_some() || self.suspended.values().any(|group| covers(group, live)) {
            return;
        }
        let (restart, replace) = match (&live.balancer, self.setup.spec.service(&live.service)) {
            (Some(link), _) => (self.setup.spec.balancers[link.index].restart, None),
            (None, Some(service)) => (service.restart, service.replace_after),
            (None, None) => return,
        };
        let (id, generation) = (id.clone(), live.generation);
        let (delay, message) = if !live.held && applies(restart, live.ended_well) {
            (restart.delay, Message::Relaunch { id: id.clone(), generation })
        } else if let Some(after) = replace {
            (after, Message::Replace { id: id.clone(), generation })
        } else {
            return;
        };
        let outbox = self.outbox.clone();
        let timer = self.tasks.spawn(async move {
            tokio::time::sleep(delay).await;
            let _ = outbox.send(message);
        });
        if let Some(live) = self.lives.get_mut(&id) {
            live.pending = Some(timer);
        }
    }

    /// Starts the same instance again.
    pub(super) fn relaunch(&mut self, id: &InstanceId) {
        let Some(live) = self.lives.get_mut(id).filter(|l| !l.running && l.pending.is_some()) else { return };
        live.pending = None;
        let again = match &live.balancer {
            Some(link) => {
                let index = link.index;
                self.start_balancer(index)
            }
            None => self.launch(id),
        };
        match again {
            Ok(()) => self.launched(id, None),
            Err(why) => {
                self.note(why);
                self.follow(id);
            }
        }
    }

    /// Puts a new instance in the place of a dead one, which leaves the balancers now.
    pub(super) fn replace(&mut self, id: &InstanceId) {
        let Some(live) = self.lives.get_mut(id).filter(|l| !l.running && l.pending.is_some()) else { return };
        live.pending = None;
        let (zone, slot) = (live.zone.clone(), live.slot);
        let Some(service) = self.setup.spec.service(&live.service).cloned() else { return };
        let new = self.create(&service, &zone, slot).and_then(|new| match self.launch(&new) {
            Ok(()) => Ok(new),
            Err(why) => {
                self.lives.remove(&new);
                Err(why)
            }
        });
        match new {
            Ok(new) => {
                self.leave_balancers(id);
                self.lives.remove(id);
                self.replaced.insert(id.clone(), new.clone());
                self.join_balancers(&new);
                self.launched(&new, Some(id.clone()));
            }
            Err(why) => {
                self.note(why);
                self.follow(id);
            }
        }
    }

    pub(super) fn launched(&mut self, id: &InstanceId, replaces: Option<InstanceId>) {
        let Some(live) = self.lives.get(id) else { return };
        let what = Observed::Launched { instance: id.clone(), service: live.service.clone(), zone: live.zone.clone(), replaces };
        self.observe(clock::now(), "supervisor", what);
    }
}

/// Whether an instance belongs to a group.
pub(super) fn covers(group: &Group, live: &Live) -> bool {
    (group.services.is_empty() || group.services.contains(&live.service))
        && group.zone.as_ref().is_none_or(|z| *z == live.zone)
        && group.region.as_ref().is_none_or(|r| *r == live.region)
}

fn applies(restart: RestartSpec, ended_well: bool) -> bool {
    match restart.policy {
        RestartPolicy::No => false,
        RestartPolicy::Always => true,
        RestartPolicy::OnFailure => !ended_well,
    }
}

fn describe(status: std::process::ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with status {code}"),
        (None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}
