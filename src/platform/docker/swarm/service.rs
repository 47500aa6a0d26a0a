//! Services: how many tasks they want, and how many run.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::manager::{id, list, managers, text};
use crate::platform::{
    PlatformError,
    docker::{
        engine::{Engine, Trouble},
        inventory::SWARM_STACK,
    },
};

/// How long after a restart's delay a service may take to run as many tasks as before.
const WHOLE_WITHIN: Duration = Duration::from_secs(45);
/// What Swarm waits before it starts a task in another's place, when the service does not say.
const DEFAULT_DELAY: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(100);

/// How a service's tasks are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// So many.
    Replicated,
    /// One on each node that can take one.
    Global,
    /// Until they are done.
    Job,
}

/// A service as a manager tells it.
#[derive(Debug, Clone)]
pub struct Service {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its stack.
    pub stack: Option<String>,
    /// How its tasks are counted.
    pub mode: Mode,
    /// How many it wants.
    pub wanted: u32,
    /// Whether a task that fails is replaced.
    pub replaces: bool,
    delay: Duration,
}

impl Service {
    fn read(value: &Value) -> Option<Self> {
        let name = text(value, "/Spec/Name");
        let mode = value.pointer("/Spec/Mode")?;
        let has = |key: &str| mode.get(key).is_some_and(|value| !value.is_null());
        let mode = if has("Global") {
            Mode::Global
        } else if has("Replicated") {
            Mode::Replicated
        } else {
            Mode::Job
        };
        let policy = |key: &str| value.pointer("/Spec/TaskTemplate/RestartPolicy").and_then(|policy| policy.get(key));
        let wanted = value.pointer("/ServiceStatus/DesiredTasks").and_then(Value::as_u64)?;
        let stack = value.pointer("/Spec/Labels").and_then(|labels| labels.get(SWARM_STACK)).and_then(Value::as_str);
        Some(Self {
            id: text(value, "/ID").to_owned(),
            name: name.to_owned(),
            stack: stack.map(str::to_owned),
            mode,
            wanted: u32::try_from(wanted).unwrap_or(u32::MAX),
            replaces: policy("Condition").and_then(Value::as_str) != Some("none"),
            delay: policy("Delay").and_then(Value::as_u64).map_or(DEFAULT_DELAY, Duration::from_nanos),
        })
    }
}

/// Every service of a swarm.
pub async fn all(manager: &Engine) -> Result<Vec<Service>, Trouble> {
    Ok(list(manager, "the services of the swarm", "/services?status=true").await?.iter().filter_map(Service::read).collect())
}

/// One service, and the manager that knows it.
///
/// # Errors
/// `Gone` when no manager knows it.
pub async fn find<'a>(engines: &'a [Engine], wanted: &str) -> Result<(&'a Engine, Service), Trouble> {
    let wanted = id(wanted)?;
    for manager in managers(engines).await? {
        if let Some(service) = all(manager).await?.into_iter().find(|service| service.id == wanted) {
            return Ok((manager, service));
        }
    }
    Err(Trouble::Gone(format!("no manager among the hosts knows the service {wanted}")))
}

/// A task as a manager tells it.
#[derive(Debug, Clone)]
pub struct Task {
    /// Its id.
    pub id: String,
    /// Its service's id.
    pub service: String,
    /// The node that it was given to; empty when none could take it.
    pub node: String,
    /// `running`, `pending`, `failed`, …
    pub state: String,
    /// What Swarm wants of it: `running`, `ready`, `shutdown`.
    pub wanted: String,
    /// Why it is as it is.
    pub why: String,
}

impl Task {
    /// Whether it runs, as far as the manager knows.
    pub fn runs(&self) -> bool {
        self.state == "running" && self.wanted == "running"
    }

    /// Whether it was given to a node and does not run yet.
    pub fn begins(&self) -> bool {
        let on_the_way = ["assigned", "accepted", "preparing", "ready", "starting"].contains(&self.state.as_str());
        on_the_way && ["ready", "running"].contains(&self.wanted.as_str())
    }

    /// Whether no node can take it.
    pub fn pending(&self) -> bool {
        self.state == "pending"
    }

    /// Whether the manager knows that it ended.
    pub fn ended(&self) -> bool {
        ["complete", "shutdown", "failed", "rejected", "remove", "orphaned"].contains(&self.state.as_str())
    }
}

/// The tasks of a service, also those that ended.
pub async fn tasks(manager: &Engine, service: &str) -> Result<Vec<Task>, Trouble> {
    let path = format!("/tasks?filters=%7B%22service%22%3A%5B%22{}%22%5D%7D", id(service)?);
    let all = list(manager, "the tasks of a service", &path).await?;
    let read = |value: &Value| {
        let why = ["/Status/Err", "/Status/Message"].map(|at| text(value, at)).into_iter().find(|text| !text.is_empty());
        Task {
            id: text(value, "/ID").to_owned(),
            service: text(value, "/ServiceID").to_owned(),
            node: text(value, "/NodeID").to_owned(),
            state: text(value, "/Status/State").to_owned(),
            wanted: text(value, "/DesiredState").to_owned(),
            why: why.unwrap_or_default().to_owned(),
        }
    };
    Ok(all.iter().map(read).filter(|task| task.service == service).collect())
}

/// How many tasks of a service ran before an act: part of undo data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ran {
    /// Its id.
    pub service: String,
    /// Its name.
    pub name: String,
    /// How many ran.
    pub tasks: u32,
}

/// A service at a moment, against how it ran.
pub struct Now {
    /// It.
    pub service: Service,
    /// Its tasks.
    pub tasks: Vec<Task>,
    /// How many of them run, without the one that is left out.
    pub running: u32,
    /// How many should: as many as ran, unless somebody asked for fewer meanwhile.
    pub needed: u32,
}

impl Now {
    /// Whether as many run as should.
    pub fn whole(&self) -> bool {
        self.running >= self.needed
    }

    /// `the service web runs 2 of 3 tasks`.
    pub fn says(&self) -> String {
        format!("the service {} runs {} of {}", self.service.name, self.running, crate::model::quantity::plural(self.needed, "task"))
    }

    /// Why tasks are missing, in Swarm's words.
    fn why(&self) -> String {
        let missing = self.tasks.iter().rev().find(|task| task.wanted != "shutdown" && !task.runs());
        missing.map(|task| format!("; of a missing one Swarm says: {} ({})", task.why, task.state)).unwrap_or_default()
    }

    /// How long this service may take to be whole.
    pub fn limit(&self) -> Duration {
        self.service.delay + WHOLE_WITHIN
    }
}

impl Ran {
    /// How a service runs now, without the task of this id.
    ///
    /// # Errors
    /// When no manager tells; `Refused` when the service is gone.
    pub async fn now(&self, engines: &[Engine], without: Option<&str>) -> Result<Now, PlatformError> {
        let (manager, service) = match find(engines, &self.service).await {
            Err(Trouble::Gone(_)) if managers(engines).await?.is_empty() => {
                return Err(PlatformError::Failed(format!(
                    "none of the hosts is a manager of the swarm now: how {} runs is not known",
                    self.name
                )));
            }
            Err(Trouble::Gone(_)) => {
                let gone = format!("the service {} was removed by somebody else: Swarm starts no task of it any more", self.name);
                return Err(PlatformError::Refused(gone));
            }
            other => other?,
        };
        let tasks = tasks(manager, &self.service).await?;
        let running = tasks.iter().filter(|task| task.runs() && without != Some(task.id.as_str())).count();
        // Of a global service Swarm counts the nodes that can take a task now, and one that was held back a moment ago may be missing.
        let needed = if service.mode == Mode::Replicated { self.tasks.min(service.wanted) } else { self.tasks };
        Ok(Now { service, tasks, running: u32::try_from(running).unwrap_or(u32::MAX), needed })
    }

    /// Waits until it runs as many tasks as before.
    ///
    /// # Errors
    /// When it does not in time, with Swarm's own words.
    pub async fn whole(&self, engines: &[Engine]) -> Result<Now, PlatformError> {
        let begun = tokio::time::Instant::now();
        loop {
            let now = self.now(engines, None).await?;
            if now.whole() {
                return Ok(now);
            }
            now.in_time(begun)?;
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl Now {
    /// An error once its time is over.
    ///
    /// # Errors
    /// With what is missing.
    pub fn in_time(&self, begun: tokio::time::Instant) -> Result<(), PlatformError> {
        let limit = self.limit();
        if begun.elapsed() <= limit {
            return Ok(());
        }
        Err(PlatformError::Failed(format!("{} after {limit:?}{}", self.says(), self.why())))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn service(mode: &Value, policy: &Value, wanted: u64) -> Option<Service> {
        let labels = json!({ "com.docker.stack.namespace": "shop" });
        let spec = json!({ "Name": "shop_web", "Labels": labels, "Mode": mode, "TaskTemplate": { "RestartPolicy": policy } });
        Service::read(&json!({ "ID": "abc", "Spec": spec, "ServiceStatus": { "RunningTasks": 1, "DesiredTasks": wanted } }))
    }

    #[test]
    fn a_service_is_read() {
        let web = service(&json!({ "Replicated": { "Replicas": 3 } }), &json!({ "Condition": "any", "Delay": 500_000_000 }), 3).unwrap();
        assert_eq!((web.id.as_str(), web.name.as_str(), web.stack.as_deref(), web.wanted), ("abc", "shop_web", Some("shop"), 3));
        assert_eq!((web.mode, web.replaces, web.delay), (Mode::Replicated, true, Duration::from_millis(500)));
        let each = service(&json!({ "Global": {} }), &Value::Null, 2).unwrap();
        assert_eq!((each.mode, each.replaces, each.delay), (Mode::Global, true, DEFAULT_DELAY));
        let job = service(&json!({ "ReplicatedJob": { "MaxConcurrent": 1 } }), &json!({ "Condition": "none" }), 1).unwrap();
        assert_eq!((job.mode, job.replaces), (Mode::Job, false));
    }

    #[test]
    fn tasks_are_told_apart() {
        let task = |state: &str, wanted: &str| Task {
            id: String::new(),
            service: String::new(),
            node: String::new(),
            state: state.to_owned(),
            wanted: wanted.to_owned(),
            why: String::new(),
        };
        assert!(task("running", "running").runs() && !task("running", "shutdown").runs() && !task("failed", "shutdown").runs());
        assert!(task("ready", "ready").begins() && task("starting", "running").begins());
        assert!(!task("starting", "shutdown").begins() && !task("pending", "running").begins() && !task("running", "running").begins());
        assert!(task("failed", "shutdown").ended() && task("complete", "shutdown").ended() && !task("running", "shutdown").ended());
        assert!(task("pending", "running").pending());
    }
}
