//! What clients ask for.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::oneshot;

use super::{Supervisor, balancers::action as traffic_action, life::covers, live::Live};
use crate::{
    balancer::protocol::Action,
    model::{
        ids::{InstanceId, Service},
        instance::{Instance, InstanceState},
        quantity::plural,
        time::nanos,
    },
    platform::local::{
        control::{Answer, Known, Request, Status, TrafficChange},
        process,
    },
};

impl Supervisor {
    pub(super) fn asked(&mut self, request: Request, reply: oneshot::Sender<Answer>) {
        let answer = match request {
            Request::Status => Answer::Status(Box::new(self.status())),
            Request::SuspendReplacement { holder, group } => {
                let stopped: Vec<InstanceId> = self.lives.values().filter(|l| covers(&group, l)).map(|l| l.id.clone()).collect();
                for id in stopped {
                    if let Some(timer) = self.lives.get_mut(&id).and_then(|l| l.pending.take()) {
                        timer.abort();
                    }
                }
                let says = format!("replacement is suspended for {group}");
                self.suspended.insert(holder, group);
                self.note(says.clone());
                Answer::Done { says }
            }
            Request::ResumeReplacement { holder } => match self.suspended.remove(&holder) {
                None => Answer::Done { says: "replacement was not suspended".to_owned() },
                Some(group) => {
                    let says = format!("replacement is resumed for {group}");
                    self.note(says.clone());
                    let ids: Vec<InstanceId> = self.lives.keys().cloned().collect();
                    for id in &ids {
                        self.follow(id);
                    }
                    Answer::Done { says }
                }
            },
            Request::Hold { id, identity } => match self.lives.get_mut(&id) {
                Some(live) if live.identity() == identity && live.running => {
                    live.held = true;
                    Answer::Done { says: format!("{id} is held") }
                }
                _ => Answer::Refused { why: format!("{id} is not {identity} any more") },
            },
            Request::StartAgain { id } => self.start_again(&id),
            Request::SetTraffic { id, change } => return self.set_traffic(&id, &change, reply),
            Request::Drain { id, draining } => return self.drain(&id, draining, reply),
            Request::Share { balancer, shares } => return self.share(&balancer, shares, reply),
            Request::Mark { mark } => {
                let says = format!("{} is noted", mark.prepared.act.id);
                // Done again, it is still one act.
                self.marks.retain(|known| known.prepared.undo != mark.prepared.undo);
                self.marks.push(*mark);
                Answer::Done { says }
            }
            Request::Unmark { undo } => {
                self.marks.retain(|known| known.prepared.undo != undo);
                Answer::Done { says: "noted as undone".to_owned() }
            }
            Request::Marks => Answer::Marks { marks: self.marks.clone() },
            Request::Watch => Answer::Refused { why: "a watch is no single question".to_owned() },
            Request::Shutdown => {
                self.stop = Some("a client asked for it".to_owned());
                Answer::Done { says: format!("{} ends", self.setup.spec.name) }
            }
        };
        // A client that hung up does not want the answer.
        let _ = reply.send(answer);
    }

    fn start_again(&mut self, id: &InstanceId) -> Answer {
        let Some(live) = self.lives.get_mut(id) else {
            return match self.replaced.get(id) {
                Some(by) => Answer::Replaced { by: Some(by.clone()) },
                None => Answer::Refused { why: format!("there is no instance {id} in this system") },
            };
        };
        if live.running {
            return Answer::Runs;
        }
        if let Some(timer) = live.pending.take() {
            timer.abort();
        }
        let again = match live.balancer.as_ref().map(|link| link.index) {
            Some(index) => self.start_balancer(index),
            None => self.launch(id),
        };
        match again {
            Ok(()) => {
                self.launched(id, None);
                Answer::Done { says: format!("started {id} again") }
            }
            Err(why) => {
                self.follow(id);
                Answer::Refused { why }
            }
        }
    }

    /// The state is recorded at once; the answer comes when every balancer has answered.
    fn set_traffic(&mut self, id: &InstanceId, change: &TrafficChange, reply: oneshot::Sender<Answer>) {
        let refuse = |reply: oneshot::Sender<Answer>, why| drop(reply.send(Answer::Refused { why }));
        let Some(live) = self.lives.get(id) else {
            let by = self.replaced.get(id).cloned();
            return match by {
                Some(by) => drop(reply.send(Answer::Replaced { by: Some(by) })),
                None => refuse(reply, format!("there is no instance {id} in this system")),
            };
        };
        let balancers = self.balancers_of(live);
        if balancers.is_empty() {
            return refuse(reply, format!("{id} is behind no balancer"));
        }
        let waiting: Vec<_> = balancers.into_iter().filter_map(|index| self.command(index, traffic_action(id, change))).collect();
        if let Some(live) = self.lives.get_mut(id) {
            live.traffic.apply(change);
        }
        self.answer_when_told(waiting, reply);
    }

    /// As `set_traffic`.
    fn drain(&mut self, id: &InstanceId, draining: bool, reply: oneshot::Sender<Answer>) {
        let balancers = self.lives.get(id).map(|live| self.balancers_of(live)).unwrap_or_default();
        if balancers.is_empty() {
            let why = format!("there is no instance {id} behind a balancer in this system");
            return drop(reply.send(Answer::Refused { why }));
        }
        let action = Action::Drain { id: id.clone(), draining };
        let waiting = balancers.into_iter().filter_map(|index| self.command(index, action.clone())).collect();
        if let Some(live) = self.lives.get_mut(id) {
            live.draining = draining;
        }
        self.note(format!("{id} {}", if draining { "drains: it gets no new requests" } else { "gets requests again" }));
        self.answer_when_told(waiting, reply);
    }

    /// As `set_traffic`.
    fn share(&mut self, balancer: &str, shares: BTreeMap<Service, u32>, reply: oneshot::Sender<Answer>) {
        let refuse = |reply: oneshot::Sender<Answer>, why: String| drop(reply.send(Answer::Refused { why }));
        let specs = &self.setup.spec.balancers;
        let Some(index) = specs.iter().position(|spec| spec.name == balancer) else {
            return refuse(reply, format!("there is no balancer {balancer} in this system"));
        };
        if let Some(unknown) = shares.keys().find(|name| !specs[index].services.contains(name)) {
            return refuse(reply, format!("the balancer {balancer} does not send to a service {unknown}"));
        }
        if shares.values().all(|share| *share == 0) {
            return refuse(reply, "nobody would get a share".to_owned());
        }
        let told: Vec<String> = shares.iter().map(|(name, share)| format!("{name} {share}")).collect();
        self.note(format!("{balancer} shares its requests: {}", told.join(", ")));
        let waiting = self.command(index, Action::Share { shares: shares.clone() }).into_iter().collect();
        self.shares.insert(balancer.to_owned(), shares);
        self.answer_when_told(waiting, reply);
    }

    /// Answers when every balancer that was told something has answered.
    fn answer_when_told(&mut self, waiting: Vec<oneshot::Receiver<Result<(), String>>>, reply: oneshot::Sender<Answer>) {
        let says = format!("told {}", plural(waiting.len(), "balancer"));
        self.tasks.spawn(async move {
            let mut answer = Answer::Done { says };
            for told in waiting {
                match told.await {
                    Ok(Ok(())) => {}
                    Ok(Err(why)) => answer = Answer::Refused { why },
                    Err(_) => answer = Answer::Refused { why: "the balancer ended before it answered".to_owned() },
                }
            }
            let _ = reply.send(answer);
        });
    }

    fn status(&self) -> Status {
        let services = self.setup.spec.services.iter().map(|s| (s.name.clone(), s.desired()));
        let balancers = self.setup.spec.balancers.iter().map(|b| (b.name.as_str().into(), 1));
        Status {
            name: self.setup.spec.name.clone(),
            scope: self.setup.scope.clone(),
            supervisor: std::process::id().cast_signed(),
            mark: self.setup.mark.clone(),
            ready: self.ready,
            containment: self.setup.containment.to_owned(),
            instances: self.lives.values().map(|live| self.known(live)).collect(),
            desired: services.chain(balancers).collect(),
            suspended: self.suspended.clone(),
        }
    }

    fn known(&self, live: &Live) -> Known {
        let service = self.setup.spec.service(&live.service);
        let stopped =
            live.process.and_then(|(pid, start)| process::stat(pid).filter(|s| s.start_time == start)).is_some_and(|s| s.stopped());
        let state = match (live.running, stopped, live.has_served) {
            (false, _, _) => InstanceState::Stopped,
            (true, true, _) => InstanceState::Paused,
            (true, false, true) => InstanceState::Running,
            (true, false, false) => InstanceState::Starting,
        };
        let mut labels: BTreeMap<String, String> = service.map(|s| s.labels.clone()).unwrap_or_default();
        if live.balancer.is_some() {
            labels.insert("firedrill.role".to_owned(), "balancer".to_owned());
        }
        let checked = live.balancer.is_some() || service.is_some_and(|s| s.health.is_some());
        let behind: Vec<String> = self.balancers_of(live).iter().map(|i| self.setup.spec.balancers[*i].name.clone()).collect();
        Known {
            instance: Instance {
                id: live.id.clone(),
                name: live.id.to_string(),
                service: live.service.clone(),
                zone: live.zone.clone(),
                region: live.region.clone(),
                state,
                healthy: (checked || !behind.is_empty()).then_some(live.serving),
                labels: Arc::new(labels),
                address: Some(live.address.to_string()),
                identity: live.identity(),
                fingerprint: live.fingerprint.clone(),
                managed: true,
                kept_out: None,
            },
            process: live.process,
            passes: checked.then_some(live.healthy.is_some()),
            behind,
            traffic: live.traffic,
            replaced: service.is_some_and(|s| s.replace_after.is_some()),
            starts_within_ns: service.and_then(|s| s.health.as_ref()).map_or(0, |h| nanos(h.starts_within)),
            last_output: live.output.last(),
        }
    }
}
