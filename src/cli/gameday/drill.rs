//! The process of a drill: a go and a countdown before it, then it is followed, told what people say, and told to stop.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::AsyncWriteExt,
    process::{Child, ChildStdin, Command},
};

use super::{
    agenda::Drill,
    conduct::{Conductor, Out},
    hear::{Expects, Heard},
    look,
};
use crate::{
    cli::{fresh, say, signals},
    clock,
    engine::halt::Urgency,
    event::{Event, EventKind},
    gameday::{DayEventKind, event::WaitsOn},
    model::{gameday::IfFailed, ids::RunId, time::Mono, verdict::Verdict},
    report::{
        Gate, RunRecord,
        console::{lines, style::Style},
        json_lines, write,
    },
};

/// The seconds of a countdown that are announced.
const MARKS: [u64; 14] = [1800, 900, 600, 300, 120, 60, 30, 20, 10, 5, 4, 3, 2, 1];
/// How often it is looked at what a drill did.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How much of a drill's events is read in one look.
const MOST: u64 = 8 << 20;

impl Conductor {
    /// One drill of the agenda, from its go to what follows from its verdict.
    pub(super) async fn drill(&mut self, item: u32, drill: Drill) -> Result<(), Out> {
        self.agreed(item, &drill).await?;
        if let Some(countdown) = drill.item.countdown {
            self.countdown(item, countdown).await?;
        }
        self.unpaused().await?;
        let (verdict, skipped) = self.run(item, &drill).await?;
        if self.halted() {
            return Err(Out::Halted);
        }
        match verdict {
            None => Err(Out::Stop("nobody knows what the last drill left; `firedrill recover` undoes it".to_owned())),
            // Nothing is done to a system in which something of before is still in effect.
            Some(Verdict::Residue) => Err(Out::Stop("the last drill left something behind that could not be undone".to_owned())),
            _ if skipped => Err(Out::Skipped),
            Some(Verdict::Passed) => Ok(()),
            verdict if verdict == drill.item.expect => Ok(()),
            Some(verdict) => match drill.item.if_failed {
                IfFailed::GoOn => Ok(()),
                IfFailed::Stop => Err(Out::Stop(format!("item {item} ended with the verdict {verdict}"))),
                IfFailed::Ask => self.wait(item, WaitsOn::Decision { verdict: Some(verdict) }, Expects::Decision).await,
            },
        }
    }

    /// A person's yes, where the agenda or the environment wants one. For the environment's, the plan is shown.
    async fn agreed(&mut self, item: u32, drill: &Drill) -> Result<(), Out> {
        let asked = drill.environment.require.confirm;
        if !asked && !drill.item.confirm {
            return Ok(());
        }
        if self.args.yes {
            self.emit(DayEventKind::Confirmed { item, by: "--yes, beforehand".to_owned() });
            return Ok(());
        }
        let mut plan = None;
        if asked {
            match look::planned(drill).await {
                Ok(shown) => {
                    say::out(&shown);
                    plan = Some(shown);
                }
                Err(why) => return Err(Out::Stop(format!("item {item} has no plan that could be agreed to: {why}"))),
            }
        }
        self.wait(item, WaitsOn::Go { plan }, Expects::Go).await
    }

    async fn countdown(&mut self, item: u32, from: Duration) -> Result<(), Out> {
        self.expects = Expects::Countdown;
        let mut left = from;
        self.emit(DayEventKind::Countdown { item, left_s: left.as_secs_f64().ceil() as u64 });
        while !left.is_zero() {
            let next = MARKS.into_iter().map(Duration::from_secs).find(|mark| *mark < left).unwrap_or_default();
            let end = clock::now().plus(left);
            match self.hear(Some(end.minus(next))).await {
                Heard::Skip => return Err(Out::Skipped),
                Heard::Halted => return Err(Out::Halted),
                Heard::Time => left = next,
                // What is left stays left while it is paused.
                _ => {
                    left = end.since(clock::now()).max(Duration::from_millis(1));
                    self.unpaused().await?;
                }
            }
            if !left.is_zero() && left == next {
                self.emit(DayEventKind::Countdown { item, left_s: left.as_secs() });
            }
        }
        self.expects = Expects::Nothing;
        Ok(())
    }

    /// Runs it; gives its verdict, if its process could say one, and whether it was skipped meanwhile.
    async fn run(&mut self, item: u32, drill: &Drill) -> Result<(Option<Verdict>, bool), Out> {
        let run = fresh::run_id().map_err(Out::Stop)?;
        let mut child = self.spawn(drill, &run).map_err(|error| Out::Stop(format!("the drill cannot be started: {error}")))?;
        // Closing the pipe would halt the run.
        let mut pipe = child.stdin.take();
        self.emit(DayEventKind::RunBegan { item, run: run.clone(), folder: format!("../{run}") });
        self.expects = Expects::Drill { open: drill.item.mitigate.is_some() };
        let folder = self.args.out.join(run.as_str());
        let mut follow = Follow::new(&folder);
        let (mut skipped, mut passed_on) = (false, Urgency::None);
        // Of its own: whoever asks the day often must not keep it from looking at its drill.
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let status = loop {
            let urgency = self.halt.urgency();
            if urgency > passed_on {
                passed_on = urgency;
                self.halted();
                stop(&child);
            }
            let next = if passed_on < Urgency::UndoOnly && passed_on > Urgency::None { Urgency::UndoOnly } else { Urgency::Leave };
            let next = if passed_on == Urgency::None { Urgency::Undo } else { next };
            tokio::select! {
                status = child.wait() => break status,
                Some(order) = self.orders.recv() => match self.take(order) {
                    Some(Heard::Skip) if !std::mem::replace(&mut skipped, true) => stop(&child),
                    Some(Heard::Mitigated(by)) if drill.item.mitigate.is_some() => mitigated(pipe.as_mut(), &by).await,
                    _ => {}
                },
                () = self.halt.reached(next), if passed_on < Urgency::Leave => {}
                _ = looks.tick() => self.follow(item, &mut follow),
            }
        };
        self.follow(item, &mut follow);
        self.expects = Expects::Nothing;
        self.bound_passed(item, drill, &follow.record);
        let (verdict, reason) = ended(&status, &folder);
        self.emit(DayEventKind::RunEnded { item, run, verdict, reason });
        Ok((verdict, skipped))
    }

    fn spawn(&self, drill: &Drill, run: &RunId) -> io::Result<Child> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["run", "--for-daemon", "--out"]).arg(&self.args.out).arg("--run-id").arg(run.as_str());
        command.arg("--seed").arg(drill.seed.to_string());
        // A person agreed, if anybody had to.
        command.arg("--yes");
        if let Some(at_most) = drill.item.mitigate {
            command.arg("--until-mitigated").arg(format!("{}ms", at_most.as_millis()));
        }
        if let Some(env) = &drill.place.env {
            command.arg("--env").arg(env);
        }
        for (name, value) in &drill.place.vars {
            command.arg("--var").arg(format!("{name}={value}"));
        }
        command.arg("--").arg(&drill.item.file);
        // A group of its own: Ctrl-C is for the day, which passes it on.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).process_group(0);
        command.spawn()
    }

    /// Says what the drill did since the last look, and writes down when its fault took effect.
    fn follow(&mut self, item: u32, follow: &mut Follow) {
        let style = Style::detect(&io::stdout());
        for line in follow.look(style) {
            say::out(&format!("  {line}\n"));
        }
        let known = self.day.item(item).and_then(|record| record.drill.as_ref()?.in_effect);
        if let (None, Some(since)) = (known, follow.in_effect()) {
            self.emit(DayEventKind::InEffect { item, since });
        }
    }

    /// Nobody mitigated it, though it was waited for.
    fn bound_passed(&mut self, item: u32, drill: &Drill, record: &RunRecord) {
        let open = drill.item.mitigate.is_some() && record.halts.is_empty() && record.outcome.is_some();
        let said = self.day.item(item).is_some_and(|record| record.mitigated.is_some());
        if open && !said && self.day.item(item).is_some_and(|record| record.drill.as_ref().is_some_and(|drill| drill.in_effect.is_some())) {
            self.emit(DayEventKind::Mitigated { item, by: None });
        }
    }
}

/// Tells a drill to halt and undo; more urgently each time.
fn stop(child: &Child) {
    if let Some(pid) = child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
        // The process is our child and not reaped yet: the number is its own. One that has ended need not be told.
        let _ = kill_process(pid, Signal::TERM);
    }
}

/// Tells a drill that its fault is mitigated. A name is one line there.
async fn mitigated(pipe: Option<&mut ChildStdin>, by: &str) {
    let by: String = by.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if let Some(pipe) = pipe {
        // One that has just ended does not read it.
        let _ = pipe.write_all(format!("{}{by}\n", signals::MITIGATED).as_bytes()).await;
    }
}

/// The verdict of a drill that has ended, and why it is that.
fn ended(status: &io::Result<ExitStatus>, folder: &Path) -> (Option<Verdict>, String) {
    let code = match status {
        Ok(status) => status.code().and_then(|code| u8::try_from(code).ok()),
        Err(error) => return (None, format!("What became of its process cannot be told: {error}.")),
    };
    let verdict = Verdict::ALL.into_iter().find(|verdict| Some(verdict.exit_code()) == code);
    match (verdict, write::load(folder)) {
        // A run has its folder before it has a journal, and a journal before it acts: without one it died before it listened to signals.
        (None, _) if !folder.exists() => (Some(Verdict::Aborted), "It was stopped before it began; nothing was touched.".to_owned()),
        (None, _) => (None, "Its process was ended; `firedrill recover` undoes what it left.".to_owned()),
        (Some(verdict), Ok(record)) => (Some(verdict), Gate::of(&record).reason),
        (Some(verdict), Err(_)) => (Some(verdict), "It wrote no record; its words are on standard error.".to_owned()),
    }
}

/// The events of a run as they come.
struct Follow {
    path: PathBuf,
    file: Option<File>,
    /// What was read of a line that is not whole yet.
    rest: Vec<u8>,
    record: RunRecord,
}

impl Follow {
    fn new(folder: &Path) -> Self {
        Self { path: folder.join(json_lines::FILE_NAME), file: None, rest: Vec::new(), record: RunRecord::default() }
    }

    /// Reads what is new; gives the lines for the console.
    fn look(&mut self, style: Style) -> Vec<String> {
        if self.file.is_none() {
            self.file = File::open(&self.path).ok();
        }
        let Some(file) = &mut self.file else { return Vec::new() };
        // What cannot be read now is read at the next look, or is told by the run's own record.
        let _ = file.take(MOST).read_to_end(&mut self.rest);
        let Some(whole) = self.rest.iter().rposition(|byte| *byte == b'\n').map(|last| last + 1) else { return Vec::new() };
        let text: Vec<u8> = self.rest.drain(..whole).collect();
        let mut out = Vec::new();
        for line in text.split(|byte| *byte == b'\n') {
            let Ok(event) = serde_json::from_slice::<Event>(line) else { continue };
            self.record.apply(&event);
            // Its beginning and its end are the day's own lines.
            if !matches!(event.kind, EventKind::RunStarted { .. } | EventKind::RunEnded { .. }) {
                out.extend(lines::of(&event, &self.record, style));
            }
        }
        out
    }

    /// By when a fault was in effect.
    fn in_effect(&self) -> Option<Mono> {
        self.record.effects.iter().filter_map(|effect| effect.took_effect).map(|took| took.by).min()
    }
}
