//! An environment: where an experiment runs, from `firedrill.yaml`.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::{
    aws::AwsSpec,
    ids::{Region, Zone},
    notify::Notification,
};

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
    /// Who is told about its runs. Where and with what is in no journal: what undoes a run tells nobody.
    #[serde(skip)]
    pub notify: Vec<Notification>,
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
    /// Containers of one or several Docker engines.
    Docker(Box<DockerSpec>),
    /// Instances of an AWS account.
    Aws(Box<AwsSpec>),
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

/// Which containers are the system, and where their engines are. Every field narrows; none given is the whole engine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DockerSpec {
    /// The Compose project (label `com.docker.compose.project`).
    pub project: Option<String>,
    /// The Swarm stack (label `com.docker.stack.namespace`).
    pub stack: Option<String>,
    /// Labels that must all be equal.
    pub labels: BTreeMap<String, String>,
    /// A glob over container names.
    pub name: Option<String>,
    /// A glob over images as they were asked for: `redis:*`.
    pub image: Option<String>,
    /// The label that names a container's service, when it is not Compose's or Swarm's.
    pub service_label: Option<String>,
    /// The label that names its zone; `firedrill.zone` when left out. A host's own zone comes second.
    pub zone_label: Option<String>,
    /// The label that names its region; `firedrill.region` when left out.
    pub region_label: Option<String>,
    /// Only containers with the label `firedrill.allowed=true` may be chosen.
    pub opt_in: bool,
    /// The engines; none means the one that the `docker` command would use.
    pub hosts: Vec<DockerHost>,
}

/// One Docker engine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DockerHost {
    /// The zone of its containers that carry no zone label.
    pub zone: Option<Zone>,
    /// The region of its containers that carry no region label.
    pub region: Option<Region>,
    /// Where it is: `unix:///run/docker.sock`, `tcp://10.0.0.5:2376`.
    pub host: Option<String>,
    /// A context of the `docker` command instead of an address.
    pub context: Option<String>,
    /// A folder with `ca.pem`, `cert.pem` and `key.pem`, for TLS.
    pub tls: Option<PathBuf>,
}

/// What an environment asks for before a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Require {
    /// A person's yes (or `--yes`).
    pub confirm: bool,
    /// Only within these hours, as written: `Mon-Thu 10:00-16:00 Europe/Lisbon`.
    pub hours: Option<String>,
}
