//! What every request goes through, before and after it is answered.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::StreamExt as _;

use super::{App, access::Visitor, problem::Problem};
use crate::daemon::page;

/// The longest body that is taken.
const LONGEST: usize = 64 << 10;
/// It is sent within this.
const SENT: Duration = Duration::from_secs(10);
/// What is not taken is read away for so long, so that the client sees the answer before the connection ends.
const READ_AWAY: Duration = Duration::from_secs(3);

/// A page may load only what this server gives, and no other page may hold it.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// With `no-referrer`, browsers send `Origin: null` with our own forms: `same-origin` tells nothing to others either.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Lets a request in, or answers why not.
pub async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let (for_people, visitor) = (for_people(&parts), app.access.visitor(&parts));
    let known = visitor.as_ref().ok().cloned();
    let answered = match visitor {
        Err(problem) => {
            read_away(body).await;
            Err(problem)
        }
        Ok(visitor) => let_in(&app, visitor, parts, body, next).await,
    };
    let mut response = match answered {
        Ok(response) => response,
        Err(problem) if for_people && problem.status == 401 => page::to_the_entrance(),
        Err(problem) if for_people => page::failed(&app, known.as_ref(), &problem),
        Err(problem) => problem.into_response(),
    };
    // A page that was not found is for people, too.
    if for_people && let Some(problem) = response.extensions_mut().remove::<Problem>() {
        response = page::failed(&app, known.as_ref(), &problem);
    }
    protect(&mut response);
    response
}

async fn let_in(app: &App, visitor: Visitor, mut parts: Parts, body: Body, next: Next) -> Result<Response, Problem> {
    let body = read(body).await?;
    app.access.sent_by_us(&visitor, &parts, &body)?;
    parts.extensions.insert(visitor);
    Ok(next.run(Request::from_parts(parts, Body::from(body))).await)
}

/// The body, if it is short and comes soon.
async fn read(body: Body) -> Result<Bytes, Problem> {
    let mut stream = body.into_data_stream();
    let mut taken = Vec::new();
    let mut too_long = false;
    let all = async {
        while let Some(part) = stream.next().await {
            let part = part.map_err(|_| Problem::bad("the body broke off"))?;
            if taken.len() + part.len() > LONGEST {
                too_long = true;
                break;
            }
            taken.extend_from_slice(&part);
        }
        Ok(())
    };
    match tokio::time::timeout(SENT, all).await {
        Err(_) => return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time")),
        Ok(done) => done?,
    }
    if too_long {
        read_away(Body::from_stream(stream)).await;
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("a body has at most {} KB", LONGEST >> 10)));
    }
    Ok(taken.into())
}

async fn read_away(body: Body) {
    let mut stream = body.into_data_stream();
    let all = async { while let Some(Ok(_)) = stream.next().await {} };
    let _ = tokio::time::timeout(READ_AWAY, all).await;
}

fn protect(response: &mut Response) {
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(POLICY));
}

/// Whether a person is to read the answer.
fn for_people(parts: &Parts) -> bool {
    let path = parts.uri.path();
    let program = path.starts_with("/api/") || ["/metrics", "/healthz", "/openapi.json"].contains(&path);
    !program && !parts.headers.contains_key(header::AUTHORIZATION)
}

/// For paths that lead nowhere.
pub async fn nothing_here() -> Problem {
    Problem::missing("there is nothing here")
}

/// For what is there, but not to be used so.
pub async fn not_this_way(method: Method, uri: Uri) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("`{method}` is not what `{}` is for", crate::report::words::visible(uri.path())))
}
