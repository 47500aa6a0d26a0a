//! A run of such an experiment, as it is. Two ways to judge it: `strict`, as firedrill judges (what was not met, not done or not held is never
//! green), and `compatible`, as the Chaos Toolkit itself would, to compare with it.
//!
//! `course` does activities and checks the hypothesis, for both; `strict` and `compatible` are the two orders of it.

pub mod check;
mod compatible;
mod course;
mod sampler;
mod strict;

use std::{sync::Arc, time::Duration};

use serde_json::Value as Json;

use super::{
    journal::{Entry, Journal},
    model::{Experiment, HypothesisStrategy, RollbackStrategy},
    substitute::Values,
};
use crate::{
    engine::halt::Halt,
    model::{
        ids::RunId,
        outcome::{Outcome, Residue},
    },
};

/// How a run is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// As firedrill judges.
    Strict,
    /// As Chaos Toolkit does.
    Compatible,
}

/// What is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Dry {
    Probes,
    Actions,
    Activities,
    Pause,
}

/// What a run is made with.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How it is judged.
    pub mode: Mode,
    /// In place of the file's.
    pub hypothesis: Option<HypothesisStrategy>,
    /// In place of the file's.
    pub rollbacks: Option<RollbackStrategy>,
    /// From one check of the hypothesis during the method to the next.
    pub frequency: Duration,
    /// The first check that is not met ends the method.
    pub fail_fast: bool,
    /// What is left out; only when compatible.
    pub dry: Option<Dry>,
}

/// Hears what happens, a line each.
pub type Tell = Arc<dyn Fn(&str) + Send + Sync>;

/// What is run.
pub struct Request {
    /// The run.
    pub run: RunId,
    /// The experiment, checked by [`check::check`].
    pub experiment: Arc<Experiment>,
    /// Values for `${name}`, settled.
    pub values: Values,
    /// `--var` as given, so that who brings back what a dead run did settles the same values.
    pub overrides: Vec<(String, String)>,
    /// How.
    pub options: Options,
    /// Stops it.
    pub halt: Halt,
    /// Hears of it.
    pub tell: Tell,
}

/// A run that ended.
pub struct Finished {
    /// What it came to, strictly.
    pub outcome: Option<Outcome>,
    /// Why, in a sentence.
    pub reason: String,
    /// Everything that was done, as Chaos Toolkit writes it.
    pub journal: Json,
    /// The exit code.
    pub exit_code: u8,
}

/// Runs it.
pub async fn run(request: Request) -> Finished {
    let journal = Journal::begin(&request.experiment, request.options.dry);
    match request.options.mode {
        Mode::Strict => strict::run(request, journal).await,
        Mode::Compatible => compatible::run(request, journal).await,
    }
}

/// Plays only the rollbacks: of a run that was killed.
pub(super) async fn bring_back_alone(
    run: RunId,
    experiment: Arc<Experiment>,
    values: Values,
    options: Options,
    halt: &Halt,
    tell: Tell,
) -> (Vec<Entry>, Vec<Residue>) {
    let course = course::Course { run, experiment, values: Arc::new(values), options, tell };
    strict::bring_back(&course, halt).await
}
