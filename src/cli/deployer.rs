//! (internal) `firedrill deployer`: the deployment tool of the examples, for command steps. It shifts a balancer's requests from one
//! service to another, and replaces the instances of one version by those of the next, with or without draining.
//!
//! It speaks to the supervisor of the system that the run drills (`FIREDRILL_CONTROL` in a command step's environment).

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use rustix::process::Signal;

use super::say;
use crate::{
    clock,
    model::{
        ids::{InstanceId, Service},
        instance::InstanceState,
        quantity,
        verdict::Verdict,
    },
    platform::{
        local::{
            CONTROL,
            client::Client,
            control::{Answer, Known, Request},
        },
        process::Handle,
    },
};

/// Between two looks at the system.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long an instance may take to end, or to get into service.
const LIMIT: Duration = Duration::from_secs(20);
/// What the sample site writes as its last line when it ends in good order.
const LAST_WORDS: &str = " requests, all answered";

/// `firedrill deployer`.
#[derive(Debug, Args)]
pub struct Deployer {
    /// What to do.
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Share a balancer's requests among its services
    Shift {
        /// The balancer
        balancer: String,
        /// The share of each service, such as blue=90 green=10
        #[arg(required = true, value_parser = share)]
        shares: Vec<(String, u32)>,
    },
    /// Replace the instances of one service by those of another, one after another
    Roll {
        /// The service whose instances end
        old: String,
        /// The service whose instances take over
        new: String,
        /// The balancer in front of both
        #[arg(long, default_value = "edge")]
        balancer: String,
        /// Kill instead of draining and asking
        #[arg(long)]
        abrupt: bool,
        /// The time between two of them
        #[arg(long, default_value = "500ms", value_parser = quantity::duration)]
        pause: Duration,
    },
    /// Start the ended instances of a service again, and wait until they are in service
    Start {
        /// The service
        service: String,
    },
}

fn share(text: &str) -> Result<(String, u32), String> {
    let (name, share) = text.split_once('=').ok_or("expected SERVICE=SHARE, such as green=10")?;
    Ok((name.to_owned(), share.parse().map_err(|_| format!("`{share}` is not a share: a whole number is expected"))?))
}

/// Does it.
pub async fn deployer(args: Deployer) -> u8 {
    let done = match std::env::var_os(CONTROL) {
        None => Err(format!("it runs as a command step of a drill on a local system (there is no {CONTROL})")),
        Some(socket) => {
            let system = System(Client::new(PathBuf::from(socket)));
            match args.what {
                What::Shift { balancer, shares } => system.share(&balancer, &shares).await,
                What::Roll { old, new, balancer, abrupt, pause } => system.roll(&old, &new, &balancer, abrupt, pause).await,
                What::Start { service } => system.start(&service).await,
            }
        }
    };
    match done {
        Ok(()) => 0,
        Err(why) => {
            say::problem(why);
            Verdict::Failed.exit_code()
        }
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
    async fn roll(&self, old: &str, new: &str, balancer: &str, abrupt: bool, pause: Duration) -> Result<(), String> {
        let (old_ones, new_ones) = (self.instances(old).await?, self.instances(new).await?);
        if old_ones.len() != new_ones.len() {
            return Err(format!("{} instances of {old} cannot be replaced one by one by {} of {new}", old_ones.len(), new_ones.len()));
        }
        for known in &new_ones {
            self.drain(&known.instance.id, true).await?;
        }
        // All that do not drain take turns: with one more new instance, and one old one less, the shares follow.
        let every = |n: u32| [(old.to_owned(), n), (new.to_owned(), n)];
        for (place, (leaving, coming)) in old_ones.iter().zip(&new_ones).enumerate() {
            self.drain(&coming.instance.id, false).await?;
            let (left, came) = ((old_ones.len() - place - 1) as u32, place as u32 + 1);
            if abrupt {
                self.share(balancer, &every(1)).await?;
                self.end(leaving, Signal::KILL).await?;
            } else {
                self.drain(&leaving.instance.id, true).await?;
                self.share(balancer, &[(old.to_owned(), left), (new.to_owned(), came)]).await?;
                let ended = self.end(leaving, Signal::TERM).await?;
                if !ended.last_output.iter().any(|line| line.ends_with(LAST_WORDS)) {
                    return Err(format!("{} ended, and its last log lines did not arrive", leaving.instance.id));
                }
            }
            tokio::time::sleep(pause).await;
        }
        self.share(balancer, &[(new.to_owned(), 1)]).await
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
