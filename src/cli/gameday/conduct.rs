//! The one task that owns a day: goes through the agenda, hears people, and writes down everything before anything follows from it.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::tz::TimeZone;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

use super::{
    agenda::{self, Drill},
    args::RunDay,
    by,
    hear::{Expects, Heard},
    prompt,
};
use crate::{
    cli::{fresh, loading::Purpose, say, signals},
    clock,
    engine::halt::{Halt, Urgency},
    gameday::{
        DAY_VERSION, Day, DayEvent, DayEventKind, Seat,
        event::{DayBegan, DayEnd, DayItem, WaitsOn},
        server::{self, Order},
    },
    model::{
        gameday::{TimeOfDay, What},
        time::{Mono, Wall, nanos},
        verdict::Verdict,
    },
    redact,
    report::{
        gameday::{DayLog, lines, write},
        words::whole,
    },
    schedule::zone,
};

/// The wall clock is looked at so often while its time is waited for: it may be set, and the machine may sleep.
const LOOK_AGAIN: Duration = Duration::from_secs(20);
/// What is said may wait so long in line.
const LINE: usize = 64;

/// Why an item ended before it was done.
pub enum Out {
    /// It was skipped.
    Skipped,
    /// The day is to end.
    Halted,
    /// The day must not go on.
    Stop(String),
}

/// A day under way.
pub struct Conductor {
    pub(super) day: Day,
    pub(super) args: RunDay,
    pub(super) halt: Halt,
    pub(super) expects: Expects,
    pub(super) orders: mpsc::Receiver<Order>,
    log: DayLog,
    written: watch::Sender<u64>,
    /// Whether somebody was told that the record has a hole.
    told: bool,
    zone: TimeZone,
    drills: Vec<Option<Drill>>,
}

/// Conducts a day to its end.
pub async fn run(args: RunDay) -> u8 {
    let agenda = match agenda::load(&args.file, &args.place, Purpose::Run) {
        Ok(agenda) => agenda,
        Err(findings) => {
            say::err(&findings.text(say::colour_on_stderr()));
            return Verdict::Invalid.exit_code();
        }
    };
    say::err(&agenda.findings.text(say::colour_on_stderr()));
    match begin(args, agenda).await {
        Ok(verdict) => verdict.exit_code(),
        Err(why) => {
            say::problem(format!("the game day does not begin: {why}"));
            Verdict::NotStarted.exit_code()
        }
    }
}

async fn begin(args: RunDay, agenda: agenda::Agenda) -> Result<Verdict, String> {
    let halt = Halt::default();
    let _signals = signals::listen(&halt).map_err(|error| format!("signals cannot be handled: {error}"))?;
    let day = fresh::run_id()?.0;
    let folder = args.out.join(format!("gameday-{day}"));
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    std::fs::create_dir_all(&folder).map_err(failed)?;
    let log = DayLog::create(&folder).map_err(failed)?;
    let seat = Seat {
        day: day.clone(),
        title: agenda.day.title.clone(),
        folder: folder.canonicalize().map_err(failed)?,
        pid: std::process::id(),
        since: clock::wall(),
    };
    seat.take().map_err(|error| error.to_string())?;
    let (sender, orders) = mpsc::channel(LINE);
    let (written, told) = watch::channel(0);
    let mut tasks = JoinSet::new();
    match server::listen(&seat.socket()) {
        Ok(listener) => _ = tasks.spawn(server::serve(listener, sender.clone(), log.path().to_owned(), told)),
        Err(error) => {
            seat.leave();
            return Err(format!("{}: {error}", seat.socket().display()));
        }
    }
    let me = by(args.by.as_deref());
    let zone = TimeZone::get(&agenda.day.timezone).unwrap_or(TimeZone::UTC);
    let began = DayBegan {
        version: DAY_VERSION,
        day,
        tool: concat!("firedrill ", env!("CARGO_PKG_VERSION")).to_owned(),
        file: args.file.display().to_string(),
        by: me.clone(),
        pid: std::process::id(),
        title: agenda.day.title,
        description: agenda.day.description,
        owner: agenda.day.owner,
        environment: args.place.env.clone().or(agenda.day.environment),
        timezone: agenda.day.timezone,
        agenda: agenda.items,
    };
    let mut conductor = Conductor {
        day: Day::default(),
        args,
        halt,
        expects: Expects::Nothing,
        orders,
        log,
        written,
        told: false,
        zone,
        drills: agenda.drills,
    };
    prompt::how_to_speak(&seat, prompt::listen(sender, &me));
    let verdict = conductor.play(began).await;
    conductor.report(&folder);
    seat.leave();
    // It was the one to write: the server ends when everybody has read that.
    drop(conductor);
    while tasks.join_next().await.is_some() {}
    Ok(verdict)
}

impl Conductor {
    async fn play(&mut self, began: DayBegan) -> Verdict {
        let items = began.agenda.clone();
        self.emit(DayEventKind::DayBegan(Box::new(began)));
        let mut how = DayEnd::Completed;
        for item in &items {
            self.emit(DayEventKind::ItemBegan { item: item.number });
            let done = self.item(item).await;
            self.expects = Expects::Nothing;
            self.emit(DayEventKind::ItemEnded { item: item.number });
            match done {
                Ok(()) | Err(Out::Skipped) => {}
                Err(Out::Halted) => {
                    how = DayEnd::Aborted { by: self.halt.first_reason().unwrap_or_default() };
                    break;
                }
                Err(Out::Stop(why)) => {
                    how = DayEnd::Stopped { why };
                    break;
                }
            }
        }
        let verdict = self.day.worst_if(Some(&how));
        self.emit(DayEventKind::DayEnded { how, verdict });
        verdict
    }

    async fn item(&mut self, item: &DayItem) -> Result<(), Out> {
        let number = item.number;
        self.unpaused().await?;
        if let Some(time) = item.item.at {
            self.until(number, time).await?;
        }
        match &item.item.what {
            What::Announce { text } => {
                self.emit(DayEventKind::Announced { item: number, text: text.clone() });
                // Who ends the day at this moment is heard.
                if self.halted() { Err(Out::Halted) } else { Ok(()) }
            }
            What::Pause { lasts } => self.pause(number, *lasts).await,
            What::Ask { question, options } => {
                let on = WaitsOn::Answer { question: question.clone(), options: options.clone() };
                self.wait(number, on, Expects::Answer(options.clone())).await
            }
            What::Checklist { .. } => self.wait(number, WaitsOn::Go { plan: None }, Expects::Go).await,
            What::Experiment(_) => match self.drills.get_mut(number as usize - 1).and_then(Option::take) {
                Some(drill) => Box::pin(self.drill(number, drill)).await,
                None => Err(Out::Stop(format!("item {number} has no experiment"))),
            },
        }
    }

    /// Waits for a person's go or answer.
    pub(super) async fn wait(&mut self, item: u32, on: WaitsOn, expects: Expects) -> Result<(), Out> {
        self.emit(DayEventKind::Waits { item, on });
        self.expects = expects;
        loop {
            match self.hear(None).await {
                Heard::Go | Heard::Answered => break,
                Heard::Skip => return Err(Out::Skipped),
                Heard::Halted => return Err(Out::Halted),
                Heard::Time | Heard::Changed | Heard::Mitigated(_) => {}
            }
        }
        self.expects = Expects::Nothing;
        self.unpaused().await
    }

    /// Waits while it is paused.
    pub(super) async fn unpaused(&mut self) -> Result<(), Out> {
        while self.day.paused.is_some() {
            match self.hear(None).await {
                Heard::Skip => return Err(Out::Skipped),
                Heard::Halted => return Err(Out::Halted),
                _ => {}
            }
        }
        if self.halted() { Err(Out::Halted) } else { Ok(()) }
    }

    /// Waits for a time of the clock, today. One that is over is not waited for.
    async fn until(&mut self, item: u32, time: TimeOfDay) -> Result<(), Out> {
        let today = clock::moment().to_zoned(self.zone.clone()).date();
        let at = zone::moment(&self.zone, today.at(time.hour().cast_signed(), time.minute().cast_signed(), 0, 0));
        if clock::moment() >= at {
            return Ok(());
        }
        let until = Wall(i64::try_from(at.as_nanosecond()).unwrap_or(i64::MAX));
        self.emit(DayEventKind::Waits { item, on: WaitsOn::Time { until } });
        self.expects = Expects::Time;
        loop {
            let left = at.duration_since(clock::moment());
            let Some(left) = Duration::try_from(left).ok().filter(|left| !left.is_zero()) else { break };
            match self.hear(Some(clock::now().plus(left.min(LOOK_AGAIN)))).await {
                Heard::Skip => return Err(Out::Skipped),
                Heard::Halted => return Err(Out::Halted),
                _ => {}
            }
        }
        self.expects = Expects::Nothing;
        self.unpaused().await
    }

    async fn pause(&mut self, item: u32, lasts: Duration) -> Result<(), Out> {
        let until = Wall(clock::wall().0.saturating_add_unsigned(nanos(lasts)));
        self.emit(DayEventKind::Waits { item, on: WaitsOn::Pause { until } });
        self.expects = Expects::PauseEnd;
        let end = clock::now().plus(lasts);
        loop {
            match self.hear(Some(end)).await {
                Heard::Time | Heard::Go => break,
                Heard::Skip => return Err(Out::Skipped),
                Heard::Halted => return Err(Out::Halted),
                Heard::Answered | Heard::Changed | Heard::Mitigated(_) => {}
            }
        }
        self.expects = Expects::Nothing;
        self.unpaused().await
    }

    /// Waits until a moment, or until something is said that ends the wait.
    pub(super) async fn hear(&mut self, until: Option<Mono>) -> Heard {
        loop {
            if self.halted() {
                return Heard::Halted;
            }
            let over = async {
                match until {
                    Some(until) => tokio::time::sleep(until.since(clock::now())).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.halt.reached(Urgency::Undo) => {}
                Some(order) = self.orders.recv() => {
                    if let Some(heard) = self.take(order) {
                        return heard;
                    }
                }
                () = over => return Heard::Time,
            }
        }
    }

    /// Whether the day is to end; that is written down once.
    pub(super) fn halted(&mut self) -> bool {
        let halted = self.halt.urgency() > Urgency::None;
        if halted && self.day.aborted.is_none() {
            self.emit(DayEventKind::Aborting { by: self.halt.first_reason().unwrap_or_default() });
        }
        halted
    }

    /// Writes an event down, then tells it.
    pub(super) fn emit(&mut self, kind: DayEventKind) {
        let number = self.day.last_number + 1;
        let event = redact::without(DayEvent { number, at: clock::now(), wall: clock::wall(), kind });
        if let Err(error) = self.log.append(&event)
            && !std::mem::replace(&mut self.told, true)
        {
            // A drill that runs is to be undone whatever happens to the record, so the day goes on.
            say::problem(format!("the record of the day has a hole: {}: {error}", self.log.path().display()));
        }
        let before = self.day.moments.len();
        self.day.apply(&event);
        for moment in &self.day.moments[before..] {
            say::out(&lines::of(moment, &self.zone, say::colour_on_stdout()));
        }
        self.written.send_replace(number);
    }

    fn report(&self, folder: &Path) {
        match write::all(folder, &self.day) {
            Ok(()) => {
                let report: PathBuf = folder.join("report.html");
                say::out(&format!("\n{}\nreport: {}\n", whole(&self.day.sentence(false)), whole(&report.display().to_string())));
            }
            Err(error) => say::problem(format!("the report cannot be written: {error}; `firedrill gameday report` makes it again")),
        }
    }
}
