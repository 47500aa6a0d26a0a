//! What an activity does: a request or a program, always with a time limit, a bound on what is kept of the answer, and an end when the run
//! is halted. What comes back has the form that Chaos Toolkit gives it.

mod http;
pub mod process;

use std::time::Duration;

use serde_json::Value as Json;

use super::{
    model::{Activity, Provider},
    substitute::Values,
};
use crate::{
    engine::halt::{Halt, Urgency},
    model::ids::RunId,
};

/// The most bytes that are kept of an answer, and of each stream of a program. More is a failure: half of it would be judged as all of it.
pub const MOST_KEPT: usize = 1 << 20;

/// Why an activity gave no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// Words for people.
    pub why: String,
    /// It was ended, because the run was halted.
    pub halted: bool,
}

impl Failed {
    fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), halted: false }
    }
}

/// What bounds an activity.
#[derive(Clone, Copy)]
pub struct Bounds<'a> {
    /// The run: programs carry it, so that what a killed run left at work is found.
    pub run: &'a RunId,
    /// The time limit where the file sets none.
    pub limit: Duration,
    /// The halt that ends it, from this urgency on.
    pub until: (&'a Halt, Urgency),
}

/// Does it, and gives its result: `{status, stdout, stderr}` or `{status, headers, body}`.
///
/// # Errors
/// When there is no result.
pub async fn execute(activity: &Activity, values: &Values, bounds: Bounds<'_>) -> Result<Json, Failed> {
    let (halt, urgency) = bounds.until;
    let done = async {
        match &activity.provider {
            Provider::Http(http) => http::ask(http, values, bounds.limit).await,
            Provider::Process(process) => process::run(process, values, bounds.limit, bounds.run).await,
            Provider::Python { module, func, .. } => Err(Failed::new(format!("{module}.{func} is Python, which is not run here"))),
        }
    };
    tokio::select! {
        biased;
        done = done => done,
        () = halt.reached(urgency) => Err(Failed { why: "it was ended, because the run was halted".to_owned(), halted: true }),
    }
}

/// A number of seconds as a limit: above zero, and at most a week.
fn seconds(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok().filter(|limit| !limit.is_zero() && *limit <= Duration::from_hours(168))
}
