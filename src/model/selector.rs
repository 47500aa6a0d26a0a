//! Selectors: which instances a fault may choose from, and how many of them.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ids::{InstanceId, Region, Service, Zone},
    quantity::Share,
};

/// All criteria must hold. An empty selector matches nothing unless `all` is said in words.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Selector {
    /// Exactly these services (any of them).
    pub services: Vec<Service>,
    /// The zone: one or several named, or a random one.
    pub zone: Option<Pick<Zone>>,
    /// The region: one or several named, or a random one.
    pub region: Option<Pick<Region>>,
    /// Labels (tags) that must all be equal.
    pub labels: BTreeMap<String, String>,
    /// A glob over the instance's name: `web-*`.
    pub name: Option<String>,
    /// Exactly these ids.
    pub ids: Vec<InstanceId>,
    /// A process that the tool did not start; needs `foreign: allowed` in the environment.
    pub process: Option<ProcessMatch>,
    /// "Everything" in words.
    pub all: bool,
    /// How many of the matches.
    pub take: Take,
}

impl Selector {
    /// Whether nothing narrows the selector.
    pub fn unbounded(&self) -> bool {
        self.services.is_empty()
            && self.zone.is_none()
            && self.region.is_none()
            && self.labels.is_empty()
            && self.name.is_none()
            && self.ids.is_empty()
            && self.process.is_none()
    }
}

/// Named ones, or one at random among those that have matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Pick<T> {
    /// Any of these.
    Named(Vec<T>),
    /// One, drawn by the run's seed.
    Random,
}

/// How a process that the tool did not start is recognised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProcessMatch {
    /// The pid in this file.
    PidFile(String),
    /// The path of its executable (a glob), and optionally a pattern that one of its arguments must match.
    Command {
        /// Glob over the path of the executable.
        executable: String,
        /// Regular expression searched in the arguments, joined by one space.
        arguments: Option<String>,
    },
}

impl fmt::Display for ProcessMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PidFile(path) => write!(f, "pid-file {path}"),
            Self::Command { executable, arguments: None } => write!(f, "executable {executable}"),
            Self::Command { executable, arguments: Some(pattern) } => write!(f, "executable {executable} arguments {pattern}"),
        }
    }
}

/// How many of the matching instances are taken.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Take {
    /// Every match.
    All,
    /// Exactly this many; fewer matches is an error, never fewer victims in silence.
    Count(u32),
    /// This share of the matches, rounded down, but at least one.
    Percent(Share),
}

impl Default for Take {
    fn default() -> Self {
        Self::Count(1)
    }
}

impl fmt::Display for Take {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Count(n) => write!(f, "{n}"),
            Self::Percent(p) => write!(f, "{p}"),
        }
    }
}
