//! Attaching to a system that runs, or starting one for as long as a run needs it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::process::Child;

use super::{
    client::Client,
    output::Output,
    platform::LocalPlatform,
    process,
    rendezvous::{self, Rendezvous},
    spec_file,
};
use crate::{clock, model::selector::ProcessMatch, platform::PlatformError, state_dir};

/// Between two looks at a system that is starting.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long a system gets to end beyond its own grace.
const ENDS_WITHIN: Duration = Duration::from_secs(20);

/// What a local platform is made from.
#[derive(Debug, Clone, Default)]
pub struct LocalOptions {
    /// The system's file; none when only foreign processes are meant.
    pub system: Option<PathBuf>,
    /// Values that win over the file's `vars`.
    pub vars: BTreeMap<String, String>,
    /// Processes that the tool did not start and that may be chosen.
    pub foreign: Vec<ProcessMatch>,
    /// Start the system when it does not run.
    pub start: bool,
    /// The binary that starts it; this one unless told.
    pub program: Option<PathBuf>,
    /// The state directory; this process's unless told.
    pub state: Option<PathBuf>,
}

/// A system that was started for this run: it ends with this process.
#[derive(Debug)]
pub struct Started {
    child: Child,
    mark: String,
}

impl LocalPlatform {
    /// Attaches to the system if it runs, else starts it, if asked for, and waits until it is up. A system that does not run and
    /// is not started is no error here: its processes are gone, so that undoing finds nothing to do.
    pub async fn attach_or_start(options: LocalOptions) -> Result<Self, PlatformError> {
        let Some(system) = &options.system else { return Ok(Self::new(None, None, options.foreign, None)) };
        // Each of these says itself what it is about: the file, the state directory, the binary.
        let failed = |e: std::io::Error| PlatformError::Unavailable(e.to_string());
        let state = options.state.clone().unwrap_or_else(state_dir::path);
        let place = Rendezvous::within(&state, system, &options.vars).map_err(failed)?;
        let client = Client::new(place.socket());
        let made = |started| Self::new(Some(client.clone()), Some(place.system.clone()), options.foreign.clone(), started);
        match client.status().await {
            Ok(_) => wait_until_up(&client, None).await.map(|()| made(None)),
            Err(PlatformError::Unavailable(_)) if options.start => {
                spec_file::load(system, &options.vars).map_err(|d| PlatformError::Unavailable(bare(&d.text(false))))?;
                let program = match &options.program {
                    Some(program) => program.clone(),
                    None => std::env::current_exe()
                        .map_err(|e| PlatformError::Unavailable(format!("the path of this binary cannot be found: {e}")))?,
                };
                let mut command = tokio::process::Command::new(&program);
                command.arg("up").arg(system).arg("--for-run").env("FIREDRILL_STATE_DIR", &state);
                for (name, value) in &options.vars {
                    command.arg("--var").arg(format!("{name}={value}"));
                }
                // Its stdin is a pipe that only this process holds: when this process is gone, however, the system ends.
                command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
                let mut child = command
                    .spawn()
                    .map_err(|e| PlatformError::Unavailable(format!("the supervisor `{}` cannot be started: {e}", program.display())))?;
                let mark = place.mark(child.id().unwrap_or_default());
                wait_until_up(&client, Some(&mut child)).await?;
                Ok(made(Some(Started { child, mark })))
            }
            Err(PlatformError::Unavailable(_)) => Ok(made(None)),
            Err(other) => Err(other),
        }
    }

    /// Every system that runs under a supervisor of this state directory.
    pub async fn running(state: &Path) -> Vec<Self> {
        let mut found = Vec::new();
        for socket in rendezvous::sockets(state) {
            let client = Client::new(socket);
            // A socket without a supervisor was left by one that was killed: its processes are gone with it.
            if let Ok(status) = client.status().await {
                found.push(Self::new(Some(client), Some(status.scope), Vec::new(), None));
            }
        }
        found
    }

    /// Whether this platform started the system, so that `shutdown` ends it.
    pub fn started(&self) -> bool {
        self.started_slot().is_some()
    }

    /// Ends the system, if it was started for this run, and sees that nothing of it is left.
    pub async fn shutdown(&self) -> Result<(), PlatformError> {
        let Some(mut started) = self.started_slot().take() else { return Ok(()) };
        drop(started.child.stdin.take());
        let ended = tokio::time::timeout(ENDS_WITHIN, started.child.wait()).await;
        if ended.is_err() {
            // Its containment ends everything with it.
            let _ = started.child.kill().await;
        }
        let mark = [format!("FIREDRILL_SYSTEM={}", started.mark)];
        let deadline = clock::now().plus(Duration::from_secs(5));
        loop {
            let left = process::members(&process::all(), process::Root { process: None, marks: &mark, except: &[] });
            match left.as_slice() {
                [] => break,
                left if clock::now() > deadline => {
                    let pids: Vec<String> = left.iter().map(|s| s.pid.to_string()).collect();
                    return Err(PlatformError::Failed(format!("the system ended, but left processes: {}", pids.join(", "))));
                }
                _ => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
        match ended {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(PlatformError::Failed(format!("the system's supervisor ended with {status}"))),
            Ok(Err(e)) => Err(PlatformError::Failed(e.to_string())),
            Err(_) => Err(PlatformError::Timeout(ENDS_WITHIN)),
        }
    }
}

/// What was said, without who says it and that it is an error: whoever shows this says so.
fn bare(said: &str) -> String {
    said.trim_start_matches("firedrill: ").trim_start_matches("error: ").trim_end().to_owned()
}

/// A system has limits of its own for coming up, after which its supervisor ends with the reason on stderr.
async fn wait_until_up(client: &Client, mut child: Option<&mut Child>) -> Result<(), PlatformError> {
    let words = Output::in_memory();
    let mut reader = tokio::task::JoinSet::new();
    if let Some(err) = child.as_mut().and_then(|c| c.stderr.take()) {
        reader.spawn(words.clone().drain(err));
    }
    loop {
        let status = client.status().await;
        if matches!(&status, Ok(status) if status.ready) {
            reader.detach_all();
            return Ok(());
        }
        match &mut child {
            Some(child) => {
                if let Ok(Some(_)) = child.try_wait() {
                    let _ = tokio::time::timeout(Duration::from_millis(200), reader.join_next()).await;
                    let said = words.last().join("\n");
                    return Err(PlatformError::Unavailable(bare(&said)));
                }
            }
            None => drop(status?),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
