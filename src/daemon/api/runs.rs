//! Runs: those of now, those of before, and telling one to stop.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Path, State},
    http::{Response, StatusCode, Uri},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{App, apart, problem::Problem, query};
use crate::{
    daemon::{
        running::{self, Told, Unfinished},
        shelf::Summary,
    },
    report::{
        result,
        words::{visible, whole},
    },
};

/// The most runs of one answer.
pub const MOST: u64 = 1_000;

/// Runs.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Runs {
    /// Those that the daemon has started and that have not ended.
    pub running: Vec<Running>,
    /// Those that wait for their place.
    pub waiting: Vec<Waiting>,
    /// Those that have a folder, the newest first.
    pub runs: Vec<Arc<Summary>>,
}

/// A run of now.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Running {
    /// The experiment.
    pub experiment: String,
    /// Since when.
    pub since: String,
    /// Its id, once it has a folder.
    pub run: Option<String>,
}

/// A run that waits.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Waiting {
    /// The experiment.
    pub experiment: String,
    /// When it was due.
    pub due: String,
    /// The last moment for its beginning.
    pub latest: String,
}

/// A run that was told to stop.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Halted {
    /// Which.
    pub run: String,
    /// `stopping`: it starts nothing new, and undoes what it did.
    pub state: &'static str,
}

type Answer = Result<Response<Body>, Problem>;

/// `GET /api/v1/runs`
///
/// # Errors
/// When the request is wrong, or the folder cannot be read.
pub async fn runs(State(app): State<Arc<App>>, uri: Uri) -> Answer {
    let limit = query::Query::of(&uri, &["limit"])?.number("limit", 50, 1..=MOST)?;
    apart(move || Ok(query::json(&list(&app, limit as usize)?))).await
}

/// Runs of now, and the newest.
///
/// # Errors
/// When the folder cannot be read.
pub fn list(app: &App, most: usize) -> Result<Runs, Problem> {
    let runs = app.shelf.newest(most).map_err(Problem::broken)?;
    let snapshot = app.now();
    let running = snapshot.running.iter().map(|active| Running {
        experiment: active.name.clone(),
        since: active.since.to_string(),
        run: app.shelf.summary(active.run.as_str()).map(|summary| summary.run.clone()),
    });
    let waiting = snapshot.waiting.iter().map(|waits| Waiting {
        experiment: waits.name.clone(),
        due: waits.at.to_string(),
        latest: waits.latest.to_string(),
    });
    Ok(Runs { running: running.collect(), waiting: waiting.collect(), runs })
}

/// `GET /api/v1/runs/{run}`
///
/// # Errors
/// When there is no such run, or it cannot be read.
pub async fn run(State(app): State<Arc<App>>, Path(run): Path<String>, uri: Uri) -> Answer {
    query::Query::of(&uri, &[])?;
    apart(move || {
        let record = app.shelf.record(&run).ok_or_else(|| unknown(&run))?.map_err(Problem::broken)?;
        Ok(query::json(&result::RunResult::of(&record)))
    })
    .await
}

/// `POST /api/v1/runs/{run}/halt`
///
/// # Errors
/// When it does not run.
pub async fn halt(State(app): State<Arc<App>>, Path(run): Path<String>, uri: Uri) -> Answer {
    query::Query::of(&uri, &[])?;
    Ok(query::json_with(StatusCode::ACCEPTED, &stop(app, run).await?))
}

/// Tells a run to stop and undo.
///
/// # Errors
/// As above.
pub async fn stop(app: Arc<App>, run: String) -> Result<Halted, Problem> {
    apart(move || {
        let found = process(&app, &run).ok_or_else(|| match app.shelf.summary(&run) {
            Some(summary) if summary.verdict.is_some() => Problem::conflict(format!("`{run}` has ended")),
            Some(_) => Problem::conflict(format!("`{run}` does not run any more; `firedrill recover` undoes what it may have left")),
            None => unknown(&run),
        })?;
        match found.halt() {
            Told::Stopping => {
                (app.say)(&format!("{}: told to stop and undo, by hand\n", whole(&run)));
                Ok(Halted { run, state: "stopping" })
            }
            Told::Gone => {
                Err(Problem::conflict(format!("the process of `{run}` is gone; `firedrill recover` undoes what it may have left")))
            }
            Told::Refused(error) => Err(Problem::broken(format!("process {} could not be signalled: {error}", found.pid))),
        }
    })
    .await
}

/// The process of a run: as its journal says, or as the daemon knows, before it has one.
pub fn process(app: &App, run: &str) -> Option<Unfinished> {
    let journals = running::ours().unwrap_or_default().into_iter().chain(running::toolkit());
    let by_journal = journals.into_iter().find(|found| found.run.as_str() == run && found.lives());
    let started = || app.now().running.iter().find(|active| active.run.as_str() == run).and_then(|active| active.process.clone());
    by_journal.or_else(|| started().filter(Unfinished::lives))
}

/// For ids that are none.
pub fn unknown(run: &str) -> Problem {
    Problem::missing(format!("there is no run `{}` here", visible(run)))
}
