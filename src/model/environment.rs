//! An environment: where an experiment runs, from `firedrill.yaml`.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

/// One environment of `firedrill.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// Its name.
    pub name: String,
    /// The platform and its settings.
    pub platform: PlatformSpec,
    /// Values for `${name}` in experiment files.
    pub vars: BTreeMap<String, String>,
    /// What must be given before a run.
    pub require: Require,
    /// Whether processes (or machines) that the tool did not start may be chosen.
    pub foreign: bool,
}

/// The platform of an environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlatformSpec {
    /// Local processes of this system file; the path is absolute or relative to the working directory.
    Local {
        /// `system.yaml`; none for an environment that only has foreign processes.
        system: Option<PathBuf>,
    },
    /// A Docker engine; the settings as written.
    Docker(serde_json::Value),
    /// AWS; the settings as written.
    Aws(serde_json::Value),
}

impl PlatformSpec {
    /// The platform's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Local { .. } => "local",
            Self::Docker(_) => "docker",
            Self::Aws(_) => "aws",
        }
    }
}

/// What an environment asks for before a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Require {
    /// A person's yes (or `--yes`).
    pub confirm: bool,
    /// Only within these hours, as written: `Mon-Thu 10:00-16:00 Europe/Lisbon`.
    pub hours: Option<String>,
}
