//! The times that a rule gives, one after another, before anything closes some of them.

use std::collections::VecDeque;

use jiff::{
    Timestamp, ToSpan,
    civil::{Date, DateTime, Time, Weekday},
    tz::TimeZone,
};

use super::{
    draw::Draw,
    rule::{Between, Period, Rule, Working},
    zone,
};

/// A time of a rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Due {
    /// The moment.
    pub at: Timestamp,
    /// The end of the hours that it was drawn from, if it was.
    pub until: Option<Timestamp>,
    /// What was drawn for it, and below what it had to be; none when chance has no say.
    pub chance: Option<(f64, f64)>,
    /// For what day or week it was drawn; its other draws are made for the same. None: for its moment.
    pub drawn_for: Option<String>,
}

/// The times of one rule.
#[derive(Debug)]
pub struct Times<'r> {
    rule: &'r Rule,
    zone: &'r TimeZone,
    working: &'r Working,
    seed: u64,
    key: &'r str,
    after: Timestamp,
    // Cron: the last time of the clock that was looked at. Random times: the first day of the next period.
    clock: DateTime,
    ready: VecDeque<Due>,
}

impl<'r> Times<'r> {
    /// The times after a moment. `key` is whose draws they are: the name of an experiment or a group.
    pub fn new(rule: &'r Rule, zone: &'r TimeZone, working: &'r Working, (seed, key): (u64, &'r str), after: Timestamp) -> Self {
        let clock = zone.to_datetime(after);
        let clock = match rule {
            Rule::Times { per: Period::Week, .. } => monday(clock.date()).into(),
            Rule::Times { per: Period::Month, .. } => clock.date().first_of_month().into(),
            Rule::Times { .. } | Rule::Mean { .. } => clock.date().into(),
            Rule::Cron { .. } | Rule::At(_) => clock,
        };
        Self { rule, zone, working, seed, key, after, clock, ready: VecDeque::new() }
    }

    /// Need not give the times before a moment any more. It may give some of them still.
    pub fn skip_to(&mut self, moment: Timestamp) {
        // Where the clock jumps, a time of the clock of up to a day earlier may be this moment.
        let Ok(clock) = self.zone.to_datetime(moment).checked_sub(25.hours()) else { return };
        match self.rule {
            Rule::Cron { .. } => self.clock = self.clock.max(clock),
            Rule::Mean { .. } | Rule::Times { per: Period::Hour | Period::Day | Period::Weekday, .. } => {
                self.clock = self.clock.max(clock.date().into());
            }
            Rule::Times { per: Period::Week | Period::Month, .. } | Rule::At(_) => {}
        }
    }

    fn cron(&mut self, cron: &super::Cron, needed: f64) -> Option<Due> {
        loop {
            self.clock = cron.next(self.clock)?;
            let at = zone::moment(self.zone, self.clock);
            // What comes twice was the first time; what is skipped is one moment with whatever else is skipped.
            if at > self.after {
                self.after = at;
                let chance = (needed < 1.0).then(|| (self.draws(at.to_string()).0.fraction("chance", 0), needed));
                return Some(Due { at, until: None, chance, drawn_for: None });
            }
        }
    }

    /// Draws the times of the next period, in order.
    fn draw(&mut self) -> Option<()> {
        let day = self.clock.date();
        let mut out: Vec<Due> = Vec::new();
        let next = match self.rule {
            Rule::Mean { days, between } => {
                if self.working.on(day.weekday()) {
                    let draw = self.draws(day.to_string());
                    let needed = 1.0 / days;
                    out.extend(self.one(&draw, 0, day, *between, needed));
                }
                day.tomorrow().ok()?
            }
            Rule::Times { count, per, between, probability } => match per {
                Period::Hour => {
                    for slot in hours(*between) {
                        let draw = self.draws(format!("{day} {}", slot.from));
                        out.extend((0..*count).filter_map(|n| self.one(&draw, n, day, slot, *probability)));
                    }
                    day.tomorrow().ok()?
                }
                Period::Day | Period::Weekday => {
                    if *per == Period::Day || self.working.on(day.weekday()) {
                        let draw = self.draws(day.to_string());
                        out.extend((0..*count).filter_map(|n| self.one(&draw, n, day, *between, *probability)));
                    }
                    day.tomorrow().ok()?
                }
                Period::Week | Period::Month => {
                    let (next, when) = if *per == Period::Week {
                        (day.checked_add(7.days()).ok()?, format!("week of {day}"))
                    } else {
                        (day.checked_add(1.month()).ok()?, format!("month of {day}"))
                    };
                    let days: Vec<Date> = day.series(1.day()).take_while(|d| *d < next).filter(|d| self.working.on(d.weekday())).collect();
                    let draw = self.draws(when);
                    for n in 0..*count {
                        let day = days.get(draw.0.below("day", n, days.len() as u64) as usize);
                        out.extend(day.and_then(|day| self.one(&draw, n, *day, *between, *probability)));
                    }
                    next
                }
            },
            Rule::Cron { .. } | Rule::At(_) => return None,
        };
        self.clock = next.into();
        out.retain(|due| due.at > self.after);
        out.sort_by_key(|due| due.at);
        out.dedup_by_key(|due| due.at);
        self.ready.extend(out);
        Some(())
    }

    fn draws(&self, when: String) -> (Draw, String) {
        (Draw::new(self.seed, self.key, &when), when)
    }

    /// A time of a day, as far from the beginning of its hours as drawn. Where the clock jumps within them, they are longer or shorter; none
    /// when they are skipped altogether.
    fn one(&self, (draw, when): &(Draw, String), n: u32, day: Date, between: Between, needed: f64) -> Option<Due> {
        let moment = |time: Time| zone::moment(self.zone, day.to_datetime(time));
        let (from, until) = (moment(between.from), moment(between.to));
        let seconds = u64::try_from(until.as_second() - from.as_second()).ok().filter(|s| *s > 0)?;
        let second = draw.below("time", n, seconds);
        let at = Timestamp::from_second(from.as_second() + second.cast_signed()).ok()?;
        let chance = (needed < 1.0).then(|| (draw.fraction("chance", n), needed));
        Some(Due { at, until: Some(until), chance, drawn_for: Some(when.clone()) })
    }
}

impl Iterator for Times<'_> {
    type Item = Due;

    fn next(&mut self) -> Option<Due> {
        match self.rule {
            Rule::Cron { cron, probability } => self.cron(cron, *probability),
            Rule::At(moments) => {
                let at = *moments.iter().find(|at| **at > self.after)?;
                self.after = at;
                Some(Due { at, until: None, chance: None, drawn_for: Some(String::new()) })
            }
            Rule::Times { .. } | Rule::Mean { .. } => {
                // At most some days without a time come in a row: where nobody works on any day, there is none.
                for _ in 0..400 {
                    if let Some(due) = self.ready.pop_front() {
                        return Some(due);
                    }
                    self.draw()?;
                }
                self.ready.pop_front()
            }
        }
    }
}

fn monday(day: Date) -> Date {
    let back = i64::from(day.weekday().since(Weekday::Monday));
    day.checked_sub(back.days()).unwrap_or(day)
}

/// The hours of a span, the first and the last as far as they lie in it.
fn hours(between: Between) -> impl Iterator<Item = Between> {
    (between.from.hour()..=between.to.hour()).filter_map(move |hour| {
        let from = Time::constant(hour, 0, 0, 0).max(between.from);
        let to = if hour == between.to.hour() { between.to } else { Time::constant(hour + 1, 0, 0, 0) };
        (from < to).then_some(Between { from, to })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Cron;

    fn times(rule: &Rule, zone: &str, after: &str, count: usize) -> Vec<String> {
        let zone = TimeZone::get(zone).unwrap();
        let working = Working::default();
        let times = Times::new(rule, &zone, &working, (7, "x"), after.parse().unwrap()).take(count);
        times.map(|due| due.at.to_string()).collect()
    }

    fn cron(line: &str) -> Rule {
        Rule::Cron { cron: Cron::parse(line).unwrap(), probability: 1.0 }
    }

    fn between(from: i8, to: i8) -> Between {
        Between { from: Time::constant(from, 0, 0, 0), to: Time::constant(to, 0, 0, 0) }
    }

    #[test]
    fn a_time_that_is_skipped_or_comes_twice_fires_once() {
        // In Berlin the clock is put forward at 01:00 UTC on 2026-03-29 and back at 01:00 UTC on 2026-10-25.
        let daily = cron("30 2 * * *");
        assert_eq!(
            times(&daily, "Europe/Berlin", "2026-03-28T00:00Z", 3),
            ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
        );
        assert_eq!(
            times(&daily, "Europe/Berlin", "2026-10-24T02:00Z", 3),
            ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z", "2026-10-27T01:30:00Z"]
        );
        // From a moment between the two, and from within the second of the two: it has been.
        for after in ["2026-10-25T00:30:00Z", "2026-10-25T00:45:00Z", "2026-10-25T01:15:00Z", "2026-10-25T01:30:00Z"] {
            assert_eq!(times(&daily, "Europe/Berlin", after, 1), ["2026-10-26T01:30:00Z"], "{after}");
        }
        let quarters = cron("*/15 * * * *");
        assert_eq!(
            times(&quarters, "Europe/Berlin", "2026-03-29T00:40:00Z", 3),
            ["2026-03-29T00:45:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:15:00Z"],
            "what is skipped is one moment with 03:00"
        );
        assert_eq!(
            times(&quarters, "Europe/Berlin", "2026-10-25T00:40:00Z", 2),
            ["2026-10-25T00:45:00Z", "2026-10-25T02:00:00Z"],
            "the hour that comes again has had its firings"
        );
    }

    #[test]
    fn from_any_moment_on_the_times_are_the_same() {
        let rules = [
            cron("*/7 1-3 * * *"),
            Rule::Times { count: 2, per: Period::Day, between: between(1, 4), probability: 0.5 },
            Rule::Times { count: 3, per: Period::Hour, between: between(0, 23), probability: 1.0 },
            Rule::Times { count: 2, per: Period::Week, between: between(9, 17), probability: 1.0 },
            Rule::Times { count: 1, per: Period::Month, between: between(9, 17), probability: 1.0 },
            Rule::Mean { days: 3.0, between: between(9, 15) },
        ];
        for zone in ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kathmandu", "America/Santiago"]
        {
            for rule in &rules {
                let all = times(rule, zone, "2026-03-07T12:00:00Z", 60);
                assert!(all.is_sorted(), "{rule} {zone}: {all:?}");
                for (n, after) in all.iter().enumerate().take(50) {
                    assert_eq!(times(rule, zone, after, 1), all[n + 1..n + 2], "{rule} {zone} after {after}");
                }
            }
        }
    }

    #[test]
    fn random_times_lie_in_their_hours_on_working_days() {
        let zone = TimeZone::get("America/New_York").unwrap();
        let rule = Rule::Times { count: 1, per: Period::Weekday, between: between(10, 16), probability: 1.0 };
        let working = Working::default();
        let all: Vec<Due> = Times::new(&rule, &zone, &working, (7, "x"), "2026-01-01T00:00Z".parse().unwrap()).take(261).collect();
        for due in &all {
            let there = due.at.to_zoned(zone.clone());
            assert!(working.on(there.weekday()) && (10..16).contains(&there.hour()), "{there}");
            assert!(due.until.unwrap() > due.at);
        }
        let year = all.iter().filter(|due| due.at.to_zoned(zone.clone()).year() == 2026).count();
        assert_eq!(year, 261, "one on every working day of the year");
        let mornings = all.iter().filter(|due| due.at.to_zoned(zone.clone()).hour() < 13).count();
        assert!((90..170).contains(&mornings), "half of them in the first half: {mornings}");
    }

    #[test]
    fn hours_that_the_clock_skips_have_no_times() {
        let rule = Rule::Times { count: 1, per: Period::Day, between: between(2, 3), probability: 1.0 };
        let berlin = times(&rule, "Europe/Berlin", "2026-03-28T00:00Z", 2);
        assert!(berlin[0].starts_with("2026-03-28T01") && berlin[1].starts_with("2026-03-30T00"), "{berlin:?}");
    }

    #[test]
    fn moments_come_once() {
        let rule = Rule::At(vec!["2026-12-01T10:00Z".parse().unwrap(), "2026-12-02T10:00Z".parse().unwrap()]);
        assert_eq!(times(&rule, "UTC", "2026-12-01T10:00Z", 5), ["2026-12-02T10:00:00Z"]);
    }
}
