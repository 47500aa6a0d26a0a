//! (internal) `firedrill keeper`: what replaces dead containers in the examples, as an auto-scaling group replaces its instances. It runs as a
//! container of the Compose project that it keeps: of each service that is named, a container that ended is removed, and a new one comes in
//! its place.

use std::time::Duration;

use bollard::models::ContainerSummaryStateEnum;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::say;
use crate::{
    model::{environment::DockerSpec, quantity, verdict::Verdict},
    platform::docker::{
        container::renew::renew,
        engine::Engine,
        inventory::{COMPOSE_PROJECT, COMPOSE_SERVICE, list, name_of},
    },
};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// `firedrill keeper`.
#[derive(Debug, Args)]
pub struct Keeper {
    /// The services whose containers are replaced
    #[arg(required = true)]
    services: Vec<String>,
    /// How long a dead one stays
    #[arg(long, default_value = "200ms", value_parser = quantity::duration)]
    after: Duration,
}

/// Keeps them until it is told to end.
pub async fn keeper(args: Keeper) -> u8 {
    let kept = async {
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate()).map_err(|e| e.to_string())?, signal(SignalKind::interrupt()).map_err(|e| e.to_string())?);
        let mut engines = Engine::connect_all(&DockerSpec::default()).await.map_err(|error| error.to_string())?;
        let engine = engines.pop().ok_or("there is no engine")?;
        let project = own_project(&engine).await?;
        say::out(&format!("keeps {} of {project}\n", args.services.join(", ")));
        let stop = CancellationToken::new();
        let told = async {
            tokio::select! { _ = terminate.recv() => {} _ = interrupt.recv() => {} }
            stop.cancel();
        };
        // What it is at is done first: a container that was removed is also made again.
        tokio::join!(told, keep(&engine, &project, &args, &stop));
        Ok::<_, String>(())
    };
    match kept.await {
        Ok(()) => 0,
        Err(why) => {
            say::problem(why);
            Verdict::NotStarted.exit_code()
        }
    }
}

/// The project of the container that this process runs in, which is known by its host name.
async fn own_project(engine: &Engine) -> Result<String, String> {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let own = engine
        .inspect(&name)
        .await
        .map_err(|trouble| format!("the container {name}, which should be this one, is not known: {trouble}"))?;
    let labels = own.config.and_then(|config| config.labels).unwrap_or_default();
    labels.get(COMPOSE_PROJECT).cloned().ok_or_else(|| format!("the container {name} is of no Compose project"))
}

async fn keep(engine: &Engine, project: &str, args: &Keeper, stop: &CancellationToken) {
    while !stop.is_cancelled() {
        for service in &args.services {
            let labels = vec![format!("{COMPOSE_PROJECT}={project}"), format!("{COMPOSE_SERVICE}={service}")];
            let found = list(engine, labels).await.unwrap_or_else(|trouble| {
                say::problem(trouble);
                Vec::new()
            });
            for dead in found.iter().filter(|found| found.state == Some(ContainerSummaryStateEnum::EXITED)) {
                let Some(id) = &dead.id else { continue };
                if stop.run_until_cancelled(tokio::time::sleep(args.after)).await.is_none() {
                    return;
                }
                match renew(engine, id).await {
                    Ok(new) => say::out(&format!("{}: {new:.12} in place of {id:.12}\n", name_of(dead))),
                    Err(trouble) => say::problem(trouble),
                }
            }
        }
        stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await;
    }
}
