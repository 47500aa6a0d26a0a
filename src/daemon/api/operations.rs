//! What the API can do: one table, of which the routes and the description are made. What is not here is neither served nor described.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{Response, Uri},
    routing::{MethodRouter, get, post},
};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use super::{App, gamedays, metrics, problem::Problem, query, runs, schedule, stream};
use crate::{
    event::Event,
    gameday::{Day, DayEvent},
    report::result::RunResult,
    schedule::explain::Explained,
};

/// Something that a client may ask for.
pub struct Operation {
    /// `get` or `post`.
    pub method: &'static str,
    /// Its path.
    pub path: &'static str,
    /// Its name for generated clients.
    pub id: &'static str,
    /// What it is for.
    pub says: &'static str,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// The body that it takes.
    pub body: Option<Makes>,
    /// The status of success, and what is answered then.
    pub answer: (u16, &'static str, Option<Makes>),
    /// How it may fail beside what holds for all.
    pub fails: &'static [u16],
    /// Whether it asks for the token.
    pub token: bool,
    /// Who does it.
    pub route: MethodRouter<Arc<App>>,
}

/// Makes a schema.
pub type Makes = fn(&mut SchemaGenerator) -> Schema;

/// A parameter.
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// `path`, `query` or `header`.
    pub place: &'static str,
    /// What it is.
    pub says: &'static str,
    /// The bounds of a number; a text when there are none.
    pub bounds: Option<(u64, u64)>,
    /// The only texts that it may be.
    pub words: Option<Vec<String>>,
    /// Whether it must be there.
    pub required: bool,
}

/// The daemon lives.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Health {
    /// `ok`.
    pub status: &'static str,
}

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

const RUN: Parameter = Parameter { name: "run", place: "path", says: "The id of a run.", bounds: None, words: None, required: true };
const DAY: Parameter = Parameter { name: "day", place: "path", says: "The id of a game day.", bounds: None, words: None, required: true };
const LAST_SEEN: Parameter = Parameter {
    name: "Last-Event-ID",
    place: "header",
    says: "The number of the last event that the client has, as browsers send it; counts more.",
    bounds: Some((0, u64::MAX)),
    words: None,
    required: false,
};
const NAME: Parameter = Parameter {
    name: "name",
    place: "path",
    says: "The name of an experiment; `/` in it is written `%2F`.",
    bounds: None,
    words: None,
    required: true,
};

fn number(name: &'static str, says: &'static str, bounds: (u64, u64)) -> Parameter {
    Parameter { name, place: "query", says, bounds: Some(bounds), words: None, required: false }
}

const JSON: &str = "application/json";

/// All of them.
pub fn all() -> Vec<Operation> {
    let base = |method, path, id, says, route| Operation {
        method,
        path,
        id,
        says,
        parameters: Vec::new(),
        body: None,
        answer: (200, JSON, None),
        fails: &[],
        token: true,
        route,
    };
    #[cfg_attr(not(feature = "history"), expect(unused_mut, reason = "only a history adds to it"))]
    let mut all = vec![
        Operation {
            answer: (200, JSON, Some(of::<Health>)),
            token: false,
            ..base("get", "/healthz", "health", "Whether the daemon lives. Needs no token.", get(health))
        },
        Operation {
            answer: (200, "text/plain", None),
            ..base("get", "/metrics", "metrics", "Numbers for Prometheus.", get(metrics::metrics))
        },
        Operation {
            parameters: vec![number("count", "How many firings.", (1, schedule::MOST))],
            answer: (200, JSON, Some(of::<Explained>)),
            ..base("get", "/api/v1/schedule", "schedule", "The next firings, and why others are suppressed.", get(schedule::schedule))
        },
        Operation {
            answer: (200, JSON, Some(of::<Vec<schedule::Experiment>>)),
            ..base("get", "/api/v1/experiments", "experiments", "The experiments of the folder.", get(schedule::experiments))
        },
        Operation {
            parameters: vec![NAME],
            body: Some(of::<schedule::Fire>),
            answer: (202, JSON, Some(of::<schedule::Fired>)),
            fails: &[404, 409, 415, 503],
            ..base(
                "post",
                "/api/v1/experiments/{name}/run",
                "fire",
                "Fires an experiment now, by the rules of its schedule but chance.",
                post(schedule::run),
            )
        },
        Operation {
            parameters: vec![NAME],
            answer: (200, JSON, Some(of::<schedule::Switched>)),
            fails: &[404],
            ..base("post", "/api/v1/experiments/{name}/enable", "enable", "Lets an experiment fire again.", post(schedule::enable))
        },
        Operation {
            parameters: vec![NAME],
            answer: (200, JSON, Some(of::<schedule::Switched>)),
            fails: &[404],
            ..base("post", "/api/v1/experiments/{name}/disable", "disable", "Keeps an experiment from firing.", post(schedule::disable))
        },
        Operation {
            parameters: vec![number("limit", "How many runs.", (1, runs::MOST))],
            answer: (200, JSON, Some(of::<runs::Runs>)),
            ..base("get", "/api/v1/runs", "runs", "Runs of now, and those that have a folder, the newest first.", get(runs::runs))
        },
        Operation {
            parameters: vec![RUN],
            answer: (200, JSON, Some(of::<RunResult<'static>>)),
            fails: &[404],
            ..base("get", "/api/v1/runs/{run}", "run", "Everything that is known of a run, also while it lasts.", get(runs::run))
        },
        Operation {
            parameters: vec![RUN, number("after", "The number of the last event that the client has.", (0, u64::MAX)), LAST_SEEN],
            answer: (200, "text/event-stream", Some(of::<Event>)),
            fails: &[404],
            ..base(
                "get",
                "/api/v1/runs/{run}/events",
                "events",
                "A run's events as they happen; an event named `end` is the last one.",
                get(stream::events),
            )
        },
        Operation {
            parameters: vec![RUN],
            answer: (202, JSON, Some(of::<runs::Halted>)),
            fails: &[404, 409],
            ..base("post", "/api/v1/runs/{run}/halt", "halt", "Tells a run to stop and undo.", post(runs::halt))
        },
        Operation {
            answer: (200, JSON, Some(of::<Vec<gamedays::GameDay>>)),
            ..base("get", "/api/v1/gamedays", "gamedays", "Game days that last, and those that have a folder.", get(gamedays::gamedays))
        },
        Operation {
            parameters: vec![DAY],
            answer: (200, JSON, Some(of::<Day>)),
            fails: &[404],
            ..base("get", "/api/v1/gamedays/{day}", "gameday", "The record of a game day.", get(gamedays::gameday))
        },
        Operation {
            parameters: vec![DAY],
            body: Some(of::<gamedays::Asked>),
            answer: (200, JSON, Some(of::<gamedays::Done>)),
            fails: &[404, 409, 415, 502],
            ..base(
                "post",
                "/api/v1/gamedays/{day}/say",
                "sayToGameday",
                "Says something to a game day that lasts: go, a note, an answer, a pause.",
                post(gamedays::ask),
            )
        },
        Operation {
            parameters: vec![DAY, number("after", "The number of the last event that the client has.", (0, u64::MAX)), LAST_SEEN],
            answer: (200, "text/event-stream", Some(of::<DayEvent>)),
            fails: &[404],
            ..base(
                "get",
                "/api/v1/gamedays/{day}/events",
                "gamedayEvents",
                "The events of a game day that lasts, as they happen.",
                get(gamedays::events),
            )
        },
    ];
    #[cfg(feature = "history")]
    all.extend(of_history(base));
    all
}

#[cfg(feature = "history")]
fn of_history(
    base: impl Fn(&'static str, &'static str, &'static str, &'static str, MethodRouter<Arc<App>>) -> Operation,
) -> [Operation; 3] {
    use super::history;
    use crate::history::{Experiment, Run, Trend};
    let mut verdicts: Vec<String> = crate::model::verdict::Verdict::ALL.into_iter().map(crate::history::verdict_word).collect();
    verdicts.push(String::new());
    let text = |name, says| Parameter { name, place: "query", says, bounds: None, words: None, required: false };
    [
        Operation {
            parameters: vec![
                text("experiment", "A title, or a pattern of it like `*zone*`."),
                text("environment", "The name of an environment."),
                Parameter { words: Some(verdicts), ..text("verdict", "A verdict; any when it is empty.") },
                number("limit", "How many runs.", (1, history::MOST)),
            ],
            answer: (200, JSON, Some(of::<Vec<Run>>)),
            ..base("get", "/api/v1/history", "history", "Past runs, the newest first.", get(history::history))
        },
        Operation {
            answer: (200, JSON, Some(of::<Vec<Experiment>>)),
            ..base("get", "/api/v1/history/experiments", "historyExperiments", "The experiments of the history.", get(history::experiments))
        },
        Operation {
            parameters: vec![
                Parameter { required: true, ..text("experiment", "The title of an experiment.") },
                number("limit", "Of how many runs, the newest.", (1, history::MOST)),
            ],
            answer: (200, JSON, Some(of::<Trend>)),
            fails: &[404],
            ..base("get", "/api/v1/history/trend", "trend", "The runs of one experiment, the oldest first.", get(history::trend))
        },
    ]
}

async fn health(uri: Uri) -> Result<Response<Body>, Problem> {
    query::Query::of(&uri, &[])?;
    Ok(query::json(&Health { status: "ok" }))
}
