//! The managers among the engines: only they know nodes, services and tasks.

use futures_util::future::join_all;
use serde_json::Value;

use crate::platform::docker::engine::{Engine, READ_LIMIT, Trouble};

/// An engine that is in a swarm.
pub struct Member<'a> {
    /// It.
    pub engine: &'a Engine,
    /// The id of its node.
    pub node: String,
    /// Whether it is a manager now.
    pub manages: bool,
}

/// The engines that are in a swarm. One that does not answer is left out, unless no manager is found without it.
///
/// # Errors
/// When an engine does not answer and none that does is a manager.
pub async fn members(engines: &[Engine]) -> Result<Vec<Member<'_>>, Trouble> {
    let asked = join_all(engines.iter().map(|engine| async move {
        let info = engine.call("its state", READ_LIMIT, engine.docker.info()).await?;
        Ok::<_, Trouble>(info.swarm.and_then(|swarm| {
            let node = swarm.node_id.filter(|id| !id.is_empty())?;
            Some(Member { engine, node, manages: swarm.control_available == Some(true) })
        }))
    }))
    .await;
    let (mut members, mut silent) = (Vec::new(), None);
    for answer in asked {
        match answer {
            Ok(member) => members.extend(member),
            Err(trouble) => silent = silent.or(Some(trouble)),
        }
    }
    match silent {
        Some(trouble) if !members.iter().any(|member| member.manages) => Err(trouble),
        _ => Ok(members),
    }
}

/// The managers among the engines.
///
/// # Errors
/// When there may be one, but it does not answer.
pub async fn managers(engines: &[Engine]) -> Result<Vec<&Engine>, Trouble> {
    Ok(members(engines).await?.into_iter().filter(|member| member.manages).map(|member| member.engine).collect())
}

/// What a manager lists: `/nodes`, `/services`, `/tasks`.
pub async fn list(manager: &Engine, what: &str, path: &str) -> Result<Vec<Value>, Trouble> {
    match manager.get(what, READ_LIMIT, path).await? {
        Value::Array(all) => Ok(all),
        Value::Null => Ok(Vec::new()),
        other => Err(Trouble::Failed(format!("asked for {what}, the engine at {} gave no list but {other}", manager.endpoint.address))),
    }
}

/// An id as Swarm draws them; it becomes part of a path.
///
/// # Errors
/// When it is none.
pub fn id(text: &str) -> Result<&str, Trouble> {
    let fits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric());
    if fits { Ok(text) } else { Err(Trouble::Refused(format!("`{text}` is no id of Swarm"))) }
}

/// A text within an answer, by its pointer; empty when it is not there.
pub fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
