//! A journey: users who take steps, each one request, and carry cookies and values from step to step.
//!
//! Texts of steps (URL, header and form values, JSON, body, expectations) are templates (`super::template`): `${unique}` is a word of
//! the session's own, `${user}` the user's number, and any other name a value that an earlier step captured.

use std::{collections::BTreeMap, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ids::Service,
    probe::{Connections, HttpExpect, ServedBy, Text, TlsSettings},
    quantity::Rate,
};

/// Names that every step may use, beside those of captured values.
pub const GIVEN: [&str; 2] = ["unique", "user"];

/// Users who take steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JourneyProbe {
    /// How many users there are.
    pub users: Users,
    /// From the end of a user's step to the next, about.
    pub think: Duration,
    /// The cookie by which a balancer keeps a user on an instance: changes of its value are counted.
    pub sticky: Option<String>,
    /// The steps, in order. At least one.
    pub steps: Vec<JourneyStep>,
    /// Each user's own connection is kept (`KeepAlive`), or each step makes a new one (`New`).
    pub connections: Connections,
    /// Bytes of a body that are read; more is a failure.
    pub body_limit: u64,
    /// Which response headers name the instance and the zone that answered.
    pub served_by: Option<ServedBy>,
    /// TLS settings.
    pub tls: TlsSettings,
}

/// How many users there are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Users {
    /// So many all the time: who has come to the end begins anew as a new visitor.
    Crowd(u32),
    /// So many new ones each second, whatever becomes of those before; who has come to the end leaves.
    Arriving(Rate),
}

/// One step: one request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JourneyStep {
    /// Its name: the route in reports.
    pub name: String,
    /// The method.
    pub method: String,
    /// A template whose scheme, host and port are fixed.
    pub url: String,
    /// Headers beside Host, Connection, User-Agent and the jar's cookies. Plain values are templates.
    pub headers: Vec<(String, Text)>,
    /// The request's body.
    pub body: Option<StepBody>,
    /// What an answer must be. Its texts are templates, but for the regular expression.
    pub expect: HttpExpect,
    /// Values taken from the answer, by the name they get.
    pub capture: BTreeMap<String, Capture>,
    /// In place of the journey's.
    pub think: Option<Duration>,
    /// An answer that does not meet the expectation says that the session is gone.
    pub state_lost: bool,
    /// Logs the user in: done again after a loss, it is a forced log-in.
    pub log_in: bool,
    /// How often it is done.
    pub repeat: Repeat,
    /// The service that answers it, where that is not the probe's: then the report names who depends on whom step by step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
}

impl JourneyStep {
    /// Whether it only looks: nothing is made or changed by it.
    pub fn is_safe(&self) -> bool {
        matches!(self.method.as_str(), "GET" | "HEAD")
    }
}

/// The body of a step's request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StepBody {
    /// Fields, sent as `application/x-www-form-urlencoded`. Plain values are templates.
    Form(Vec<(String, Text)>),
    /// Sent as `application/json`; its texts are templates, its keys are not.
    Json(serde_json::Value),
    /// Sent as it is; plain text is a template.
    Text(Text),
}

/// Where a captured value is found in an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Capture {
    /// The value of this header.
    Header(String),
    /// The value of this cookie, as the jar holds it after the answer.
    Cookie(String),
    /// The text, number or truth value at this JSON pointer (RFC 6901) of the body.
    Json(String),
    /// What the one group of this regular expression matches in the body.
    Matches(String),
}

/// How often a step is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Repeat {
    /// Once.
    #[default]
    Once,
    /// So many times, each a success.
    Times(u32),
    /// Until the run ends: the user stays.
    Always,
}

impl Repeat {
    /// How many successes complete the step; `None` for one that is never completed.
    pub fn times(self) -> Option<u32> {
        match self {
            Self::Once => Some(1),
            Self::Times(n) => Some(n),
            Self::Always => None,
        }
    }
}

impl JourneyProbe {
    /// The time after a step.
    pub fn think_after(&self, step: &JourneyStep) -> Duration {
        step.think.unwrap_or(self.think)
    }

    /// Requests of one visit from its first step to its last; those of a step without end count once.
    pub fn requests(&self) -> u64 {
        self.steps.iter().map(|step| u64::from(step.repeat.times().unwrap_or(1))).sum()
    }

    /// How long a visit lasts when every answer comes at once; a step without end counts once.
    pub fn visit(&self) -> Duration {
        self.steps.iter().map(|step| self.think_after(step).saturating_mul(step.repeat.times().unwrap_or(1))).sum()
    }

    /// The mean of all steps when every answer comes at once: what the journey's rate is taken for.
    pub fn nominal_rate(&self) -> Rate {
        match (self.users, self.steps.last()) {
            (Users::Arriving(rate), _) => Rate(rate.0 * self.requests() as f64),
            (Users::Crowd(users), Some(last)) if last.repeat == Repeat::Always => {
                Rate(f64::from(users) / self.think_after(last).as_secs_f64())
            }
            (Users::Crowd(users), _) => Rate(f64::from(users) * self.requests() as f64 / self.visit().as_secs_f64()),
        }
    }
}
