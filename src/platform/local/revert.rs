//! The way back: from undo data alone, by any process.

use std::time::Duration;

use super::{
    command,
    control::{Answer, Request, Status},
    deed::blocking,
    platform::{LocalPlatform, is_back},
    process::{self, Missing, Stat},
    tree_signal::{self, Tree},
    undo::Before,
};
use crate::{
    clock,
    model::{act::Prepared, ids::InstanceId, instance::InstanceState, undo::Undo},
    platform::{PlatformError, Reverted},
};

/// How long an instance that was started again gets to be healthy, beyond what its own health check allows.
const BACK_WITHIN: Duration = Duration::from_secs(30);

#[expect(clippy::unnecessary_wraps, reason = "it is the answer of every branch that finds nothing")]
fn nothing(why: impl Into<String>) -> Result<Reverted, PlatformError> {
    Ok(Reverted::NothingToUndo { why: why.into() })
}

impl LocalPlatform {
    pub(super) async fn bring_back(&self, prepared: &Prepared) -> Result<Reverted, PlatformError> {
        if let Undo::Nothing { why } | Undo::Impossible { why } = &prepared.undo {
            return nothing(why.clone());
        }
        match Before::read(&prepared.undo)? {
            Before::Ran { id, .. } => self.start_again(&id).await,
            Before::Went { process, marks, stopped } => {
                let tree = Tree { process, marks };
                let stays = |s: &Stat| stopped.contains(&(s.pid, s.start_time));
                let members = tree.members(&process::all());
                if !members.is_empty() && !members.iter().any(|s| s.stopped() && !stays(s)) {
                    return nothing(format!("{} is not stopped", prepared.act.target.says()));
                }
                let result = blocking(move || vec![tree_signal::resume(&tree, &stopped)]).await.pop();
                match result {
                    Some(Ok(hit)) if hit.left.is_empty() => {
                        Ok(Reverted::Restored { says: format!("{} goes on", prepared.act.target.says()) })
                    }
                    Some(Ok(hit)) => Err(PlatformError::Failed(format!("these processes are still stopped: {:?}", hit.left))),
                    Some(Err(Missing::Denied { pid, why })) => Err(PlatformError::Failed(format!("process {pid}: {why}"))),
                    Some(Err(missing)) => nothing(missing.to_string()),
                    None => Err(PlatformError::Failed("the call was interrupted".to_owned())),
                }
            }
            Before::Flowed { id, back } => {
                let flowed = |status: &Option<Status>| {
                    let known = status.iter().flat_map(|s| &s.instances).find(|k| k.instance.id == id).map(|k| k.traffic.part(&back));
                    known.is_none_or(|now| now == back)
                };
                let as_before = match &self.client {
                    Some(client) => match client.status().await {
                        Ok(status) => flowed(&Some(status)),
                        Err(PlatformError::Unavailable(_)) => return nothing("the system does not run any more"),
                        Err(other) => return Err(other),
                    },
                    None => return nothing("the system does not run any more"),
                };
                // The balancers are told all the same: one may have missed it the first time.
                match self.ask(&Request::SetTraffic { id: id.clone(), change: back.clone() }).await? {
                    None => nothing("the system does not run any more"),
                    Some(Answer::Replaced { .. }) => nothing(format!("{id} was replaced")),
                    Some(Answer::Refused { why }) => Err(PlatformError::Failed(why)),
                    Some(_) if !flowed(&self.status().await?) => {
                        Err(PlatformError::Failed(format!("the traffic of {id} is not as before")))
                    }
                    Some(_) if as_before => nothing(format!("the traffic of {id} is as before already")),
                    Some(_) => Ok(Reverted::Restored { says: format!("the traffic of {id} is as before") }),
                }
            }
            Before::Replaced { holder } => match self.ask(&Request::ResumeReplacement { holder }).await? {
                None => nothing("the system does not run any more"),
                Some(Answer::Done { says }) if says.contains("was not suspended") => nothing(says),
                Some(Answer::Done { says }) => Ok(Reverted::Restored { says }),
                Some(other) => Err(PlatformError::Failed(format!("the supervisor answered {other:?}"))),
            },
            Before::Command { command, env, timeout } => match command::run(&command, &env, timeout).await {
                Ok(()) => Ok(Reverted::Restored { says: format!("`{}` was run", command.join(" ")) }),
                Err(why) => Err(PlatformError::Failed(why)),
            },
        }
    }

    /// `None` when the supervisor is gone: its processes are gone with it.
    async fn ask(&self, request: &Request) -> Result<Option<Answer>, PlatformError> {
        let Some(client) = &self.client else { return Ok(None) };
        match client.ask(request).await {
            Ok(answer) => Ok(Some(answer)),
            Err(PlatformError::Unavailable(_)) => Ok(None),
            Err(other) => Err(other),
        }
    }

    async fn start_again(&self, id: &InstanceId) -> Result<Reverted, PlatformError> {
        let started = match self.ask(&Request::StartAgain { id: id.clone() }).await? {
            None => return nothing("the system does not run any more"),
            Some(Answer::Replaced { by }) => {
                let by = by.map_or_else(String::new, |by| format!(" by {by}"));
                return nothing(format!("{id} was replaced{by}"));
            }
            Some(Answer::Refused { why }) => return Err(PlatformError::Failed(why)),
            Some(Answer::Runs) => false,
            Some(_) => true,
        };
        let begun = clock::now();
        loop {
            let status = self.status().await?;
            let known = status.iter().flat_map(|s| &s.instances).find(|k| k.instance.id == *id);
            let limit = BACK_WITHIN + Duration::from_nanos(known.map_or(0, |k| k.starts_within_ns));
            match known {
                Some(k) if is_back(k) && started => return Ok(Reverted::Restored { says: format!("started {id} again") }),
                Some(k) if is_back(k) => return nothing(format!("{id} runs")),
                Some(k) if k.instance.state == InstanceState::Stopped && started => {
                    let output = k.last_output.join("\n    ");
                    return Err(PlatformError::Failed(format!("{id} was started again and ended; its last output:\n    {output}")));
                }
                None => return nothing(format!("{id} was replaced")),
                _ if clock::now().since(begun) > limit => {
                    return Err(PlatformError::Failed(format!("{id} was started again, but is not healthy after {limit:?}")));
                }
                _ => tokio::time::sleep(Duration::from_millis(30)).await,
            }
        }
    }
}
