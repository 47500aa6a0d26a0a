//! What forms ask for: the same as the API does, and then a page again.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    extract::{Path, State},
    http::Response,
};

use super::see;
use crate::daemon::api::{App, access::field, problem::Problem, runs, schedule};

/// `POST /runs/{run}/halt`
pub async fn halt(State(app): State<Arc<App>>, Path(run): Path<String>) -> Result<Response<Body>, Problem> {
    let halted = runs::stop(app, run).await?;
    Ok(see(&format!("/runs/{}", halted.run)))
}

/// `POST /experiments`: `do` is what, `name` is with which.
pub async fn experiment(State(app): State<Arc<App>>, body: Bytes) -> Result<Response<Body>, Problem> {
    let name = field(&body, "name").unwrap_or_default();
    match field(&body, "do").as_deref() {
        Some("run") => drop(schedule::fire(&app, &name).await?),
        Some("enable") => drop(schedule::switch(&app, name, true).await?),
        Some("disable") => drop(schedule::switch(&app, name, false).await?),
        _ => return Err(Problem::bad("the form does not say what to do")),
    }
    Ok(see("/"))
}
