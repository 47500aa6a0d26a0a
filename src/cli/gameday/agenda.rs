//! From an agenda to drills that may run: every experiment that it names is loaded and checked with its environment. One that is wrong, and
//! the day does not begin.

use std::path::{Path, PathBuf};

use crate::{
    cli::{
        args::Place,
        chaostoolkit, fresh,
        loading::{self, Purpose},
    },
    file::{
        self, Diagnostic, Diagnostics, Severity,
        diagnostic::Note,
        gameday::{self, Written},
        load::ASKED_FOR,
    },
    gameday::event::DayItem,
    model::{
        environment::Environment,
        experiment::{Experiment, Step},
        gameday::{ExperimentItem, GameDay, What},
    },
};

/// A day that may begin.
pub struct Agenda {
    /// What the file says.
    pub day: GameDay,
    /// Its items, with what an experiment's file says of itself.
    pub items: Vec<DayItem>,
    /// For each item, its drill if it is one.
    pub drills: Vec<Option<Drill>>,
    /// Warnings; no error among them.
    pub findings: Diagnostics,
}

/// A drill that may run.
#[derive(Clone)]
pub struct Drill {
    /// What the agenda says.
    pub item: ExperimentItem,
    /// The experiment, as the day has it run.
    pub experiment: Experiment,
    /// Where it runs.
    pub environment: Environment,
    /// The flags that say so.
    pub place: Place,
    /// The seed of its draws: the plan that is shown and the run are of the same.
    pub seed: u64,
}

/// Reads an agenda and all its experiments.
///
/// # Errors
/// Every error of every file at once.
pub fn load(path: &Path, place: &Place, purpose: Purpose) -> Result<Agenda, Diagnostics> {
    let Written { day, source, places, warnings } = gameday::load(path)?;
    let mut findings = warnings;
    let (mut items, mut drills) = (Vec::new(), Vec::new());
    let by_flag = place.env.is_some();
    let mut told: Vec<(PathBuf, Option<String>)> = Vec::new();
    for ((number, item), span) in (1_u32..).zip(&day.agenda).zip(&places) {
        let mut says = said(&item.what);
        let drill = match &item.what {
            What::Experiment(of) => {
                let here = file::Place { source: source.clone(), span: *span };
                let place =
                    Place { env: place.env.clone().or_else(|| of.env.clone()).or_else(|| day.environment.clone()), ..place.clone() };
                let first = !told.contains(&(of.file.clone(), place.env.clone()));
                told.push((of.file.clone(), place.env.clone()));
                match drill(of, place, purpose, &here) {
                    Ok((drill, more)) => {
                        if first {
                            findings.extend(more);
                        }
                        says.clone_from(&drill.experiment.title);
                        Some(drill)
                    }
                    Err(more) => {
                        if first {
                            findings.extend(named(&more, &here, by_flag));
                        }
                        None
                    }
                }
            }
            _ => None,
        };
        items.push(DayItem { number, says, item: item.clone() });
        drills.push(drill);
    }
    if findings.has_errors() { Err(findings) } else { Ok(Agenda { day, items, drills, findings }) }
}

/// An item in words, as far as the agenda knows them.
fn said(what: &What) -> String {
    match what {
        What::Experiment(drill) => drill.file.display().to_string(),
        What::Announce { text } => text.clone(),
        What::Pause { lasts } => format!("pause of {}", crate::model::quantity::show_duration(*lasts)),
        What::Ask { question, .. } => question.clone(),
        What::Checklist { entries } => entries.join("; "),
    }
}

fn drill(item: &ExperimentItem, place: Place, purpose: Purpose, here: &file::Place) -> Result<(Drill, Diagnostics), Diagnostics> {
    let refuse = |message: String, expected: &str| {
        let mut error = Diagnostic::error(message);
        error.expected(expected);
        error.place = Some(here.clone());
        Diagnostics::from(vec![error])
    };
    if chaostoolkit::recognise(&item.file).is_some() {
        let message = format!("{} is an experiment of the Chaos Toolkit", item.file.display());
        return Err(refuse(message, "an experiment of ours: `firedrill import` makes one of it"));
    }
    let checked = loading::load(&item.file, &place, purpose)?;
    let mut experiment = checked.experiment;
    if let Some(at_most) = item.mitigate {
        if !experiment.method.iter().any(|step| matches!(step, Step::Faults(_))) {
            let message = "no fault of this experiment lasts, so there is nothing that people could mitigate".to_owned();
            return Err(refuse(message, "an experiment with a fault in its method, or an item without `mitigate`"));
        }
        experiment = experiment.until_mitigated(at_most);
    }
    let seed = item.seed.or(experiment.seed).map_or_else(fresh::seed, Ok).map_err(|why| refuse(why, ""))?;
    Ok((Drill { item: item.clone(), experiment, environment: checked.environment, place, seed }, checked.findings))
}

/// The errors of an experiment's file, each with where the agenda names it.
fn named(findings: &Diagnostics, here: &file::Place, by_flag: bool) -> Diagnostics {
    let note = || Note { text: "the agenda names the experiment here".to_owned(), place: Some(here.clone()) };
    let named = findings.iter().cloned().map(|mut finding| {
        if !by_flag {
            // The agenda did.
            finding.notes.retain(|note| note.text != ASKED_FOR);
        }
        if finding.severity == Severity::Error && finding.place.as_ref().is_none_or(|place| place.source != here.source) {
            finding.notes.push(note());
        }
        finding
    });
    named.collect::<Vec<_>>().into()
}
