//! A container starts again, and is waited for until it runs as it ran before.

use std::{collections::HashMap, time::Duration};

use bollard::{
    models::{ContainerInspectResponse, HealthConfig},
    query_parameters::{ListContainersOptions, StartContainerOptions},
};

use super::state;
use crate::{
    model::{act::Prepared, instance::Instance},
    platform::{
        PlatformError, Reverted,
        docker::{
            engine::{Engine, READ_LIMIT, Trouble},
            inventory::{COMPOSE_NUMBER, COMPOSE_PROJECT, COMPOSE_SERVICE, SWARM_TASK, name_of},
            undo::{Owed, Ran},
        },
    },
};

/// How long a start may take to answer.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How long a container that was started gets to run and be healthy, beyond what its health check allows.
const BACK_WITHIN: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(50);

/// What an engine assumes of a health check that does not say.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(30);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_RETRIES: u32 = 3;

/// Brings a container back that ran: started again unless it runs, as healthy as it was, paused if it was.
///
/// # Errors
/// When it is not back in time, or is gone with nothing in its place.
pub async fn bring_back(engine: &Engine, prepared: &Prepared, owed: &Owed, ran: &Ran) -> Result<Reverted, PlatformError> {
    let (id, name) = (owed.container.as_str(), prepared.act.target.says());
    let now = match engine.inspect(id).await {
        Ok(now) => now,
        Err(Trouble::Gone(_)) => return gone(engine, prepared, &name).await,
        Err(trouble) => return Err(trouble.into()),
    };
    let dead = !state::running(&now) && !state::restarting(&now);
    if dead {
        let call = engine.docker.start_container(id, None::<StartContainerOptions>);
        engine.call(&format!("the start of {name}"), START_LIMIT, call).await?;
    }
    let back = wait(engine, id, &name, ran.healthy).await?;
    if ran.paused && !state::paused(&back) {
        engine.call(&format!("the pause of {name}, as before"), START_LIMIT, engine.docker.pause_container(id)).await?;
    }
    Ok(if dead {
        Reverted::Restored { says: format!("started {name} again") }
    } else if state::started_at(&back) == ran.started_at {
        Reverted::NothingToUndo { why: format!("{name} runs, as before") }
    } else {
        Reverted::NothingToUndo { why: format!("{name} had been started again already, and runs") }
    })
}

/// Waits until a container runs, and its health check passes if it is to.
///
/// # Errors
/// When it ends again, or is not there in time.
pub async fn wait(engine: &Engine, id: &str, name: &str, healthy: bool) -> Result<ContainerInspectResponse, PlatformError> {
    let begun = tokio::time::Instant::now();
    loop {
        let now = engine.inspect(id).await?;
        if state::running(&now) && (!healthy || state::healthy(&now)) {
            return Ok(now);
        }
        if !state::running(&now) && !state::restarting(&now) {
            return Err(PlatformError::Failed(format!("{name} was started again and ended: it is {}", state::says(&now))));
        }
        let check = now.config.as_ref().and_then(|config| config.healthcheck.as_ref());
        let limit = BACK_WITHIN + check.map_or(Duration::ZERO, allowance);
        if begun.elapsed() > limit {
            let health = state::health(&now).map(|health| format!(", its health check says {health}")).unwrap_or_default();
            return Err(PlatformError::Failed(format!("{name} is not back after {limit:?}: it is {}{health}", state::says(&now))));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// How long a health check may take to pass at first.
fn allowance(check: &HealthConfig) -> Duration {
    let time = |ns: Option<i64>, default: Duration| {
        ns.and_then(|ns| u64::try_from(ns).ok()).filter(|ns| *ns > 0).map_or(default, Duration::from_nanos)
    };
    let retries = check.retries.and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0).unwrap_or(DEFAULT_RETRIES);
    let each = time(check.interval, DEFAULT_INTERVAL) + time(check.timeout, DEFAULT_TIMEOUT);
    time(check.start_period, Duration::ZERO) + each.saturating_mul(retries)
}

/// It was removed meanwhile. Not by us; whether something took its place decides.
async fn gone(engine: &Engine, prepared: &Prepared, name: &str) -> Result<Reverted, PlatformError> {
    let Some(instance) = prepared.act.target.instance() else {
        return Err(PlatformError::Refused(format!("{name} is gone")));
    };
    match successor(engine, instance).await? {
        Some(by) => Ok(Reverted::NothingToUndo { why: format!("{name} was replaced by {by}") }),
        None => Err(PlatformError::Refused(format!(
            "{name} was removed by somebody else, and nothing runs in its place: it cannot be started again"
        ))),
    }
}

/// The running container that took the place of another: the same number of the same Compose service, or the same name.
///
/// # Errors
/// When the engine does not say.
pub async fn successor(engine: &Engine, instance: &Instance) -> Result<Option<String>, PlatformError> {
    if instance.labels.contains_key(SWARM_TASK) {
        return Ok(Some("another task of Swarm".to_owned()));
    }
    let keys = [COMPOSE_PROJECT, COMPOSE_SERVICE, COMPOSE_NUMBER];
    let labels: Vec<String> = keys.iter().filter_map(|key| instance.labels.get(*key).map(|value| format!("{key}={value}"))).collect();
    let of_compose = labels.len() == keys.len();
    let filters = if of_compose {
        HashMap::from([("label".to_owned(), labels)])
    } else {
        HashMap::from([("name".to_owned(), vec![instance.name.clone()])])
    };
    let options = ListContainersOptions { filters: Some(filters), ..ListContainersOptions::default() };
    let running = engine.call("a list of containers", READ_LIMIT, engine.docker.list_containers(Some(options))).await?;
    let other =
        running.iter().find(|found| found.id.as_deref() != Some(instance.id.as_str()) && (of_compose || name_of(found) == instance.name));
    Ok(other.map(|found| format!("{} ({:.12})", name_of(found), found.id.as_deref().unwrap_or_default())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_health_check_gets_the_time_that_it_says() {
        let second = 1_000_000_000;
        let said = HealthConfig {
            interval: Some(2 * second),
            timeout: Some(second),
            retries: Some(4),
            start_period: Some(10 * second),
            ..HealthConfig::default()
        };
        assert_eq!(allowance(&said), Duration::from_secs(22));
        let unsaid = HealthConfig { interval: Some(0), ..HealthConfig::default() };
        assert_eq!(allowance(&unsaid), Duration::from_mins(3));
    }
}
