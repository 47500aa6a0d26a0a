//! Deploys to a local system, through the supervisor that keeps it.

use std::{collections::BTreeMap, path::PathBuf};

use rustix::process::Signal;

use super::{LAST_WORDS, LIMIT, LOOK_EVERY, Roll, What, one_by_one};
use crate::{
    clock,
    model::{
        ids::{InstanceId, Service},
        instance::InstanceState,
    },
    platform::{
        local::{
            client::Client,
            control::{Answer, Known, Request},
        },
        process::Handle,
    },
};

/// Does it, with the system whose supervisor listens on this socket.
///
/// # Errors
/// In words: it is not done, or not wholly.
pub async fn deploy(socket: PathBuf, what: &What) -> Result<(), String> {
    let system = System(Client::new(socket));
    match what {
        What::Shift { balancer, shares } => system.share(balancer, shares).await,
        What::Roll(roll) => system.roll(roll).await,
        What::Start { service } => system.start(service).await,
    }
}

/// The system that is deployed to.
struct System(Client);

impl System {
    async fn ask(&self, request: Request) -> Result<(), String> {
        match self.0.ask(&request).await.map_err(|error| error.to_string())? {
            Answer::Refused { why } => Err(why),
            _ => Ok(()),
        }
    }

    /// The instances of a service, by id.
    async fn instances(&self, service: &str) -> Result<Vec<Known>, String> {
        let status = self.0.status().await.map_err(|error| error.to_string())?;
        let found: Vec<Known> = status.instances.into_iter().filter(|k| k.instance.service.as_str() == service).collect();
        if found.is_empty() { Err(format!("there is no service {service} in {}", status.name)) } else { Ok(found) }
    }

    /// Waits until this holds for an instance.
    async fn until(&self, service: &str, id: &InstanceId, what: &str, holds: impl Fn(&Known) -> bool) -> Result<Known, String> {
        let begun = clock::now();
        loop {
            let all = self.instances(service).await?;
            if let Some(known) = all.into_iter().find(|k| k.instance.id == *id && holds(k)) {
                return Ok(known);
            }
            if clock::now().since(begun) > LIMIT {
                return Err(format!("{id} {what} within {LIMIT:?}"));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn share(&self, balancer: &str, shares: &[(String, u32)]) -> Result<(), String> {
        let shares: BTreeMap<Service, u32> = shares.iter().map(|(name, share)| (Service(name.clone()), *share)).collect();
        self.ask(Request::Share { balancer: balancer.to_owned(), shares }).await
    }

    async fn drain(&self, id: &InstanceId, draining: bool) -> Result<(), String> {
        self.ask(Request::Drain { id: id.clone(), draining }).await
    }

    /// One of the new instances begins to serve before one of the old ones ends, so there are never fewer than before.
    async fn roll(&self, roll: &Roll) -> Result<(), String> {
        let Roll { old, new, balancer, abrupt, pause } = roll;
        let (old_ones, new_ones) = (self.instances(old).await?, self.instances(new).await?);
        one_by_one((old, old_ones.len()), (new, new_ones.len()))?;
        for known in &new_ones {
            self.drain(&known.instance.id, true).await?;
        }
        // All that do not drain take turns: with one more new instance, and one old one less, the shares follow.
        let every = |n: u32| [(old.clone(), n), (new.clone(), n)];
        for (place, (leaving, coming)) in old_ones.iter().zip(&new_ones).enumerate() {
            self.drain(&coming.instance.id, false).await?;
            let (left, came) = ((old_ones.len() - place - 1) as u32, place as u32 + 1);
            if *abrupt {
                self.share(balancer, &every(1)).await?;
                self.end(leaving, Signal::KILL).await?;
            } else {
                self.drain(&leaving.instance.id, true).await?;
                self.share(balancer, &[(old.clone(), left), (new.clone(), came)]).await?;
                let ended = self.end(leaving, Signal::TERM).await?;
                if !ended.last_output.iter().any(|line| line.ends_with(LAST_WORDS)) {
                    return Err(format!("{} ended, and its last log lines did not arrive", leaving.instance.id));
                }
            }
            tokio::time::sleep(*pause).await;
        }
        self.share(balancer, &[(new.clone(), 1)]).await
    }

    /// Ends the process that was found, and no other.
    async fn end(&self, known: &Known, signal: Signal) -> Result<Known, String> {
        let id = &known.instance.id;
        let (pid, start) = known.process.ok_or_else(|| format!("{id} does not run"))?;
        let handle = Handle::open(pid, start).map_err(|missing| format!("{id}: {missing}"))?;
        handle.signal(signal).map_err(|error| format!("{id} cannot be ended: {error}"))?;
        self.until(known.instance.service.as_str(), id, "did not end", |k| k.instance.state == InstanceState::Stopped).await
    }

    async fn start(&self, service: &str) -> Result<(), String> {
        for known in self.instances(service).await? {
            let id = &known.instance.id;
            if known.instance.state == InstanceState::Stopped {
                self.ask(Request::StartAgain { id: id.clone() }).await?;
            }
            self.drain(id, false).await?;
            self.until(service, id, "is not in service", |k| k.instance.healthy != Some(false)).await?;
        }
        Ok(())
    }
}
