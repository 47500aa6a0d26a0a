//! (internal) `firedrill deployer`: the deployment tool of the examples, for command steps. It shifts a balancer's requests from one
//! service to another, and replaces the instances of one version by those of the next, with or without draining.
//!
//! It deploys to what the run drills, which a command step finds in its environment: the supervisor of a local system (`local`), or a
//! Compose project whose balancer is HAProxy (`docker`).

#[cfg(feature = "docker")]
mod docker;
mod local;

use std::time::Duration;

use clap::{Args, Subcommand};

use super::say;
use crate::{
    model::{quantity, verdict::Verdict},
    platform::local::CONTROL,
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
    Roll(Roll),
    /// Start the ended instances of a service again, and wait until they are in service
    Start {
        /// The service
        service: String,
    },
}

#[derive(Debug, Args)]
struct Roll {
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
}

fn share(text: &str) -> Result<(String, u32), String> {
    let (name, share) = text.split_once('=').ok_or("expected SERVICE=SHARE, such as green=10")?;
    Ok((name.to_owned(), share.parse().map_err(|_| format!("`{share}` is not a share: a whole number is expected"))?))
}

/// Does it.
pub async fn deployer(args: Deployer) -> u8 {
    let done = match std::env::var_os(CONTROL) {
        Some(socket) => local::deploy(socket.into(), &args.what).await,
        None => elsewhere(&args.what).await,
    };
    match done {
        Ok(()) => 0,
        Err(why) => {
            say::problem(why);
            Verdict::Failed.exit_code()
        }
    }
}

#[cfg(feature = "docker")]
async fn elsewhere(what: &What) -> Result<(), String> {
    use crate::platform::docker::COMPOSE_PROJECT_NAME as PROJECT;
    match std::env::var(PROJECT) {
        Ok(project) => docker::deploy(&project, what).await,
        Err(_) => Err(format!("it runs as a command step of a drill (there is neither {CONTROL} nor {PROJECT})")),
    }
}

#[cfg(not(feature = "docker"))]
async fn elsewhere(_: &What) -> Result<(), String> {
    Err(format!("it runs as a command step of a drill on a local system (there is no {CONTROL})"))
}

/// As many new ones as old ones.
fn one_by_one(old: (&str, usize), new: (&str, usize)) -> Result<(), String> {
    if old.1 == new.1 {
        return Ok(());
    }
    Err(format!("{} instances of {} cannot be replaced one by one by {} of {}", old.1, old.0, new.1, new.0))
}
