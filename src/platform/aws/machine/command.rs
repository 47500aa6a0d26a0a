//! `run`: the experimenter's command on each instance, through Systems Manager. The instance's agent only knows shell scripts, so each
//! argument is quoted: what the file says is one word stays one word.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use aws_sdk_ssm::types::{CommandInvocationStatus as Status, InstanceInformationStringFilter};
use futures_util::future::join_all;

use super::{
    complete, parts,
    progress::{self, Progress},
};
use crate::{
    clock,
    model::{
        act::{Effect, EffectStatus, Prepared},
        undo::Undo,
    },
    platform::{
        PlatformError, Reverted,
        aws::{
            calls::Action,
            connection::Place,
            deed::{Deed, On},
            effect::{answered, effect},
            reach::Reach,
            trouble::{Trouble, short},
            undo::{Before, Owed, of_another_fault},
        },
    },
};

/// A second order is a second run.
const SEND: Action = Action::write_once("ssm:SendCommand");
const LOOK: Action = Action::read("ssm:GetCommandInvocation");
const AGENTS: Action = Action::read("ssm:DescribeInstanceInformation");
/// AWS's own document that runs lines of a shell.
const DOCUMENT: &str = "AWS-RunShellScript";
/// The most instances that a call takes.
const MOST: usize = 50;
/// How long an undo command may take: less than an undo is tried for.
const UNDO_LIMIT: Duration = Duration::from_secs(50);
/// What the way to the agent and back may take beside the command itself.
const ON_THE_WAY: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Runs a command.
pub(in crate::platform::aws) struct Run {
    /// The command and its arguments.
    pub(in crate::platform::aws) command: Vec<String>,
    /// The command that undoes it.
    pub(in crate::platform::aws) undo: Option<Vec<String>>,
    /// How long it may take.
    pub(in crate::platform::aws) timeout: Duration,
}

#[async_trait]
impl Deed for Run {
    async fn prepare(&self, reach: &Reach, on: On<'_>) -> Result<Undo, PlatformError> {
        let id = on.machine.id.as_str();
        if let Some(why) = unreachable(on.place, id).await? {
            return Err(PlatformError::Refused(format!("{} {why}", on.name())));
        }
        progress::prepared(reach, on.act);
        Ok(match &self.undo {
            Some(undo) => {
                let says = format!("run `{}` on {}", undo.join(" "), on.name());
                Before::Command { instance: id.to_owned(), undo: undo.clone() }.into_undo(&reach.connection.account, &on.place.region, says)
            }
            None => Undo::Nothing { why: "a command without an `undo:` is taken to leave nothing behind".to_owned() },
        })
    }

    async fn inject(&self, reach: &Reach, acts: &[&Prepared]) -> Vec<Effect> {
        let mut effects = vec![None; acts.len()];
        let all = parts(reach, acts, &mut effects);
        let mut calls = Vec::new();
        for part in &all {
            let fresh: Vec<(usize, &Prepared)> = part
                .acts
                .iter()
                .filter(|(at, prepared)| {
                    let fresh = progress::order(reach, prepared);
                    if !fresh {
                        let found = "this act has run its command already".to_owned();
                        effects[*at] = Some(effect(prepared, clock::now(), EffectStatus::Vanished { found }));
                    }
                    fresh
                })
                .copied()
                .collect();
            calls.extend(fresh.chunks(MOST).map(|some| (part.place, some.to_vec())));
        }
        let done = join_all(calls.into_iter().map(|(place, acts)| async move {
            let requested = clock::now();
            let ids: Vec<String> = acts.iter().filter_map(|(_, p)| p.act.target.instance()).map(|i| i.id.to_string()).collect();
            let ended = run(place, &ids, &self.command, self.timeout).await;
            let each = acts.into_iter().map(|(at, prepared)| {
                let id = prepared.act.target.instance().map_or("", |i| i.id.as_str());
                (at, told(prepared, requested, &ended, id, &self.command))
            });
            each.collect::<Vec<_>>()
        }))
        .await;
        for (at, effect) in done.into_iter().flatten() {
            effects[at] = Some(effect);
        }
        complete(acts, effects)
    }

    /// A command's exit code is all there is to see.
    async fn verify(&self, _: &Reach, _: &[&Prepared], effects: Vec<Effect>) -> Vec<Effect> {
        effects
    }

    async fn revert(&self, reach: &Reach, prepared: &Prepared, owed: &Owed) -> Result<Reverted, PlatformError> {
        let Before::Command { instance, undo } = &owed.before else { return Err(of_another_fault()) };
        let name = prepared.act.target.says();
        let nothing = |why: String| Ok(Reverted::NothingToUndo { why });
        match progress::of(reach, prepared) {
            Some(Progress::Prepared) => return nothing(format!("the command was never run on {name}")),
            Some(Progress::Undone) => return nothing(format!("`{}` was run on {name} already", undo.join(" "))),
            // Another process may have run it: the undo command is taken to do no harm then.
            Some(Progress::Ordered) | None => {}
        }
        let place = reach.connection.place(&owed.region)?;
        if reach.machine(place, instance).await?.is_none_or(|machine| machine.state.ended()) {
            return nothing(format!("{name} is gone, and what the command did on it"));
        }
        let ended = run(place, std::slice::from_ref(instance), undo, UNDO_LIMIT).await?;
        match ended.get(instance) {
            Some(Ok(())) => {
                progress::undone(reach, prepared);
                Ok(Reverted::Restored { says: format!("ran `{}` on {name}", undo.join(" ")) })
            }
            Some(Err(why)) => Err(PlatformError::Failed(format!("`{}` on {name} {why}", undo.join(" ")))),
            None => Err(PlatformError::Failed(format!("nothing is known of `{}` on {name}", undo.join(" ")))),
        }
    }
}

/// What each instance's run came to, by its id; `Err` in words that follow the command and the name.
type Ended = BTreeMap<String, Result<(), String>>;

fn told(prepared: &Prepared, requested: crate::model::time::Mono, ended: &Result<Ended, Trouble>, id: &str, command: &[String]) -> Effect {
    let ended = match ended {
        Ok(ended) => ended.get(id),
        Err(trouble) => return answered(prepared, requested, &Err(trouble.clone())),
    };
    let mut done = answered(prepared, requested, &Ok(()));
    "exit code".clone_into(&mut done.source);
    let why = match ended {
        Some(Ok(())) => return done,
        Some(Err(why)) => why.as_str(),
        None => "was not seen to end",
    };
    done.status = EffectStatus::Failed { why: format!("`{}` on {} {why}", command.join(" "), prepared.act.target.says()) };
    done.took_effect = None;
    done
}

/// Why no command reaches an instance; none when one does.
async fn unreachable(place: &Place, id: &str) -> Result<Option<&'static str>, PlatformError> {
    let filter = InstanceInformationStringFilter::builder().key("InstanceIds").values(id).build();
    let Ok(filter) = filter else { return Ok(None) };
    let ask = place.commands.describe_instance_information().filters(filter);
    let answer = match place.calls.call(AGENTS, || ask.clone().send()).await {
        Ok(answer) => answer,
        // Without the right to ask, the run itself tells.
        Err(Trouble::Denied { .. }) => return Ok(None),
        Err(trouble) => return Err(trouble.into()),
    };
    let agents = answer.instance_information_list.unwrap_or_default();
    let agent = agents.iter().find(|agent| agent.instance_id.as_deref() == Some(id));
    Ok(match agent.and_then(|agent| agent.ping_status.as_ref()).map(aws_sdk_ssm::types::PingStatus::as_str) {
        Some("Online") => None,
        Some(_) => Some("is not online for Systems Manager: its agent does not answer"),
        None => Some("is not managed by Systems Manager: no command reaches it"),
    })
}

/// Sends a command to instances of one region, and waits until all have ended or should have.
async fn run(place: &Place, ids: &[String], command: &[String], limit: Duration) -> Result<Ended, Trouble> {
    let line = command.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
    let seconds = limit.as_secs().max(1).to_string();
    let ask = place
        .commands
        .send_command()
        .document_name(DOCUMENT)
        .set_instance_ids(Some(ids.to_vec()))
        .parameters("commands", vec![line])
        .parameters("executionTimeout", vec![seconds])
        .comment("firedrill");
    let sent = place.calls.call(SEND, || ask.clone().send()).await?;
    let id = sent.command.and_then(|command| command.command_id).ok_or_else(|| Trouble::Lost("SendCommand told no id".to_owned()))?;
    let give_up = clock::now().plus(limit + ON_THE_WAY);
    let each = ids.iter().map(|instance| {
        let id = id.as_str();
        async move { (instance.clone(), wait(place, id, instance, give_up).await) }
    });
    Ok(join_all(each).await.into_iter().collect())
}

async fn wait(place: &Place, command: &str, instance: &str, give_up: crate::model::time::Mono) -> Result<(), String> {
    loop {
        let ask = place.commands.get_command_invocation().command_id(command).instance_id(instance);
        match place.calls.call(LOOK, || ask.clone().send()).await {
            Ok(found) => match found.status {
                Some(Status::Success) => return Ok(()),
                Some(Status::Failed | Status::Cancelled | Status::TimedOut) => {
                    let said = short(found.standard_error_content.as_deref().unwrap_or_default());
                    let said = if said.is_empty() { said } else { format!(": {said}") };
                    let how = found.status_details.unwrap_or_default();
                    return Err(format!("ended with exit code {} ({}){said}", found.response_code, short(&how)));
                }
                _ => {}
            },
            // Right after the order it is not there yet.
            Err(Trouble::Gone(_) | Trouble::Refused(_)) if clock::now() < give_up => {}
            Err(trouble) => return Err(format!("cannot be followed: {trouble}")),
        }
        if clock::now() >= give_up {
            return Err("did not end in time".to_owned());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// One word of a shell, whatever is in it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_word_stays_a_word() {
        assert_eq!(super::quoted("a b"), "'a b'");
        assert_eq!(super::quoted("it's $HOME; rm -rf /"), r"'it'\''s $HOME; rm -rf /'");
    }
}
