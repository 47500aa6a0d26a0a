//! Server-sent events: a run's events as they are written, from wherever a client left off (`Last-Event-ID`).

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::{Path, State},
    http::{HeaderMap, Response, Uri},
};
use futures_util::stream;
use tokio::sync::watch;

use super::{
    App,
    follow::{Hub, Line, Next, Reader},
    problem::Problem,
    query, runs,
};
use crate::report::words;

/// So often something is said when nothing happens, so that both sides see a connection that is gone.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// So many events are sent in one piece.
const AT_ONCE: usize = 256;
/// A client that lost its connection comes back after so many milliseconds.
const FIRST: &str = "retry: 1000\n\n";
/// Said last, so that a client knows that it need not come back.
const LAST: &str = "event: end\ndata: {}\n\n";

/// What a client wants to hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wants {
    /// Events as they are.
    Events,
    /// What a page shows of them.
    Told,
}

/// `GET /api/v1/runs/{run}/events`
///
/// # Errors
/// When there is no such run.
pub async fn events(State(app): State<Arc<App>>, Path(run): Path<String>, uri: Uri, headers: HeaderMap) -> Result<Response<Body>, Problem> {
    let query = query::Query::of(&uri, &["after"])?;
    let after = query.number("after", 0, 0..=u64::MAX)?;
    follow(app, &run, Wants::Events, last_seen(&headers)?.unwrap_or(after))
}

/// The number of the last event that a client has, as it says when it comes back.
///
/// # Errors
/// When it is no number.
pub fn last_seen(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| text.parse().ok());
    number.map(Some).ok_or_else(|| Problem::bad("`Last-Event-ID` is the number of an event"))
}

/// Follows a run.
///
/// # Errors
/// When there is no such run.
pub fn follow(app: Arc<App>, run: &str, wants: Wants, after: u64) -> Result<Response<Body>, Problem> {
    let hub = app.hubs.follow(&app.shelf, run).ok_or_else(|| runs::unknown(run))?;
    let changes = hub.changes();
    let client = Client { app, run: run.to_owned(), hub, changes, wants, seen: after, backlog: None, begun: false, ended: false };
    let parts = stream::unfold(client, |mut client| async move { Some((Ok::<_, Infallible>(client.next().await?), client)) });
    Ok(query::typed("text/event-stream", Body::from_stream(parts)))
}

struct Client {
    app: Arc<App>,
    run: String,
    hub: Arc<Hub>,
    changes: watch::Receiver<u64>,
    wants: Wants,
    /// The last event that it has.
    seen: u64,
    /// The file, when it is behind what is kept.
    backlog: Option<Reader>,
    begun: bool,
    ended: bool,
}

impl Client {
    /// The next piece; none at the end.
    async fn next(&mut self) -> Option<Bytes> {
        if !std::mem::replace(&mut self.begun, true) {
            return Some(FIRST.into());
        }
        while !self.ended {
            if self.backlog.is_some() {
                if let Some(piece) = self.piece_of_file().await {
                    return Some(piece);
                }
                continue;
            }
            self.changes.mark_unchanged();
            match self.hub.after(self.seen) {
                Next::Lines(lines) if !lines.is_empty() => {
                    if let Some(piece) = self.piece(&lines[..lines.len().min(AT_ONCE)]) {
                        return Some(piece);
                    }
                }
                Next::Lines(_) => {
                    let quiet = tokio::time::timeout(HEARTBEAT, self.changes.changed()).await;
                    match quiet {
                        Ok(Ok(())) => {}
                        Err(_) => return Some(": nothing new\n\n".into()),
                        Ok(Err(_)) => return None,
                    }
                }
                Next::Behind if self.wants == Wants::Events => self.backlog = self.app.shelf.events(&self.run).map(Reader::new),
                // The page is made anew from everything; that is shorter than what it has missed.
                Next::Behind => {
                    self.ended = true;
                    return Some("data: [{\"kind\":\"reload\"}]\n\n".into());
                }
                Next::Ended => {
                    self.ended = true;
                    return Some(LAST.into());
                }
            }
        }
        None
    }

    fn piece(&mut self, lines: &[Arc<Line>]) -> Option<Bytes> {
        let mut out = String::new();
        for line in lines {
            self.seen = line.number;
            match self.wants {
                Wants::Events => event(&mut out, line.number, &line.json),
                Wants::Told if line.told.is_empty() => {}
                Wants::Told => {
                    if let Ok(told) = serde_json::to_string(&line.told) {
                        event(&mut out, line.number, &words::json(&told));
                    }
                }
            }
        }
        (!out.is_empty()).then(|| out.into())
    }

    /// A piece of the file, up to where the hub can go on.
    async fn piece_of_file(&mut self) -> Option<Bytes> {
        let mut reader = self.backlog.take()?;
        let read = tokio::task::spawn_blocking(move || {
            let lines = reader.lines();
            (reader, lines)
        });
        // Of a file that cannot be read, or that has nothing more, the hub tells the rest.
        let Ok((reader, Ok(lines))) = read.await else {
            self.ended = true;
            return None;
        };
        if lines.is_empty() {
            return None;
        }
        self.backlog = Some(reader);
        let mut out = String::new();
        for (number, json) in lines.iter().filter(|(number, _)| *number > self.seen) {
            event(&mut out, *number, json);
        }
        self.seen = self.seen.max(lines.last().map_or(0, |(number, _)| *number));
        (!out.is_empty()).then(|| out.into())
    }
}

fn event(out: &mut String, number: u64, json: &str) {
    use std::fmt::Write as _;
    let _ = write!(out, "id: {number}\ndata: {json}\n\n");
}
