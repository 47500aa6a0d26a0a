//! Abort conditions: what ends a run early, with everything undone.

use std::{fmt, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ids::ProbeName,
    probe::{CommandProbe, ProbeKind, ProbeSpec},
    protocol::PrometheusProbe,
    quantity::{Rate, show_duration},
    steady_state::{Comparison, Metric, Op},
};

/// When this holds, the run is halted and undone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AbortWhen {
    /// A probe's metric is bad for a time.
    Metric {
        /// The probe it looks at.
        probe: ProbeName,
        /// What it looks at, over a short sliding window.
        metric: Metric,
        /// The comparison that is bad when true.
        comparison: Comparison,
        /// How long it must be bad without a break.
        held_for: Duration,
    },
    /// The error budget burns too fast.
    BurnRate {
        /// The probe whose failures burn it.
        probe: ProbeName,
        /// How the rate is compared: so many times as fast as the objective allows is bad.
        op: Op,
        /// With what.
        bound: f64,
        /// The sliding window; what of it lies before the run counts as good.
        over: Duration,
    },
    /// Something outside of the probes is asked again and again.
    Asked(Asked),
}

/// A guard that is asked, apart from the measurement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Asked {
    /// What is asked. It says when all is well.
    pub what: Ask,
    /// How often.
    pub every: Duration,
    /// The limit for each answer.
    pub timeout: Duration,
    /// How long it must be bad without a break; at once when zero.
    pub held_for: Duration,
    /// So many times in a row without an answer count as bad: a guard that cannot see is no guard.
    pub misses: u32,
}

/// What a guard asks. An alarm of a cloud is none of these: it belongs to the environment, and its platform asks it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    /// A program; another exit status than these is bad.
    Command(CommandProbe),
    /// A query; a value that does not compare so is bad.
    Prometheus(Box<PrometheusProbe>),
}

impl Asked {
    /// As a probe, so that it is asked by what asks everything else.
    pub fn probe(&self, name: ProbeName) -> ProbeSpec {
        let kind = match &self.what {
            Ask::Command(command) => ProbeKind::Command(command.clone()),
            Ask::Prometheus(query) => ProbeKind::Prometheus(query.clone()),
        };
        let rate = Rate(1.0 / self.every.as_secs_f64());
        ProbeSpec { name, kind, rate, timeout: self.timeout, slow: None, service: None }
    }
}

impl AbortWhen {
    /// How long after it has come to hold the run may learn of it: what is asked has its turn and its time to answer, and a request that hangs
    /// is a failure at its deadline. `timeout` is that of the probe, if it looks at one.
    pub fn noticed_within(&self, timeout: Duration) -> Duration {
        match self {
            Self::Metric { .. } | Self::BurnRate { .. } => timeout + Duration::from_millis(500),
            Self::Asked(asked) => asked.every + asked.timeout + Duration::from_millis(500),
        }
    }

    /// The probe it looks at.
    pub fn probe(&self) -> Option<&ProbeName> {
        match self {
            Self::Metric { probe, .. } | Self::BurnRate { probe, .. } => Some(probe),
            Self::Asked(_) => None,
        }
    }
}

impl fmt::Display for AbortWhen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Metric { probe, metric, comparison, held_for } => {
                write!(f, "{probe} {} {comparison} for {}", metric.name(), show_duration(*held_for))
            }
            Self::BurnRate { probe, op, bound, over } => {
                write!(f, "{probe} burns its error budget {} {bound} times as fast as it may, over {}", op.sign(), show_duration(*over))
            }
            Self::Asked(asked) => write!(f, "{asked}"),
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            Ask::Command(command) => write!(f, "`{}` fails", command.command.join(" "))?,
            Ask::Prometheus(query) => {
                let bad = query.op.inverse().map_or_else(|| format!("not {}", query.op.sign()), |op| op.sign().to_owned());
                write!(f, "prometheus `{}` {bad} {}", query.query, query.bound)?;
            }
        }
        if !self.held_for.is_zero() {
            write!(f, " for {}", show_duration(self.held_for))?;
        }
        Ok(())
    }
}
