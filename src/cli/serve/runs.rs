//! The runs of the daemon, each a process. In one place they go one after another: the lock of a scope lets only one in, and who would be
//! refused waits here, as long as it may begin.

use std::{
    collections::{BTreeMap, VecDeque},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::{Child, Command},
    task::JoinSet,
};

use super::{shown, web::TOKEN};
use crate::{
    cli::{fresh, say, schedule::args::Serve},
    clock,
    daemon::{
        agenda::{Due, What},
        running::Unfinished,
        snapshot::{Active, Asked, Counts, Waiting},
        state::Switches,
    },
    engine::halt::{Halt, Urgency},
    lock,
    model::{ids::RunId, verdict::Verdict},
    report::words::whole,
    schedule::Roster,
};

/// The most runs at the same time.
const MOST: usize = 64;
/// So often it is tried at the start to undo what killed runs left, and so long is waited in between.
const RECOVER_TRIES: u32 = 10;
const RECOVER_PAUSE: Duration = Duration::from_secs(1);

/// Those that run and those that wait.
pub struct Runs {
    args: Serve,
    /// Where each experiment runs, by its file.
    pub places: BTreeMap<PathBuf, String>,
    /// What was counted since the start.
    pub counts: Counts,
    // By the file of the experiment.
    running: BTreeMap<PathBuf, Running>,
    children: JoinSet<(PathBuf, String, std::io::Result<ExitStatus>)>,
    waiting: VecDeque<(Due, Timestamp)>,
    residue: bool,
}

/// A run that has not ended.
struct Running {
    name: String,
    place: String,
    run: RunId,
    pid: Option<Pid>,
    since: Timestamp,
}

impl Runs {
    /// None yet.
    pub fn new(args: &Serve) -> Self {
        Self {
            args: args.clone(),
            places: BTreeMap::new(),
            counts: Counts::default(),
            running: BTreeMap::new(),
            children: JoinSet::new(),
            waiting: VecDeque::new(),
            residue: false,
        }
    }

    /// What runs.
    pub fn running(&self) -> Vec<Active> {
        let process = |run: &Running| {
            let pid = run.pid?.as_raw_nonzero().get().cast_unsigned();
            Some(Unfinished { run: run.run.clone(), pid, pid_started: lock::started(pid)? })
        };
        let active = |(file, run): (&PathBuf, &Running)| Active {
            name: run.name.clone(),
            file: file.clone(),
            since: run.since,
            run: run.run.clone(),
            process: process(run),
        };
        self.running.iter().map(active).collect()
    }

    /// What waits for its place.
    pub fn waiting(&self) -> Vec<Waiting> {
        self.waiting.iter().map(|(due, latest)| Waiting { name: due.entry.name.clone(), at: due.at, latest: *latest }).collect()
    }

    /// Whether an experiment runs, or waits for its place.
    pub fn has(&self, file: &Path) -> bool {
        self.running.contains_key(file) || self.waiting.iter().any(|(other, _)| other.entry.path == file)
    }

    /// What became of a run that was asked for a moment ago.
    pub fn asked(&self, due: &Due) -> Asked {
        if self.running.contains_key(&due.entry.path) {
            return Asked::Started;
        }
        let waits = self.waiting.iter().find(|(other, _)| other.entry.path == due.entry.path);
        waits.map_or_else(
            || Asked::Failed("it could not be started; the daemon says why".to_owned()),
            |(_, latest)| Asked::Waits { latest: *latest },
        )
    }

    /// Starts a run, now or when its place is free.
    pub fn start(&mut self, due: &Due, roster: &Roster) {
        let What::Fire { latest } = due.what else { return };
        let name = whole(&due.entry.name);
        if self.has(&due.entry.path) {
            say::out(&format!("{name}: not fired at {}: its run of before has not ended\n", shown(due.at)));
            return;
        }
        if self.busy(&due.entry.path) {
            say::out(&format!("{name}: due at {}; it waits for the run that is there, until {} at most\n", shown(due.at), shown(latest)));
        }
        self.waiting.push_back((due.clone(), latest));
        self.go_on(roster);
    }

    fn place(&self, file: &Path) -> String {
        self.places.get(file).cloned().unwrap_or_default()
    }

    fn busy(&self, file: &Path) -> bool {
        let place = self.place(file);
        self.running.len() >= MOST || self.running.values().any(|other| other.place == place)
    }

    /// Starts those that wait and may go now. What has been closed or disabled since it was due does not run, and neither does what is gone.
    pub fn go_on(&mut self, roster: &Roster) {
        let now = clock::moment();
        for (due, latest) in std::mem::take(&mut self.waiting) {
            let name = whole(&due.entry.name).into_owned();
            let here = roster.entries().iter().position(|entry| entry.path == due.entry.path);
            let Some((source, member)) = here.and_then(|entry| roster.source_of(entry)) else {
                say::out(&format!("{name}: not fired: it is gone\n"));
                continue;
            };
            let reasons = roster.sources()[source].now(member, now);
            if let Some(reason) = reasons.first() {
                say::out(&format!("{name}: not fired: {}\n", whole(&reason.to_string())));
            } else if now > latest {
                say::out(&format!("{name}: not fired: it could not begin by {}\n", shown(latest)));
            } else if self.busy(&due.entry.path) {
                self.waiting.push_back((due, latest));
            } else {
                match Switches::against(&due.entry.path) {
                    Ok(None) => self.spawn(&due),
                    Ok(Some(reason)) => say::out(&format!("{name}: not fired: {}\n", whole(&reason.to_string()))),
                    Err(why) => say::problem(format!("{name}: not fired: {why}")),
                }
            }
        }
    }

    fn spawn(&mut self, due: &Due) {
        let (file, name) = (due.entry.path.clone(), whole(&due.entry.name).into_owned());
        let mut command = match this() {
            Ok(command) => command,
            Err(error) => return say::problem(format!("{name}: not fired: {error}")),
        };
        let run = match fresh::run_id() {
            Ok(run) => run,
            Err(why) => return say::problem(format!("{name}: not fired: {why}")),
        };
        command.args(["run", "--for-daemon", "--run-id", run.as_str(), "--out"]).arg(&self.args.out).env_remove(TOKEN);
        if self.args.yes {
            command.arg("--yes");
        }
        if let Some(env) = &self.args.place.env {
            command.arg("--env").arg(env);
        }
        for (name, value) in &self.args.place.vars {
            command.arg("--var").arg(format!("{name}={value}"));
        }
        command.arg("--").arg(&file);
        // The pipe tells it that the daemon lives. A group of its own: Ctrl-C is for the daemon, which passes it on.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).process_group(0);
        match command.spawn() {
            Err(error) => say::problem(format!("{name}: not fired: the run cannot be started: {error}")),
            Ok(child) => {
                say::out(&format!("{name}: fires, due at {}\n", shown(due.at)));
                let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
                let running = Running { name: due.entry.name.clone(), place: self.place(&file), run, pid, since: clock::moment() };
                self.running.insert(file.clone(), running);
                self.children.spawn(async move { (file, name, end(child).await) });
            }
        }
    }

    /// Waits until a run ends, and says how; never when there is none, but it is looked again at those that wait now and then.
    pub async fn ended(&mut self) {
        let looked_again =
            async { if self.waiting.is_empty() { std::future::pending().await } else { tokio::time::sleep(Duration::from_secs(1)).await } };
        tokio::select! {
            Some(ended) = self.children.join_next() => {
                if let Ok((file, name, status)) = ended {
                    let gone = self.running.remove(&file);
                    let code = told(&name, status);
                    let verdict = Verdict::ALL.into_iter().find(|verdict| Some(verdict.exit_code()) == code);
                    self.counts.ended(gone.as_ref().map_or(&name, |run| &run.name), verdict, clock::moment());
                    self.residue |= verdict == Some(Verdict::Residue);
                }
            }
            () = looked_again => {}
        }
    }

    /// Tells all runs to stop and undo, more urgently each time that the daemon is told so, and waits for them. Gives whether something
    /// was left behind.
    pub async fn stop(mut self, halt: &Halt) -> bool {
        for (due, _) in std::mem::take(&mut self.waiting) {
            say::out(&format!("{}: not fired: the daemon ends\n", whole(&due.entry.name)));
        }
        let mut passed_on = Urgency::None;
        while !self.children.is_empty() {
            let urgency = halt.urgency();
            if urgency > passed_on {
                passed_on = urgency;
                for pid in self.running.values().filter_map(|run| run.pid) {
                    // The process is our child and not reaped yet: the number is its own.
                    let _ = kill_process(pid, Signal::TERM);
                }
                say::out("the runs were told to stop and undo\n");
            }
            let next = match passed_on {
                Urgency::None | Urgency::Undo => Urgency::UndoOnly,
                Urgency::UndoOnly | Urgency::Leave => Urgency::Leave,
            };
            tokio::select! {
                () = self.ended() => {}
                () = halt.reached(next), if passed_on < Urgency::Leave => {}
            }
        }
        self.residue
    }
}

/// Waits for a run with its pipe open: closing it would halt the run.
async fn end(mut child: Child) -> std::io::Result<ExitStatus> {
    let pipe = child.stdin.take();
    let status = child.wait().await;
    drop(pipe);
    status
}

/// Says how a run ended; gives its exit code.
fn told(name: &str, status: std::io::Result<ExitStatus>) -> Option<u8> {
    let code = match status.map(|status| (status.code(), status)) {
        Ok((Some(code), _)) => u8::try_from(code).ok(),
        Ok((None, status)) => {
            say::problem(format!("{name}: its process was ended: {status}; `firedrill recover` undoes what it left"));
            return None;
        }
        Err(error) => {
            say::problem(format!("{name}: what became of its process cannot be told: {error}"));
            return None;
        }
    };
    let verdict = Verdict::ALL.into_iter().find(|verdict| Some(verdict.exit_code()) == code);
    say::out(&format!("{name}: {}\n", verdict.map_or_else(|| "ended".to_owned(), |verdict| verdict.to_string())));
    code
}

/// Undoes what killed runs left, as `firedrill recover` does. Tried again for a while: the runs of a daemon that was killed a moment ago are
/// still halting and undoing by themselves, and hold their locks until they have done so.
///
/// # Errors
/// With what is to be said, when not all is undone.
pub async fn recover() -> Result<(), String> {
    for tries_left in (0..RECOVER_TRIES).rev() {
        let mut command = this()?;
        let output = command.arg("recover").stdin(Stdio::null()).output().await;
        let output = output.map_err(|error| format!("what killed runs left cannot be undone: {error}"))?;
        say::out(&String::from_utf8_lossy(&output.stdout));
        if output.status.success() || tries_left == 0 {
            say::err(&String::from_utf8_lossy(&output.stderr));
        }
        if output.status.success() {
            return Ok(());
        }
        if tries_left > 0 {
            tokio::time::sleep(RECOVER_PAUSE).await;
        }
    }
    Err("not everything that killed runs left is undone (see above); a run in such a place will try it again".to_owned())
}

fn this() -> Result<Command, String> {
    std::env::current_exe().map(Command::new).map_err(|error| format!("the program cannot find itself: {error}"))
}
