//! Runs a command inside a container, through the engine: an argument list, a limit, its exit code and its last words.

use std::{collections::VecDeque, time::Duration};

use bollard::{
    exec::{CreateExecOptions, StartExecOptions, StartExecResults},
    models::ExecInspectResponse,
};
use futures_util::StreamExt;
use rustix::process::Signal;

use crate::{
    clock,
    platform::{
        docker::{
            engine::{Engine, READ_LIMIT, Trouble},
            host_process::HostProcess,
        },
        process,
    },
};

/// Bytes of output that are kept: its end.
const KEPT: usize = 16 * 1024;
/// Lines of it in a message, and letters of each.
const LINES: usize = 20;
const LETTERS: usize = 400;
/// How long the engine may take to know the exit code after the output has ended.
const EXIT_KNOWN_WITHIN: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(20);

/// A command to run in a container.
#[derive(Debug, Clone, Copy)]
pub struct Command<'a> {
    /// The container's full id.
    pub container: &'a str,
    /// The command and its arguments.
    pub words: &'a [String],
    /// Variables beside the container's own: `NAME=value`.
    pub env: &'a [String],
    /// How long it may take.
    pub limit: Duration,
}

/// How a command ended.
#[derive(Debug)]
pub enum Ended {
    /// By itself.
    Exit {
        /// Its exit code.
        code: i64,
        /// What it wrote, both streams; the end of it.
        output: String,
    },
    /// It took longer than its limit.
    TooLong {
        /// What became of it, in words that follow "and".
        and: String,
    },
}

impl Command<'_> {
    fn config(&self, attach: bool) -> CreateExecOptions<String> {
        CreateExecOptions {
            attach_stdout: Some(attach),
            attach_stderr: Some(attach),
            cmd: Some(self.words.to_vec()),
            env: Some(self.env.to_vec()),
            ..CreateExecOptions::default()
        }
    }

    fn called(&self) -> &str {
        self.words.first().map_or("nothing", String::as_str)
    }

    async fn create(&self, engine: &Engine, attach: bool) -> Result<String, Trouble> {
        let what = format!("a command in {:.12}", self.container);
        Ok(engine.call(&what, READ_LIMIT, engine.docker.create_exec(self.container, self.config(attach))).await?.id)
    }

    /// Starts it and does not wait for it.
    ///
    /// # Errors
    /// When the engine cannot start it.
    pub async fn start(&self, engine: &Engine) -> Result<(), Trouble> {
        let id = self.create(engine, false).await?;
        let options = StartExecOptions { detach: true, ..StartExecOptions::default() };
        let what = format!("the start of `{}` in {:.12}", self.called(), self.container);
        engine.call(&what, READ_LIMIT, engine.docker.start_exec(&id, Some(options))).await.map(drop)
    }

    /// Runs it to its end, or its limit.
    ///
    /// # Errors
    /// When the engine cannot start it, or does not say how it ended.
    pub async fn run(&self, engine: &Engine) -> Result<Ended, Trouble> {
        let id = self.create(engine, true).await?;
        let what = format!("the start of `{}` in {:.12}", self.called(), self.container);
        let started = engine.call(&what, READ_LIMIT, engine.docker.start_exec(&id, None)).await?;
        let StartExecResults::Attached { mut output, .. } = started else {
            return Err(Trouble::Failed(format!("asked for {what}, the engine gave no output")));
        };
        let mut kept: VecDeque<u8> = VecDeque::new();
        let reading = async {
            while let Some(Ok(piece)) = output.next().await {
                kept.extend(piece.into_bytes());
                let beyond = kept.len().saturating_sub(KEPT);
                kept.drain(..beyond);
            }
        };
        if tokio::time::timeout(self.limit, reading).await.is_err() {
            return Ok(Ended::TooLong { and: self.end(engine, &id).await });
        }
        let asked = clock::now();
        loop {
            // The output may end before the command does: what is left of the limit is left to it.
            let now = self.look(engine, &id).await?;
            if let (Some(false), Some(code)) = (now.running, now.exit_code) {
                let bytes: Vec<u8> = kept.into();
                return Ok(Ended::Exit { code, output: String::from_utf8_lossy(&bytes).into_owned() });
            }
            if clock::now().since(asked) > self.limit.max(EXIT_KNOWN_WITHIN) {
                return Ok(Ended::TooLong { and: self.end(engine, &id).await });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn look(&self, engine: &Engine, id: &str) -> Result<ExecInspectResponse, Trouble> {
        engine
            .call(&format!("the state of `{}` in {:.12}", self.called(), self.container), READ_LIMIT, engine.docker.inspect_exec(id))
            .await
    }

    /// Ends it with all that it started. The engine has no call for that: its process is found on this machine.
    async fn end(&self, engine: &Engine, id: &str) -> String {
        if !engine.endpoint.is_local() {
            return format!("still runs: an engine elsewhere ({}) has no way to end it", engine.endpoint.address);
        }
        let pid = match self.look(engine, id).await {
            Ok(now) if now.running == Some(false) => return "has ended by itself since".to_owned(),
            Ok(now) => now.pid.and_then(|pid| i32::try_from(pid).ok()).unwrap_or_default(),
            Err(trouble) => return format!("may still run: {trouble}"),
        };
        match kill(pid, self.container) {
            Ok(()) => "was killed".to_owned(),
            Err(why) => format!("may still run: {why}"),
        }
    }
}

/// Kills a process of a container and its descendants. It is stopped first, so that it starts no more while they are gathered.
fn kill(pid: i32, container: &str) -> Result<(), String> {
    let root = HostProcess::of_container(pid, container).map_err(|error| error.to_string())?;
    root.signal(Signal::STOP).map_err(|error| error.to_string())?;
    let descendants = process::descendants_of(&process::all(), pid);
    // Held one by one: of those that ended meanwhile nothing is left to kill, and what is not the container's is not touched.
    for held in descendants.iter().filter_map(|stat| HostProcess::of_container(stat.pid, container).ok()) {
        held.signal(Signal::KILL).map_err(|error| error.to_string())?;
    }
    root.signal(Signal::KILL).map(drop).map_err(|error| error.to_string())
}

/// The last lines of an output in one line, without what would move a terminal's cursor.
pub fn last_words(output: &str) -> String {
    let lines: Vec<String> = output
        .lines()
        .map(|line| line.chars().filter(|c| !c.is_control()).take(LETTERS).collect::<String>().trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect();
    lines[lines.len().saturating_sub(LINES)..].join(" / ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_are_short_and_harmless() {
        assert_eq!(last_words("a\r\n\n  b\u{1b}[2J \n"), "a / b[2J");
        let long: String = (0..30).flat_map(|n| format!("line {n}\n").chars().collect::<Vec<_>>()).collect();
        assert!(last_words(&long).starts_with("line 10 / line 11"), "{}", last_words(&long));
        assert_eq!(last_words(&"x".repeat(1000)).len(), LETTERS);
        assert_eq!(last_words(""), "");
    }
}
