//! The steady state: conditions with numbers.

use std::{fmt, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ids::ProbeName,
    quantity::{Share, show_duration},
};

/// One condition of the steady state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Condition {
    /// What must hold.
    pub expect: Expect,
    /// The phases it must hold in, each by itself; all three unless told.
    pub phases: Vec<Phase>,
}

/// What must hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Expect {
    /// A metric of a probe.
    Probe {
        /// The probe.
        probe: ProbeName,
        /// What of it.
        metric: Metric,
        /// Compared with what.
        comparison: Comparison,
    },
    /// From the last undo until the steady state held again took at most this.
    RecoveredWithin(Duration),
    /// Whatever came in place of an instance is like its siblings.
    ReplacementsAlike,
}

/// What of a probe is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// The share of requests that succeeded.
    Availability,
    /// The median latency of successful requests.
    P50,
    /// Latency of successful requests.
    P90,
    /// Latency of successful requests.
    P99,
    /// Latency of successful requests.
    P999,
    /// The slowest successful request.
    Max,
    /// The longest outage window.
    LongestOutage,
    /// All outage windows together.
    Downtime,
    /// How many requests failed.
    Failures,
    /// How many requests lost state (a cart, a session).
    StateLost,
    /// How many reads were stale.
    Stale,
    /// What was lost for good in the whole run: sessions of a journey, acknowledged writes.
    Lost,
    /// Values that were found more than once.
    Duplicated,
    /// Acknowledged writes that no reading ever came through for.
    NeverRead,
    /// Time from the fault to the first error.
    TimeToFirstError,
    /// Time from the fault until the balancer stopped sending to the victim.
    TimeToEjection,
    /// Time from the fault until capacity was back.
    TimeToCapacity,
}

impl Metric {
    /// Every metric, in the order of the documentation.
    pub const ALL: [Self; 17] = [
        Self::Availability,
        Self::P50,
        Self::P90,
        Self::P99,
        Self::P999,
        Self::Max,
        Self::LongestOutage,
        Self::Downtime,
        Self::Failures,
        Self::StateLost,
        Self::Stale,
        Self::Lost,
        Self::Duplicated,
        Self::NeverRead,
        Self::TimeToFirstError,
        Self::TimeToEjection,
        Self::TimeToCapacity,
    ];

    /// The key in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Availability => "availability",
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P99 => "p99",
            Self::P999 => "p99.9",
            Self::Max => "max",
            Self::LongestOutage => "longest-outage",
            Self::Downtime => "downtime",
            Self::Failures => "failures",
            Self::StateLost => "state-lost",
            Self::Stale => "stale",
            Self::Lost => "lost",
            Self::Duplicated => "duplicated",
            Self::NeverRead => "never-read",
            Self::TimeToFirstError => "time-to-first-error",
            Self::TimeToEjection => "time-to-ejection",
            Self::TimeToCapacity => "time-to-capacity",
        }
    }

    /// Whether it counts from what a probe found out about state in the whole run: then it is known when the run has ended.
    pub fn is_of_findings(self) -> bool {
        matches!(self, Self::Lost | Self::Duplicated | Self::NeverRead)
    }

    /// The kinds of probe that have it, for a metric that not all have.
    pub fn kinds(self) -> Option<&'static [&'static str]> {
        match self {
            Self::StateLost => Some(&["journey"]),
            Self::Lost => Some(&["journey", "ledger"]),
            Self::Stale | Self::Duplicated | Self::NeverRead => Some(&["ledger"]),
            _ => None,
        }
    }

    /// The unit its bound is written in.
    pub fn unit(self) -> Unit {
        match self {
            Self::Availability => Unit::Share,
            Self::Failures | Self::StateLost | Self::Stale | Self::Lost | Self::Duplicated | Self::NeverRead => Unit::Count,
            _ => Unit::Seconds,
        }
    }
}

/// The unit of a metric and of its bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Between 0 and 1, written as a percentage.
    Share,
    /// Seconds, written as a duration.
    Seconds,
    /// A whole number.
    Count,
}

impl Unit {
    /// A value of this unit as a person reads it.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Share => format!("{:.3} %", value * 100.0),
            Self::Seconds => show_duration(Duration::from_secs_f64(value.max(0.0))),
            Self::Count => format!("{value:.0}"),
        }
    }
}

/// A comparison with a bound: a share between 0 and 1, seconds, or a count.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// How.
    pub op: Op,
    /// With what, in the metric's unit.
    pub bound: f64,
    /// The unit of `bound`.
    pub unit: Unit,
}

impl Comparison {
    /// Whether `value` satisfies it.
    pub fn holds(self, value: f64) -> bool {
        self.op.holds(value, self.bound)
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bound = match self.unit {
            Unit::Share => Share(self.bound).to_string(),
            unit => unit.show(self.bound),
        };
        write!(f, "{} {bound}", self.op.sign())
    }
}

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Op {
    #[serde(rename = ">=")]
    AtLeast,
    #[serde(rename = "<=")]
    AtMost,
    #[serde(rename = ">")]
    Above,
    #[serde(rename = "<")]
    Below,
    #[serde(rename = "==")]
    Equal,
}

impl Op {
    /// Whether `value` compares so with `bound`. A value that is no number compares with nothing.
    pub fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Self::AtLeast => value >= bound,
            Self::AtMost => value <= bound,
            Self::Above => value > bound,
            Self::Below => value < bound,
            Self::Equal => (value - bound).abs() < f64::EPSILON,
        }
    }

    /// What holds exactly when this does not, for numbers.
    pub fn inverse(self) -> Option<Self> {
        match self {
            Self::AtLeast => Some(Self::Below),
            Self::AtMost => Some(Self::Above),
            Self::Above => Some(Self::AtMost),
            Self::Below => Some(Self::AtLeast),
            Self::Equal => None,
        }
    }

    /// The sign in the file.
    pub fn sign(self) -> &'static str {
        match self {
            Self::AtLeast => ">=",
            Self::AtMost => "<=",
            Self::Above => ">",
            Self::Below => "<",
            Self::Equal => "==",
        }
    }
}

/// The phases of a run. A sample belongs to the phase of its due time; one in flight when the first act took effect
/// belongs to the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Not counted; opens connections.
    WarmUp,
    /// Nothing is touched; the steady state must hold.
    Baseline,
    /// From the first act until the last undo and until capacity is back (or the watch time has passed).
    Fault,
    /// Until the steady state has held for its hold time, or its limit.
    Recovery,
}

impl Phase {
    /// The phases that count, in order.
    pub const COUNTED: [Self; 3] = [Self::Baseline, Self::Fault, Self::Recovery];

    /// The name in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::WarmUp => "warm-up",
            Self::Baseline => "baseline",
            Self::Fault => "fault",
            Self::Recovery => "recovery",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
