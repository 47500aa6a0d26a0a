//! An inspected container's state, as the deeds ask for it. What the engine left out counts as no.

use bollard::models::{ContainerInspectResponse, ContainerState, HealthStatusEnum};

use crate::platform::docker::undo::{Life, Ran};

fn state(now: &ContainerInspectResponse) -> Option<&ContainerState> {
    now.state.as_ref()
}

/// Whether its process runs, paused or not; between two lives (`restarting`) it does not.
pub fn running(now: &ContainerInspectResponse) -> bool {
    state(now).is_some_and(|s| s.running == Some(true)) && !restarting(now)
}

/// Whether its restart policy is about to start it again.
pub fn restarting(now: &ContainerInspectResponse) -> bool {
    state(now).is_some_and(|s| s.restarting == Some(true))
}

/// Whether the engine is about to delete it, or tried to.
pub fn leaving(now: &ContainerInspectResponse) -> bool {
    use bollard::models::ContainerStateStatusEnum as Status;
    state(now).is_some_and(|s| s.dead == Some(true) || matches!(s.status, Some(Status::REMOVING | Status::DEAD)))
}

/// Whether it is paused.
pub fn paused(now: &ContainerInspectResponse) -> bool {
    state(now).is_some_and(|s| s.paused == Some(true))
}

/// When this life of it began, in the engine's words.
pub fn started_at(now: &ContainerInspectResponse) -> &str {
    state(now).and_then(|s| s.started_at.as_deref()).unwrap_or_default()
}

/// When its last finished life ended, in the engine's words.
pub fn finished_at(now: &ContainerInspectResponse) -> &str {
    state(now).and_then(|s| s.finished_at.as_deref()).unwrap_or_default()
}

/// What its health check says; none without one.
pub fn health(now: &ContainerInspectResponse) -> Option<HealthStatusEnum> {
    let health = state(now)?.health.as_ref()?.status?;
    (!matches!(health, HealthStatusEnum::EMPTY | HealthStatusEnum::NONE)).then_some(health)
}

/// Whether its health check passes.
pub fn healthy(now: &ContainerInspectResponse) -> bool {
    health(now) == Some(HealthStatusEnum::HEALTHY)
}

/// Its state in words: `exited (137)`.
pub fn says(now: &ContainerInspectResponse) -> String {
    let status = state(now).and_then(|s| s.status).map_or_else(|| "in an unknown state".to_owned(), |s| s.to_string());
    let code = state(now).and_then(|s| s.exit_code).filter(|_| !running(now) && !restarting(now));
    code.map_or_else(|| status.clone(), |code| format!("{status} ({code})"))
}

/// `Err` when it does not run.
///
/// # Errors
/// In words that follow its name.
pub fn runs(now: &ContainerInspectResponse) -> Result<(), String> {
    if running(now) { Ok(()) } else { Err(format!("does not run: it is {}", says(now))) }
}

/// How it runs now, for the way back.
pub fn ran(now: &ContainerInspectResponse) -> Ran {
    Ran { started_at: started_at(now).to_owned(), paused: paused(now), healthy: healthy(now) }
}

/// The life that it lives now, for acts that hold no longer than that.
pub fn life(now: &ContainerInspectResponse) -> Life {
    Life { started_at: started_at(now).to_owned(), healthy: healthy(now) }
}

/// The number of its main process on the engine's machine.
pub fn pid(now: &ContainerInspectResponse) -> i32 {
    state(now).and_then(|s| s.pid).and_then(|pid| i32::try_from(pid).ok()).unwrap_or_default()
}

/// The name of its restart policy, where it has one that may start it again: `always`, `on-failure`, `unless-stopped`.
pub fn restart_policy(now: &ContainerInspectResponse) -> Option<String> {
    let name = now.host_config.as_ref()?.restart_policy.as_ref()?.name?.to_string();
    (!name.is_empty() && name != "no").then_some(name)
}
