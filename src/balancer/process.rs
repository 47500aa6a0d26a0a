//! The balancer as a process: config and commands on stdin, reports on stdout, as `protocol` says.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    sync::mpsc::{self, UnboundedReceiver, UnboundedSender},
};

use super::{
    protocol::{Command, Config, Report},
    server::{Balancer, StartError},
};

/// Why the balancer's process ended before the end of its stdin. It has been reported as `Report::Failed`.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// No runtime.
    #[error("cannot start: {0}")]
    Runtime(io::Error),
    /// The first line is missing or is no config.
    #[error("the first line on stdin is not the balancer's config: {0}")]
    Config(String),
    /// It did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A line that is no command, and does not say which one it would have been.
    #[error("a line on stdin is not a command: {0}")]
    Command(String),
    /// Stdin broke.
    #[error("cannot read stdin: {0}")]
    Input(io::Error),
    /// Stdout broke: the supervisor is gone.
    #[error("cannot write stdout: {0}")]
    Output(io::Error),
}

/// The time for the last reports to be taken.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Runs a balancer over this process's stdin and stdout until stdin ends. On one thread: it shall take no more than a core.
pub fn run() -> Result<(), ProcessError> {
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ProcessError::Runtime)?;
    let ended = runtime.block_on(serve(BufReader::new(tokio::io::stdin()), tokio::io::stdout()));
    // Not dropped: after a failure a thread may still wait for stdin.
    runtime.shutdown_background();
    ended
}

/// Runs a balancer over these two until the input ends.
pub async fn serve(input: impl AsyncBufRead + Unpin, output: impl AsyncWrite + Unpin) -> Result<(), ProcessError> {
    let (reports, written) = mpsc::unbounded_channel();
    let commands = async {
        let ended = obey(input, reports.clone()).await;
        if let Err(error) = &ended {
            drop(reports.send(Report::Failed { why: error.to_string() }));
        }
        // The last sender: the writer ends when it has written all.
        drop(reports);
        ended
    };
    let writer = write(written, output);
    tokio::pin!(commands, writer);
    tokio::select! {
        ended = &mut commands => {
            // A supervisor that does not read does not keep the process alive.
            let flushed = tokio::time::timeout(LAST_WORDS, writer).await;
            ended.and(flushed.unwrap_or(Ok(())))
        }
        broken = &mut writer => broken,
    }
}

async fn obey(mut input: impl AsyncBufRead + Unpin, reports: UnboundedSender<Report>) -> Result<(), ProcessError> {
    let mut line = String::new();
    input.read_line(&mut line).await.map_err(ProcessError::Input)?;
    if line.trim().is_empty() {
        return Err(ProcessError::Config("it is empty".to_owned()));
    }
    let config: Config = serde_json::from_str(&line).map_err(|error| ProcessError::Config(error.to_string()))?;
    let balancer = Balancer::start(config, reports.clone()).await?;
    loop {
        line.clear();
        if input.read_line(&mut line).await.map_err(ProcessError::Input)? == 0 {
            return Ok(());
        }
        if line.trim().is_empty() {
            continue;
        }
        let report = match serde_json::from_str::<Command>(&line) {
            Ok(Command { seq, action }) => match balancer.apply(action) {
                Ok(()) => Report::Done { seq },
                Err(refusal) => Report::Refused { seq, why: refusal.to_string() },
            },
            Err(error) => match numbered(&line) {
                Some(seq) => Report::Refused { seq, why: format!("not a command: {error}") },
                None => return Err(ProcessError::Command(error.to_string())),
            },
        };
        drop(reports.send(report));
    }
}

/// The number of a line that is no command otherwise.
fn numbered(line: &str) -> Option<u64> {
    serde_json::from_str::<serde_json::Value>(line).ok()?.get("seq")?.as_u64()
}

async fn write(mut reports: UnboundedReceiver<Report>, mut output: impl AsyncWrite + Unpin) -> Result<(), ProcessError> {
    while let Some(report) = reports.recv().await {
        let mut line = serde_json::to_vec(&report).map_err(|error| ProcessError::Output(error.into()))?;
        line.push(b'\n');
        output.write_all(&line).await.map_err(ProcessError::Output)?;
        output.flush().await.map_err(ProcessError::Output)?;
    }
    Ok(())
}

/// Two sockets a request: the usual 1,024 open files are soon too few.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    // It stays as it is where that is not allowed.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum });
}
