//! A command step: a deployment, a switch, anything of the experimenter's. An argument list, never a shell; its process group ends
//! with its time limit.

use std::{collections::BTreeMap, process::Stdio, time::Duration};

use tokio::{io::AsyncReadExt, process::Command};

use super::halt::{Halt, Urgency};
use crate::{
    clock::Clock,
    model::{
        act::{Act, Effect, EffectStatus, Prepared},
        experiment::CommandStep,
        fault::Fault,
        quantity::show_duration,
        time::Bracket,
        undo::Undo,
    },
    platform::{PlatformError, Reverted},
};

/// How long an undo command may take at least: where its step has a longer `timeout`, as long as that, since what rolls a deployment back takes
/// as long as what rolls it out.
const UNDO_LIMIT: Duration = Duration::from_mins(1);
/// How much of a failing command's last words is told.
const LAST_WORDS: usize = 400;

/// How a command step is undone: by its `undo:` command, or not at all.
pub(crate) fn undo_of(step: &CommandStep) -> Undo {
    match &step.undo {
        Some(command) => {
            let limit = step.timeout.max(UNDO_LIMIT).as_secs();
            Undo::restore(format!("run {}", command.join(" ")), serde_json::json!({ "command": command, "limit_s": limit }))
        }
        None => Undo::Nothing { why: "a command without an `undo:` is taken to leave nothing behind".to_owned() },
    }
}

/// Runs the step's command to its end.
pub(crate) async fn run(act: &Act, env: &BTreeMap<String, String>, clock: Clock, halt: &Halt) -> Effect {
    let requested = clock.now();
    let status = match &act.fault {
        Fault::Run { command, timeout, .. } => match execute(command, env, *timeout, Some(halt)).await {
            Ok(()) => EffectStatus::Happened,
            Err(why) => EffectStatus::Failed { why },
        },
        other => EffectStatus::Failed { why: format!("{} is not a command", other.kind()) },
    };
    let answered = clock.now();
    let took_effect = status.happened().then_some(Bracket { after: requested, by: answered });
    Effect { act: act.id, instance: None, status, requested, answered: Some(answered), took_effect, source: "exit status".to_owned() }
}

/// Runs the undo command.
pub(crate) async fn revert(prepared: &Prepared, env: &BTreeMap<String, String>) -> Result<Reverted, PlatformError> {
    let Undo::Restore { says, before, .. } = &prepared.undo else {
        return Ok(Reverted::NothingToUndo { why: prepared.undo.says().to_owned() });
    };
    let command: Vec<String> = serde_json::from_value(before["command"].clone())
        .map_err(|error| PlatformError::Refused(format!("the journal's undo command cannot be read: {error}")))?;
    // Journals of older versions have no limit.
    let limit = before["limit_s"].as_u64().map_or(UNDO_LIMIT, Duration::from_secs);
    execute(&command, env, limit, None).await.map_err(PlatformError::Failed)?;
    Ok(Reverted::Restored { says: says.clone() })
}

/// The name under which a command finds this very binary, wherever it lies.
const OURSELVES: &str = "firedrill";

/// Runs a command to its end, its limit, or the halt, whichever is first. An undo is never halted.
async fn execute(argv: &[String], env: &BTreeMap<String, String>, limit: Duration, halt: Option<&Halt>) -> Result<(), String> {
    let Some((program, arguments)) = argv.split_first() else { return Err("the command is empty".to_owned()) };
    let ourselves = if program == OURSELVES { std::env::current_exe().ok() } else { None };
    let mut child = Command::new(ourselves.unwrap_or_else(|| program.into()))
        .args(arguments)
        .envs(env)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("`{program}` could not be started: {error}"))?;
    let group = child.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed()));
    let mut errors = child.stderr.take();
    let work = async {
        let mut tail = Vec::new();
        if let Some(errors) = errors.as_mut() {
            let mut chunk = [0_u8; 4096];
            while let Ok(n @ 1..) = errors.read(&mut chunk).await {
                tail.extend_from_slice(&chunk[..n]);
                let keep = tail.len().saturating_sub(LAST_WORDS);
                tail.drain(..keep);
            }
        }
        (child.wait().await, tail)
    };
    let halted = async {
        match halt {
            Some(halt) => halt.reached(Urgency::Undo).await,
            None => std::future::pending().await,
        }
    };
    let ended = tokio::select! {
        biased;
        ended = work => Ok(ended),
        () = halted => Err(format!("`{program}` was ended because the run was halted")),
        () = tokio::time::sleep(limit) => Err(format!("`{program}` took longer than {}", show_duration(limit))),
    };
    match ended {
        Ok((Ok(status), _)) if status.success() => Ok(()),
        Ok((Ok(status), tail)) => {
            let words = String::from_utf8_lossy(&tail).trim().to_owned();
            let words = if words.is_empty() { String::new() } else { format!(": {words}") };
            Err(format!("`{program}` ended with {status}{words}"))
        }
        Ok((Err(error), _)) => Err(format!("`{program}` could not be waited for: {error}")),
        Err(why) => {
            if let Some(group) = group {
                // The group is ours: it was made for this child, which has not been reaped.
                let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            }
            Err(why)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{act::Target, ids::ActId};

    fn argv(words: &[&str]) -> Vec<String> {
        words.iter().map(ToString::to_string).collect()
    }

    #[tokio::test]
    async fn a_command_is_judged_by_its_exit_status() {
        assert_eq!(execute(&argv(&["true"]), &BTreeMap::new(), UNDO_LIMIT, None).await, Ok(()));
        let failed = execute(&argv(&["sh", "-c", "echo gone wrong >&2; exit 7"]), &BTreeMap::new(), UNDO_LIMIT, None).await.unwrap_err();
        assert!(failed.contains("gone wrong") && failed.contains('7'), "{failed}");
        let missing = execute(&argv(&["no-such-program-here"]), &BTreeMap::new(), UNDO_LIMIT, None).await.unwrap_err();
        assert!(missing.contains("could not be started"), "{missing}");
    }

    #[tokio::test]
    async fn an_undo_may_take_as_long_as_its_step_and_a_minute_at_least() {
        let limit = |timeout: Duration| {
            let step = CommandStep { command: argv(&["true"]), undo: Some(argv(&["sleep", "30"])), timeout };
            let Undo::Restore { before, .. } = undo_of(&step) else { panic!("it has an undo") };
            before["limit_s"].as_u64().unwrap()
        };
        assert_eq!([limit(Duration::from_secs(5)), limit(Duration::from_mins(15))], [60, 900]);
        let act = Act {
            id: ActId { step: 1, act: 1 },
            fault: Fault::Run { command: argv(&["true"]), timeout: UNDO_LIMIT, undo: None },
            target: Target::Command,
        };
        let undo = Undo::restore("run sleep 30".to_owned(), serde_json::json!({ "command": ["sleep", "30"], "limit_s": 0 }));
        let late = revert(&Prepared { act, undo }, &BTreeMap::new()).await.unwrap_err().to_string();
        assert!(late.contains("took longer than"), "{late}");
    }

    #[tokio::test]
    async fn a_command_ends_with_its_limit() {
        let late = execute(&argv(&["sleep", "30"]), &BTreeMap::new(), Duration::from_millis(50), None).await.unwrap_err();
        assert!(late.contains("longer than 50 ms"), "{late}");
    }

    #[tokio::test]
    async fn a_halt_ends_a_command() {
        let halt = Halt::default();
        halt.call("test");
        let ended = execute(&argv(&["sleep", "30"]), &BTreeMap::new(), UNDO_LIMIT, Some(&halt)).await.unwrap_err();
        assert!(ended.contains("halted"), "{ended}");
    }
}
