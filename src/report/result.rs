//! `result.json`: a run for machines, with a published schema.

use std::io::{self, Write};

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    gate::Gate,
    record::{RunRecord, UndoRecord},
    words,
};
use crate::model::{
    act::{Act, Effect},
    experiment::Experiment,
    ids::RunId,
    measurement::{Judged, Measurement},
    observation::Observation,
    outcome::{Outcome, Residue},
    plan::Plan,
    verdict::Verdict,
};

/// The version of `result.json` that this build writes.
pub const RESULT_VERSION: u32 = 1;
/// Bytes of it that are written at once.
const PART: usize = 64 << 10;

/// A run for machines.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RunResult<'a> {
    /// The version of this format.
    pub version: u32,
    /// The run.
    pub run: Option<&'a RunId>,
    /// The tool and its version.
    pub tool: &'a str,
    /// The experiment's title.
    pub title: &'a str,
    /// The verdict.
    pub verdict: Verdict,
    /// The exit code of the process.
    pub exit_code: u8,
    /// One sentence: why the verdict is what it is.
    pub reason: String,
    /// Whether the record holds the end of the run.
    pub ended: bool,
    /// When it started: wall clock, UTC.
    pub started: Option<String>,
    /// How long it took, seconds.
    pub took_s: Option<f64>,
    /// The experiment file.
    pub file: Option<&'a str>,
    /// The environment.
    pub environment: Option<&'a str>,
    /// The experiment.
    pub experiment: Option<&'a Experiment>,
    /// The plan.
    pub plan: Option<&'a Plan>,
    /// How it ended, what it showed, what is left.
    pub outcome: Option<&'a Outcome>,
    /// The conditions, judged.
    pub judged: &'a [Judged],
    /// The numbers. Their times are seconds since the first request was due; moments elsewhere are nanoseconds on the monotonic
    /// clock, on which `measurement.origin` is that zero.
    pub measurement: Option<&'a Measurement>,
    /// The acts that were armed.
    pub acts: Vec<&'a Act>,
    /// What is known of each act.
    pub effects: &'a [Effect],
    /// What became of each undo.
    pub undos: &'a [UndoRecord],
    /// What could not be undone.
    pub residue: &'a [Residue],
    /// What the platform saw.
    pub observations: &'a [Observation],
    /// Worth knowing.
    pub warnings: &'a [String],
}

impl<'a> RunResult<'a> {
    /// The result of a run.
    pub fn of(record: &'a RunRecord) -> Self {
        let gate = Gate::of(record);
        Self {
            version: RESULT_VERSION,
            run: record.run.as_ref(),
            tool: &record.tool,
            title: record.title(),
            verdict: gate.verdict,
            exit_code: gate.exit_code,
            reason: gate.reason,
            ended: record.outcome.is_some(),
            started: record.started.map(|(_, wall)| words::wall(wall)),
            took_s: record.started.zip(record.last).map(|((from, _), (to, _))| to.seconds_from(from)),
            file: record.file.as_deref(),
            environment: record.environment.as_deref(),
            experiment: record.experiment.as_deref(),
            plan: record.plan.as_deref(),
            outcome: record.outcome.as_ref(),
            judged: &record.judged,
            measurement: record.measurement.as_deref(),
            acts: record.armed.iter().map(|prepared| &prepared.act).collect(),
            effects: &record.effects,
            undos: &record.undos,
            residue: record.outcome.as_ref().map_or(&[], |outcome| &outcome.residue),
            observations: &record.observations,
            warnings: &record.warnings,
        }
    }
}

/// Renders `result.json`.
pub fn render(record: &RunRecord) -> String {
    let mut text = Vec::new();
    if let Err(error) = write(record, &mut text) {
        // Only a map with keys that are not text can fail here, and the model has none; say it rather than panic.
        text = serde_json::json!({ "version": RESULT_VERSION, "error": error.to_string() }).to_string().into_bytes();
    }
    String::from_utf8(text).unwrap_or_default()
}

/// The same into a file: of a thousand instances it is megabytes, which nobody needs at once.
pub fn write(record: &RunRecord, out: &mut impl Write) -> io::Result<()> {
    let mut parts = io::BufWriter::with_capacity(PART, words::Json::to(&mut *out));
    serde_json::to_writer_pretty(&mut parts, &RunResult::of(record))?;
    parts.write_all(b"\n")?;
    parts.flush()
}

/// The JSON Schema of `result.json`.
pub fn result_schema() -> serde_json::Value {
    schemars::schema_for!(RunResult<'static>).to_value()
}
