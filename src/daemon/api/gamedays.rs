//! Game days: those that last now, asked at their control sockets, and those of the folder of runs.

use std::{fs::File, path::PathBuf, sync::Arc};

use axum::{
    body::{Body, Bytes},
    extract::{Path, State},
    http::{HeaderMap, Response, StatusCode, Uri},
};
use futures_util::stream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{App, apart, problem::Problem, query, stream::last_seen};
use crate::{
    daemon::shelf::is_id,
    gameday::{
        Answer as Says, Ask, Client, Day, Seat,
        client::Watch,
        protocol::{LONGEST_NAME, Request},
        seat,
    },
    report::{
        gameday,
        words::{self, visible, whole},
    },
};

/// What folders of days are called.
const FOLDER: &str = "gameday-";
/// So many are listed.
const MOST: usize = 200;

/// A game day.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct GameDay {
    /// Its id.
    pub day: String,
    /// Its title, when it lasts.
    pub title: Option<String>,
    /// Whether it lasts.
    pub lives: bool,
}

/// Somebody asks a day for something.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Asked {
    /// Who asks: it stands beside what they said.
    #[schemars(length(max = LONGEST_NAME), regex(pattern = r"\S"))]
    pub by: String,
    /// What.
    #[serde(flatten)]
    pub ask: Ask,
}

/// The day did it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Done {
    /// What, in words.
    pub says: String,
}

type Answer = Result<Response<Body>, Problem>;

/// `GET /api/v1/gamedays`
///
/// # Errors
/// When the request is wrong, or they cannot be listed.
pub async fn gamedays(State(app): State<Arc<App>>, uri: Uri) -> Answer {
    query::Query::of(&uri, &[])?;
    apart(move || Ok(query::json(&list(&app)?))).await
}

/// Those that last, and those that have a folder; the newest first.
///
/// # Errors
/// When they cannot be listed.
pub fn list(app: &App) -> Result<Vec<GameDay>, Problem> {
    let living = seat::seats().map_err(Problem::broken)?.into_iter().filter(Seat::lives);
    let mut out: Vec<GameDay> = living.map(|seat| GameDay { day: seat.day, title: Some(seat.title), lives: true }).collect();
    let names = std::fs::read_dir(app.shelf.path()).into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut days: Vec<String> = names.filter_map(|name| name.strip_prefix(FOLDER).filter(|day| is_id(day)).map(str::to_owned)).collect();
    days.sort_unstable_by(|a, b| b.cmp(a));
    let gone = days.into_iter().filter(|day| !out.iter().any(|known| known.day == *day)).take(MOST).collect::<Vec<_>>();
    out.extend(gone.into_iter().map(|day| GameDay { day, title: None, lives: false }));
    Ok(out)
}

/// `GET /api/v1/gamedays/{day}`
///
/// # Errors
/// When there is no such day.
pub async fn gameday(State(app): State<Arc<App>>, Path(day): Path<String>, uri: Uri) -> Answer {
    query::Query::of(&uri, &[])?;
    Ok(query::json(&read(&app, &day).await?.0))
}

/// The record of a day, and whether it lasts.
///
/// # Errors
/// When there is no such day, or it does not answer.
pub async fn read(app: &Arc<App>, day: &str) -> Result<(Day, bool), Problem> {
    if let Some(client) = client(day, "page").await? {
        // It may be over by the time it is asked: then its folder has everything.
        if let Ok(record) = client.status().await {
            return Ok((record, true));
        }
    }
    let (app, day) = (app.clone(), day.to_owned());
    apart(move || {
        let folder = folder(&app, &day).ok_or_else(|| unknown(&day))?;
        Ok((gameday::load(&folder).map_err(Problem::broken)?, false))
    })
    .await
}

/// `POST /api/v1/gamedays/{day}/say`
///
/// # Errors
/// When it does not last, or refuses.
pub async fn ask(State(app): State<Arc<App>>, Path(day): Path<String>, uri: Uri, headers: HeaderMap, body: Bytes) -> Answer {
    query::Query::of(&uri, &[])?;
    let Asked { by, ask } = query::body(&headers, &body)?;
    Ok(query::json(&Done { says: tell(&app, &day, &by, ask).await? }))
}

/// Asks a day for something in somebody's name; gives what it says that it did.
///
/// # Errors
/// As above.
pub async fn tell(app: &App, day: &str, by: &str, ask: Ask) -> Result<String, Problem> {
    if matches!(ask, Ask::Status | Ask::Watch { .. }) {
        return Err(Problem::conflict("what only reads is asked for by GET"));
    }
    let Request { by, ask } = Request { by: by.to_owned(), ask }.checked().map_err(Problem::bad)?;
    let client = client(day, &by).await?.ok_or_else(|| Problem::missing(format!("no game day `{}` lasts now", visible(day))))?;
    match client.ask(ask).await.map_err(Problem::broken)? {
        Says::Done { says } => {
            (app.say)(&format!("game day {}: {} (by {}, over HTTP)\n", whole(day), whole(&says), whole(&by)));
            Ok(says)
        }
        Says::Refused { why } => Err(Problem::conflict(visible(&why))),
        Says::Day { .. } | Says::Events => Err(Problem::new(StatusCode::BAD_GATEWAY, "the game day gave another answer")),
    }
}

/// `GET /api/v1/gamedays/{day}/events`
///
/// # Errors
/// When it does not last.
pub async fn events(State(_): State<Arc<App>>, Path(day): Path<String>, uri: Uri, headers: HeaderMap) -> Answer {
    let after = query::Query::of(&uri, &["after"])?.number("after", 0, 0..=u64::MAX)?;
    let after = last_seen(&headers)?.unwrap_or(after);
    let client = client(&day, "page").await?.ok_or_else(|| Problem::missing(format!("no game day `{}` lasts now", visible(&day))))?;
    let watch = client.watch(after).await.map_err(Problem::broken)?;
    let pieces = stream::unfold(Some(watch), |watch| async move {
        let mut watch: Watch = watch?;
        let piece = match watch.next().await {
            Ok(Some(event)) => {
                let json = serde_json::to_string(&event).unwrap_or_default();
                let json = words::json(&json);
                return Some((Ok::<_, std::convert::Infallible>(format!("id: {}\ndata: {json}\n\n", event.number)), Some(watch)));
            }
            Ok(None) => "event: end\ndata: {}\n\n",
            Err(_) => ": the game day does not answer\n\n",
        };
        Some((Ok(piece.to_owned()), None))
    });
    Ok(query::typed("text/event-stream", Body::from_stream(pieces)))
}

/// Speaks with a day that lasts; none when it does not.
async fn client(day: &str, by: &str) -> Result<Option<Client>, Problem> {
    if !is_id(day) {
        return Ok(None);
    }
    let (day, by) = (day.to_owned(), by.to_owned());
    apart(move || {
        let seats = seat::seats().map_err(Problem::broken)?;
        Ok(seats.into_iter().find(|seat| seat.day == day && seat.lives()).map(|seat| Client::new(&seat.socket(), &by)))
    })
    .await
}

/// The folder of a day.
pub fn folder(app: &App, day: &str) -> Option<PathBuf> {
    let folder = app.shelf.path().join(format!("{FOLDER}{day}"));
    let real = is_id(day) && std::fs::symlink_metadata(&folder).is_ok_and(|meta| meta.is_dir());
    real.then_some(folder)
}

/// A file of a day's folder, whose name is ours.
pub fn open(app: &App, day: &str, name: &str) -> Option<File> {
    is_id(day).then(|| app.shelf.open(&format!("{FOLDER}{day}"), name)).flatten()
}

/// For ids that are none.
pub fn unknown(day: &str) -> Problem {
    Problem::missing(format!("there is no game day `{}` here", visible(day)))
}
