//! The way in: the link that the daemon prints, or the token typed once. And the way out.

use std::sync::Arc;

use axum::{
    Extension,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, HeaderValue, Response, StatusCode, Uri, header},
};
use maud::{Markup, html};

use super::{Frame, Way, see, send};
use crate::daemon::api::{
    App,
    access::{Visitor, field},
    problem::Problem,
    query::Query,
};

/// What a wrong token costs, so that nobody tries many.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(500);

/// `GET /enter`: by the link, or the form.
pub async fn page(State(app): State<Arc<App>>, uri: Uri) -> Result<Response<Body>, Problem> {
    let query = Query::of(&uri, &["link"])?;
    let Some(word) = query.text("link") else { return Ok(send(form(&app, None))) };
    if let Some(session) = app.access.sessions.by_link(word) {
        return Ok(inside(&app, &session, false));
    }
    let mut response = send(form(&app, Some("This link was used, or is too old: it lets one browser in, once. Show the token instead.")));
    *response.status_mut() = StatusCode::FORBIDDEN;
    Ok(response)
}

/// `POST /enter`: the token.
pub async fn show(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let token = field(&body, "token").unwrap_or_default();
    if let Some(session) = app.access.sessions.by_token(token.trim()) {
        // Where the browser came by TLS, the cookie stays with TLS.
        let secure = headers.get(header::ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https://"));
        return inside(&app, &session, secure);
    }
    tokio::time::sleep(PAUSE).await;
    let mut response = send(form(&app, Some("This is not the token of this server.")));
    *response.status_mut() = StatusCode::FORBIDDEN;
    response
}

/// `POST /leave`
pub async fn leave(State(app): State<Arc<App>>, Extension(visitor): Extension<Visitor>) -> Response<Body> {
    if let Visitor::Browser(session) = visitor {
        app.access.sessions.end(&session);
    }
    with_cookie(see("/enter"), &app.access.no_cookie())
}

fn inside(app: &App, session: &str, secure: bool) -> Response<Body> {
    with_cookie(see("/"), &app.access.cookie(session, secure))
}

fn with_cookie(mut response: Response<Body>, cookie: &str) -> Response<Body> {
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

fn form(app: &App, problem: Option<&str>) -> Markup {
    Frame::new(app, None, Way::None, "Enter").page(html! {
        section.enter {
            h1 { "Enter" }
            @if let Some(problem) = problem { p.problem role="alert" { (problem) } }
            p.sub { "Open the link that " code { "firedrill serve" } " printed when it began, or show its token. It says where the token lies." }
            form method="post" action="/enter" {
                label for="token" { "Token" }
                input id="token" name="token" type="password" autocomplete="current-password" required autofocus;
                button.primary type="submit" { "Enter" }
            }
        }
    })
}
