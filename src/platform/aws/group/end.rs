//! One instance is ended through its group: with its place, so that nothing replaces it, or without, so that the group replaces it.

use crate::platform::aws::{calls::Action, connection::Place, read, trouble::Trouble};

/// A second order would take another place away from the group.
const TERMINATE: Action = Action::write_once("autoscaling:TerminateInstanceInAutoScalingGroup");

/// Ends it; `decrement` takes its place away from the group, too.
pub(in crate::platform::aws) async fn end(place: &Place, id: &str, decrement: bool) -> Result<(), Trouble> {
    let ask = place.scaling.terminate_instance_in_auto_scaling_group().instance_id(id).should_decrement_desired_capacity(decrement);
    match place.calls.call(TERMINATE, || ask.clone().send()).await {
        Ok(_) => Ok(()),
        // The instance itself tells whether it was done.
        Err(trouble @ (Trouble::Lost(_) | Trouble::Failed(_))) => {
            let found = read::machines_by_id(place, [id]).await?;
            if found.get(id).is_none_or(|machine| machine.state.ended()) { Ok(()) } else { Err(trouble) }
        }
        Err(trouble) => Err(trouble),
    }
}
