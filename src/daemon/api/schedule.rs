//! The schedule and its experiments: what fires when, and switching and firing by hand.

use std::{path::PathBuf, sync::Arc};

use axum::{
    body::{Body, Bytes},
    extract::{Path, State},
    http::{HeaderMap, Response, StatusCode, Uri},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{App, apart, problem::Problem, query};
use crate::{
    clock,
    daemon::{snapshot::Asked, state::Switches},
    model::verdict::Verdict,
    report::words::{visible, whole},
    schedule::{Reason, explain},
};

/// The most firings of one answer.
pub const MOST: u64 = 200;

/// An experiment of the folder.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Experiment {
    /// Its name.
    pub name: String,
    /// Its file.
    pub file: String,
    /// The group that draws it, if one does.
    pub group: Option<String>,
    /// When it fires, in words.
    pub rule: String,
    /// Whether it may fire at all.
    pub enabled: bool,
    /// Its next firing, as far as is looked.
    pub next: Option<String>,
    /// What would keep it from firing now.
    pub against: Vec<Reason>,
    /// Whether it runs now, or waits for its place.
    pub running: bool,
    /// How it ended last since the daemon began.
    pub last_verdict: Option<Verdict>,
}

/// Asks for a run.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fire {
    /// `true`: users of the system may feel it.
    pub confirm: bool,
}

/// What came of it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Fired {
    /// The experiment.
    pub experiment: String,
    /// `started`, or `waits` for the run in its place.
    pub state: &'static str,
    /// The last moment for its beginning, when it waits.
    pub latest: Option<String>,
}

/// Whether an experiment may fire.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Switched {
    /// The experiment.
    pub experiment: String,
    /// Whether it may fire.
    pub enabled: bool,
    /// Whether it was otherwise before.
    pub changed: bool,
}

type Answer = Result<Response<Body>, Problem>;

/// `GET /api/v1/schedule`
///
/// # Errors
/// When the request is wrong.
pub async fn schedule(State(app): State<Arc<App>>, uri: Uri) -> Answer {
    let count = query::Query::of(&uri, &["count"])?.number("count", 20, 1..=MOST)?;
    let snapshot = app.now();
    apart(move || {
        let last = |key: &str| snapshot.last.get(key).copied();
        Ok(query::json(&explain::explain(&snapshot.roster, clock::moment(), count as usize, &last)))
    })
    .await
}

/// `GET /api/v1/experiments`
///
/// # Errors
/// When the request is wrong.
pub async fn experiments(State(app): State<Arc<App>>, uri: Uri) -> Answer {
    query::Query::of(&uri, &[])?;
    apart(move || Ok(query::json(&list(&app)))).await
}

/// All experiments, by name.
pub fn list(app: &App) -> Vec<Experiment> {
    let (snapshot, outlook, now) = (app.now(), app.outlook(), clock::moment());
    let roster = &snapshot.roster;
    let one = |(at, entry): (usize, &crate::schedule::Entry)| {
        let against = roster.source_of(at).map(|(source, member)| {
            let source = &roster.sources()[source];
            source.against(member, &now.to_zoned(source.zone.clone()), snapshot.last.get(&source.key).copied())
        });
        Experiment {
            name: entry.name.clone(),
            file: entry.path.display().to_string(),
            group: entry.group.clone(),
            rule: entry.rule.to_string(),
            enabled: entry.enabled,
            next: outlook.next.get(&entry.name).map(ToString::to_string),
            against: against.unwrap_or_default(),
            running: snapshot.running.iter().any(|run| run.name == entry.name) || snapshot.waiting.iter().any(|run| run.name == entry.name),
            last_verdict: snapshot.counts.last.get(&entry.name).map(|(verdict, _)| *verdict),
        }
    };
    roster.entries().iter().enumerate().map(one).collect()
}

/// `POST /api/v1/experiments/{name}/run`
///
/// # Errors
/// When something keeps it from firing.
pub async fn run(State(app): State<Arc<App>>, Path(name): Path<String>, uri: Uri, headers: HeaderMap, body: Bytes) -> Answer {
    query::Query::of(&uri, &[])?;
    let Fire { confirm } = query::body(&headers, &body)?;
    if !confirm {
        return Err(Problem::conflict(format!("`{}` runs only when that is confirmed: users may feel it", visible(&name))));
    }
    let fired = fire(&app, &name).await?;
    Ok(query::json_with(StatusCode::ACCEPTED, &fired))
}

/// Fires one, or says why not.
///
/// # Errors
/// As above.
pub async fn fire(app: &App, name: &str) -> Result<Fired, Problem> {
    let shown = visible(name);
    (app.say)(&format!("{}: a run is asked for by hand\n", whole(name)));
    let (state, latest) = match app.fire(name).await? {
        Asked::Started => ("started", None),
        Asked::Waits { latest } => ("waits", Some(latest.to_string())),
        Asked::Unknown => return Err(unknown(name)),
        Asked::AlreadyThere => return Err(Problem::conflict(format!("the run of `{shown}` of before has not ended"))),
        Asked::Suppressed(reasons) => {
            let reasons: Vec<String> = reasons.iter().map(|reason| visible(&reason.to_string()).into_owned()).collect();
            let all = reasons.join("; ");
            return Err(Problem::conflict(format!("`{shown}` may not fire now: {all}")).because(reasons));
        }
        Asked::Failed(why) => return Err(Problem::broken(visible(&why))),
    };
    Ok(Fired { experiment: name.to_owned(), state, latest })
}

/// `POST /api/v1/experiments/{name}/enable`
///
/// # Errors
/// When there is none, or that cannot be written down.
pub async fn enable(State(app): State<Arc<App>>, Path(name): Path<String>, uri: Uri) -> Answer {
    query::Query::of(&uri, &[])?;
    Ok(query::json(&switch(&app, name, true).await?))
}

/// `POST /api/v1/experiments/{name}/disable`
///
/// # Errors
/// When there is none, or that cannot be written down.
pub async fn disable(State(app): State<Arc<App>>, Path(name): Path<String>, uri: Uri) -> Answer {
    query::Query::of(&uri, &[])?;
    Ok(query::json(&switch(&app, name, false).await?))
}

/// Switches one, for every daemon of this state directory.
///
/// # Errors
/// As above.
pub async fn switch(app: &App, name: String, enabled: bool) -> Result<Switched, Problem> {
    let path: PathBuf = app.now().roster.entries().iter().find(|entry| entry.name == name).ok_or_else(|| unknown(&name))?.path.clone();
    let changed = apart(move || Switches::change(&path, enabled).map_err(Problem::broken)).await?;
    (app.say)(&format!("{}: {} by hand\n", whole(&name), if enabled { "enabled" } else { "disabled" }));
    Ok(Switched { experiment: name, enabled, changed })
}

fn unknown(name: &str) -> Problem {
    Problem::missing(format!("there is no experiment `{}` with a schedule in the folder", visible(name)))
}
