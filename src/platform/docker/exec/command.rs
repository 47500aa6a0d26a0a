//! `run`: the experimenter's command inside each container; an argument list, no shell.

use std::time::Duration;

use async_trait::async_trait;
use bollard::models::ContainerInspectResponse;

use super::{
    inside::{Command, Ended, last_words},
    memory::Progress,
};
use crate::{
    clock,
    model::{
        act::{Effect, EffectStatus, Prepared},
        undo::Undo,
    },
    platform::{
        PlatformError, Reverted,
        docker::{
            container::state,
            deed::{Deed, On, answered, effect},
            engine::{Engine, Trouble},
            undo::{Before, Owed, of_another_fault},
        },
    },
};

/// How long an undo command may take: less than an undo is tried for.
const UNDO_LIMIT: Duration = Duration::from_secs(50);

/// Exit codes by which a runtime says that it could not start the command: not executable, not found.
const NOT_STARTED: [i64; 2] = [126, 127];

/// Runs a command in a container.
#[derive(Debug)]
pub struct Run {
    /// The command and its arguments.
    pub command: Vec<String>,
    /// The command that undoes it.
    pub undo: Option<Vec<String>>,
    /// How long it may take.
    pub timeout: Duration,
}

#[async_trait]
impl Deed for Run {
    fn fits(&self, now: &ContainerInspectResponse) -> Result<(), String> {
        state::runs(now)?;
        if state::paused(now) { Err("is paused: no command can run in it".to_owned()) } else { Ok(()) }
    }

    async fn prepare(&self, on: On<'_>, now: &ContainerInspectResponse) -> Result<Undo, PlatformError> {
        let name = &on.instance.name;
        self.fits(now).map_err(|why| PlatformError::Refused(format!("{name} {why}")))?;
        Ok(match &self.undo {
            Some(undo) => {
                let says = format!("run `{}` in {name}", undo.join(" "));
                Before::Command { life: state::life(now), undo: undo.clone() }.into_undo(on.engine, &on.instance.id, says)
            }
            None => Undo::Nothing { why: "a command without an `undo:` is taken to leave nothing behind".to_owned() },
        })
    }

    async fn inject(&self, on: On<'_>, prepared: &Prepared) -> Effect {
        let name = &on.instance.name;
        let requested = clock::now();
        if !on.engine.commands.begin(prepared.act.id, &on.instance.id) {
            let why = format!("the command ran in {name} already");
            return effect(prepared, requested, EffectStatus::Refused { why });
        }
        let command = Command { container: on.id(), words: &self.command, env: &[], limit: self.timeout };
        match command.run(on.engine).await {
            Ok(ended) => {
                let mut done = answered(prepared, requested, Ok(()));
                if let Err(why) = fine(&self.command, name, self.timeout, ended) {
                    done.status = EffectStatus::Failed { why };
                    done.took_effect = None;
                }
                "exit code".clone_into(&mut done.source);
                done
            }
            Err(trouble) => answered(prepared, requested, Err(trouble)),
        }
    }

    /// A command's exit code is all there is to see.
    async fn verify(&self, _on: On<'_>, _prepared: &Prepared, effect: Effect) -> Effect {
        effect
    }

    async fn revert(&self, engine: &Engine, prepared: &Prepared, owed: Owed) -> Result<Reverted, PlatformError> {
        let Before::Command { life, undo } = &owed.before else { return Err(of_another_fault()) };
        let (id, name, act) = (owed.container.as_str(), prepared.act.target.says(), prepared.act.id);
        let nothing = |why: String| Ok(Reverted::NothingToUndo { why });
        match engine.commands.progress(act, &owed.container) {
            Some(Progress::Prepared) => return nothing(format!("the command was never run in {name}")),
            Some(Progress::Undone) => return nothing(format!("`{}` was run in {name} already", undo.join(" "))),
            // Another process may have run it: the undo command is taken to do no harm then.
            Some(Progress::Begun) | None => {}
        }
        let now = match engine.inspect(id).await {
            Ok(now) => now,
            Err(Trouble::Gone(_)) => return nothing(format!("{name} is gone, and what the command did in it")),
            Err(trouble) => return Err(trouble.into()),
        };
        // A start gives a container new processes, but leaves its files: the undo command runs in a later life, too.
        if !state::running(&now) {
            let life = if state::started_at(&now) == life.started_at { "" } else { " after another start" };
            return Err(PlatformError::Failed(format!(
                "{name} does not run{life}: it is {}, and no command can run in it",
                state::says(&now)
            )));
        }
        let command = Command { container: id, words: undo, env: &[], limit: UNDO_LIMIT };
        let ended = command.run(engine).await?;
        fine(undo, &name, UNDO_LIMIT, ended).map_err(PlatformError::Failed)?;
        engine.commands.set(act, &owed.container, Progress::Undone);
        Ok(Reverted::Restored { says: format!("ran `{}` in {name}", undo.join(" ")) })
    }
}

/// `Err` when a command did not end well.
fn fine(words: &[String], name: &str, limit: Duration, ended: Ended) -> Result<(), String> {
    let called = words.join(" ");
    match ended {
        Ended::Exit { code: 0, .. } => Ok(()),
        Ended::Exit { code, output } => {
            let said = last_words(&output);
            let said = if said.is_empty() { String::new() } else { format!(": {said}") };
            let hint = if NOT_STARTED.contains(&code) { " (is there such a program in it?)" } else { "" };
            Err(format!("`{called}` in {name} ended with exit code {code}{hint}{said}"))
        }
        Ended::TooLong { and } => Err(format!("`{called}` in {name} did not end within {limit:?} and {and}")),
    }
}
