//! The supervisor's balancers: started with the instances there are, told of those that come and go.

use std::collections::BTreeMap;

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    sync::{mpsc, oneshot},
};

use super::{
    Message, Supervisor,
    live::{Link, Live},
    said,
};
use crate::{
    balancer::protocol::{Action, Backend, Command, Config, Healed, Report},
    clock,
    model::{
        ids::{InstanceId, Region, Service, Zone},
        observation::Observed,
    },
    platform::local::{
        control::{Traffic, TrafficChange},
        fingerprint,
        launch::{self, Place},
        output::Output,
        process,
        spec::BalancerSpec,
    },
};

impl Supervisor {
    /// Starts a balancer (again) with the backends of now and what disturbs them.
    pub(super) fn start_balancer(&mut self, index: usize) -> Result<(), String> {
        let spec = self.setup.spec.balancers[index].clone();
        let id = InstanceId(spec.name.clone());
        launch::free(spec.listen).map_err(|why| format!("balancer {id} cannot start: {why}"))?;
        let (zone, region) = (Zone::from("local"), Region::from("local"));
        let folder = self.setup.spec.folder.clone();
        let place = Place {
            program: &self.setup.program,
            folder: &folder,
            data: &self.setup.data,
            mark: &self.setup.mark,
            id: &id,
            zone: &zone,
            region: &region,
            address: spec.listen,
        };
        let command = ["${firedrill}".to_owned(), "balancer".to_owned()];
        let mut child = place
            .start(&command, &std::collections::BTreeMap::new(), &folder, true)
            .map_err(|why| format!("balancer {id} cannot start: {why}"))?;
        self.counter += 1;
        let generation = self.counter;
        let output = Output::new(self.setup.logs.join(format!("{id}.log")));
        let (commands, lines) = mpsc::unbounded_channel();
        if let Some(input) = child.stdin.take() {
            self.tasks.spawn(tell(input, self.config(&spec), lines));
        }
        if let Some(out) = child.stdout.take() {
            let (outbox, id) = (self.outbox.clone(), id.clone());
            self.tasks.spawn(async move {
                let mut lines = BufReader::new(out).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    if let Ok(report) = serde_json::from_str::<Report>(&line) {
                        let _ = outbox.send(Message::Report { id: id.clone(), generation, report });
                    }
                }
            });
        }
        if let Some(out) = child.stderr.take() {
            self.tasks.spawn(output.clone().drain(out));
        }
        let pid = child.id().unwrap_or_default().cast_signed();
        let live = Live {
            id: id.clone(),
            service: Service(spec.name.clone()),
            zone: zone.clone(),
            region: region.clone(),
            slot: 1,
            address: spec.listen,
            generation,
            process: Some((pid, process::stat(pid).map_or(0, |s| s.start_time))),
            running: true,
            healthy: None,
            serving: false,
            has_served: false,
            ended: None,
            ended_well: false,
            held: false,
            fingerprint: fingerprint::found(pid, &command),
            output,
            traffic: Traffic::default(),
            draining: false,
            pending: None,
            health: None,
            balancer: Some(Link { index, commands, since: clock::now(), words: BTreeMap::new() }),
        };
        self.lives.insert(id.clone(), live);
        self.await_end(child, id, generation);
        let disturbed: Vec<(InstanceId, Traffic)> = self.behind(index).map(|l| (l.id.clone(), l.traffic)).collect();
        let draining: Vec<InstanceId> = self.behind(index).filter(|l| l.draining).map(|l| l.id.clone()).collect();
        for id in draining {
            drop(self.command(index, Action::Drain { id, draining: true }));
        }
        for (backend, traffic) in disturbed {
            for change in traffic.changes() {
                self.command(index, action(&backend, &change));
            }
        }
        Ok(())
    }

    fn config(&self, spec: &BalancerSpec) -> Config {
        let behind = self.lives.values().filter(|l| is_behind(spec, l));
        Config {
            name: spec.name.clone(),
            listen: spec.listen,
            backends: behind.map(backend).collect(),
            shares: self.shares.get(&spec.name).unwrap_or(&spec.shares).clone(),
            check: spec.check.clone(),
            sticky: spec.sticky.clone(),
            connect_timeout: spec.connect_timeout,
            response_timeout: spec.response_timeout,
        }
    }

    pub(super) fn behind(&self, index: usize) -> impl Iterator<Item = &Live> {
        let spec = &self.setup.spec.balancers[index];
        self.lives.values().filter(move |l| is_behind(spec, l))
    }

    fn balancer_mut(&mut self, index: usize) -> Option<&mut Link> {
        let id = InstanceId(self.setup.spec.balancers[index].name.clone());
        self.lives.get_mut(&id)?.balancer.as_mut()
    }

    /// The balancers that an instance is behind, by their place in the spec.
    pub(super) fn balancers_of(&self, live: &Live) -> Vec<usize> {
        let balancers = self.setup.spec.balancers.iter().enumerate();
        balancers.filter(|(_, spec)| is_behind(spec, live)).map(|(index, _)| index).collect()
    }

    /// The first balancer that does not listen or does not send to all its backends yet, and what is missing.
    pub(super) fn balancer_not_ready(&self) -> Option<(String, String)> {
        self.lives.values().find_map(|live| {
            let link = live.balancer.as_ref()?;
            if live.healthy.is_none() {
                return Some((live.id.to_string(), "anybody: it does not listen".to_owned()));
            }
            let missing: Vec<&str> = self.behind(link.index).filter(|l| !live.admits(&l.id)).map(|l| l.id.as_str()).collect();
            (!missing.is_empty()).then(|| (live.id.to_string(), missing.join(", ")))
        })
    }

    /// Sends a command to a balancer; what comes back is its answer, or nothing when it does not run.
    pub(super) fn command(&mut self, index: usize, action: Action) -> Option<oneshot::Receiver<Result<(), String>>> {
        let id = InstanceId(self.setup.spec.balancers[index].name.clone());
        let live = self.lives.get(&id).filter(|l| l.running)?;
        self.counter += 1;
        let (sender, receiver) = oneshot::channel();
        live.balancer.as_ref()?.commands.send(Command { seq: self.counter, action }).ok()?;
        self.acks.insert(self.counter, sender);
        Some(receiver)
    }

    pub(super) fn leave_balancers(&mut self, id: &InstanceId) {
        let balancers = self.lives.get(id).map(|live| self.balancers_of(live)).unwrap_or_default();
        for index in balancers {
            drop(self.command(index, Action::Remove { id: id.clone() }));
            if let Some(link) = self.balancer_mut(index) {
                link.words.remove(id);
            }
        }
    }

    pub(super) fn join_balancers(&mut self, id: &InstanceId) {
        let Some(live) = self.lives.get(id) else { return };
        let backend = backend(live);
        for index in self.balancers_of(live) {
            drop(self.command(index, Action::Add { backend: backend.clone() }));
        }
    }

    pub(super) fn report(&mut self, id: &InstanceId, report: Report) {
        let source = format!("balancer {id}");
        let balancer = id.to_string();
        let Some(live) = self.lives.get_mut(id) else { return };
        let Some(link) = &mut live.balancer else { return };
        match report {
            Report::Listening { .. } => {
                let at = clock::now();
                (live.healthy, live.has_served) = (Some(at), true);
                self.settle(at);
            }
            Report::Admitted { id: instance, at } => {
                link.words.insert(instance.clone(), Ok(at));
                self.observe(at, &source, Observed::Admitted { balancer, instance });
                self.settle(at);
            }
            Report::Ejected { id: instance, at, why } => {
                link.words.insert(instance.clone(), Err(why.clone()));
                self.observe(at, &source, Observed::Ejected { balancer, instance, why });
                self.settle(at);
            }
            Report::Done { seq } => self.acknowledge(seq, Ok(())),
            Report::Refused { seq, why } => self.acknowledge(seq, Err(why)),
            Report::Failed { why } => {
                let text = format!("balancer {id} failed: {why}{}", said(&live.output.last()));
                if !self.ready && self.failed.is_none() {
                    self.failed = Some(text.clone());
                }
                self.note(text);
            }
        }
    }

    fn acknowledge(&mut self, seq: u64, answer: Result<(), String>) {
        if let Some(waiting) = self.acks.remove(&seq) {
            // Nobody waits for the answer to an Add or a Remove.
            let _ = waiting.send(answer);
        }
    }
}

/// Writes the config and then each command; the end of the channel ends the balancer.
async fn tell(mut input: tokio::process::ChildStdin, config: Config, mut commands: mpsc::UnboundedReceiver<Command>) {
    let mut line = serde_json::to_vec(&config).unwrap_or_default();
    loop {
        line.push(b'\n');
        if input.write_all(&line).await.is_err() || input.flush().await.is_err() {
            return;
        }
        let Some(command) = commands.recv().await else { return };
        line = serde_json::to_vec(&command).unwrap_or_default();
    }
}

fn is_behind(spec: &BalancerSpec, live: &Live) -> bool {
    live.balancer.is_none() && spec.services.contains(&live.service) && (spec.zones.is_empty() || spec.zones.contains(&live.zone))
}

fn backend(live: &Live) -> Backend {
    Backend { id: live.id.clone(), service: live.service.clone(), zone: live.zone.clone(), address: live.address }
}

/// What a balancer is told for a change of an instance's traffic.
pub(super) fn action(id: &InstanceId, change: &TrafficChange) -> Action {
    let id = id.clone();
    match change {
        TrafficChange::Partition(Some(mode)) => Action::Partition { id, mode: *mode },
        TrafficChange::Slow(Some(by)) => Action::Slow {
            id,
            latency: std::time::Duration::from_nanos(by.latency_ns),
            jitter: std::time::Duration::from_nanos(by.jitter_ns),
        },
        TrafficChange::Loss(Some(share)) => Action::Loss { id, share: *share },
        TrafficChange::Partition(None) => Action::Heal { id, what: Healed::Partition },
        TrafficChange::Slow(None) => Action::Heal { id, what: Healed::Slow },
        TrafficChange::Loss(None) => Action::Heal { id, what: Healed::Loss },
    }
}
