//! Along the times of one schedule, each judged: does it fire, and if not, why?

use std::fmt;

use jiff::{SignedDuration, Timestamp, Zoned, tz::TimeZone};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    closed::{Closed, Cover},
    draw::Draw,
    rule::{Gap, Period, Rule, Working},
    times::{Due, Times},
};
use crate::model::hours::Hours;

/// What fires by one rule: an experiment, or a group of them, of which each time one is drawn.
#[derive(Debug, Clone)]
pub struct Source {
    /// By what its last firing is remembered.
    pub key: String,
    /// By what name its draws are made.
    pub draws: String,
    /// The seed of the draws.
    pub seed: u64,
    /// When.
    pub rule: Rule,
    /// The zone of all its times.
    pub zone: TimeZone,
    /// The days on which people work.
    pub working: Working,
    /// How far apart two firings are at least.
    pub gap: Option<Gap>,
    /// Who fires; one, unless it is a group.
    pub members: Vec<Member>,
}

/// An experiment of a source.
#[derive(Debug, Clone)]
pub struct Member {
    /// By what name its draws are made.
    pub draws: String,
    /// Whether it may fire at all.
    pub enabled: bool,
    /// The only hours in which its environment allows a run: the environment's name, the hours as written, and as read.
    pub hours: Option<(String, String, Hours)>,
    /// When it does not fire.
    pub closed: Closed,
}

/// Why a time does not fire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Chance said no.
    Probability {
        /// From 0 to below 1.
        drawn: f64,
        /// It would fire below this.
        needed: f64,
    },
    /// Somebody disabled it.
    Disabled,
    /// A day off, a freeze or an event.
    Closed {
        /// What.
        cover: Cover,
        /// Until when.
        #[schemars(with = "String")]
        until: Timestamp,
    },
    /// The environment does not allow runs at this time.
    OutsideHours {
        /// The environment's name.
        environment: String,
        /// Its hours, as written.
        hours: String,
    },
    /// A person asks for it outside of the hours and days that its times are drawn from.
    OutsideBetween {
        /// Those hours and days, as written.
        between: String,
    },
    /// Too soon after the last one.
    MinGap {
        /// The least gap, in words.
        gap: String,
        /// When it last fired.
        #[schemars(with = "String")]
        last: Timestamp,
    },
}

impl Reason {
    /// One word for all reasons of a kind, for counting.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Probability { .. } => "probability",
            Self::Disabled => "disabled",
            Self::Closed { cover: Cover::Freeze { .. }, .. } => "freeze",
            Self::Closed { .. } => "not-on",
            Self::OutsideHours { .. } => "outside-hours",
            Self::OutsideBetween { .. } => "outside-between",
            Self::MinGap { .. } => "min-gap",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Probability { drawn, needed } => write!(f, "probability: {drawn:.3} was drawn, below {needed:.3} fires"),
            Self::Disabled => f.write_str("disabled"),
            Self::Closed { cover, .. } => write!(f, "{cover}"),
            Self::OutsideHours { environment, hours } => write!(f, "outside the hours of environment {environment} ({hours})"),
            Self::OutsideBetween { between } => write!(f, "outside of its own hours ({between})"),
            Self::MinGap { gap, last } => write!(f, "min gap of {gap}: the last one is of {last}"),
        }
    }
}

/// What becomes of a time.
#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    /// It fires.
    Fires,
    /// It does not; every reason there is.
    Suppressed(Vec<Reason>),
}

/// A time of a source, judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Firing {
    /// When, in the zone of the schedule.
    pub at: Zoned,
    /// Which member of the source; of a group, the one that was drawn.
    pub member: usize,
    /// The end of the hours that it was drawn from, if it was.
    pub until: Option<Timestamp>,
    /// What becomes of it.
    pub fate: Fate,
}

impl Firing {
    /// Whether it fires.
    pub fn fires(&self) -> bool {
        self.fate == Fate::Fires
    }
}

/// How far ahead is looked for a firing.
pub const HORIZON: SignedDuration = SignedDuration::from_hours(2 * 366 * 24);
/// So many times are looked at for one firing at most: where every second is suppressed, nobody waits for two years of them.
pub const MOST_TIMES: usize = 200_000;

/// The times of a source after a moment, each with its fate. Without an end, unless the rule has one.
#[derive(Debug)]
pub struct Walk<'s> {
    source: &'s Source,
    times: Times<'s>,
    last: Option<Timestamp>,
}

impl<'s> Walk<'s> {
    /// Along a source, after a moment; `last` is when it last fired.
    pub fn new(source: &'s Source, after: Timestamp, last: Option<Timestamp>) -> Self {
        let times = Times::new(&source.rule, &source.zone, &source.working, (source.seed, &source.draws), after);
        Self { source, times, last }
    }
}

impl Iterator for Walk<'_> {
    type Item = Firing;

    fn next(&mut self) -> Option<Firing> {
        let due = self.times.next()?;
        let firing = self.source.judge(&due, self.last)?;
        if firing.fires() {
            self.last = Some(due.at);
        }
        Some(firing)
    }
}

impl Source {
    /// The next firing after a moment; none when there is none within [`HORIZON`], or among [`MOST_TIMES`].
    pub fn next(&self, after: Timestamp, last: Option<Timestamp>) -> Option<Firing> {
        let end = after.saturating_add(HORIZON).unwrap_or(Timestamp::MAX);
        let mut walk = Walk::new(self, after, last);
        for _ in 0..MOST_TIMES {
            let firing = walk.next().filter(|firing| firing.at.timestamp() <= end)?;
            match &firing.fate {
                Fate::Fires => return Some(firing),
                // In a group, another member may be drawn for the next time.
                Fate::Suppressed(reasons) if self.members.len() == 1 => {
                    if reasons.contains(&Reason::Disabled) {
                        return None;
                    }
                    let closed =
                        reasons.iter().filter_map(|reason| if let Reason::Closed { until, .. } = reason { Some(*until) } else { None });
                    if let Some(until) = closed.max() {
                        walk.times.skip_to(until);
                    }
                }
                Fate::Suppressed(_) => {}
            }
        }
        None
    }

    /// Judges a time; none when nobody is there to fire.
    fn judge(&self, due: &Due, last: Option<Timestamp>) -> Option<Firing> {
        let member = self.drawn(due)?;
        let at = due.at.to_zoned(self.zone.clone());
        let firing = |fate| Some(Firing { at: at.clone(), member, until: due.until, fate });
        if let Some((drawn, needed)) = due.chance.filter(|(drawn, needed)| drawn >= needed) {
            return firing(Fate::Suppressed(vec![Reason::Probability { drawn, needed }]));
        }
        let reasons = self.against(member, &at, last);
        firing(if reasons.is_empty() { Fate::Fires } else { Fate::Suppressed(reasons) })
    }

    /// What keeps a member from firing at a moment, when the source last fired at `last`: chance aside, every rule there is.
    pub fn against(&self, member: usize, at: &Zoned, last: Option<Timestamp>) -> Vec<Reason> {
        let mut reasons = self.now(member, at.timestamp());
        if let (Some(gap), Some(last), Some(here)) = (self.gap, last, self.members.get(member))
            && !self.far_enough(gap, last, at, &here.closed)
        {
            reasons.push(Reason::MinGap { gap: gap.to_string(), last });
        }
        reasons
    }

    /// The end of the hours that its times are drawn from, at a moment within them; none when its rule has no such hours.
    ///
    /// # Errors
    /// With the reason, when the moment is outside of them.
    pub fn hours_end(&self, at: &Zoned) -> Result<Option<Timestamp>, Reason> {
        let (between, any_day) = match &self.rule {
            Rule::Cron { .. } | Rule::At(_) => return Ok(None),
            Rule::Times { per, between, .. } => (between, matches!(per, Period::Hour | Period::Day)),
            Rule::Mean { between, .. } => (between, false),
        };
        if (any_day || self.working.on(at.weekday())) && between.from <= at.time() && at.time() < between.to {
            let end = at.date().to_datetime(between.to).to_zoned(self.zone.clone());
            return Ok(end.ok().map(|end| end.timestamp()));
        }
        let days = if any_day { String::new() } else { format!(" on {}", self.working) };
        Err(Reason::OutsideBetween { between: format!("{between}{days}") })
    }

    /// What keeps a member from firing at a moment, whatever its times are.
    pub fn now(&self, member: usize, at: Timestamp) -> Vec<Reason> {
        let mut reasons = Vec::new();
        let Some(member) = self.members.get(member) else { return vec![Reason::Disabled] };
        if !member.enabled {
            reasons.push(Reason::Disabled);
        }
        if let Some(window) = member.closed.at(at) {
            reasons.push(Reason::Closed { cover: window.cover.clone(), until: window.to });
        }
        if let Some((environment, written, hours)) = &member.hours
            && !hours.contain(&at.to_zoned(self.zone.clone()))
        {
            reasons.push(Reason::OutsideHours { environment: environment.clone(), hours: written.clone() });
        }
        reasons
    }

    /// Which member a time is for. Each has a mark of its own, so that enabling or adding one changes nothing among the others; those
    /// that are disabled are passed over while another one is not.
    fn drawn(&self, due: &Due) -> Option<usize> {
        if self.members.len() <= 1 {
            return (!self.members.is_empty()).then_some(0);
        }
        let draw = Draw::new(self.seed, &self.draws, due.drawn_for.as_deref().unwrap_or(&due.at.to_string()));
        let mark = |at: &usize| (!self.members[*at].enabled, draw.bits(&self.members[*at].draws, due.at.as_second().unsigned_abs() as u32));
        (0..self.members.len()).min_by_key(mark)
    }

    fn far_enough(&self, gap: Gap, last: Timestamp, at: &Zoned, closed: &Closed) -> bool {
        match gap {
            Gap::Time(gap) => at.timestamp().duration_since(last) >= gap,
            Gap::WorkingDays(wanted) => {
                // A day on which nobody works, and a day that is closed as a whole, does not count.
                let first = self.zone.to_datetime(last).date();
                let days = std::iter::successors(Some(at.date()), |day| day.yesterday().ok()).take_while(|day| *day > first);
                let works = |day: &jiff::civil::Date| self.working.on(day.weekday()) && closed.day(&self.zone, *day).is_none();
                days.filter(works).take(wanted as usize).count() >= wanted as usize
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::{date, time};

    use super::*;
    use crate::schedule::{Between, Cron, Window};

    fn source(rule: Rule, zone: &TimeZone, closed: Closed) -> Source {
        let member = Member { draws: "x".to_owned(), enabled: true, hours: None, closed };
        let (key, draws) = ("x".to_owned(), "x".to_owned());
        Source { key, draws, seed: 7, rule, zone: zone.clone(), working: Working::default(), gap: None, members: vec![member] }
    }

    #[test]
    fn what_is_closed_is_passed_over_and_the_next_firing_is_the_same() {
        let between = Between { from: time(1, 0, 0, 0), to: time(16, 0, 0, 0) };
        let cron = |line: &str| Rule::Cron { cron: Cron::parse(line).unwrap(), probability: 0.5 };
        let times = |per| Rule::Times { count: 2, per, between, probability: 0.3 };
        let rules = [
            cron("*/31 * * * *"),
            cron("30 1,2 * * *"),
            cron("0 12 * * Sat"),
            times(Period::Hour),
            times(Period::Weekday),
            times(Period::Week),
            times(Period::Month),
            Rule::Mean { days: 3.0, between },
        ];
        // The ends of these lie at, in and beside jumps of the clock, among them a day that never was.
        let zones = [("Europe/Berlin", date(2026, 3, 20)), ("Europe/Berlin", date(2026, 10, 20)), ("Pacific/Apia", date(2011, 12, 20))];
        for (zone, day) in zones {
            let zone = TimeZone::get(zone).unwrap();
            let first = zone.to_zoned(day.at(0, 0, 0, 0)).unwrap().timestamp();
            for hours in (0..15 * 24).step_by(13).chain([190, 191, 192, 193, 194, 195, 217, 218, 219]) {
                let to = first + SignedDuration::from_hours(hours);
                let cover = Cover::Freeze { name: "all".to_owned() };
                let closed = Closed::new(vec![Window { from: first, to, cover }]);
                for rule in &rules {
                    let source = source(rule.clone(), &zone, closed.clone());
                    let one_by_one = Walk::new(&source, first, None).find(Firing::fires);
                    assert_eq!(source.next(first, None), one_by_one, "{rule:?} in {} until {to}", zone.iana_name().unwrap());
                }
            }
        }
    }

    #[test]
    fn who_is_asked_by_a_person_keeps_to_its_own_hours_and_days() {
        let between = Between { from: time(10, 0, 0, 0), to: time(16, 0, 0, 0) };
        let times = |per| Rule::Times { count: 1, per, between, probability: 1.0 };
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let end = |rule: Rule, at: &str| {
            let source = source(rule, &zone, Closed::default());
            source.hours_end(&at.parse::<Timestamp>().unwrap().to_zoned(zone.clone())).map_err(|reason| reason.to_string())
        };
        let four: Timestamp = "2026-11-27T15:00:00Z".parse().unwrap();
        assert_eq!(end(times(Period::Weekday), "2026-11-27T09:00:00Z"), Ok(Some(four)));
        assert_eq!(end(Rule::Mean { days: 2.0, between }, "2026-11-27T14:59:59Z"), Ok(Some(four)));
        let outside = Err("outside of its own hours (10:00-16:00 on Mon,Tue,Wed,Thu,Fri)".to_owned());
        assert_eq!(end(times(Period::Weekday), "2026-11-27T15:00:00Z"), outside);
        assert_eq!(end(times(Period::Week), "2026-11-28T12:00:00Z"), outside, "a Saturday");
        assert!(end(times(Period::Day), "2026-11-28T12:00:00Z").is_ok());
        assert_eq!(end(times(Period::Day), "2026-11-28T05:00:00Z"), Err("outside of its own hours (10:00-16:00)".to_owned()));
        assert_eq!(end(Rule::Cron { cron: Cron::parse("0 10 * * *").unwrap(), probability: 1.0 }, "2026-11-28T05:00:00Z"), Ok(None));
    }

    #[test]
    fn what_is_disabled_has_no_next_firing() {
        let zone = TimeZone::UTC;
        let mut source = source(Rule::Cron { cron: Cron::parse("* * * * *").unwrap(), probability: 1.0 }, &zone, Closed::default());
        source.members[0].enabled = false;
        assert_eq!(source.next("2026-11-28T00:00:00Z".parse().unwrap(), None), None);
    }
}
