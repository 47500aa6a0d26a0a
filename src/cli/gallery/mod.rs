//! `firedrill demo gallery`: every example system with its drills, and one table of their verdicts.
//!
//! The files are inside the binary. A wrong architecture must fail, for the reason that the gallery gives; a right one must pass. When one
//! does not, the gallery says so and its exit code is 1. A row whose programs are not installed is not run, and says what to install: then
//! the exit code is 3 unless something else is worse, because the gallery has not shown what it is to show.
//!
//! An example is a file beside this one: its files and its rows; `EXAMPLES` lists them. `tests/it/gallery.rs` runs each row as a test.

mod blog;
mod chat;
mod containers;
mod deployments;
mod names;
mod phoenix;
mod row;
mod shop;

use std::{fmt::Write as _, path::Path};

use super::{
    demo::Scratch,
    say, signals,
    trial::{REPEATS, Trial, Tried},
};
use crate::{
    engine::halt::{Halt, Urgency},
    model::verdict::Verdict,
    report::{
        console::{
            style::{Style, Tone},
            summary::{self, table},
        },
        words,
    },
    sample_app::programs,
};

pub use super::trial::Expected;
pub use row::{Example, Row};

/// The gallery.
pub const EXAMPLES: &[Example] =
    &[names::NAMES, shop::SHOP, blog::BLOG, containers::CONTAINERS, chat::CHAT, phoenix::PHOENIX, deployments::DEPLOYMENTS];

/// What the table shows of a row.
const HEADS: [&str; 3] = ["row", "what runs", "verdict"];
/// What the table of reasons shows.
const REASONS: [&str; 3] = ["row", "what did not hold", "measured"];

/// What became of a row.
enum Seen<'a> {
    Tried { tried: Box<Tried>, surprise: Option<String> },
    Lacks(Vec<&'a programs::Program>),
}

/// Runs all rows, or only these (`shop`, `shop/sticky`).
///
/// # Errors
/// When nothing could be begun.
pub(super) async fn visit(chosen: Vec<(&'static Example, &'static Row)>, out: &Path) -> Result<u8, String> {
    let style = Style::detect(&std::io::stdout());
    say::out(&format!(
        "The gallery: {} of systems that people run, right ones and wrong ones. About a quarter of a minute each.\n",
        crate::model::quantity::plural(chosen.len(), "drill")
    ));
    let halt = Halt::default();
    let _signals = signals::listen(&halt).map_err(|error| format!("signals cannot be handled: {error}"))?;
    let mut seen = Vec::new();
    let mut repeats = REPEATS;
    let mut asked = "";
    for (example, row) in &chosen {
        if halt.urgency() > Urgency::None {
            break;
        }
        if asked != example.name {
            asked = example.name;
            say::out(&format!("\n{}\n", example.asks));
        }
        say::out(&format!("  {:<36} … ", row.what));
        let lacks: Vec<_> = row.needs.iter().filter(|program| program.find().is_none()).collect();
        if !lacks.is_empty() {
            say::out(&format!("not run: {}\n", programs::lacking(&lacks)));
            seen.push((*example, *row, Seen::Lacks(lacks)));
            continue;
        }
        let folder = Scratch::with(example.files)?;
        let trial = trial(example, row, &folder.path);
        let tried = trial.run(out, &halt, &mut repeats).await;
        let report = tried.report.as_ref().map(|report| format!("  {}", words::visible(&report.display().to_string()))).unwrap_or_default();
        let (tone, word) = tried.seen();
        say::out(&format!("{}{report}\n", style.paint(tone, &word)));
        let surprise = trial.surprise(&tried);
        seen.push((*example, *row, Seen::Tried { tried: Box::new(tried), surprise }));
    }
    let mut text = String::new();
    table(&mut text, style, "The gallery", &HEADS, seen.iter().map(|(example, row, seen)| line(example, row, seen)).collect());
    table(&mut text, style, "Why they fail", &REASONS, seen.iter().filter_map(|(example, row, seen)| reason(example, row, seen)).collect());
    text.push('\n');
    let whole = seen.len() == chosen.len();
    let surprises: Vec<&str> =
        seen.iter().filter_map(|(_, _, seen)| if let Seen::Tried { surprise, .. } = seen { surprise.as_deref() } else { None }).collect();
    let mut lacks: Vec<_> =
        seen.iter().flat_map(|(_, _, seen)| if let Seen::Lacks(lacks) = seen { lacks.as_slice() } else { &[] }).collect();
    lacks.sort_by_key(|program| program.package);
    lacks.dedup();
    for surprise in &surprises {
        text.push_str(surprise);
        text.push('\n');
    }
    if seen.iter().any(|(_, row, seen)| matches!(seen, Seen::Tried { tried, .. } if tried.is_disturbed(row.expected))) {
        text.push_str("This machine has too much else to do to measure on it: try again when it is quieter.\n");
    }
    if !lacks.is_empty() {
        let lacks: Vec<_> = lacks.into_iter().copied().collect();
        let _ = writeln!(text, "Some rows were not run: {}.", programs::lacking(&lacks));
    }
    if !whole {
        text.push_str("The gallery was left before its end.\n");
    } else if surprises.is_empty() && seen.iter().all(|(_, _, seen)| matches!(seen, Seen::Tried { .. })) {
        text.push_str("Every drill showed what it must: the wrong systems failed for the reason given, the right ones passed.\n");
    }
    say::out(&text);
    let all_run = seen.iter().all(|(_, _, seen)| matches!(seen, Seen::Tried { .. }));
    let verdict = match (whole, surprises.is_empty(), all_run) {
        (false, _, _) => Verdict::Aborted,
        (true, false, _) => Verdict::Failed,
        (true, true, false) => Verdict::NotStarted,
        (true, true, true) => Verdict::Passed,
    };
    Ok(verdict.exit_code())
}

/// The rows of these names; all when none is named.
///
/// # Errors
/// With a name that is none.
pub(super) fn choose(only: &[String]) -> Result<Vec<(&'static Example, &'static Row)>, String> {
    let all = || EXAMPLES.iter().flat_map(|example| example.rows.iter().map(move |row| (example, row)));
    if let Some(unknown) = only.iter().find(|name| !all().any(|(example, row)| is_named(example, row, name))) {
        let names: Vec<&str> = EXAMPLES.iter().map(|example| example.name).collect();
        return Err(format!("the gallery has no `{unknown}`: it has {}, and their rows as EXAMPLE/ROW", names.join(", ")));
    }
    Ok(all().filter(|(example, row)| only.is_empty() || only.iter().any(|name| is_named(example, row, name))).collect())
}

fn is_named(example: &Example, row: &Row, name: &str) -> bool {
    name == example.name || name.split_once('/') == Some((example.name, row.name))
}

fn trial(example: &Example, row: &'static Row, folder: &Path) -> Trial<'static> {
    Trial {
        name: format!("{}/{} ({})", example.name, row.name, row.what),
        file: folder.join(row.file),
        environment: row.environment,
        ports: row.ports,
        vars: Vec::new(),
        expected: row.expected,
    }
}

fn line(example: &Example, row: &Row, seen: &Seen<'_>) -> summary::Row {
    let verdict = match seen {
        Seen::Tried { tried, .. } => tried.seen(),
        Seen::Lacks(_) => (Tone::Dim, "not run".to_owned()),
    };
    vec![(Tone::Plain, format!("{}/{}", example.name, row.name)), (Tone::Plain, row.what.to_owned()), verdict]
}

/// Why a wrong one failed: the condition that the gallery names, or the worst one.
fn reason(example: &Example, row: &Row, seen: &Seen<'_>) -> Option<summary::Row> {
    let Seen::Tried { tried, .. } = seen else { return None };
    let judged = tried.shown(row.expected)?;
    let cell = |text: &str| (Tone::Plain, words::visible(text).into_owned());
    Some(vec![(Tone::Plain, format!("{}/{}", example.name, row.name)), cell(&judged.condition), cell(&judged.measured)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{args::Place, loading};

    #[test]
    fn every_row_can_run_from_the_binary_alone() {
        for example in EXAMPLES {
            let folder = Scratch::with(example.files).unwrap();
            for row in example.rows {
                let place = Place { env: Some(row.environment.to_owned()), vars: vec![] };
                let checked = loading::load(&folder.path.join(row.file), &place, loading::Purpose::Look)
                    .unwrap_or_else(|errors| panic!("{}/{}: {errors}", example.name, row.name));
                assert_eq!(checked.findings.to_string(), "", "{}/{}", example.name, row.name);
                assert!(row.what.chars().count() <= 34, "{}/{}: {}", example.name, row.name, row.what);
            }
        }
    }

    #[test]
    fn rows_are_chosen_by_name_and_a_wrong_name_is_told() {
        let all = choose(&[]).unwrap().len();
        assert!(all >= 5);
        assert_eq!(choose(&["deployments/canary".to_owned()]).unwrap().len(), 1);
        assert_eq!(choose(&["deployments".to_owned()]).unwrap().len(), 5);
        let error = choose(&["deployments/none".to_owned()]).unwrap_err();
        assert!(error.contains("no `deployments/none`") && error.contains("deployments"), "{error}");
    }
}
