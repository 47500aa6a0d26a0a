//! Past runs and their trends, from the database.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::{Response, Uri},
};

use super::{App, apart, problem::Problem, query};
use crate::{
    history::{Filter, HistoryError, Store, verdict_of, verdict_word},
    model::verdict::Verdict,
    report::words::visible,
    state_dir,
};

/// The most runs of one answer.
pub const MOST: u64 = 1_000;

type Answer = Result<Response<Body>, Problem>;

/// `GET /api/v1/history`
///
/// # Errors
/// When the request is wrong, or the history cannot be read.
pub async fn history(State(_): State<Arc<App>>, uri: Uri) -> Answer {
    let filter = filter(&query::Query::of(&uri, &["experiment", "environment", "verdict", "limit"])?, 50)?;
    apart(move || Ok(query::json(&opened()?.map(|store| store.list(&filter)).transpose().map_err(broken)?.unwrap_or_default()))).await
}

/// What is asked for; a parameter that is empty asks for nothing.
///
/// # Errors
/// When it cannot be.
pub fn filter(query: &query::Query, usual: u64) -> Result<Filter, Problem> {
    let text = |name| query.text(name).filter(|text| !text.is_empty());
    let verdict = text("verdict").map(|word| {
        let all = || Verdict::ALL.into_iter().map(verdict_word).collect::<Vec<_>>().join(", ");
        verdict_of(word).ok_or_else(|| Problem::bad(format!("`{}` is no verdict; there are {}", visible(word), all())))
    });
    Ok(Filter {
        experiment: text("experiment").map(str::to_owned),
        environment: text("environment").map(str::to_owned),
        verdict: verdict.transpose()?,
        since: None,
        last: Some(query.number("limit", usual, 1..=MOST)?),
    })
}

/// `GET /api/v1/history/experiments`
///
/// # Errors
/// When the request is wrong, or the history cannot be read.
pub async fn experiments(State(_): State<Arc<App>>, uri: Uri) -> Answer {
    query::Query::of(&uri, &[])?;
    apart(|| Ok(query::json(&opened()?.map(|store| store.experiments()).transpose().map_err(broken)?.unwrap_or_default()))).await
}

/// `GET /api/v1/history/trend`
///
/// # Errors
/// When there is no such experiment, or the history cannot be read.
pub async fn trend(State(_): State<Arc<App>>, uri: Uri) -> Answer {
    let query = query::Query::of(&uri, &["experiment", "limit"])?;
    let title = query
        .text("experiment")
        .filter(|title| !title.is_empty())
        .ok_or_else(|| Problem::bad("`experiment` is missing: the title of one"))?;
    let (title, last) = (title.to_owned(), query.number("limit", 50, 1..=MOST)?);
    apart(move || {
        let trend = opened()?.map(|store| store.trend(&title, Some(last))).transpose().map_err(broken)?;
        let trend = trend.filter(|trend| !trend.runs.is_empty());
        trend.map(|trend| query::json(&trend)).ok_or_else(|| Problem::missing(format!("the history has no run of `{}`", visible(&title))))
    })
    .await
}

/// The history; none when there is none yet.
///
/// # Errors
/// When it cannot be read.
pub fn opened() -> Result<Option<Store>, Problem> {
    Store::open_to_read(&state_dir::path()).map_err(broken)
}

/// What is wrong with it.
pub fn broken(error: HistoryError) -> Problem {
    Problem::broken(error)
}
