//! `firedrill serve`: watches a folder of experiments and runs them when they are due.
//!
//! Each run is a `firedrill run` of its own: the same code with the same safety, `firedrill halt` ends it and not the daemon, and what becomes
//! of one run is nothing to another one. It holds a pipe to the daemon, and halts itself when the daemon is gone.
//!
//! | file | what |
//! | --- | --- |
//! | `watch` | the folder: what is in it, and when that changes |
//! | `runs` | the runs: started one after another in one place, told to stop, and what became of them |
//! | `web` | the page and the API beside it: the port, the token, a thread of their own |

mod runs;
mod watch;
mod web;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use jiff::Timestamp;
use tokio::{
    sync::{mpsc, watch as channel},
    task::JoinSet,
};

use super::{
    say,
    schedule::{args::Serve, gather},
    signals,
};
use crate::{
    clock,
    daemon::{
        agenda::{Agenda, Due, TICK, What, Why},
        snapshot::{Asked, Order, Snapshot},
        state::{Fired, Switches},
    },
    engine::halt::{Halt, Urgency},
    file::{
        Diagnostics, Sink, Source,
        project::{self, Project},
    },
    lock::{self, Holder, Lock, LockError},
    model::{ids::RunId, verdict::Verdict},
    report::words::whole,
    schedule::Roster,
};
use runs::Runs;
use watch::Found;
use web::{Refused, Web};

/// So many requests of the page wait for the loop at most.
const ORDERS: usize = 16;

/// Serves until it is told to stop.
pub async fn serve(args: Serve) -> u8 {
    let halt = Halt::default();
    let _signals = match signals::listen(&halt) {
        Ok(listeners) => listeners,
        Err(error) => return refuse(format!("signals cannot be handled, so nothing is done: {error}")),
    };
    if !args.folder.is_dir() {
        say::problem(format!("{} is not a folder", args.folder.display()));
        return Verdict::Invalid.exit_code();
    }
    if let Some(wrong) = misnamed(&args) {
        say::err(&wrong.text(say::colour_on_stderr()));
        return Verdict::Invalid.exit_code();
    }
    // Held until the end.
    let _lock = match alone(&args) {
        Ok(lock) => lock,
        Err(why) => return refuse(why),
    };
    let web = match Web::prepare(&args) {
        Ok(web) => web,
        Err(Refused::NotNow(why)) => return refuse(why),
        Err(Refused::Invalid(why)) => {
            say::problem(why);
            return Verdict::Invalid.exit_code();
        }
    };
    // What a daemon left that was killed together with its runs.
    if let Err(why) = runs::recover().await {
        say::problem(why);
    }
    let mut tasks = JoinSet::new();
    let (found, mut changes) = mpsc::channel(1);
    tasks.spawn(watch::watch(args.clone(), found));
    let mut daemon = Daemon::new(args);
    let (orders, mut asked) = mpsc::channel(ORDERS);
    let (publish, snapshots) = channel::channel(Arc::new(daemon.snapshot()));
    let serving = match web.map(|web| web.start(&daemon.args, snapshots, orders.clone())).transpose() {
        Ok(serving) => serving,
        Err(why) => return refuse(format!("the page cannot be served: {why}")),
    };
    loop {
        let pause = daemon.pause();
        tokio::select! {
            () = halt.reached(Urgency::Undo) => break,
            Some(found) = changes.recv() => {
                // By what was known until now; what is new counts from now on, so that no edit fires something of a moment ago.
                let now = daemon.fire();
                daemon.change(found, now);
            }
            Some(order) = asked.recv() => daemon.obey(order),
            () = daemon.runs.ended() => daemon.runs.go_on(daemon.agenda.roster()),
            () = tokio::time::sleep(pause) => {}
        }
        let now = daemon.fire();
        if let Some((found, said)) = daemon.held.take() {
            daemon.adopt(found, now, &said);
        }
        publish.send_replace(Arc::new(daemon.snapshot()));
    }
    tasks.abort_all();
    drop(serving);
    let residue = daemon.runs.stop(&halt).await;
    if daemon.begun
        && let Err(why) = Fired::record(&daemon.args.folder, clock::moment(), &[])
    {
        say::problem(why);
    }
    say::out("ended\n");
    if residue { Verdict::Residue.exit_code() } else { 0 }
}

fn refuse(why: String) -> u8 {
    say::problem(why);
    Verdict::NotStarted.exit_code()
}

/// What is wrong with `--env`, where one project file is that of all experiments: a wrong command line is nothing to wait with.
fn misnamed(args: &Serve) -> Option<Diagnostics> {
    let env = args.place.env.as_deref()?;
    let path = project::find(&args.folder.join("experiment.yaml"))?;
    // Folders in it may have project files of their own, with other environments.
    let further = gather::files(&args.folder).ok()?.iter().filter_map(|file| project::find(file)).any(|other| !same(&other, &path));
    if further {
        return None;
    }
    let source = Source::read(&path).ok()?;
    let project = Project::new(&source, &mut Sink::new(&source))?;
    project.choose(Some(env)).err().map(|error| vec![*error].into())
}

fn same(one: &Path, other: &Path) -> bool {
    one.canonicalize().ok() == other.canonicalize().ok()
}

/// The lock of the folder: two daemons would each think that they fire alone.
fn alone(args: &Serve) -> Result<Lock, String> {
    let folder = args.folder.canonicalize().map_err(|error| format!("{}: {error}", args.folder.display()))?;
    let pid = std::process::id();
    let holder = Holder {
        scope: format!("serve {}", folder.display()).into(),
        claims: Vec::new(),
        pid,
        pid_started: lock::started(pid).unwrap_or_default(),
        run: RunId::from("serve"),
        purpose: format!("serve {}", folder.display()),
        since: clock::wall(),
    };
    lock::take(&holder).map_err(|error| match error {
        LockError::Held { holder: Some(holder), .. } => {
            format!(
                "process {} serves {} already; end it first, or let it go on: it sees every change by itself",
                holder.pid,
                folder.display()
            )
        }
        LockError::Held { holder: None, .. } => format!("another process serves {} already", folder.display()),
        other @ LockError::Io { .. } => other.to_string(),
    })
}

struct Daemon {
    args: Serve,
    agenda: Agenda,
    runs: Runs,
    // Whether the folder was read once.
    begun: bool,
    since: Timestamp,
    findings: Arc<str>,
    // What was found in the folder and could not be taken yet, as what has fired cannot be read; and why, as it was said.
    held: Option<(Found, String)>,
    // When each source last fired, as it was last published.
    last: Arc<BTreeMap<String, Timestamp>>,
}

impl Daemon {
    fn new(args: Serve) -> Self {
        let agenda = Agenda::new(Roster::default(), |_| (Timestamp::MIN, None));
        let (since, findings) = (clock::moment(), Arc::from(""));
        Self { runs: Runs::new(&args), agenda, args, begun: false, since, findings, held: None, last: Arc::default() }
    }

    /// How things are, for the page.
    fn snapshot(&self) -> Snapshot {
        Snapshot {
            folder: self.args.folder.display().to_string(),
            since: self.since,
            begun: self.begun,
            roster: self.agenda.shared(),
            last: self.last.clone(),
            next: self.next(),
            findings: self.findings.clone(),
            running: self.runs.running(),
            waiting: self.runs.waiting(),
            counts: self.runs.counts.clone(),
        }
    }

    /// Does what the page was asked for.
    fn obey(&mut self, order: Order) {
        let Order::Run { name, answer } = order;
        // Who asked may be gone; what was asked for is done all the same.
        let _ = answer.send(self.by_hand(&name));
    }

    fn by_hand(&mut self, name: &str) -> Asked {
        let Some(entry) = self.agenda.roster().entries().iter().find(|entry| entry.name == name) else { return Asked::Unknown };
        if self.runs.has(&entry.path) {
            return Asked::AlreadyThere;
        }
        match Switches::against(&entry.path) {
            Err(why) => return Asked::Failed(why),
            Ok(Some(reason)) => return Asked::Suppressed(vec![reason]),
            Ok(None) => {}
        }
        let now = clock::moment();
        let due = match self.agenda.by_hand(name, now) {
            None => return Asked::Unknown,
            Some(Err(reasons)) => return Asked::Suppressed(reasons),
            Some(Ok(due)) => due,
        };
        self.last = Arc::new(self.agenda.last());
        match Fired::record(&self.args.folder, now, &[(&due.key, due.at)]) {
            Err(why) => return Asked::Failed(why),
            Ok(new) if new.iter().any(|new| !new) => return Asked::Failed("another daemon has fired it just now".to_owned()),
            Ok(_) => {}
        }
        self.runs.counts.firings += 1;
        self.runs.counts.by_hand += 1;
        self.runs.start(&due, self.agenda.roster());
        self.runs.asked(&due)
    }

    /// When something fires next; nothing does while it cannot be read what has fired.
    fn next(&self) -> Option<Timestamp> {
        self.agenda.next().filter(|_| self.held.is_none())
    }

    /// How long nothing is due; the clock is looked at now and then, because it may be put forward.
    fn pause(&self) -> std::time::Duration {
        let now = clock::moment();
        let next = self.next().map_or(TICK, |at| at.duration_since(now).try_into().unwrap_or_default());
        next.min(TICK)
    }

    /// Takes what is in the folder now.
    fn change(&mut self, found: Found, now: Timestamp) {
        say::err(&found.findings.text(say::colour_on_stderr()));
        self.findings = found.findings.text(false).into();
        self.held = None;
        self.adopt(found, now, "");
    }

    /// Goes by what was found from now on. Where it cannot be read what has fired, nothing fires, and it is tried again; `said` is what was
    /// said of that before.
    fn adopt(&mut self, found: Found, now: Timestamp, said: &str) {
        let fired = match Fired::read() {
            Ok(fired) => fired,
            Err(why) => {
                if why != said {
                    say::problem(format!("nothing fires: {why}"));
                }
                self.held = Some((found, why));
                return;
            }
        };
        let cursors = self.agenda.cursors();
        // At the start, what was due since the folder was last watched was missed; later, what is new begins now.
        let since = if self.begun { now } else { fired.watched(&self.args.folder).map_or(now, |at| at.min(now)) };
        let roster = Roster::new(found.entries);
        self.runs.places = found.places;
        self.agenda = Agenda::new(roster, |key| {
            let last = fired.last(key);
            match cursors.get(key) {
                Some((from, last)) => (now.max(*from), *last),
                None => (last.map_or(since, |last| last.max(since)), last),
            }
        });
        self.begun = true;
        self.last = Arc::new(self.agenda.last());
        let entries = self.agenda.roster().entries();
        let off = entries.iter().filter(|entry| !entry.enabled).count();
        let next = self.agenda.next().map_or_else(|| "nothing fires".to_owned(), |at| format!("the next firing is at {}", shown(at)));
        let off = if off > 0 { format!(" ({off} disabled)") } else { String::new() };
        say::out(&format!("{}: {} scheduled{off}; {next}\n", whole(&self.args.folder.display().to_string()), entries.len()));
    }

    /// Fires what is due now; gives the moment that was looked at.
    fn fire(&mut self) -> Timestamp {
        let now = clock::moment();
        if self.held.is_some() {
            return now;
        }
        let due = self.agenda.due(now);
        if due.is_empty() {
            return now;
        }
        for due in &due {
            tell(due);
            self.runs.counts.missed += due.passed as u64 + u64::from(matches!(due.what, What::Missed(_)));
        }
        self.last = Arc::new(self.agenda.last());
        // Written down before anything happens: whatever comes, it is not fired twice.
        let wanted: Vec<&Due> = due.iter().filter(|due| matches!(due.what, What::Fire { .. })).collect();
        let keys: Vec<(&str, Timestamp)> = wanted.iter().map(|due| (due.key.as_str(), due.at)).collect();
        match Fired::record(&self.args.folder, now, &keys) {
            Err(why) => say::problem(format!("nothing fires: {why}")),
            Ok(new) => {
                for (due, new) in wanted.into_iter().zip(new) {
                    if new {
                        self.runs.counts.firings += 1;
                        self.runs.counts.lag.take(now.duration_since(due.at).as_secs_f64());
                        self.runs.start(due, self.agenda.roster());
                    } else {
                        say::problem(format!("{}: not fired: another daemon did at {}", due.entry.name, shown(due.at)));
                    }
                }
            }
        }
        now
    }
}

/// Says what is not fired; what is, its run says.
fn tell(due: &Due) {
    let name = whole(&due.entry.name);
    if due.passed > 0 {
        say::out(&format!("{name}: {} firings were missed before that of {}\n", due.passed, shown(due.at)));
    }
    if let What::Missed(why) = &due.what {
        let why = match why {
            Why::Skipped => "nobody was there, and its schedule says `if-missed: skip`".to_owned(),
            Why::TooLate => "it is too late for it".to_owned(),
            Why::Suppressed(reasons) => reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        };
        say::out(&format!("{name}: missed at {}, and not run: {}\n", shown(due.at), whole(&why)));
    }
}

/// A moment in words.
fn shown(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}
