//! A group's launching is suspended, and what was not suspended before is resumed.

use super::{Held, Way, now, tags};
use crate::platform::{
    PlatformError,
    aws::{calls::Action, connection::Place, trouble::Trouble, world::AutoGroup},
};

const SUSPEND: Action = Action::write("autoscaling:SuspendProcesses");
const RESUME: Action = Action::write("autoscaling:ResumeProcesses");

/// What replaces the dead: `Launch` starts new ones; `HealthCheck` marks members that are stopped or ill, for good, and `ReplaceUnhealthy` ends
/// those that are marked, though they could come back.
const PROCESSES: [&str; 3] = ["Launch", "HealthCheck", "ReplaceUnhealthy"];

/// What is to be suspended of it: only what is not suspended already.
pub(super) fn prepare(group: &AutoGroup) -> Option<Way> {
    let processes: Vec<String> = PROCESSES.iter().filter(|p| !group.suspended.contains(**p)).map(|p| (*p).to_owned()).collect();
    (!processes.is_empty()).then_some(Way::Suspended { processes })
}

/// Whether there is something to do; `Err` when the group is not what it was when this was prepared.
pub(super) fn ready(held: &Held, processes: &[String], now: &AutoGroup) -> Result<bool, String> {
    let already: Vec<&str> = processes.iter().filter(|p| now.suspended.contains(*p)).map(String::as_str).collect();
    if already.is_empty() {
        return Ok(true);
    }
    if tags::is_of(now, &held.mark) && already.len() == processes.len() {
        return Ok(false);
    }
    Err(format!("somebody else has suspended {} of the Auto Scaling group {} meanwhile", already.join(" and "), now.name))
}

/// Suspends them.
pub(super) async fn inject(place: &Place, name: &str, processes: &[String]) -> Result<(), Trouble> {
    let ask = place.scaling.suspend_processes().auto_scaling_group_name(name).set_scaling_processes(Some(processes.to_vec()));
    place.calls.call(SUSPEND, || ask.clone().send()).await.map(drop)
}

/// Whether they are suspended.
pub(super) fn holds(name: &str, processes: &[String], now: &AutoGroup) -> Result<(), String> {
    match processes.iter().find(|process| !now.suspended.contains(*process)) {
        Some(process) => Err(format!("{process} of the Auto Scaling group {name} is not suspended")),
        None => Ok(()),
    }
}

/// Resumes what is still suspended; whether that had to be done.
pub(super) async fn back(place: &Place, name: &str, processes: &[String], current: &AutoGroup) -> Result<bool, PlatformError> {
    let rest: Vec<String> = processes.iter().filter(|process| current.suspended.contains(*process)).cloned().collect();
    if rest.is_empty() {
        return Ok(false);
    }
    let ask = place.scaling.resume_processes().auto_scaling_group_name(name).set_scaling_processes(Some(rest.clone()));
    place.calls.call(RESUME, || ask.clone().send()).await?;
    match now(place, name).await {
        Ok(now) => match rest.iter().find(|process| now.suspended.contains(*process)) {
            None => Ok(true),
            Some(process) => Err(PlatformError::Failed(format!("{process} of the Auto Scaling group {name} is still suspended"))),
        },
        Err(Trouble::Gone(_)) => Ok(false),
        Err(trouble) => Err(trouble.into()),
    }
}
