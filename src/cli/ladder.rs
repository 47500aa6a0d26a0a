//! `firedrill demo ladder`: the same drill on every rung of `examples/what-time`, and one table of what it cost users there.
//!
//! The files are inside the binary. A rung that is wrong must fail, and for the reason that the ladder gives; a rung that is
//! right must pass. When one does not, the ladder says so and its exit code is 1.

use std::path::Path;

use super::{
    demo::Scratch,
    say, signals,
    trial::{Expected, REPEATS, Trial, Tried},
};
use crate::{
    engine::halt::{Halt, Urgency},
    model::{measurement::PhaseStats, steady_state::Phase, verdict::Verdict},
    report::{
        console::{
            style::{Style, Tone},
            summary::{Row, table},
        },
        words::{percent, seconds, visible},
    },
};

/// A file of the ladder, as it lies in the repository.
macro_rules! embedded {
    ($($name:literal),+ $(,)?) => { [$(($name, include_str!(concat!("../../examples/what-time/", $name)))),+] };
}

/// The files of the ladder.
const FILES: [(&str, &str); 9] = embedded![
    "experiment.yaml",
    "resize.yaml",
    "firedrill.yaml",
    "systems/rung-1.yaml",
    "systems/rung-2.yaml",
    "systems/rung-3.yaml",
    "systems/rung-4.yaml",
    "systems/rung-5.yaml",
    "systems/rung-6.yaml",
];

/// A rung, and what the ladder says of it.
struct Rung {
    /// What it is called: `1`, `6 tight`.
    name: &'static str,
    /// What runs there.
    architecture: &'static str,
    /// The experiment.
    file: &'static str,
    /// What it must show.
    expected: Expected,
}

const fn rung(name: &'static str, architecture: &'static str, expected: Expected) -> Rung {
    Rung { name, architecture, file: "experiment.yaml", expected }
}

impl Rung {
    /// Its environment in `firedrill.yaml`: `rung-1`, `rung-6-tight`.
    fn environment(&self) -> String {
        format!("rung-{}", self.name.replace(' ', "-"))
    }

    fn trial<'t>(&self, folder: &Path, environment: &'t str) -> Trial<'t> {
        Trial {
            name: format!("Rung {} ({})", self.name, self.architecture),
            file: folder.join(self.file),
            environment,
            ports: &["port"],
            vars: Vec::new(),
            expected: self.expected,
        }
    }
}

/// The ladder, from the ground. An architecture's words fit a table on a terminal of 80 columns.
const LADDER: [Rung; 7] = [
    rung("1", "one server", Expected::Fails("home longest-outage")),
    Rung { file: "resize.yaml", ..rung("2", "one server, made bigger", Expected::Fails("home longest-outage")) },
    rung("3", "three servers in DNS", Expected::Fails("home longest-outage")),
    rung("4", "balancer, one zone", Expected::Fails("home longest-outage")),
    rung("5", "4, and the dead replaced", Expected::Fails("home longest-outage")),
    rung("6", "5 over three zones", Expected::Passes),
    rung("6 tight", "6 without spare capacity", Expected::Fails("home p99")),
];

/// What the table shows of a rung.
const HEADS: [&str; 6] = ["rung", "architecture", "available", "longest outage", "p99", "verdict"];

/// Climbs the ladder.
///
/// # Errors
/// When nothing could be begun.
pub(super) async fn climb(out: &Path) -> Result<u8, String> {
    let folder = Scratch::with(&FILES)?;
    let style = Style::detect(&std::io::stdout());
    say::out(
        "What time is it? Each rung is another way to run the same site. On each, one server is killed and then a whole zone is\nlost (on rung 2 the server is stopped and made bigger), while 200 requests a second come in. About two minutes.\n\n",
    );
    let halt = Halt::default();
    let _signals = signals::listen(&halt).map_err(|error| format!("signals cannot be handled: {error}"))?;
    let mut climbed = Vec::new();
    let mut repeats = REPEATS;
    for rung in &LADDER {
        if halt.urgency() > Urgency::None {
            break;
        }
        say::out(&format!("rung {:<7}  {} … ", rung.name, rung.architecture));
        let environment = rung.environment();
        let trial = rung.trial(&folder.path, &environment);
        let tried = trial.run(out, &halt, &mut repeats).await;
        let report = tried.report.as_ref().map(|report| format!("  {}", visible(&report.display().to_string()))).unwrap_or_default();
        let (tone, word) = tried.seen();
        say::out(&format!("{}{report}\n", style.paint(tone, &word)));
        let surprise = trial.surprise(&tried);
        climbed.push((rung, tried, surprise));
    }
    let mut text = String::new();
    table(
        &mut text,
        style,
        "The ladder, in the seconds of the fault",
        &HEADS,
        climbed.iter().map(|(rung, tried, _)| row(rung, tried)).collect(),
    );
    let surprises: Vec<&str> = climbed.iter().filter_map(|(_, _, surprise)| surprise.as_deref()).collect();
    let whole = climbed.len() == LADDER.len();
    text.push('\n');
    for surprise in &surprises {
        text.push_str(surprise);
        text.push('\n');
    }
    if climbed.iter().any(|(rung, tried, _)| tried.is_disturbed(rung.expected)) {
        text.push_str("This machine has too much else to do to measure on it: climb again when it is quieter.\n");
    }
    if !whole {
        text.push_str("The ladder was left before its end.\n");
    } else if surprises.is_empty() {
        text.push_str("Every rung did what the ladder says: only the servers over three zones, with spare capacity, pass.\n");
    }
    say::out(&text);
    Ok(match (whole, surprises.is_empty()) {
        (false, _) => Verdict::Aborted.exit_code(),
        (true, false) => Verdict::Failed.exit_code(),
        (true, true) => Verdict::Passed.exit_code(),
    })
}

/// The numbers of the fault phase of the one probe.
fn fault(tried: &Tried) -> Option<&PhaseStats> {
    let probe = tried.result.as_ref().ok()?.measurement.as_ref()?.probes.first()?;
    probe.phases.iter().find(|numbers| numbers.phase == Phase::Fault)
}

fn row(rung: &Rung, tried: &Tried) -> Row {
    let numbers = fault(tried);
    let shown = |value: Option<String>| (Tone::Plain, value.unwrap_or_else(|| "–".to_owned()));
    let outage = |s: f64| if s > 0.0 { seconds(s) } else { "none".to_owned() };
    vec![
        (Tone::Plain, rung.name.to_owned()),
        (Tone::Plain, rung.architecture.to_owned()),
        shown(numbers.and_then(|n| n.stats.availability).map(|share| percent(share.value))),
        shown(numbers.map(|n| outage(n.longest_outage_s))),
        shown(numbers.and_then(|n| n.stats.latency).map(|latency| seconds(latency.p99))),
        tried.seen(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{args::Place, loading};

    #[test]
    fn every_rung_can_run_from_the_binary_alone() {
        let folder = Scratch::with(&FILES).unwrap();
        for rung in &LADDER {
            let place = Place { env: Some(rung.environment()), vars: vec![("port".to_owned(), "4321".to_owned())] };
            let checked =
                loading::load(&folder.path.join(rung.file), &place, loading::Purpose::Look).unwrap_or_else(|errors| panic!("{errors}"));
            assert_eq!(checked.findings.to_string(), "", "{}", rung.name);
        }
    }

    fn untold() -> Tried {
        Tried { result: Err("no".to_owned()), report: None }
    }

    #[test]
    fn the_table_fits_a_terminal_of_80_columns() {
        let mut text = String::new();
        let rows = LADDER.iter().map(|rung| row(rung, &untold())).collect();
        table(&mut text, Style::plain(80), "The ladder", &HEADS, rows);
        assert!(!text.contains('…'), "{text}");
    }

    #[test]
    fn a_rung_without_numbers_still_has_a_row() {
        let cells: Vec<String> = row(&LADDER[0], &untold()).into_iter().map(|(_, text)| text).collect();
        assert_eq!(cells, ["1", "one server", "–", "–", "–", "not started"]);
    }
}
