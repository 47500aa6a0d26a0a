//! Commands of the experimenter's: argument lists, without a shell, in a process group of their own.

use std::{collections::BTreeMap, process::Stdio, time::Duration};

use rustix::process::{Pid, Signal, kill_process_group};

use super::output::Output;

/// Runs a command to its end; an error says how it ended otherwise. When the limit is over, its whole group is killed.
pub async fn run(command: &[String], env: &BTreeMap<String, String>, limit: Duration) -> Result<(), String> {
    let Some((name, arguments)) = command.split_first() else { return Err("the command is empty".to_owned()) };
    let mut start = tokio::process::Command::new(name);
    start.args(arguments).envs(env).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
    let mut child = start.spawn().map_err(|e| format!("`{name}` cannot be started: {e}"))?;
    let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    let output = Output::in_memory();
    let mut reader = tokio::task::JoinSet::new();
    if let Some(err) = child.stderr.take() {
        reader.spawn(output.clone().drain(err));
    }
    match tokio::time::timeout(limit, child.wait()).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => {
            let _ = tokio::time::timeout(Duration::from_millis(50), reader.join_next()).await;
            let said = output.last().join(" / ");
            Err(format!("`{name}` ended with {status}{}", if said.is_empty() { String::new() } else { format!(": {said}") }))
        }
        Ok(Err(e)) => Err(format!("`{name}`: {e}")),
        Err(_) => {
            if let Some(group) = group {
                // Not yet awaited, so the number is still its own.
                let _ = kill_process_group(group, Signal::KILL);
            }
            let _ = child.wait().await;
            Err(format!("`{name}` did not end within {limit:?} and was killed"))
        }
    }
}
