//! From the record of a run to its row.

use std::path::Path;

use jiff::Timestamp;

use crate::{
    history::Run,
    measure::compare::Figures,
    model::{ids::RunId, time::Wall},
    report::{Gate, RunRecord},
};

/// The row of a record; none when it does not even say which run it is of, or when that began.
pub fn of(record: &RunRecord, folder: Option<&Path>) -> Option<Run> {
    let run = record.run.clone()?;
    let (_, began) = record.started?;
    let mut row = empty(run, record.title(), moment(began)?);
    fill(&mut row, record, folder);
    Some(row)
}

/// Puts what a record knows into a row.
pub fn fill(row: &mut Run, record: &RunRecord, folder: Option<&Path>) {
    let gate = Gate::of(record);
    (row.verdict, row.reason) = (gate.verdict, gate.reason);
    row.began = record.started.and_then(|(_, began)| moment(began)).unwrap_or(row.began);
    row.file = record.file.clone().or(row.file.take());
    row.environment = record.environment.clone().or(row.environment.take());
    if let Some(plan) = &record.plan {
        row.platform = Some(plan.platform.clone());
        row.seed = Some(plan.seed);
    }
    row.took_s =
        record.started.zip(record.last).map(|((from, _), (to, _))| to.seconds_from(from)).filter(|took| *took > 0.0).or(row.took_s);
    if !record.tool.is_empty() {
        row.tool.clone_from(&record.tool);
    }
    row.figures = record.measurement.as_deref().map(Figures::of).unwrap_or_default();
    row.folder = folder.and_then(whole_path);
}

/// A row of which no more is known.
pub fn empty(run: RunId, experiment: &str, began: Timestamp) -> Run {
    Run {
        run,
        experiment: experiment.to_owned(),
        file: None,
        project: None,
        environment: None,
        platform: None,
        began,
        took_s: None,
        verdict: crate::model::verdict::Verdict::NotStarted,
        reason: String::new(),
        figures: Figures::default(),
        seed: None,
        tool: concat!("firedrill ", env!("CARGO_PKG_VERSION")).to_owned(),
        commit: None,
        folder: None,
        scheduled: false,
    }
}

/// A path that means the same from everywhere; none when it is no text, and could not be found again.
pub fn whole_path(path: &Path) -> Option<String> {
    std::path::absolute(path).ok()?.to_str().map(str::to_owned)
}

fn moment(wall: Wall) -> Option<Timestamp> {
    Timestamp::from_nanosecond(wall.0.into()).ok()
}
