//! Nodes: held back from new tasks, and given their availability back.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::manager::{id, list, managers, text};
use crate::platform::{
    PlatformError,
    docker::engine::{Engine, READ_LIMIT, Trouble},
};

/// The label of a node that an act holds back: it tells this hold from one of somebody else.
pub const HELD: &str = "firedrill.held";
/// How a node is held back; see the module's page for why not `drain`.
const HOLD: &str = "pause";
const LIMIT: Duration = Duration::from_secs(20);
/// How often a change is tried again because the node was changed between reading and writing.
const TRIES: u32 = 20;
const BETWEEN: Duration = Duration::from_millis(50);

/// A node as a manager tells it.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its id.
    pub id: String,
    /// The name of its machine.
    pub name: String,
    version: u64,
    spec: Value,
    down: bool,
}

impl Node {
    fn read(value: &Value) -> Option<Self> {
        Some(Self {
            id: text(value, "/ID").to_owned(),
            name: text(value, "/Description/Hostname").to_owned(),
            version: value.pointer("/Version/Index")?.as_u64()?,
            spec: value.get("Spec")?.clone(),
            down: text(value, "/Status/State") != "ready",
        })
    }

    /// A label of it.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.spec.get("Labels")?.get(key)?.as_str().filter(|value| !value.is_empty())
    }

    /// `active`, `pause` or `drain`.
    pub fn availability(&self) -> &str {
        match text(&self.spec, "/Availability") {
            "" => "active",
            said => said,
        }
    }

    /// Whether Swarm knows that nothing runs on it.
    pub fn down(&self) -> bool {
        self.down
    }

    /// `vm (o98cqvsny03r)`: machines may share a name.
    pub fn says(&self) -> String {
        format!("{} ({:.12})", self.name, self.id)
    }

    /// Its specification with another availability, and with or without our mark; all else as it is.
    fn changed(&self, availability: &str, mark: Option<&str>) -> Value {
        let mut spec = self.spec.clone();
        spec["Availability"] = json!(availability);
        if !spec["Labels"].is_object() {
            spec["Labels"] = json!({});
        }
        if let Some(labels) = spec["Labels"].as_object_mut() {
            match mark {
                Some(mark) => labels.insert(HELD.to_owned(), json!(mark)),
                None => labels.remove(HELD),
            };
        }
        spec
    }
}

/// Every node of a swarm.
pub async fn all(manager: &Engine) -> Result<Vec<Node>, Trouble> {
    Ok(list(manager, "the nodes of the swarm", "/nodes").await?.iter().filter_map(Node::read).collect())
}

/// One node, and a manager that knows it.
async fn find<'a>(engines: &'a [Engine], wanted: &str) -> Result<(&'a Engine, Node), Trouble> {
    let mut found = Err(Trouble::Failed("none of the hosts is a manager of the swarm now".to_owned()));
    for manager in managers(engines).await? {
        let path = format!("/nodes/{}", id(wanted)?);
        match manager.get("a node of the swarm", READ_LIMIT, &path).await {
            Ok(value) => {
                let unread = || Trouble::Failed(format!("what the engine at {} tells of a node cannot be read", manager.endpoint.address));
                return Ok((manager, Node::read(&value).ok_or_else(unread)?));
            }
            Err(trouble) => found = Err(trouble),
        }
    }
    found
}

/// A node as it was found: part of undo data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Before {
    /// Its id.
    pub node: String,
    /// What a person calls it.
    pub name: String,
    /// Its availability.
    pub availability: String,
    /// The mark that the hold carries.
    pub mark: String,
}

/// What has to be done to a node.
enum Todo {
    /// Nothing: it is so already.
    Nothing,
    /// This specification.
    Set(Value),
    /// This specification, and it stays wrong for a reason.
    SetAndRefuse(Value, String),
}

impl Before {
    /// What holding it takes.
    fn hold(&self, now: &Node) -> Result<Todo, Trouble> {
        let mark = now.label(HELD);
        if mark == Some(self.mark.as_str()) && now.availability() == HOLD {
            return Ok(Todo::Nothing);
        }
        if mark.is_none() && now.availability() == self.availability {
            return Ok(Todo::Set(now.changed(HOLD, Some(&self.mark))));
        }
        let (name, before) = (&self.name, &self.availability);
        let held = mark.map(|by| format!(", held by {by}")).unwrap_or_default();
        Err(Trouble::Refused(format!(
            "the availability of the node {name} is `{}`{held} now, and was `{before}` when it was prepared",
            now.availability()
        )))
    }

    /// What giving it back takes.
    fn back(&self, now: &Node) -> Result<Todo, Trouble> {
        let (name, before, is) = (&self.name, &self.availability, now.availability());
        match now.label(HELD) {
            Some(mark) if mark == self.mark && is == HOLD => Ok(Todo::Set(now.changed(before, None))),
            Some(mark) if mark == self.mark && is == before => Ok(Todo::Set(now.changed(before, None))),
            Some(mark) if mark == self.mark => {
                let why = format!(
                    "the availability of the node {name} was `{before}`, this run made it `{HOLD}`, and somebody else made it `{is}` \
                     meanwhile: it is left so"
                );
                Ok(Todo::SetAndRefuse(now.changed(is, None), why))
            }
            // Another run's by now: that one knows what it found.
            Some(_) => Ok(Todo::Nothing),
            None if is == before => Ok(Todo::Nothing),
            None => Err(Trouble::Refused(format!(
                "the availability of the node {name} was `{before}` and is `{is}` without the label of this run's hold ({HELD}): somebody else \
                 set it meanwhile, and it is left so"
            ))),
        }
    }

    /// Brings it about, however often the node is changed in between; whether anything had to be done.
    async fn bring_about(&self, engines: &[Engine], todo: impl Fn(&Node) -> Result<Todo, Trouble>) -> Result<bool, Trouble> {
        let mut tries = 0;
        loop {
            let (manager, now) = find(engines, &self.node).await?;
            let (spec, refused) = match todo(&now)? {
                Todo::Nothing => return Ok(false),
                Todo::Set(spec) => (spec, None),
                Todo::SetAndRefuse(spec, why) => (spec, Some(why)),
            };
            let what = format!("the availability of the node {}", self.name);
            let path = format!("/nodes/{}/update?version={}", id(&self.node)?, now.version);
            match (manager.post(&what, LIMIT, &path, &spec).await, refused) {
                (Ok(_), None) => return Ok(true),
                (Ok(_), Some(why)) => return Err(Trouble::Refused(why)),
                (Err(trouble), _) if overtaken(&trouble) && tries < TRIES => tries += 1,
                (Err(trouble), _) => return Err(trouble),
            }
            tokio::time::sleep(BETWEEN).await;
        }
    }

    /// Looks whether it can be held as it was prepared; changes nothing.
    ///
    /// # Errors
    /// `Refused` when it is not as it was.
    pub async fn can_hold(&self, engines: &[Engine]) -> Result<(), Trouble> {
        let (_, now) = find(engines, &self.node).await?;
        self.hold(&now).map(|_| ())
    }

    /// Lets it take no new task.
    ///
    /// # Errors
    /// When it cannot be, or is not as it was.
    pub async fn start(&self, engines: &[Engine]) -> Result<(), Trouble> {
        self.bring_about(engines, |now| self.hold(now)).await.map(|_| ())
    }

    /// Whether it is held by this act.
    ///
    /// # Errors
    /// When it is not, in words.
    pub async fn held(&self, engines: &[Engine]) -> Result<(), PlatformError> {
        let (_, now) = find(engines, &self.node).await?;
        if now.availability() == HOLD && now.label(HELD) == Some(self.mark.as_str()) {
            return Ok(());
        }
        Err(PlatformError::Failed(format!("the availability of the node {} is `{}`", self.name, now.availability())))
    }

    /// Gives its availability back; whether anything had to be done. What somebody else set meanwhile is not overwritten.
    ///
    /// # Errors
    /// When it cannot be, or somebody else changed it.
    pub async fn end(&self, engines: &[Engine]) -> Result<bool, PlatformError> {
        match self.bring_about(engines, |now| self.back(now)).await {
            // It has left the swarm: there is nothing to give back.
            Err(Trouble::Gone(_)) => return Ok(false),
            other => {
                if !other? {
                    return Ok(false);
                }
            }
        }
        let (_, now) = find(engines, &self.node).await?;
        if now.availability() == self.availability && now.label(HELD).is_none() {
            return Ok(true);
        }
        let (name, before) = (&self.name, &self.availability);
        Err(PlatformError::Failed(format!("the availability of the node {name} is `{}`, not `{before}`", now.availability())))
    }
}

/// Somebody changed the node between reading and writing.
fn overtaken(trouble: &Trouble) -> bool {
    match trouble {
        Trouble::Failed(says) | Trouble::Conflict(says) | Trouble::Refused(says) => says.contains("out of sequence"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(availability: &str, mark: Option<&str>) -> Node {
        let mut labels = json!({ "disk": "ssd" });
        if let Some(mark) = mark {
            labels[HELD] = json!(mark);
        }
        let spec = json!({ "Labels": labels, "Role": "worker", "Availability": availability, "Later": { "x": 1 } });
        let value = json!({
            "ID": "n1", "Version": { "Index": 7 }, "Spec": spec, "Description": { "Hostname": "vm" }, "Status": { "State": "ready" }
        });
        Node::read(&value).unwrap()
    }

    fn before(availability: &str) -> Before {
        Before { node: "n1".to_owned(), name: "vm".to_owned(), availability: availability.to_owned(), mark: "run/1".to_owned() }
    }

    fn set(todo: Result<Todo, Trouble>) -> Value {
        match todo {
            Ok(Todo::Set(spec) | Todo::SetAndRefuse(spec, _)) => spec,
            Ok(Todo::Nothing) => json!("nothing"),
            Err(trouble) => json!(trouble.to_string()),
        }
    }

    #[test]
    fn a_hold_changes_two_things_and_its_end_changes_them_back() {
        let found = node("active", None);
        let held = set(before("active").hold(&found));
        let expected = json!({
            "Labels": { "disk": "ssd", HELD: "run/1" }, "Role": "worker", "Availability": "pause", "Later": { "x": 1 }
        });
        assert_eq!(held, expected);
        let held = Node { spec: held, ..found.clone() };
        assert_eq!(set(before("active").hold(&held)), "nothing", "a second time");
        assert_eq!(set(before("active").back(&held)), found.spec);
        assert_eq!(set(before("active").back(&found)), "nothing");
    }

    #[test]
    fn what_somebody_else_did_is_left_and_said() {
        let says = set(before("active").hold(&node("drain", None))).to_string();
        assert!(says.contains("is `drain` now, and was `active`"), "{says}");
        let says = set(before("active").hold(&node("pause", Some("other/2")))).to_string();
        assert!(says.contains("held by other/2"), "{says}");
        let says = set(before("active").back(&node("drain", None))).to_string();
        assert!(says.contains("is `drain` without the label"), "{says}");
        // Our mark goes, the availability stays.
        let Ok(Todo::SetAndRefuse(spec, why)) = before("active").back(&node("drain", Some("run/1"))) else { panic!("not refused") };
        assert_eq!((&spec["Availability"], &spec["Labels"]), (&json!("drain"), &json!({ "disk": "ssd" })));
        assert!(why.contains("somebody else made it `drain`"), "{why}");
        assert_eq!(set(before("active").back(&node("pause", Some("other/2")))), "nothing");
    }

    #[test]
    fn a_change_in_between_is_known_by_its_words() {
        let says = "asked for x, the engine said: rpc error: code = Unknown desc = update out of sequence";
        assert!(overtaken(&Trouble::Failed(says.to_owned())) && !overtaken(&Trouble::Failed("no".to_owned())));
    }
}
