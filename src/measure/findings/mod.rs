//! What the numbers say about the system, in sentences: one file a kind of finding.

mod disagree;

use crate::model::{experiment::Experiment, finding::Finding, measurement::ProbeMeasurement};

/// All findings, in the order of the probes.
pub fn all(experiment: &Experiment, probes: &[ProbeMeasurement]) -> Vec<Finding> {
    experiment.probes.iter().zip(probes).flat_map(|(spec, probe)| disagree::findings(spec, &probe.groups)).collect()
}
