//! `result.json` of a day, for machines.

use serde::Serialize;

use super::runs::DayRun;
use crate::{
    gameday::{Day, record::Said},
    model::{gameday::What, verdict::Verdict},
    report::{Gate, words},
};

/// The version of a day's `result.json` that this build writes.
pub const DAY_RESULT_VERSION: u32 = 1;

#[derive(Serialize)]
struct DayResult<'a> {
    version: u32,
    day: &'a str,
    tool: &'a str,
    title: &'a str,
    verdict: Option<Verdict>,
    exit_code: Option<u8>,
    reason: String,
    /// Whether the record holds the end of the day.
    ended: bool,
    started: Option<String>,
    took_s: Option<f64>,
    drills: Vec<DrillResult<'a>>,
    notes: &'a [Said],
    actions: &'a [Said],
    /// The whole record, as the control socket gives it.
    record: &'a Day,
}

#[derive(Serialize)]
struct DrillResult<'a> {
    item: u32,
    title: &'a str,
    owner: Option<&'a str>,
    run: &'a str,
    folder: &'a str,
    predicted: Option<Verdict>,
    verdict: Option<Verdict>,
    as_predicted: Option<bool>,
    reason: Option<String>,
    people_mitigate: bool,
    detected_after_s: Option<f64>,
    mitigated_after_s: Option<f64>,
}

/// Renders it.
pub fn render(day: &Day, runs: &[DayRun<'_>]) -> String {
    let drills = runs.iter().filter_map(|run| {
        let drill = run.item.drill.as_ref()?;
        let open = matches!(&run.item.item.item.what, What::Experiment(item) if item.mitigate.is_some());
        Some(DrillResult {
            item: run.item.item.number,
            title: &run.item.item.says,
            owner: run.item.item.item.owner.as_deref(),
            run: drill.run.as_str(),
            folder: run.folder,
            predicted: run.item.predicted(),
            verdict: drill.verdict,
            as_predicted: run.item.as_predicted(),
            reason: drill.reason.clone().or_else(|| run.record.as_ref().ok().map(|record| Gate::of(record).reason)),
            people_mitigate: open,
            detected_after_s: run.item.detected_after_s(),
            mitigated_after_s: run.item.mitigated_after_s(),
        })
    });
    let result = DayResult {
        version: DAY_RESULT_VERSION,
        day: day.id(),
        tool: day.about.as_ref().map_or("", |about| &about.tool),
        title: day.title(),
        verdict: day.verdict,
        exit_code: day.verdict.map(Verdict::exit_code),
        reason: day.sentence(false),
        ended: day.ended.is_some(),
        started: day.began.map(|began| words::wall(began.wall)),
        took_s: day.last.map(|last| day.seconds(last.at)),
        drills: drills.collect(),
        notes: &day.notes,
        actions: &day.actions,
        record: day,
    };
    // Only a map with keys that are not text can fail here, and there is none; say it rather than panic.
    let text = serde_json::to_string_pretty(&result)
        .unwrap_or_else(|error| serde_json::json!({ "version": DAY_RESULT_VERSION, "error": error.to_string() }).to_string());
    format!("{}\n", words::json(&text))
}
