//! The row of a run that ends now. Whatever is wrong with the history, the verdict stands: it costs a warning, and some seconds at most.

use std::{
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::Duration,
};

use super::row;
use crate::{
    cli::{fresh, runner::Job, say},
    clock,
    file::project,
    history::{Run, Store},
    model::{ids::RunId, time::Mono, verdict::Verdict},
    redact,
    report::RunRecord,
    state_dir,
};

/// The most that a run waits for the history, whatever hangs: a disk of a network, or another process.
const MOST: Duration = Duration::from_secs(10);

/// What is known of a run before it begins.
pub struct Note {
    row: Run,
    begun: Mono,
    /// The file that its `firedrill.yaml` is looked for from.
    beside: PathBuf,
}

impl Note {
    /// Of a job; `scheduled` says whether a schedule fired it.
    pub fn of(job: &Job, scheduled: bool) -> Self {
        let mut note = Self::new(&job.experiment.title, job.file.as_deref());
        note.row.environment = Some(job.environment.name.clone());
        note.row.platform = Some(job.environment.platform.name().to_owned());
        note.row.seed = job.plan.as_ref().map_or(Some(job.seed), |plan| Some(plan.seed));
        note.row.scheduled = scheduled;
        note
    }

    /// Of an experiment that has no environment.
    pub fn new(title: &str, file: Option<&str>) -> Self {
        let mut row = row::empty(RunId::from(""), title, clock::moment());
        row.file = file.map(str::to_owned);
        row.commit = commit();
        Self { row, begun: clock::now(), beside: file.unwrap_or("experiment.yaml").into() }
    }

    /// As a schedule's.
    #[must_use]
    pub fn scheduled(mut self, scheduled: bool) -> Self {
        self.row.scheduled = scheduled;
        self
    }

    /// Writes down how it ended. `known` is its verdict, for when its record cannot be read.
    pub fn ended(mut self, known: Verdict, record: &RunRecord, folder: &Path) {
        self.row.took_s = Some(clock::now().since(self.begun).as_secs_f64());
        if let Some(run) = &record.run {
            self.row.run = run.clone();
            row::fill(&mut self.row, record, Some(folder));
        } else {
            self.row.run = RunId(folder.file_name().unwrap_or_default().to_string_lossy().into_owned());
            "Its events could not be read when it had ended.".clone_into(&mut self.row.reason);
            self.row.folder = row::whole_path(folder);
        }
        self.row.verdict = known;
        self.write();
    }

    /// Writes down that it did not start, and has no folder.
    pub fn not_started(mut self, why: &str) {
        match fresh::run_id() {
            Ok(run) => self.row.run = run,
            Err(why) => return warn(&why),
        }
        self.row.reason = format!("Nothing was touched: {}.", why.trim_end().trim_end_matches('.'));
        self.write();
    }

    fn write(self) {
        let (done, wait) = mpsc::channel();
        // A thread of its own that nobody waits for longer than that: SQLite keeps the database whole when the process ends in the middle.
        let started = thread::Builder::new().name("history".to_owned()).spawn(move || {
            // Nobody may be there any more to hear of it.
            let _ = done.send(save(self));
        });
        let saved = match started {
            Err(error) => Err(error.to_string()),
            Ok(_) => wait.recv_timeout(MOST).unwrap_or_else(|_| Err(format!("it took longer than {} s", MOST.as_secs()))),
        };
        if let Err(why) = saved {
            warn(&why);
        }
    }
}

fn warn(why: &str) {
    say::problem(format!("warning: this run is not in the history: {why}"));
}

fn save(note: Note) -> Result<(), String> {
    let (project, retention) = project::retention(&note.beside);
    let mut row = redact::without(note.row);
    row.project = project.as_deref().and_then(row::whole_path);
    let mut store = Store::open(&state_dir::path()).map_err(|error| error.to_string())?;
    store.record(&row, &retention, clock::moment()).map_err(|error| error.to_string())
}

/// The commit that is tested, where a CI system says so.
fn commit() -> Option<String> {
    let known = ["GITHUB_SHA", "CI_COMMIT_SHA"].into_iter().find_map(|name| std::env::var(name).ok())?;
    ((7..=64).contains(&known.len()) && known.bytes().all(|b| b.is_ascii_hexdigit())).then_some(known)
}
