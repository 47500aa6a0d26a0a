//! What a browser shows: pages made here, one stylesheet, one small script. Without the script everything works but what moves by itself.
//!
//! Foreign text is made `visible` where it is put in, and escaped by `maud`. Nothing on a page comes from elsewhere: the policy of
//! `api::guard` forbids it, and inline styles and scripts too.
//!
//! | file | what |
//! | --- | --- |
//! | `frame` | what all pages have: head, ways, keys |
//! | `enter` | the way in |
//! | `overview` | what comes and what runs |
//! | `runs`, `run` | runs, and one of them as it happens |
//! | `history` | past runs and their trends |
//! | `gameday` | a game day, and what people say to it |
//! | `forms` | what forms ask for |

mod enter;
mod forms;
mod frame;
mod gameday;
#[cfg(feature = "history")]
mod history;
mod overview;
mod run;
mod runs;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
    routing::{get, post},
};
use maud::{Markup, html};

use self::frame::{Frame, Way};
use super::api::{App, access::Visitor, problem::Problem, query};
use crate::{model::verdict::Verdict, redact, report::html::STYLE, report::words::visible};

/// The routes of all pages.
pub fn routes() -> Router<Arc<App>> {
    let routes = Router::new();
    #[cfg(feature = "history")]
    let routes = routes.route("/history", get(history::page));
    routes
        .route("/", get(overview::page))
        .route("/runs", get(runs::page))
        .route("/runs/{run}", get(run::page))
        .route("/runs/{run}/live", get(run::live))
        .route("/runs/{run}/report", get(run::report))
        .route("/runs/{run}/halt", post(forms::halt))
        .route("/experiments", post(forms::experiment))
        .route("/gameday", get(gameday::page).post(gameday::tell))
        .route("/gamedays/{name}/report.html", get(gameday::report))
        .route("/enter", get(enter::page).post(enter::show))
        .route("/leave", post(enter::leave))
        .route(
            "/assets/page.css",
            get(|| async { query::typed("text/css; charset=utf-8", format!("{STYLE}\n{}", include_str!("page.css"))) }),
        )
        .route("/assets/page.js", get(|| async { query::typed("text/javascript; charset=utf-8", include_str!("page.js")) }))
}

/// A page as it is sent: without secrets.
fn send(page: Markup) -> Response<Body> {
    query::typed("text/html; charset=utf-8", redact::html(&page.into_string()).into_owned())
}

/// Shows another page in place of this one.
fn see(place: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    if let Ok(place) = HeaderValue::from_str(place) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response
}

/// For who has not shown the token.
pub fn to_the_entrance() -> Response<Body> {
    see("/enter")
}

/// What went wrong, for people.
pub fn failed(app: &App, visitor: Option<&Visitor>, problem: &Problem) -> Response<Body> {
    let frame = Frame::new(app, visitor, Way::None, &problem.title);
    let mut response = send(frame.page(html! {
        section.alert {
            h2 { (problem.title) }
            p { (visible(&problem.detail)) }
            @if problem.reasons.len() > 1 { ul { @for reason in &problem.reasons { li { (visible(reason)) } } } }
            p { a href="/" { "Back to the overview" } }
        }
    }));
    *response.status_mut() = problem.code();
    response
}

/// A verdict, with a sign as well as a colour.
fn pill(verdict: Option<Verdict>) -> Markup {
    use super::api::told::verdict_looks;
    html! {
        @match verdict.map(|verdict| (verdict, verdict_looks(verdict))) {
            Some((verdict, (class, sign))) => span.pill.(class) { span aria-hidden="true" { (sign) } " " (verdict.word()) },
            None => span.pill.plain { "not ended" },
        }
    }
}
