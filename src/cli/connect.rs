//! From an environment to a platform: the only place that names concrete ones.

use std::collections::{BTreeMap, BTreeSet};

#[cfg(feature = "aws")]
use crate::platform::aws::{self, AwsPlatform};
use crate::{
    file::{self, Diagnostic, Diagnostics, Known, Loaded},
    model::{
        environment::{Environment, PlatformSpec},
        experiment::{Experiment, Step},
        ids::Zone,
        selector::ProcessMatch,
    },
    platform::{
        Platform,
        local::{
            self, LocalOptions, LocalPlatform,
            spec::{RestartPolicy, SystemSpec},
        },
    },
    state_dir,
};
#[cfg(feature = "docker")]
use crate::{
    model::{
        capabilities::Capabilities,
        environment::DockerSpec,
        fault::{Fault, FaultKind, PartitionMode},
    },
    platform::docker::{
        self, DockerPlatform,
        endpoint::{Endpoint, Surroundings, endpoints},
    },
};

/// A platform that is there.
pub enum Connected {
    /// Processes of this machine.
    Local(Box<LocalPlatform>),
    /// Containers.
    #[cfg(feature = "docker")]
    Docker(Box<DockerPlatform>),
    /// Instances of an AWS account.
    #[cfg(feature = "aws")]
    Aws(Box<AwsPlatform>),
}

impl Connected {
    /// The platform.
    pub fn platform(&self) -> &dyn Platform {
        match self {
            Self::Local(local) => local.as_ref(),
            #[cfg(feature = "docker")]
            Self::Docker(docker) => docker.as_ref(),
            #[cfg(feature = "aws")]
            Self::Aws(aws) => aws.as_ref(),
        }
    }

    /// Ends what was started for this run. A failure is said; it is not the run's.
    pub async fn disconnect(self) {
        match self {
            Self::Local(local) => {
                if let Err(error) = local.shutdown().await {
                    super::say::problem(format!("the system that was started for this run did not end well: {error}"));
                }
            }
            #[cfg(feature = "docker")]
            Self::Docker(_) => {}
            #[cfg(feature = "aws")]
            Self::Aws(aws) => tracing::info!(calls = ?aws.calls(), "calls of AWS"),
        }
    }
}

/// Checks an experiment against its platform and, where a system file names them, its services and zones.
pub fn check(loaded: &Loaded, environment: &Environment) -> Diagnostics {
    match &environment.platform {
        PlatformSpec::Local { system } => {
            let known = match system {
                None => None,
                Some(path) => match local::spec_file::load(path, &environment.vars) {
                    Ok(spec) => Some(known(&spec)),
                    Err(diagnostics) => return diagnostics,
                },
            };
            file::check(loaded, &local::capabilities(), known.as_ref())
        }
        // Which services and zones there are, only the engines know: the planner asks them.
        #[cfg(feature = "docker")]
        PlatformSpec::Docker(spec) => match engines(spec) {
            Ok(endpoints) => {
                let mut capabilities = docker::capabilities(&endpoints);
                ask_this_machine(&mut capabilities, &loaded.experiment);
                file::check(loaded, &capabilities, None)
            }
            Err(diagnostics) => diagnostics,
        },
        // Which services and zones there are, only AWS knows.
        #[cfg(feature = "aws")]
        PlatformSpec::Aws(_) => file::check(loaded, &aws::capabilities(), None),
        #[cfg(not(all(feature = "aws", feature = "docker")))]
        other => Diagnostics::from(vec![Diagnostic::error(missing(other))]),
    }
}

/// Where the engines of an environment are. Asks none of them.
#[cfg(feature = "docker")]
fn engines(spec: &DockerSpec) -> Result<Vec<Endpoint>, Diagnostics> {
    endpoints(spec, &Surroundings::real()).map_err(|why| Diagnostics::from(vec![Diagnostic::error(why)]))
}

/// Tries out what the experiment needs of this machine. On a thread of its own: files are checked inside and outside of a runtime.
#[cfg(feature = "docker")]
fn ask_this_machine(capabilities: &mut Capabilities, experiment: &Experiment) {
    let steps = experiment.method.iter().filter_map(|step| match step {
        Step::Faults(faults) => Some(faults),
        _ => None,
    });
    let asked: Vec<Fault> = steps.flatten().map(|step| step.fault.clone()).collect();
    // Of a partition, only one that hangs needs anything: the others work through the engine where this machine has no means of its own.
    let through_engine = |fault: &Fault| matches!(fault, Fault::Partition { mode: PartitionMode::Refuse | PartitionMode::Disconnect });
    let asked = asked.iter().filter(|fault| !through_engine(fault)).map(Fault::kind);
    let asked: BTreeSet<FaultKind> = asked.collect();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Without a runtime nothing can be tried; then each act is refused when it is prepared, with the same words.
            if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() {
                runtime.block_on(docker::as_this_machine_can(capabilities, asked));
            }
        });
    });
}

/// Checks the system file of an environment, for the verbs that have no experiment.
pub fn check_system(environment: &Environment) -> Diagnostics {
    match &environment.platform {
        PlatformSpec::Local { system: Some(path) } => local::spec_file::load(path, &environment.vars).err().unwrap_or_default(),
        PlatformSpec::Local { system: None } => Diagnostics::default(),
        #[cfg(feature = "docker")]
        PlatformSpec::Docker(spec) => engines(spec).err().unwrap_or_default(),
        #[cfg(feature = "aws")]
        PlatformSpec::Aws(_) => Diagnostics::default(),
        #[cfg(not(all(feature = "aws", feature = "docker")))]
        other => Diagnostics::from(vec![Diagnostic::error(missing(other))]),
    }
}

/// The names that a system file knows. A balancer is a target like a service, in the zone and region `local`.
fn known(spec: &SystemSpec) -> Known {
    let zones: BTreeSet<&Zone> = spec.services.iter().flat_map(|service| service.zones.iter().map(|(zone, _)| zone)).collect();
    let services = spec.services.iter().map(|s| s.name.to_string()).chain(spec.balancers.iter().map(|b| b.name.clone()));
    let regions: BTreeSet<String> = zones.iter().map(|zone| spec.region(zone).to_string()).collect();
    // A dead instance that is started again is still the same instance.
    let replaced = spec.services.iter().filter(|s| s.replace_after.is_some() && s.restart.policy == RestartPolicy::No);
    Known {
        services: services.collect(),
        zones: zones.iter().map(ToString::to_string).collect(),
        regions: regions.into_iter().collect(),
        replaced: replaced.map(|s| s.name.to_string()).collect(),
    }
}

/// Attaches to the environment's system, or starts it for this run.
///
/// # Errors
/// When it is not there and cannot be started. Nothing was touched.
pub async fn connect(environment: &Environment, experiment: &Experiment) -> Result<Connected, String> {
    open(environment, foreign(environment, experiment), true).await
}

/// Attaches to what is there, or starts it, without an experiment.
///
/// # Errors
/// As [`connect`].
pub async fn attach(environment: &Environment) -> Result<Connected, String> {
    open(environment, Vec::new(), true).await
}

/// Reaches what is there, for a recovery: never starts anything.
///
/// # Errors
/// When the platform cannot be asked.
pub async fn reach(environment: &Environment) -> Result<Connected, String> {
    open(environment, Vec::new(), false).await
}

/// Every local system that runs, whatever file it is from: for a recovery without a journal.
pub async fn running() -> Vec<Connected> {
    let systems = LocalPlatform::running(&state_dir::path()).await;
    systems.into_iter().map(|local| Connected::Local(Box::new(local))).collect()
}

async fn open(environment: &Environment, foreign: Vec<ProcessMatch>, start: bool) -> Result<Connected, String> {
    match &environment.platform {
        PlatformSpec::Local { system } => {
            let options =
                LocalOptions { system: system.clone(), vars: environment.vars.clone(), foreign, start, program: None, state: None };
            let local = LocalPlatform::attach_or_start(options).await.map_err(|error| error.to_string())?;
            Ok(Connected::Local(Box::new(local)))
        }
        #[cfg(feature = "docker")]
        PlatformSpec::Docker(spec) => {
            let docker = DockerPlatform::connect(spec.as_ref().clone()).await.map_err(|error| error.to_string())?;
            Ok(Connected::Docker(Box::new(docker)))
        }
        #[cfg(feature = "aws")]
        PlatformSpec::Aws(spec) => {
            let aws = Box::pin(AwsPlatform::connect(spec.as_ref().clone())).await.map_err(|error| error.to_string())?;
            Ok(Connected::Aws(Box::new(aws)))
        }
        #[cfg(not(all(feature = "aws", feature = "docker")))]
        other => Err(missing(other)),
    }
}

#[cfg(not(all(feature = "aws", feature = "docker")))]
fn missing(platform: &PlatformSpec) -> String {
    let has = [("local", true), ("docker", cfg!(feature = "docker")), ("aws", cfg!(feature = "aws"))];
    let has = has.into_iter().filter(|(_, has)| *has).map(|(name, _)| name);
    format!("this build has no platform `{}`; it has {}", platform.name(), file::suggest::listed(has, "and"))
}

/// The processes that an experiment means and the tool did not start; none unless the environment allows them.
fn foreign(environment: &Environment, experiment: &Experiment) -> Vec<ProcessMatch> {
    if !environment.foreign {
        return Vec::new();
    }
    let steps = experiment.method.iter().filter_map(|step| match step {
        Step::Faults(faults) => Some(faults),
        _ => None,
    });
    steps.flatten().filter_map(|fault| fault.target.process.clone()).collect()
}

/// An environment for a system file alone, when there is no firedrill.yaml.
pub fn only_system(system: &std::path::Path, vars: BTreeMap<String, String>) -> Environment {
    Environment {
        name: "local".to_owned(),
        platform: PlatformSpec::Local { system: Some(system.to_owned()) },
        vars,
        require: crate::model::environment::Require::default(),
        foreign: false,
        notify: Vec::new(),
    }
}
