//! `/runs`: those of now, and those that have a folder.

use std::sync::Arc;

use axum::{
    Extension,
    body::Body,
    extract::State,
    http::{Response, Uri},
};
use maud::{Markup, html};

use super::{Frame, Way, pill, send};
use crate::{
    daemon::{
        api::{
            App,
            access::Visitor,
            apart,
            problem::Problem,
            query::Query,
            runs::{self, Runs},
        },
        shelf::Summary,
    },
    report::words::{maybe_seconds, visible},
};

/// So many are listed.
const MOST: usize = 1_000;

/// `GET /runs`
pub async fn page(State(app): State<Arc<App>>, Extension(visitor): Extension<Visitor>, uri: Uri) -> Result<Response<Body>, Problem> {
    Query::of(&uri, &[])?;
    apart(move || {
        let frame = Frame::new(&app, Some(&visitor), Way::Runs, "Runs");
        let runs = runs::list(&app, MOST)?;
        Ok(send(frame.page(html! {
            h1.hidden { "Runs" }
            (now_running(&runs))
            section aria-labelledby="all" {
                h2 id="all" { "Runs" }
                @if runs.runs.is_empty() { p.sub { "There is none in " code { (visible(&app.shelf.path().display().to_string())) } " yet." } } @else { (table(&runs.runs)) }
                @if runs.runs.len() == MOST { p.sub { "Older ones are in the folder." } }
            }
        })))
    })
    .await
}

fn table(runs: &[Arc<Summary>]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Runs" {
            table {
                thead { tr { th scope="col" { "Began" } th scope="col" { "Verdict" } th scope="col" { "Experiment" } th scope="col" { "Environment" } th.num scope="col" { "Took" } th scope="col" { "Run" } } }
                tbody {
                    @for run in runs {
                        tr {
                            td.nowrap { (run.began.as_deref().unwrap_or("–").trim_end_matches("+00:00")) }
                            td { (pill(run.verdict)) }
                            td { a href={ "/runs/" (run.run) } { (visible(&run.title)) } }
                            td { (visible(run.environment.as_deref().unwrap_or("–"))) }
                            td.num { (maybe_seconds(run.took_s)) }
                            td { code { (run.run) } }
                        }
                    }
                }
            }
        }
        p.sub { "Times are UTC." }
    }
}

/// What runs now, and what waits.
pub fn now_running(runs: &Runs) -> Markup {
    html! {
        section.now aria-labelledby="now" {
            h2 id="now" { "Now" }
            @if runs.running.is_empty() && runs.waiting.is_empty() { p.sub { "Nothing runs." } }
            ul.plain {
                @for run in &runs.running {
                    li {
                        span.pulse aria-hidden="true" {}
                        @match &run.run {
                            Some(id) => { a href={ "/runs/" (id) } { (visible(&run.experiment)) } },
                            None => { span { (visible(&run.experiment)) " " span.dim { "(it is being prepared)" } } },
                        }
                        span.dim { " since " (clock_time(&run.since)) }
                    }
                }
                @for waits in &runs.waiting {
                    li { span.pill.plain { "waits" } " " (visible(&waits.experiment)) span.dim { " until " (clock_time(&waits.latest)) " at most" } }
                }
            }
        }
    }
}

/// The time of a moment.
fn clock_time(moment: &str) -> String {
    moment.parse::<jiff::Timestamp>().map_or_else(|_| moment.to_owned(), |at| at.strftime("%H:%M:%S UTC").to_string())
}
