//! The hidden verb `firedrill deadman`: watches one firedrill, and undoes its run when it is gone or hangs. One thread, and nothing but
//! waiting until then.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::mpsc,
    time::Duration,
};

use rustix::process::Signal;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::unix::pipe,
    signal::unix::{SignalKind, signal},
};

use super::line::{Line, READY};
use crate::{
    cli::{recover, say},
    clock,
    failpoint::{self, Fail},
    journal::Store,
    model::{time::Mono, verdict::Verdict},
    platform::process::Handle,
    probe::wakeup,
};

/// Between two tries of an undo that could not begin; doubled up to `LONGEST_PAUSE`.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long an undo is tried that cannot begin: an engine may be restarting, a disk may be full.
const TRIES_FOR: Duration = Duration::from_mins(30);
/// How long its words may take. The terminal may stand still.
const WORDS_WITHIN: Duration = Duration::from_secs(2);

/// What the verb is asked for.
#[derive(Debug, Clone, clap::Args)]
pub struct DeadmanArgs {
    /// The run's journal.
    #[arg(long)]
    pub journal: PathBuf,
    /// The process that runs it.
    #[arg(long)]
    pub tool: i32,
    /// When that process began, clock ticks after boot.
    #[arg(long)]
    pub began: u64,
}

/// Watches until the run has ended, or is undone.
pub fn deadman(args: &DeadmanArgs) -> u8 {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say::problem(format!("the dead-man's switch cannot be started: {error}"));
            return Verdict::Error.exit_code();
        }
    };
    runtime.block_on(async {
        match watch(args).await {
            Ok(None) => 0,
            Ok(Some(why)) => undo(args, why).await,
            Err(error) => {
                say::problem(format!("the dead-man's switch cannot watch: {error}"));
                Verdict::Error.exit_code()
            }
        }
    })
}

/// Why the run must be undone from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Gone,
    Hung,
}

/// Watches. `None` when the run has ended by itself.
async fn watch(args: &DeadmanArgs) -> std::io::Result<Option<Why>> {
    // Not the session of the terminal, nor its group. That it leads one already is as well.
    let _ = rustix::process::setsid();
    // firedrill is asked to end by these, and then says so itself. Its helper stays until then.
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup(), SignalKind::quit()] {
        drop(signal(kind)?);
    }
    let lines = pipe::Receiver::from_owned_fd(rustix::io::dup(rustix::stdio::stdin())?)?;
    let mut lines = BufReader::new(lines).lines();
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    // Opened before anybody is told to go on, so it is held whatever becomes of it. One that is gone already needs no pidfd.
    let tool = Handle::open(args.tool, args.began).ok();
    let exit = tool.as_ref().map(|tool| wakeup::watch(tool.fd()?)).transpose()?;
    let gone = async {
        match &exit {
            Some(exit) => exit.readable().await.map(drop),
            None => Ok(()),
        }
    };
    tokio::pin!(gone);
    rustix::io::write(rustix::stdio::stdout(), READY)?;
    // From here on everything that is said is said where firedrill's errors are said.
    rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
    let mut until: Option<Mono> = None;
    let mut hears = true;
    loop {
        let late = until.map(|at| at.since(clock::now()));
        tokio::select! {
            biased;
            // What was said comes before what follows from silence: this process may have been suspended itself.
            line = lines.next_line(), if hears => match line {
                Ok(Some(text)) => match Line::read(&text) {
                    Some(Line::Until(at)) => until = Some(at),
                    Some(Line::Free) => until = None,
                    Some(Line::Ended) => return Ok(None),
                    None => {}
                },
                Ok(None) | Err(_) => hears = false,
            },
            ended = &mut gone => {
                ended?;
                return Ok(Some(Why::Gone));
            }
            () = tokio::time::sleep(late.unwrap_or_default()), if late.is_some() => {
                if let Some(tool) = &tool {
                    tool.signal(Signal::KILL)?;
                }
                // However long that takes: never two at once.
                gone.await?;
                return Ok(Some(Why::Hung));
            }
        }
    }
}

/// Recovers the run. Somebody else may be doing that already: a new run in its place, or a person.
async fn undo(args: &DeadmanArgs, why: Why) -> u8 {
    let at = failpoint::visit("deadman");
    failpoint::crash(at, Fail::Before);
    let give_up = clock::now().plus(TRIES_FOR);
    let mut pause = FIRST_PAUSE;
    let path = args.journal.display().to_string();
    loop {
        if !args.journal.exists() {
            if recover::finished(Path::new(args.journal.file_stem().unwrap_or_default())) {
                return 0;
            }
            return words(move || {
                say::problem(format!(
                    "{path}: it is gone, and with it what the dead-man's switch would have undone: `firedrill recover` looks for that"
                ));
                Verdict::Residue.exit_code()
            });
        }
        let tried = match Store::open() {
            Ok(store) => recover::one(&store, store.find(&path)).await,
            Err(error) => Err((Verdict::Error, format!("the journals cannot be read: {error}"))),
        };
        match tried {
            Ok((run, recovered)) => {
                return words(move || {
                    let how = match why {
                        Why::Gone => "its firedrill was gone",
                        Why::Hung => "its firedrill did not go on in time and was ended",
                    };
                    say::problem(format!("{run}: {how}; the dead-man's switch undoes what it did"));
                    recover::tell(run.as_str(), &recovered)
                });
            }
            Err((verdict, why)) if clock::now() >= give_up => {
                return words(move || {
                    say::problem(format!("{path}: the dead-man's switch could not undo it: {why}; `firedrill recover` does"));
                    verdict.exit_code()
                });
            }
            Err(_) => {}
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Says something, without waiting for a terminal that stands still.
fn words(say: impl FnOnce() -> u8 + Send + 'static) -> u8 {
    let (sender, said) = mpsc::channel();
    std::thread::spawn(move || sender.send(say()));
    said.recv_timeout(WORDS_WITHIN).unwrap_or(0)
}
