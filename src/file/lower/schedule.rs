//! The schedule of an experiment: only the daemon and `firedrill schedule` use it, but its form is checked with the rest of the file.
//!
//! What is read here is what is written: which moments it means depends on the project file too, and on calendars beside it
//! ([`crate::file::timetable`]).

use std::time::Duration;

use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, DateTime},
    tz::TimeZone,
};

use crate::{
    file::{
        diagnostic::Sink,
        escape::quote,
        read::{self, Fields},
        source::Span,
        suggest::nearest,
        table::{Key, Kind, Table, key, must},
        yaml::Node,
    },
    model::{hours, quantity::plain_number},
    schedule::{Between, Cron, Gap, Period, Rule, Working, roster::Missed},
};

/// The keys of `schedule`.
pub static SCHEDULE: Table = Table::new(
    "`schedule`",
    &[
        CRON,
        TIMES,
        MEAN,
        key("at", Kind::Either(&[Kind::Text, Kind::List(&Kind::Text)]), "once: a day and a time like `2026-12-01T10:30`, or several"),
        key("group", Kind::Text, "a group of firedrill.yaml: each time, one of its experiments is drawn"),
        BETWEEN,
        PROBABILITY,
        MIN_GAP,
    ],
)
.one_of(&["cron", "times", "mean-time-between", "at", "group"])
.also(&COMMON);

/// The keys that a schedule has in the project file too, where they are for every experiment that does not say them itself.
pub static COMMON: Table = Table::new(
    "`schedule`",
    &[
        key("timezone", Kind::Text, "the zone of all times, like `Europe/Lisbon`; `UTC` when left out"),
        key("working-days", Kind::Text, "the days on which people work, like `Sun-Thu`; `Mon-Fri` when left out"),
        key("not-on", Kind::Either(&[Kind::Text, Kind::List(&Kind::Text)]), "days to leave out: dates, `from..to`, or an .ics file"),
        key("freeze", Kind::List(&Kind::Table(&FREEZE)), "times in which nothing fires, by name"),
        key("if-missed", Kind::Words(MISSED), "what is done about a time at which nobody was there to run it; `skip` when left out"),
        key("within", Kind::Duration, "how late a run may begin at most; 10m when left out"),
    ],
);

/// The keys of a group of the project file.
pub static GROUP: Table =
    Table::new("the group", &[CRON, TIMES, MEAN, BETWEEN, PROBABILITY, MIN_GAP]).one_of(&["cron", "times", "mean-time-between"]);

static FREEZE: Table = Table::new(
    "a freeze",
    &[
        must("name", Kind::Text, "what it is for"),
        must("from", Kind::Text, "its first day, or its first moment: `2026-12-01T08:00`"),
        must("to", Kind::Text, "its last day, or the moment of its end: `2026-12-03T18:00`"),
    ],
);

const CRON: Key = key("cron", Kind::Text, "five fields (minute, hour, day, month, weekday), or six with seconds first");
const TIMES: Key = key("times", Kind::Text, "how often, at random times: `1 per weekday`");
const MEAN: Key = key(
    "mean-time-between",
    Kind::Text,
    "how many working days lie between two firings on average: `5 weekdays`; on each of them it fires with the chance of 1 in so many",
);
const BETWEEN: Key = key("between", Kind::Text, "the hours that random times are drawn from: `10:00-16:00`");
const PROBABILITY: Key = key("probability", Kind::Text, "the chance, from 0 to 1, that a time is used");
const MIN_GAP: Key = key("min-gap", Kind::Text, "how far apart two firings are at least: `2 weekdays`, or a duration like `36h`");

const MISSED: &[&str] = &["skip", "run-once"];
/// How late a run may begin, when the file does not say.
pub const WITHIN: Duration = Duration::from_mins(10);
/// A line of a schedule is not longer.
const LONGEST: usize = 200;
const MOMENT: &str = "a day and a time like `2026-12-01T10:30`, or a moment like `2026-12-01T10:30+01:00`";

/// A schedule as written.
#[derive(Debug, Clone)]
pub struct Written {
    /// Where it is.
    pub span: Span,
    /// When it fires.
    pub when: When,
    /// How far apart two firings are at least.
    pub gap: Option<Gap>,
    /// What the project file may say too.
    pub common: Common,
}

/// When a schedule fires, as written.
#[derive(Debug, Clone)]
pub enum When {
    /// By a rule.
    Rule(Rule),
    /// At these times, each with its place.
    At(Vec<(Moment, Span)>),
    /// When its group does.
    Group(String, Span),
}

/// A moment as written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Moment {
    /// A time of the clock, in the zone of the schedule.
    Clock(DateTime),
    /// With its offset from UTC.
    Fixed(Timestamp),
}

/// What an experiment and its project may say.
#[derive(Debug, Clone, Default)]
pub struct Common {
    /// The zone.
    pub zone: Option<TimeZone>,
    /// The days on which people work.
    pub working: Option<Working>,
    /// Days off, each with its place.
    pub not_on: Vec<(Off, Span)>,
    /// Freezes.
    pub freezes: Vec<Freeze>,
    /// What is done about missed firings.
    pub missed: Option<Missed>,
    /// How late a run may begin.
    pub within: Option<Duration>,
}

/// Days off, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Off {
    /// From a day to another one, both included.
    Days {
        /// The first.
        first: Date,
        /// The last.
        last: Date,
        /// As written.
        written: String,
    },
    /// The events of a file, by its path as written.
    Calendar(String),
}

/// A freeze, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freeze {
    /// Its name.
    pub name: String,
    /// Its first moment.
    pub from: DateTime,
    /// The first moment after it.
    pub to: DateTime,
}

/// What the project file says about schedules.
#[derive(Debug, Clone, Default)]
pub struct Project {
    /// For every experiment.
    pub common: Common,
    /// The seed of all draws.
    pub seed: u64,
    /// The groups by name.
    pub groups: Vec<(String, Rule, Option<Gap>)>,
}

/// Reads the schedule of an experiment.
pub fn written(node: &Node, sink: &mut Sink) -> Option<Written> {
    let before = sink.count();
    let fields = Fields::new(node, &SCHEDULE, sink)?;
    let common = common(&fields, sink);
    let gap = fields.get("min-gap", sink, gap);
    let when = if fields.has("group") {
        for other in ["between", "probability", "min-gap"] {
            if fields.has(other) {
                sink.error(fields.key_span(other), format!("`{other}` cannot stand beside `group`"))
                    .expected("it in the group, in firedrill.yaml");
            }
        }
        let (name, span) = fields.get("group", sink, |node, sink| Some((read::line(node, sink)?.to_owned(), node.span)))?;
        When::Group(name, span)
    } else if let Some(node) = fields.node("at") {
        for other in ["between", "probability"] {
            if fields.has(other) {
                sink.error(fields.key_span(other), format!("`{other}` cannot stand beside `at`")).expected("`at` alone, or `times`");
            }
        }
        When::At(read::one_or_many(node).iter().filter_map(|item| moment(item, sink)).collect())
    } else {
        When::Rule(rule(&fields, sink)?)
    };
    (sink.count() == before).then_some(Written { span: read::head(node), when, gap, common })
}

/// Reads what the project file says, apart from its groups and its seed.
pub fn common(fields: &Fields<'_>, sink: &mut Sink) -> Common {
    let not_on =
        fields.node("not-on").map(|node| read::one_or_many(node).iter().filter_map(|item| Some((off(item, sink)?, item.span))).collect());
    let freezes = fields
        .get("freeze", sink, |node, sink| Some(read::list(node, "freezes", sink)?.iter().filter_map(|item| freeze(item, sink)).collect()));
    Common {
        zone: fields.get("timezone", sink, zone),
        working: fields.get("working-days", sink, |node, sink| {
            let text = read::line(node, sink)?;
            match hours::weekdays(text) {
                Ok(days) => Some(Working::new(&days)),
                Err(_) => refuse(node, text, "days of the week like `Mon-Fri` or `Sun,Mon,Wed`", sink),
            }
        }),
        not_on: not_on.unwrap_or_default(),
        freezes: freezes.unwrap_or_default(),
        missed: fields.get("if-missed", sink, |node, sink| {
            Some(if read::word(node, MISSED, sink)? == "skip" { Missed::Skip } else { Missed::RunOnce })
        }),
        within: fields.get("within", sink, read::some_time),
    }
}

/// Reads the rule and the gap of a group.
pub fn group(node: &Node, sink: &mut Sink) -> Option<(Rule, Option<Gap>)> {
    let fields = Fields::new(node, &GROUP, sink)?;
    let gap = fields.get("min-gap", sink, gap);
    Some((rule(&fields, sink)?, gap))
}

fn rule(fields: &Fields<'_>, sink: &mut Sink) -> Option<Rule> {
    let between = fields.get("between", sink, |node, sink| {
        let text = read::line(node, sink)?;
        match hours::day_span(text) {
            Ok((from, to)) => Some(Between { from, to }),
            Err(_) => refuse(node, text, "two times of a day, like `10:00-16:00`", sink),
        }
    });
    let probability = fields.get("probability", sink, |node, sink| {
        let text = read::line(node, sink)?;
        let number = plain_number(text).filter(|p| *p > 0.0 && *p <= 1.0);
        number.or_else(|| refuse(node, text, "a number above 0 and up to 1, like `0.3`", sink))
    });
    let probability = if fields.has("probability") { probability } else { Some(1.0) };
    if fields.has("between") && fields.has("cron") {
        sink.error(fields.key_span("between"), "`between` cannot stand beside `cron`")
            .expected("`times` with `between`, or the hours in `cron`");
    }
    for random in ["times", "mean-time-between"] {
        if fields.has(random) && !fields.has("between") {
            sink.error(fields.key_span(random), format!("`{random}` needs the hours to draw from")).expected("`between: \"10:00-16:00\"`");
        }
    }
    if fields.has("mean-time-between") && fields.has("probability") {
        sink.error(fields.key_span("probability"), "`mean-time-between` is itself a probability: 1 in so many working days")
            .expected("one of the two");
    }
    if let Some(cron) = fields.node("cron") {
        let text = read::line(cron, sink)?;
        if text.len() > LONGEST {
            return refuse(cron, text, &format!("at most {LONGEST} characters"), sink);
        }
        return match Cron::parse(text) {
            Ok(cron) => Some(Rule::Cron { cron, probability: probability? }),
            Err(bad) => {
                sink.error(cron.span, bad.problem).expected(bad.expected);
                None
            }
        };
    }
    if let Some(times) = fields.node("times") {
        let text = read::line(times, sink)?;
        let Some((count, per)) = count_per(text) else {
            return refuse(times, text, "a number up to 100 and a period, like `1 per weekday` (hour, day, weekday, week or month)", sink);
        };
        return Some(Rule::Times { count, per, between: between?, probability: probability? });
    }
    let days = fields.get("mean-time-between", sink, |node, sink| {
        let text = read::line(node, sink)?;
        let number = text.strip_suffix("weekdays").or_else(|| text.strip_suffix("weekday"));
        let number = number.and_then(|number| plain_number(number.trim())).filter(|days| (1.0..=1000.0).contains(days));
        number.or_else(|| refuse(node, text, "working days from 1 to 1000, like `5 weekdays`", sink))
    })?;
    Some(Rule::Mean { days, between: between? })
}

fn refuse<T>(node: &Node, text: &str, expected: &str, sink: &mut Sink) -> Option<T> {
    sink.error(node.span, format!("{} does not fit here", quote(text))).expected(expected);
    None
}

fn count_per(text: &str) -> Option<(u32, Period)> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [count, "per", per] = words.as_slice() else { return None };
    let count = count.parse().ok().filter(|n| (1..=100).contains(n))?;
    Period::ALL.iter().find(|(name, _)| name == per).map(|(_, period)| (count, *period))
}

fn gap(node: &Node, sink: &mut Sink) -> Option<Gap> {
    let text = read::line(node, sink)?;
    if let Some(number) = text.strip_suffix("weekdays").or_else(|| text.strip_suffix("weekday")) {
        let days = number.trim().parse().ok().filter(|days| (1..=1000).contains(days));
        return days.map(Gap::WorkingDays).or_else(|| refuse(node, text, "working days from 1 to 1000, like `2 weekdays`", sink));
    }
    let time = read::some_time(node, sink)?;
    SignedDuration::try_from(time).ok().map(Gap::Time)
}

/// A time zone by its name; a city alone brings the whole name.
/// A time zone.
pub fn zone(node: &Node, sink: &mut Sink) -> Option<TimeZone> {
    let text = read::line(node, sink)?;
    if let Ok(zone) = TimeZone::get(text) {
        return Some(zone);
    }
    let names: Vec<String> = jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect();
    let city = |name: &&String| name.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(&text.replace(' ', "_")));
    let near = names.iter().find(city).map(String::as_str);
    let near = near.or_else(|| nearest(text, names.iter().map(String::as_str)));
    let near = near.or_else(|| {
        let cities: Vec<&str> = names.iter().filter_map(|name| name.rsplit('/').next()).collect();
        let city = nearest(text, cities.iter().copied())?;
        names.iter().find(|name| name.ends_with(&format!("/{city}"))).map(String::as_str)
    });
    sink.error(node.span, format!("the time zone {} is not known", quote(text)))
        .expected("an IANA name like `Europe/Lisbon`, or `UTC`")
        .nearest(near);
    None
}

fn moment(node: &Node, sink: &mut Sink) -> Option<(Moment, Span)> {
    let text = read::line(node, sink)?;
    // An offset, or `Z`, says it all; else it is the clock's time. A day alone is no time.
    let moment = match text.parse::<Timestamp>() {
        Ok(moment) => Some(Moment::Fixed(moment)),
        Err(_) if text.parse::<Date>().is_ok() && !text.contains(':') => None,
        Err(_) if text.contains('[') => None,
        Err(_) => text.parse::<DateTime>().ok().map(Moment::Clock),
    };
    moment.map(|moment| (moment, node.span)).or_else(|| refuse(node, text, MOMENT, sink))
}

fn off(node: &Node, sink: &mut Sink) -> Option<Off> {
    const EXPECTED: &str = "a date, two dates like `2026-12-20..2027-01-06`, or an .ics file";
    let text = read::line(node, sink)?;
    if text.to_lowercase().ends_with(".ics") {
        return Some(Off::Calendar(text.to_owned()));
    }
    let date = |text: &str| Date::strptime("%Y-%m-%d", text.trim()).ok();
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    match date(first).zip(date(last)) {
        Some((first, last)) if first <= last => Some(Off::Days { first, last, written: text.to_owned() }),
        Some(_) => {
            sink.error(node.span, format!("{} ends before it begins", quote(text))).expected(EXPECTED);
            None
        }
        None => refuse(node, text, EXPECTED, sink),
    }
}

fn freeze(node: &Node, sink: &mut Sink) -> Option<Freeze> {
    let fields = Fields::new(node, &FREEZE, sink)?;
    let name = fields.get("name", sink, read::line).map(str::to_owned);
    let mut bound = |key: &str, last: bool| {
        fields.get(key, sink, |node, sink| {
            let text = read::line(node, sink)?;
            // A day as the end is over when it is.
            let day = Date::strptime("%Y-%m-%d", text).ok().map(|day| if last { day.tomorrow().unwrap_or(day) } else { day }.into());
            let moment = day.or_else(|| text.parse::<DateTime>().ok().filter(|_| text.contains(':') && !text.contains('[')));
            moment.or_else(|| refuse(node, text, "a day like `2026-12-01`, or a time of a day like `2026-12-01T08:00`", sink))
        })
    };
    let (from, to) = (bound("from", false), bound("to", true));
    let (name, from, to) = (name?, from?, to?);
    if from >= to {
        sink.error(fields.key_span("to"), format!("the freeze {} ends before it begins", quote(&name))).expected("an end after `from`");
        return None;
    }
    Some(Freeze { name, from, to })
}
