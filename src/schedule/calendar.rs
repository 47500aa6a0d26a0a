//! iCalendar files: every event closes the time that it covers.
//!
//! Events are read as calendars of holidays and of change freezes write them: whole days or times, in a zone or in none (then the
//! schedule's), once or again and again, with exceptions. An event that is cancelled closes nothing; one that is marked as "free" does,
//! because calendars of holidays mark them all so. What cannot be understood is an error: a freeze that was not seen would be a kill.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{
    SignedDuration, Span, Timestamp, ToSpan,
    civil::{Date, DateTime},
    tz::TimeZone,
};

pub use super::lines::BadLine;
use super::{
    closed::{Cover, Window},
    lines::{Line, lines},
    recur, zone,
};
use crate::{clock, model::time::Mono};

/// The most events of a file.
const MOST_EVENTS: usize = 5_000;
/// The most windows that they may come to.
const MOST_WINDOWS: usize = 50_000;
/// Components may nest so deep (a calendar, an event, an alarm).
const DEEPEST: usize = 8;
/// How long all events that come again may take to be played.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);

/// The windows of a calendar between two moments. `name` is what the calendar is called in words; `zone` is that of events without one.
///
/// # Errors
/// Everything that is wrong, line by line.
pub fn read(text: &str, name: &str, zone: &TimeZone, span: (Timestamp, Timestamp)) -> Result<Vec<Window>, Vec<BadLine>> {
    let by = clock::now().plus(PATIENCE);
    let lines = lines(text).map_err(|bad| vec![bad])?;
    let events = events(&lines).map_err(|bad| vec![bad])?;
    let mut bad = Vec::new();
    let mut read = Vec::new();
    for event in &events {
        match Event::read(event, zone) {
            Ok(event) => read.extend(event),
            Err(error) => bad.push(error),
        }
    }
    let mut moved = Moved::new();
    for event in &read {
        if let (Some(uid), Some(replaced)) = (&event.uid, event.replaces) {
            moved.entry(uid).or_default().insert(replaced);
        }
    }
    let mut out = Vec::new();
    for event in &read {
        match event.windows(name, zone, span, &moved, by) {
            Ok(windows) => out.extend(windows),
            Err(error) => bad.push(error),
        }
        if out.len() > MOST_WINDOWS {
            bad.push(BadLine::new(
                event.line,
                "the events of this calendar come too often",
                format!("at most {MOST_WINDOWS} times in three years"),
            ));
            break;
        }
    }
    if bad.is_empty() { Ok(out) } else { Err(bad) }
}

/// The occurrences that other events stand for, by the id of the event.
type Moved<'e> = BTreeMap<&'e str, BTreeSet<Timestamp>>;

/// The lines of each event, without those of what is inside of it.
fn events(lines: &[Line]) -> Result<Vec<Vec<&Line>>, BadLine> {
    if lines.first().is_none_or(|line| line.name != "BEGIN" || !line.value.eq_ignore_ascii_case("VCALENDAR")) {
        return Err(BadLine::new(
            lines.first().map_or(1, |line| line.number),
            "this is not an iCalendar file",
            "`BEGIN:VCALENDAR` in the first line",
        ));
    }
    let mut open: Vec<&Line> = Vec::new();
    let mut out: Vec<Vec<&Line>> = Vec::new();
    for line in lines {
        let in_event = open.last().is_some_and(|begin| begin.value.eq_ignore_ascii_case("VEVENT"));
        match line.name.as_str() {
            "BEGIN" => {
                open.push(line);
                if open.len() > DEEPEST {
                    return Err(BadLine::new(line.number, "components nest too deep here", format!("at most {DEEPEST} levels")));
                }
                if line.value.eq_ignore_ascii_case("VEVENT") {
                    out.push(vec![line]);
                    if out.len() > MOST_EVENTS {
                        return Err(BadLine::new(line.number, "there are too many events", format!("at most {MOST_EVENTS}")));
                    }
                }
            }
            "END" => match open.pop() {
                Some(begin) if begin.value.eq_ignore_ascii_case(&line.value) => {}
                begin => {
                    let expected = begin
                        .map_or_else(|| "nothing more".to_owned(), |begin| format!("`END:{}`, for line {}", begin.value, begin.number));
                    return Err(BadLine::new(line.number, format!("`END:{}` closes what is not open", line.value), expected));
                }
            },
            _ if in_event => out.last_mut().expect("an event is open").push(line),
            _ => {}
        }
    }
    match open.last() {
        Some(begin) => {
            Err(BadLine::new(begin.number, format!("`BEGIN:{}` is never closed", begin.value), format!("`END:{}`", begin.value)))
        }
        None => Ok(out),
    }
}

/// A day or a time of the clock, and the zone that it is meant in: none for days, and for times that are meant wherever one is.
#[derive(Debug, Clone, PartialEq)]
struct When {
    at: DateTime,
    day: bool,
    zone: Option<TimeZone>,
}

#[derive(Debug)]
struct Event {
    line: usize,
    summary: String,
    uid: Option<String>,
    // The occurrence that this event stands in place of. It may be written in another zone than the events.
    replaces: Option<Timestamp>,
    start: When,
    length: Length,
    rule: Option<(usize, String)>,
    more: Vec<DateTime>,
    not: BTreeSet<DateTime>,
}

#[derive(Debug, Clone, Copy)]
enum Length {
    Days(i32),
    Time(SignedDuration),
}

impl Event {
    /// Reads an event; none when it was cancelled.
    fn read(lines: &[&Line], zone: &TimeZone) -> Result<Option<Self>, BadLine> {
        let find = |name: &str| lines.iter().find(|line| line.name == name).copied();
        if find("STATUS").is_some_and(|line| line.value.eq_ignore_ascii_case("CANCELLED")) {
            return Ok(None);
        }
        let number = lines.first().map_or(1, |line| line.number);
        let begin = find("DTSTART").ok_or_else(|| BadLine::new(number, "this event has no beginning", "`DTSTART:20261225T090000`"))?;
        let start = when(begin)?.remove(0);
        let there = start.zone.clone().unwrap_or_else(|| zone.clone());
        let length = match (find("DTEND"), find("DURATION")) {
            (Some(line), _) => start.until(line, zone)?,
            (None, Some(line)) => {
                let bad = || BadLine::new(line.number, format!("`{}` is not how long an event takes", line.value), "`P1D` or `PT2H30M`");
                let span: Span = line.value.parse().map_err(|_| bad())?;
                let end = start.at.checked_add(span).ok().filter(|end| *end >= start.at).ok_or_else(bad)?;
                if start.day { Length::Days(days(start.at, end)) } else { Length::Time(end.duration_since(start.at)) }
            }
            (None, None) if start.day => Length::Days(1),
            (None, None) => Length::Time(SignedDuration::ZERO),
        };
        let rules: Vec<&&Line> = lines.iter().filter(|line| line.name == "RRULE").collect();
        if let Some(second) = rules.get(1) {
            return Err(BadLine::new(second.number, "this event has a second rule", "one RRULE for an event"));
        }
        let all = |name: &str| {
            let whens = lines.iter().filter(|line| line.name == name).map(|line| when(line));
            let whens = whens.collect::<Result<Vec<_>, _>>()?;
            Ok(whens.into_iter().flatten().map(|when| when.clock_in(&there, start.day)).collect::<Vec<_>>())
        };
        Ok(Some(Self {
            line: number,
            summary: find("SUMMARY")
                .map_or_else(|| "an event without a name".to_owned(), |line| line.text().trim().chars().take(200).collect()),
            uid: find("UID").map(|line| line.value.clone()),
            replaces: find("RECURRENCE-ID").map(when).transpose()?.map(|mut when| when.remove(0).moment(zone)),
            rule: rules.first().map(|line| (line.number, line.value.clone())),
            more: all("RDATE")?,
            not: all("EXDATE")?.into_iter().collect(),
            start,
            length,
        }))
    }

    /// The windows of its occurrences between two moments. `moved` are occurrences that other events stand for.
    fn windows(
        &self,
        calendar: &str,
        zone: &TimeZone,
        (from, to): (Timestamp, Timestamp),
        moved: &Moved<'_>,
        by: Mono,
    ) -> Result<Vec<Window>, BadLine> {
        let there = self.start.zone.as_ref().unwrap_or(zone);
        let mut starts = vec![self.start.at];
        if let Some((line, rule)) = &self.rule {
            // What began before and is not over counts too; no event is longer than itself.
            let length = match self.length {
                Length::Days(days) => SignedDuration::from_hours(24 * (i64::from(days) + 1)),
                Length::Time(time) => time.saturating_add(SignedDuration::from_hours(24)),
            };
            let span = (there.to_datetime(from).saturating_sub(length), there.to_datetime(to));
            let more = recur::starts(rule, self.start.at, there, span, by);
            starts
                .extend(more.map_err(|why| BadLine::new(*line, format!("this rule cannot be used: {why}"), "a rule like `FREQ=YEARLY`"))?);
        }
        starts.extend(&self.more);
        starts.sort_unstable();
        starts.dedup();
        starts.retain(|at| !self.not.contains(at));
        if self.replaces.is_none()
            && let Some(moved) = self.uid.as_deref().and_then(|uid| moved.get(uid))
        {
            starts.retain(|at| !moved.contains(&zone::moment(there, *at)));
        }
        let cover = || Cover::Event { calendar: calendar.to_owned(), summary: self.summary.clone() };
        let windows = starts.into_iter().map(|at| match self.length {
            Length::Days(days) => {
                let last = at.date().saturating_add((days - 1).days());
                Window::days(zone, at.date(), last, cover())
            }
            Length::Time(time) => {
                let from = zone::moment(there, at);
                Window { from, to: from.saturating_add(time).unwrap_or(Timestamp::MAX), cover: cover() }
            }
        });
        Ok(windows.filter(|window| window.to > from && window.from < to).collect())
    }
}

impl When {
    /// The time of the clock where the event is.
    fn clock_in(&self, there: &TimeZone, day: bool) -> DateTime {
        match &self.zone {
            _ if day => self.at.date().into(),
            Some(zone) => there.to_datetime(zone::moment(zone, self.at)),
            None => self.at,
        }
    }

    /// The moment, for a schedule in this zone.
    fn moment(&self, zone: &TimeZone) -> Timestamp {
        zone::moment(self.zone.as_ref().unwrap_or(zone), self.at)
    }

    /// How long it is from here to the end that a line gives.
    fn until(&self, line: &Line, zone: &TimeZone) -> Result<Length, BadLine> {
        let end = when(line)?.remove(0);
        let before = || BadLine::new(line.number, "this event ends before it begins", "an end after `DTSTART`");
        if self.day != end.day {
            return Err(BadLine::new(
                line.number,
                "this event begins with a day and ends with a time, or the other way round",
                "two days or two times",
            ));
        }
        if self.day {
            // The end is outside; the same day as both is what some programs write for one day.
            return if end.at < self.at { Err(before()) } else { Ok(Length::Days(days(self.at, end.at))) };
        }
        let length = end.moment(zone).duration_since(self.moment(zone));
        if length.is_negative() { Err(before()) } else { Ok(Length::Time(length)) }
    }
}

/// The whole days between two days, at least one.
fn days(from: DateTime, to: DateTime) -> i32 {
    i32::try_from(to.duration_since(from).as_hours() / 24).unwrap_or(i32::MAX).clamp(1, 100_000)
}

/// The days or times of a line; at least one.
fn when(line: &Line) -> Result<Vec<When>, BadLine> {
    let zone = match line.parameter("TZID") {
        None => None,
        Some(name) => Some(TimeZone::get(name.trim_start_matches('/')).map_err(|_| {
            let name: String = name.chars().take(80).collect();
            BadLine::new(
                line.number,
                format!("the time zone `{name}` is not known"),
                "an IANA name like `Europe/Lisbon`, or a time in UTC like `20261225T090000Z`",
            )
        })?),
    };
    line.value
        .split(',')
        .map(|value| {
            // A period (`start/end`) is counted by its beginning.
            let value = value.split('/').next().unwrap_or_default().trim();
            let utc = value.ends_with('Z');
            let day = Date::strptime("%Y%m%d", value).ok();
            let at = day.map(DateTime::from).or_else(|| DateTime::strptime("%Y%m%dT%H%M%S", value.strip_suffix('Z').unwrap_or(value)).ok());
            let at = at.filter(|at| (1900..=2200).contains(&at.year()));
            let zone = if day.is_some() {
                None
            } else if utc {
                Some(TimeZone::UTC)
            } else {
                zone.clone()
            };
            at.map(|at| When { at, day: day.is_some(), zone }).ok_or_else(|| {
                let value: String = value.chars().take(40).collect();
                BadLine::new(
                    line.number,
                    format!("`{value}` is neither a day nor a time of these centuries"),
                    "`20261225` or `20261225T090000Z`",
                )
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(events: &str) -> String {
        format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{}\r\nEND:VCALENDAR\r\n", events.trim().replace('\n', "\r\n"))
    }

    fn windows(text: &str) -> Result<Vec<String>, Vec<BadLine>> {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let span = ("2026-01-01T00:00Z".parse().unwrap(), "2029-01-01T00:00Z".parse().unwrap());
        let mut windows = read(text, "x.ics", &zone, span)?;
        windows.sort_by_key(|window| window.from);
        Ok(windows.iter().map(|w| format!("{} {} {}", w.from, w.to, w.cover)).collect())
    }

    fn event(lines: &str) -> Result<Vec<String>, Vec<BadLine>> {
        windows(&file(&format!("BEGIN:VEVENT\n{}\nEND:VEVENT\n", lines.replace(" | ", "\n"))))
    }

    #[test]
    fn days_are_those_of_the_schedule_and_times_those_of_the_event() {
        assert_eq!(
            event("DTSTART;VALUE=DATE:20261225 | DTEND;VALUE=DATE:20261227 | SUMMARY:Christmas | TRANSP:TRANSPARENT").unwrap(),
            ["2026-12-24T23:00:00Z 2026-12-26T23:00:00Z Christmas (x.ics)"]
        );
        assert_eq!(
            event("DTSTART;VALUE=DATE:20261225 | SUMMARY:One day").unwrap(),
            ["2026-12-24T23:00:00Z 2026-12-25T23:00:00Z One day (x.ics)"]
        );
        for (start, hour) in
            [("DTSTART:20261201T090000", 8), ("DTSTART:20261201T090000Z", 9), ("DTSTART;TZID=America/New_York:20261201T090000", 14)]
        {
            let text = format!("{start} | DURATION:PT90M | SUMMARY:Release");
            assert_eq!(
                event(&text).unwrap(),
                [format!("2026-12-01T{hour:02}:00:00Z 2026-12-01T{}:30:00Z Release (x.ics)", format_args!("{:02}", hour + 1))]
            );
        }
        assert_eq!(event("DTSTART:20261201T090000Z | DTEND:20261201T100000Z | STATUS:CANCELLED").unwrap(), [""; 0]);
    }

    #[test]
    fn events_come_again_with_exceptions_and_on_both_sides_of_summer_time() {
        let yearly = event("DTSTART;VALUE=DATE:20001225 | RRULE:FREQ=YEARLY | SUMMARY:C | EXDATE;VALUE=DATE:20271225").unwrap();
        assert_eq!(yearly, ["2026-12-24T23:00:00Z 2026-12-25T23:00:00Z C (x.ics)", "2028-12-24T23:00:00Z 2028-12-25T23:00:00Z C (x.ics)"]);
        let weekly = event(
            "DTSTART;TZID=Europe/Berlin:20261021T090000 | DURATION:PT1H | SUMMARY:W | RRULE:FREQ=WEEKLY;BYDAY=WE;UNTIL=20261028T080000Z",
        )
        .unwrap();
        assert_eq!(weekly, ["2026-10-21T07:00:00Z 2026-10-21T08:00:00Z W (x.ics)", "2026-10-28T08:00:00Z 2026-10-28T09:00:00Z W (x.ics)"]);
        let until_day = event("DTSTART;VALUE=DATE:20260105 | RRULE:FREQ=DAILY;UNTIL=20260107 | SUMMARY:D").unwrap();
        assert_eq!(until_day.len(), 3, "{until_day:?}");
        let last_friday = event("DTSTART;VALUE=DATE:20260130 | RRULE:FREQ=MONTHLY;BYDAY=-1FR;COUNT=3 | SUMMARY:F").unwrap();
        assert!(last_friday[1].starts_with("2026-02-26T23") && last_friday.len() == 3, "{last_friday:?}");
    }

    #[test]
    fn one_occurrence_can_be_moved() {
        let text = file(
            "BEGIN:VEVENT
            UID:a
            DTSTART;TZID=Europe/Berlin:20260105T090000
            DTEND;TZID=Europe/Berlin:20260105T100000
            RRULE:FREQ=WEEKLY;COUNT=2
            SUMMARY:Weekly
            BEGIN:VALARM
            DURATION:nonsense of an alarm
            END:VALARM
            END:VEVENT
            BEGIN:VEVENT
            UID:a
            RECURRENCE-ID:20260112T080000Z
            DTSTART:20260113T080000Z
            DURATION:PT1H
            SUMMARY:Moved
            END:VEVENT"
                .replace("            ", "")
                .as_str(),
        );
        let all = windows(&text).unwrap();
        assert_eq!(
            all,
            ["2026-01-05T08:00:00Z 2026-01-05T09:00:00Z Weekly (x.ics)", "2026-01-13T08:00:00Z 2026-01-13T09:00:00Z Moved (x.ics)"]
        );
    }

    #[test]
    fn what_cannot_be_understood_is_told_with_its_line() {
        for (text, line, says) in [
            ("DTSTART:tomorrow", 4, "neither a day nor a time"),
            ("SUMMARY:x", 3, "no beginning"),
            ("DTSTART;TZID=Middle-earth/Shire:20260101T000000", 4, "`Middle-earth/Shire` is not known"),
            ("DTSTART:20260101T090000Z | DTEND:20260101T080000Z", 5, "ends before"),
            ("DTSTART:20260101T090000Z | DTEND;VALUE=DATE:20260102", 5, "the other way round"),
            ("DTSTART:20260101T090000Z | DURATION:-PT1H", 5, "not how long"),
            ("DTSTART:20260101T090000Z | RRULE:FREQ=FORTNIGHTLY", 5, "cannot be used"),
            ("DTSTART:20260101T090000Z | RRULE:FREQ=YEARLY | RRULE:FREQ=DAILY", 6, "second rule"),
            ("DTSTART:20260101T090000Z | RRULE:FREQ=MINUTELY", 5, "too often"),
            ("DTSTART:19000101T090000Z | RRULE:FREQ=HOURLY", 5, "too often"),
            ("DTSTART:99990101T090000Z", 4, "of these centuries"),
        ] {
            let bad = event(text).unwrap_err();
            assert!(bad.len() == 1 && bad[0].number == line && bad[0].problem.contains(says), "{text}: {bad:?}");
        }
        for (text, line, says) in [
            ("", 1, "not an iCalendar"),
            ("<html>", 1, "no line of a calendar"),
            ("BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VCALENDAR", 3, "closes what is not open"),
            ("BEGIN:VCALENDAR\nBEGIN:VEVENT\n", 2, "never closed"),
            ("BEGIN:VCALENDAR\nEND:VCALENDAR\nEND:VCALENDAR", 3, "not open"),
            (&("BEGIN:VCALENDAR\n".to_owned() + &"BEGIN:X\n".repeat(100_000)), 9, "too deep"),
        ] {
            let bad = windows(text).unwrap_err();
            assert!(bad[0].number == line && bad[0].problem.contains(says), "{bad:?}");
        }
    }

    #[test]
    fn a_hostile_calendar_ends_soon() {
        let started = clock::now();
        let rule = "DTSTART:19000101T090000Z\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30\nSUMMARY:never";
        let text = file(&format!("BEGIN:VEVENT\n{rule}\nEND:VEVENT\n").repeat(4_000));
        assert!(windows(&text).is_err());
        let dates = vec!["20260101"; 90_000].join(",");
        let _ = event(&format!("DTSTART;VALUE=DATE:20260101 | RRULE:FREQ=DAILY | EXDATE;VALUE=DATE:{dates}"));
        let took = clock::now().since(started);
        assert!(took < std::time::Duration::from_mins(1), "{took:?}");
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { cases: 60, failure_persistence: None, ..proptest::prelude::ProptestConfig::default() })]

        #[test]
        fn any_rule_is_survived(rule in "(FREQ=(YEARLY|MONTHLY|WEEKLY|DAILY|HOURLY|SECONDLY)|INTERVAL=[0-9]{1,5}|COUNT=[0-9]{1,10}|UNTIL=[0-9]{8}(T[0-9]{6}Z)?|BYDAY=-?[0-9]{0,2}(MO|SU)|BYMONTHDAY=-?[0-9]{1,2}|BYYEARDAY=-?[0-9]{1,3}|BYWEEKNO=-?[0-9]{1,2}|BYSETPOS=-?[0-9]{1,3}|BYHOUR=[0-9]{1,2}|WKST=SU|;){1,8}") {
            let _ = event(&format!("DTSTART:20250101T090000Z | RRULE:{rule}"));
        }
    }
}
