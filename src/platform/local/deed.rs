//! Doing acts, and looking whether they happened.

use std::{net::SocketAddr, time::Duration};

use rustix::process::Signal;
use tokio::net::TcpStream;

use super::{
    command,
    control::{Answer, Request, Status},
    foreign,
    platform::{LocalPlatform, command_env, traffic_change},
    process::{self, Missing},
    tree_signal::{self, Hit, Tree},
    undo::Before,
};
use crate::{
    clock,
    model::{
        act::{Effect, EffectStatus, Prepared, Target},
        fault::Fault,
        instance::Instance,
        time::{Bracket, Mono},
    },
};

/// How long a signal other than SIGKILL gets to end a process.
const SIGNAL_LIMIT: Duration = Duration::from_secs(5);
/// How long a dead instance's port gets to be silent, and the supervisor to see the death.
const SILENCE_LIMIT: Duration = Duration::from_secs(2);

impl LocalPlatform {
    pub(super) async fn do_all(&self, acts: &[Prepared]) -> Vec<Effect> {
        let requested = clock::now();
        let status = match self.status().await {
            Ok(status) => status,
            Err(e) => {
                let failed = EffectStatus::Failed { why: e.to_string() };
                return acts.iter().map(|a| effect(a, requested, failed.clone())).collect();
            }
        };
        if let Err(why) = self.mark(acts).await {
            let failed = EffectStatus::Failed { why };
            return acts.iter().map(|a| effect(a, requested, failed.clone())).collect();
        }
        let status = status.as_ref();
        // All kills of the call are one deed: nobody dies before everybody was stopped.
        let mut doomed: Vec<(usize, Tree)> = Vec::new();
        let mut effects: Vec<Option<Effect>> = vec![None; acts.len()];
        for (index, act) in acts.iter().enumerate() {
            if let (Fault::Kill { signal }, Some(instance)) = (&act.act.fault, act.act.target.instance())
                && signal.as_deref().is_none_or(|s| s.eq_ignore_ascii_case("KILL"))
            {
                match may_touch(instance, status) {
                    Ok(tree) => doomed.push((index, tree)),
                    Err(refused) => effects[index] = Some(effect(act, requested, refused)),
                }
            }
        }
        let (indices, trees): (Vec<usize>, Vec<Tree>) = doomed.into_iter().unzip();
        let kills = async { if trees.is_empty() { Vec::new() } else { blocking(move || tree_signal::kill(&trees)).await } };
        let others: Vec<usize> = (0..acts.len()).filter(|i| effects[*i].is_none() && !indices.contains(i)).collect();
        let rest = futures_util::future::join_all(others.iter().map(|i| self.do_one(&acts[*i], status)));
        let (hits, rest) = tokio::join!(kills, rest);
        let killed = indices.iter().zip(hits).map(|(i, hit)| (*i, of_hit(&acts[*i], requested, hit)));
        for (index, effect) in killed.chain(others.into_iter().zip(rest)) {
            effects[index] = Some(effect);
        }
        let lost = || EffectStatus::Unknown { why: "the killing was interrupted".to_owned() };
        effects.into_iter().zip(acts).map(|(e, a)| e.unwrap_or_else(|| effect(a, requested, lost()))).collect()
    }

    async fn do_one(&self, prepared: &Prepared, status: Option<&Status>) -> Effect {
        let requested = clock::now();
        let act = &prepared.act;
        let failed = |why: String| effect(prepared, requested, EffectStatus::Failed { why });
        if let Fault::Run { command, timeout, .. } = &act.fault {
            return match command::run(command, &command_env(&act.target), *timeout).await {
                Ok(()) => answered(prepared, requested, "exit status of the command"),
                Err(why) => failed(why),
            };
        }
        if let (Fault::SuspendReplacement, Target::Group(group)) = (&act.fault, &act.target) {
            return match Before::read(&prepared.undo) {
                Ok(Before::Replaced { holder }) => {
                    self.tell(prepared, requested, Request::SuspendReplacement { holder, group: group.clone() }).await
                }
                _ => failed("it was prepared for something else".to_owned()),
            };
        }
        let Some(instance) = act.target.instance() else { return failed(format!("{} needs an instance", act.fault.kind())) };
        let tree = match may_touch(instance, status) {
            Ok(tree) => tree,
            Err(refused) => return effect(prepared, requested, refused),
        };
        if let Some(change) = traffic_change(&act.fault) {
            return self.tell(prepared, requested, Request::SetTraffic { id: instance.id.clone(), change }).await;
        }
        let grace = match &act.fault {
            Fault::Pause => {
                let hit = blocking(move || tree_signal::pause(&[tree])).await.pop();
                return hit.map_or_else(|| failed("the call was interrupted".to_owned()), |hit| of_hit(prepared, requested, hit));
            }
            Fault::Kill { signal } => {
                let name = signal.clone().unwrap_or_default();
                let Some(signal) = signal_of(&name) else { return failed(format!("there is no signal `{name}`")) };
                let hit = blocking(move || tree_signal::signal(&[tree], signal, SIGNAL_LIMIT)).await.pop();
                return hit.map_or_else(|| failed("the call was interrupted".to_owned()), |hit| of_hit(prepared, requested, hit));
            }
            Fault::Stop { grace } | Fault::Restart { grace } => *grace,
            other => return failed(format!("the local platform cannot do {}", other.kind())),
        };
        if let (Some(client), true) = (&self.client, instance.managed) {
            let hold = Request::Hold { id: instance.id.clone(), identity: instance.identity.clone() };
            if let Ok(Answer::Refused { why }) = client.ask(&hold).await {
                return effect(prepared, requested, EffectStatus::Vanished { found: why });
            }
        }
        let hit = blocking(move || stop(&tree, grace)).await.pop();
        let mut done = hit.map_or_else(|| failed("the call was interrupted".to_owned()), |hit| of_hit(prepared, requested, hit));
        if let (Fault::Restart { .. }, true, Some(client)) = (&act.fault, done.status.happened(), &self.client) {
            let _ = self.wait_seen_dead(instance).await;
            match client.ask(&Request::StartAgain { id: instance.id.clone() }).await {
                Ok(Answer::Refused { why }) => done.status = EffectStatus::Failed { why: format!("stopped, but not started again: {why}") },
                Err(e) => done.status = EffectStatus::Failed { why: format!("stopped, but not started again: {e}") },
                Ok(_) => {}
            }
        }
        done
    }

    async fn tell(&self, prepared: &Prepared, requested: Mono, request: Request) -> Effect {
        let Some(client) = &self.client else {
            return effect(prepared, requested, EffectStatus::Refused { why: "there is no system with a supervisor".to_owned() });
        };
        match client.ask(&request).await {
            Ok(Answer::Done { .. }) => answered(prepared, requested, "supervisor"),
            Ok(Answer::Replaced { .. }) => effect(prepared, requested, EffectStatus::Vanished { found: "it was replaced".to_owned() }),
            Ok(Answer::Refused { why }) => effect(prepared, requested, EffectStatus::Refused { why }),
            Ok(other) => effect(prepared, requested, EffectStatus::Unknown { why: format!("an unexpected answer: {other:?}") }),
            Err(e) => effect(prepared, requested, EffectStatus::Unknown { why: e.to_string() }),
        }
    }

    /// Waits until the supervisor knows that this incarnation is gone.
    pub(super) async fn wait_seen_dead(&self, instance: &Instance) -> Result<(), String> {
        let deadline = clock::now().plus(SILENCE_LIMIT);
        loop {
            let Ok(Some(status)) = self.status().await else { return Err("the supervisor does not answer".to_owned()) };
            let known = status.instances.iter().find(|k| k.instance.id == instance.id);
            let runs = known.is_some_and(|k| {
                k.instance.identity == instance.identity && k.instance.state != crate::model::instance::InstanceState::Stopped
            });
            if !runs {
                return Ok(());
            }
            if clock::now() > deadline {
                return Err("the supervisor still sees it run".to_owned());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Looks at independent sources: `/proc`, the port, the supervisor.
    pub(super) async fn look(&self, acts: &[Prepared], effects: Vec<Effect>) -> Vec<Effect> {
        let looks = acts.iter().zip(effects).map(|(act, mut effect)| async move {
            if effect.status.happened()
                && let Err(why) = self.look_at(act).await
            {
                effect.status = EffectStatus::Unknown { why };
            }
            effect
        });
        futures_util::future::join_all(looks).await
    }

    async fn look_at(&self, prepared: &Prepared) -> Result<(), String> {
        let act = &prepared.act;
        let status = self.status().await.map_err(|e| e.to_string())?;
        match (&act.fault, &act.target) {
            (Fault::Kill { .. } | Fault::Stop { .. } | Fault::Restart { .. }, Target::Instance(instance)) => {
                let tree = Self::tree(instance, None).map_err(|e| e.to_string())?;
                if process::stat(tree.process.0).is_some_and(|s| s.start_time == tree.process.1 && s.alive()) {
                    return Err(format!("process {} still runs", tree.process.0));
                }
                if !instance.managed {
                    return Ok(());
                }
                self.wait_seen_dead(instance).await?;
                self.silent(instance).await
            }
            (Fault::Pause, Target::Instance(instance)) => {
                let tree = Self::tree(instance, None).map_err(|e| e.to_string())?;
                match process::stat(tree.process.0).filter(|s| s.start_time == tree.process.1) {
                    Some(stat) if stat.stopped() => Ok(()),
                    _ => Err(format!("process {} is not stopped", tree.process.0)),
                }
            }
            (Fault::SuspendReplacement, _) => match Before::read(&prepared.undo) {
                Ok(Before::Replaced { holder }) if status.is_some_and(|s| s.suspended.contains_key(&holder)) => Ok(()),
                _ => Err("the supervisor does not hold replacement back".to_owned()),
            },
            (fault, Target::Instance(instance)) => {
                let Some(change) = traffic_change(fault) else { return Ok(()) };
                let known = status.iter().flat_map(|s| &s.instances).find(|k| k.instance.id == instance.id);
                match known.map(|k| k.traffic.part(&change)) {
                    Some(found) if found == change => Ok(()),
                    _ => Err("the supervisor does not know of it".to_owned()),
                }
            }
            _ => Ok(()),
        }
    }

    /// Waits until nobody answers at a dead instance's address, unless another incarnation or its successor is there.
    async fn silent(&self, instance: &Instance) -> Result<(), String> {
        let Some(address) = instance.address.as_ref().and_then(|a| a.parse::<SocketAddr>().ok()) else { return Ok(()) };
        let deadline = clock::now().plus(SILENCE_LIMIT);
        loop {
            let status = self.status().await.ok().flatten();
            let another = status.iter().flat_map(|s| &s.instances).any(|k| {
                k.instance.address == instance.address
                    && k.instance.identity != instance.identity
                    && k.instance.state != crate::model::instance::InstanceState::Stopped
            });
            let answer = tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await;
            if another || matches!(&answer, Ok(Err(e)) if e.kind() == std::io::ErrorKind::ConnectionRefused) {
                return Ok(());
            }
            if clock::now() > deadline {
                return Err(format!("{address} still answers"));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// The tree to act on, if it may be touched now.
fn may_touch(instance: &Instance, status: Option<&Status>) -> Result<Tree, EffectStatus> {
    let refused = |why: String| EffectStatus::Refused { why };
    let now = status.and_then(|s| s.instances.iter().find(|k| k.instance.id == instance.id));
    if instance.protected() || now.is_some_and(|k| k.instance.protected()) {
        return Err(refused(format!("{} carries the label firedrill.protected=true", instance.name)));
    }
    if instance.managed {
        match now {
            None => return Err(EffectStatus::Vanished { found: format!("{} is not in the system any more", instance.id) }),
            Some(known) if known.instance.identity != instance.identity => {
                let found = format!("{} is {} now, not {}", instance.id, known.instance.identity, instance.identity);
                return Err(EffectStatus::Vanished { found });
            }
            Some(_) => {}
        }
    }
    let tree = LocalPlatform::tree(instance, status).map_err(|e| refused(e.to_string()))?;
    let supervisor: Vec<i32> = status.iter().map(|s| s.supervisor).collect();
    match foreign::untouchable(&process::all(), tree.process.0, &supervisor) {
        Some(why) => Err(refused(format!("process {}: {why}", tree.process.0))),
        None => Ok(tree),
    }
}

/// SIGTERM, and SIGKILL for what is left after the grace.
fn stop(tree: &Tree, grace: Duration) -> Vec<Result<Hit, Missing>> {
    let trees = std::slice::from_ref(tree);
    let asked = tree_signal::signal(trees, Signal::TERM, grace);
    let over = matches!(asked.first(), Some(Ok(hit)) if hit.effect.is_none());
    let killed = tree_signal::kill(trees);
    if over { killed } else { asked }
}

fn signal_of(name: &str) -> Option<Signal> {
    let bare = name.to_ascii_uppercase();
    Some(match bare.strip_prefix("SIG").unwrap_or(&bare) {
        "KILL" => Signal::KILL,
        "TERM" => Signal::TERM,
        "INT" => Signal::INT,
        "QUIT" => Signal::QUIT,
        "HUP" => Signal::HUP,
        "ABRT" => Signal::ABORT,
        "SEGV" => Signal::SEGV,
        "USR1" => Signal::USR1,
        "USR2" => Signal::USR2,
        _ => return None,
    })
}

pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Vec<T> + Send + 'static) -> Vec<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_default()
}

pub(super) fn effect(act: &Prepared, requested: Mono, status: EffectStatus) -> Effect {
    let instance = act.act.target.instance().map(|i| i.id.clone());
    let source = "firedrill".to_owned();
    Effect { act: act.act.id, instance, status, requested, answered: Some(clock::now()), took_effect: None, source }
}

fn answered(act: &Prepared, requested: Mono, source: &str) -> Effect {
    let mut done = effect(act, requested, EffectStatus::Happened);
    done.took_effect = Some(Bracket { after: requested, by: clock::now() });
    source.clone_into(&mut done.source);
    done
}

fn of_hit(act: &Prepared, requested: Mono, hit: Result<Hit, Missing>) -> Effect {
    let hit = match hit {
        Ok(hit) => hit,
        Err(Missing::Denied { pid, why }) => {
            return effect(act, requested, EffectStatus::Failed { why: format!("process {pid}: {why}") });
        }
        Err(missing) => return effect(act, requested, EffectStatus::Vanished { found: missing.to_string() }),
    };
    let status = if hit.left.is_empty() {
        EffectStatus::Happened
    } else {
        EffectStatus::Unknown { why: format!("no effect was seen on these processes: {:?}", hit.left) }
    };
    let mut done = effect(act, requested, status);
    done.took_effect = hit.effect;
    let source = if matches!(act.act.fault, Fault::Pause) { "/proc" } else { "pidfd" };
    source.clone_into(&mut done.source);
    done
}
