//! The check at the moment of the act: is this still the instance that was chosen?

use crate::model::instance::{Instance, InstanceState, Inventory};

/// Why a planned victim is not touched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Skipped {
    /// It is not there any more.
    #[error("{name} vanished: {found}")]
    Vanished {
        /// The victim.
        name: String,
        /// What was found.
        found: String,
    },
    /// Another one has its name now.
    #[error("{name} was replaced: it was {was} when it was chosen, and is {found} now")]
    Replaced {
        /// The victim.
        name: String,
        /// Its identity then.
        was: String,
        /// The identity now.
        found: String,
    },
    /// It became protected.
    #[error("{name} became protected (label firedrill.protected=true) since it was chosen")]
    Protected {
        /// The victim.
        name: String,
    },
    /// The platform keeps it out now.
    #[error("{name} must not be touched any more: {why}")]
    KeptOut {
        /// The victim.
        name: String,
        /// Why.
        why: String,
    },
    /// Its labels changed, so that the selector may not mean it any more.
    #[error("the labels of {name} changed since it was chosen")]
    Relabelled {
        /// The victim.
        name: String,
    },
}

/// Whether a planned victim may still be touched.
///
/// # Errors
/// Why not.
pub fn recheck(planned: &Instance, now: &Inventory) -> Result<(), Skipped> {
    let name = planned.name.clone();
    let Some(found) = now.instances.iter().find(|i| i.id == planned.id) else {
        return Err(Skipped::Vanished { name, found: "no instance with its id is listed".to_owned() });
    };
    if found.identity != planned.identity {
        return Err(Skipped::Replaced { name, was: planned.identity.clone(), found: found.identity.clone() });
    }
    if found.protected() {
        return Err(Skipped::Protected { name });
    }
    if let Some(why) = &found.kept_out {
        return Err(Skipped::KeptOut { name, why: why.clone() });
    }
    if matches!(found.state, InstanceState::Gone | InstanceState::Stopped) {
        return Err(Skipped::Vanished { name, found: format!("it is {}", found.state.word()) });
    }
    if found.labels != planned.labels {
        return Err(Skipped::Relabelled { name });
    }
    Ok(())
}
