//! Programs that a killed run left at work. Each carries its run in its environment; before the rollbacks of that run are played, those that
//! are still at work are ended: an action that goes on would undo the undoing.
//!
//! Only programs that the run itself started count, with the process group that each was given. What such a program put aside as a
//! session of its own is left alone: starting a server may be what an action is for.

use std::time::Duration;

use rustix::process::{Pid, Signal, getpgrp, kill_process_group};

use crate::{
    clock,
    model::ids::RunId,
    platform::process::{Stat, all, environment_has, stat},
};

/// The variable that names the run.
pub const MARK: &str = "FIREDRILL_CHAOS_TOOLKIT_RUN";
/// How long a killed program may take to be gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// Ends what a run left at work; gives the programs' process numbers.
///
/// # Errors
/// When one does not go away.
pub async fn end(run: &RunId) -> Result<Vec<i32>, String> {
    let mut ended = Vec::new();
    let begun = clock::now();
    loop {
        let left = at_work(run);
        if left.is_empty() {
            return Ok(ended);
        }
        if clock::now().since(begun) > PATIENCE {
            let pids: Vec<String> = left.iter().map(|stat| stat.pid.to_string()).collect();
            return Err(format!("what it started is still at work, and cannot be ended: process {}", pids.join(", ")));
        }
        for program in left {
            // Between the look and the signal its number could have become another's.
            if stat(program.pid).is_some_and(|now| now.start_time == program.start_time)
                && let Some(group) = Pid::from_raw(program.pid)
                && kill_process_group(group, Signal::KILL).is_ok()
                && !ended.contains(&program.pid)
            {
                ended.push(program.pid);
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn at_work(run: &RunId) -> Vec<Stat> {
    let mark = format!("{MARK}={run}");
    let own = getpgrp().as_raw_nonzero().get();
    let started = |stat: &Stat| stat.alive() && stat.group == stat.pid && stat.session != stat.pid && stat.group != own;
    all().into_iter().filter(|stat| started(stat) && environment_has(stat.pid, &mark)).collect()
}

#[cfg(test)]
mod tests {
    use std::{os::unix::process::CommandExt, process::Command};

    use super::*;

    fn begin(program: &str, arguments: &[&str], run: &RunId) -> std::process::Child {
        Command::new(program).args(arguments).env(MARK, run.as_str()).process_group(0).spawn().unwrap()
    }

    #[tokio::test]
    async fn programs_of_the_run_end_and_no_others() {
        let name = format!("left-{}", std::process::id());
        let (ours, other) = (RunId::from(name.as_str()), RunId::from(format!("{name}-b").as_str()));
        let (mut one, mut two) = (begin("sleep", &["60"], &ours), begin("sleep", &["60"], &other));
        let ended = end(&ours).await.unwrap();
        assert_eq!(ended, [one.id().cast_signed()]);
        assert!(!one.wait().unwrap().success());
        assert!(two.try_wait().unwrap().is_none());
        assert_eq!(end(&ours).await, Ok(Vec::new()));
        two.kill().unwrap();
        two.wait().unwrap();
    }

    #[tokio::test]
    async fn a_server_that_an_action_started_lives_on() {
        let run = RunId::from(format!("serves-{}", std::process::id()).as_str());
        let folder = tempfile::tempdir().unwrap();
        let note = folder.path().join("pid");
        let script = format!("setsid sh -c 'echo $$ > {0}.new; mv {0}.new {0}; exec sleep 60' & wait", note.display());
        let mut program = begin("sh", &["-c", &script], &run);
        while !note.exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        end(&run).await.unwrap();
        program.wait().unwrap();
        let server: i32 = std::fs::read_to_string(&note).unwrap().trim().parse().unwrap();
        assert!(stat(server).is_some_and(|stat| stat.alive()));
        kill_process_group(Pid::from_raw(server).unwrap(), Signal::KILL).unwrap();
    }
}
