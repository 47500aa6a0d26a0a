//! `junit.xml`: a case for each condition in each phase, and three that a run must always pass: the fault happened, the
//! measurement is trusted, everything is undone. A run that is an error is never all green.

use chrono::DateTime;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{
    gate::Gate,
    record::RunRecord,
    words::{self, plural, visible},
};
use crate::model::{measurement::JudgedResult, steady_state::Phase, verdict::Verdict};

/// Renders the record.
pub fn render(record: &RunRecord) -> String {
    render_all(std::slice::from_ref(record))
}

/// Renders several runs: a suite each.
pub fn render_all(records: &[RunRecord]) -> String {
    render_compared(records, |_| None)
}

/// The same; `compared` says what came of holding a run against earlier ones: `Err` when it is worse.
pub fn render_compared(records: &[RunRecord], compared: impl Fn(&RunRecord) -> Option<Result<String, String>>) -> String {
    let mut report = Report::new("firedrill");
    report.add_test_suites(records.iter().map(|record| suite(record, compared(record))));
    report.to_string().unwrap_or_else(|error| format!("<!-- the report could not be written: {error} -->\n"))
}

fn suite(record: &RunRecord, compared: Option<Result<String, String>>) -> TestSuite {
    let gate = Gate::of(record);
    let mut suite = TestSuite::new(visible(record.title()).into_owned());
    let mut case = |name: String, result: Result<String, (NonSuccessKind, String)>| {
        let (status, says) = match result {
            Ok(says) => (TestCaseStatus::success(), says),
            Err((kind, message)) => {
                let mut status = TestCaseStatus::non_success(kind);
                let kind = if kind == NonSuccessKind::Failure { "condition" } else { "run" };
                status.set_message(visible(&message).into_owned()).set_type(kind);
                (status, message)
            }
        };
        let mut case = TestCase::new(visible(&name).into_owned(), status);
        case.set_classname("firedrill").set_system_out(visible(&says).into_owned());
        suite.add_test_case(case);
    };
    for j in &record.judged {
        let name = format!("{} in {}", j.condition, j.phase.map_or("the whole run", Phase::name));
        case(
            name,
            match j.result {
                JudgedResult::Held => Ok(j.measured.clone()),
                JudgedResult::Broken => Err((NonSuccessKind::Failure, format!("measured {}", j.measured))),
                JudgedResult::Untold => Err((NonSuccessKind::Error, j.why.clone().unwrap_or_else(|| "too little was measured".to_owned()))),
            },
        );
    }
    case("fault happened".to_owned(), happened(record));
    case("measurement trusted".to_owned(), trusted(record));
    case("everything undone".to_owned(), undone(record));
    if let Some(compared) = compared {
        case("not worse than before".to_owned(), compared.map_err(|why| (NonSuccessKind::Failure, why)));
    }
    // Whatever else made the run what it is (halted, broke, not started) must be red as well.
    let verdict = match gate.verdict {
        Verdict::Passed => Ok(gate.reason.clone()),
        Verdict::Failed => Err((NonSuccessKind::Failure, gate.reason.clone())),
        _ => Err((NonSuccessKind::Error, gate.reason.clone())),
    };
    case("verdict".to_owned(), verdict.map_err(|(kind, why)| (kind, format!("{}: {why}", gate.verdict))));
    suite.add_property(("run", visible(record.run_id()).as_ref()));
    suite.add_property(("verdict", gate.verdict.word()));
    if let (Some((begun, wall)), Some((ended, _))) = (record.started, record.last) {
        suite.add_property(("started", words::wall(wall).as_str()));
        suite.set_time(ended.since(begun));
        // Nanoseconds since 1970, up to the year 2262.
        suite.set_timestamp(DateTime::from_timestamp_nanos(wall.0));
    }
    suite
}

type CaseResult = Result<String, (NonSuccessKind, String)>;

fn happened(record: &RunRecord) -> CaseResult {
    let planned = record.plan.as_ref().map_or(0, |plan| plan.acts().count()).max(record.armed.len());
    let happened = record.effects.iter().filter(|effect| effect.status.happened()).count();
    let not: Vec<String> = record
        .effects
        .iter()
        .filter(|effect| !effect.status.happened())
        .map(|e| format!("act {}: {} ({})", e.act, e.status.word(), e.status.why().unwrap_or("no reason given")))
        .collect();
    if happened == 0 || happened < planned || !not.is_empty() {
        let list = if not.is_empty() { String::new() } else { format!(": {}", not.join("; ")) };
        return Err((NonSuccessKind::Error, format!("{happened} of {} verifiably happened{list}", plural(planned, "act"))));
    }
    Ok(format!("{happened} of {}", plural(planned, "act")))
}

fn trusted(record: &RunRecord) -> CaseResult {
    match &record.measurement {
        None => Err((NonSuccessKind::Error, "nothing was measured".to_owned())),
        Some(m) if !m.trust.doubts.is_empty() => Err((NonSuccessKind::Error, m.trust.doubts.join("; "))),
        Some(_) => Ok("no doubts".to_owned()),
    }
}

fn undone(record: &RunRecord) -> CaseResult {
    let left: Vec<String> = match &record.outcome {
        Some(outcome) => outcome.residue.iter().map(|r| format!("{}: {}; undo it with: {}", r.what, r.why, r.command)).collect(),
        None => record.open_undos().map(|p| format!("not known to be undone: {}", p.undo.says())).collect(),
    };
    if left.is_empty() { Ok("nothing is left".to_owned()) } else { Err((NonSuccessKind::Error, left.join("; "))) }
}
