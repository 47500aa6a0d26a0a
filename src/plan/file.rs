//! The plan as a file: `plan -o FILE` writes it, `run --plan FILE` acts on just those victims. Text in, text out.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::model::{
    experiment::Experiment,
    plan::{PLAN_VERSION, Plan},
};

/// SHA-256 (hex) of the experiment as lowered. All its maps are sorted, so that equal experiments have equal digests.
pub fn digest(experiment: &Experiment) -> String {
    let bytes = serde_json::to_vec(experiment).expect("an experiment is plain data");
    Sha256::digest(&bytes).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Why a plan file is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanFileError {
    /// Not a plan at all.
    #[error("this is not a plan file: {0}")]
    NotAPlan(String),
    /// Another version.
    #[error("this plan has version {found}, and this build reads version {PLAN_VERSION}; make it again with `firedrill plan`")]
    Version {
        /// What was found.
        found: u64,
    },
    /// The experiment changed since.
    #[error("this plan was made from another experiment (or the file has changed since); make it again with `firedrill plan`")]
    OtherExperiment,
}

/// The plan as JSON text.
pub fn write(plan: &Plan) -> String {
    let mut text = serde_json::to_string_pretty(plan).expect("a plan is plain data");
    text.push('\n');
    text
}

/// Reads a plan by itself.
///
/// # Errors
/// When it is not a plan, or not of this version.
pub fn parse(text: &str) -> Result<Plan, PlanFileError> {
    // The version is looked at first: a newer plan may have a shape that this build cannot read.
    let value: serde_json::Value = serde_json::from_str(text).map_err(|e| PlanFileError::NotAPlan(e.to_string()))?;
    let found = value
        .get("version")
        .and_then(serde_json::Value::as_u64)
        .ok_or_else(|| PlanFileError::NotAPlan("it has no `version`".to_owned()))?;
    if found != u64::from(PLAN_VERSION) {
        return Err(PlanFileError::Version { found });
    }
    serde_json::from_value(value).map_err(|e| PlanFileError::NotAPlan(e.to_string()))
}

/// Reads a plan and checks that it belongs to this experiment.
///
/// # Errors
/// When it does not, or is not a plan of this version.
pub fn read(text: &str, experiment: &Experiment) -> Result<Plan, PlanFileError> {
    let plan = parse(text)?;
    if plan.experiment != digest(experiment) {
        return Err(PlanFileError::OtherExperiment);
    }
    Ok(plan)
}
