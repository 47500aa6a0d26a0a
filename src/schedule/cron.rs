//! Cron lines: five fields as in a crontab, or six with seconds first.
//!
//! The crate `cron` finds the times. What people know from crontabs is put around it here, because it counts weekdays from 1 and always wants
//! both the day and the weekday to fit: weekdays go from 0 (Sunday) to 7 (Sunday again), and where day and weekday are both given, one of
//! them is enough. It is asked in times of the clock only; which moments they are is for [`zone`](super::zone) to say.

use std::str::FromStr;

use chrono::{DateTime as ChronoTime, Datelike, TimeZone as _, Timelike, Utc};
use jiff::civil::DateTime;

/// A cron line that fires at some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    text: String,
    // Either of two when day and weekday are both given.
    either: Vec<cron::Schedule>,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadCron {
    /// In one line; foreign text in backquotes, as it was written.
    pub problem: String,
    /// What would have been right.
    pub expected: String,
}

struct Field {
    name: &'static str,
    low: u32,
    high: u32,
    words: &'static [&'static str],
}

const FIELDS: [Field; 6] = [
    Field { name: "seconds", low: 0, high: 59, words: &[] },
    Field { name: "minutes", low: 0, high: 59, words: &[] },
    Field { name: "hours", low: 0, high: 23, words: &[] },
    Field { name: "days", low: 1, high: 31, words: &[] },
    Field {
        name: "months",
        low: 1,
        high: 12,
        words: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    },
    Field { name: "weekdays", low: 0, high: 7, words: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] },
];

/// The most days a month has, from January.
const MOST_DAYS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

impl Cron {
    /// Reads a line.
    ///
    /// # Errors
    /// When a field cannot be read, or no day that there is fits.
    pub fn parse(text: &str) -> Result<Self, BadCron> {
        let parts: Vec<&str> = text.split_whitespace().collect();
        let kinds = match parts.len() {
            5 => &FIELDS[1..],
            6 => &FIELDS[..],
            n => {
                return Err(BadCron {
                    problem: format!("`{text}` has {n} field{}", if n == 1 { "" } else { "s" }),
                    expected: "five fields (minute, hour, day, month, weekday), or six with seconds first, like `30 10 * * Mon-Thu`"
                        .to_owned(),
                });
            }
        };
        let mut read = Vec::new();
        for (part, kind) in parts.iter().zip(kinds) {
            read.push(kind.numbers(part).ok_or_else(|| kind.refuse(part))?);
        }
        if parts.len() == 5 {
            read.insert(0, vec![0]);
        }
        let [.., days, months, weekdays] = &read[..] else { unreachable!("six fields") };
        // As in a crontab: what begins with `*` does not count as given.
        let given = |part: &str| !part.starts_with('*');
        let (day, weekday) = (given(parts[parts.len() - 3]), given(parts[parts.len() - 1]));
        let first = days.first().copied().unwrap_or_default();
        if !(day && weekday) && months.iter().all(|month| first > MOST_DAYS[*month as usize - 1]) {
            return Err(BadCron {
                problem: format!("`{text}` never fires: no month of these has a day {first}"),
                expected: "a day that one of the months has".to_owned(),
            });
        }
        let all = |low: u32, high: u32| (low..=high).collect::<Vec<_>>();
        let days_only = (!weekday || day).then(|| [days.clone(), if weekday { all(0, 6) } else { weekdays.clone() }]);
        let weekdays_only = weekday.then(|| [if day { all(1, 31) } else { days.clone() }, weekdays.clone()]);
        let either = days_only.into_iter().chain(weekdays_only);
        let either = either.map(|[days, weekdays]| line(&read, &days, &weekdays)).collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_owned(), either })
    }

    /// The line as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The first time of the clock after another one; none in this century or later.
    pub fn next(&self, after: DateTime) -> Option<DateTime> {
        let after = to_chrono(after)?;
        let next = self.either.iter().filter_map(|schedule| schedule.after(&after).next()).min()?;
        from_chrono(&next)
    }
}

/// One line for the crate `cron`: numbers only, and weekdays counted from 1.
fn line(read: &[Vec<u32>], days: &[u32], weekdays: &[u32]) -> Result<cron::Schedule, BadCron> {
    let mut week: Vec<u32> = weekdays.iter().map(|day| day % 7 + 1).collect();
    week.sort_unstable();
    week.dedup();
    let fields = [&read[0][..], &read[1], &read[2], days, &read[4], &week];
    let text = fields.map(|numbers| numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(",")).join(" ");
    cron::Schedule::from_str(&text)
        .map_err(|error| BadCron { problem: error.to_string(), expected: "a line like `30 10 * * Mon-Thu`".to_owned() })
}

impl Field {
    /// The numbers of a field, in order; none when it cannot be read.
    fn numbers(&self, part: &str) -> Option<Vec<u32>> {
        let mut out = Vec::new();
        for item in part.split(',') {
            let (range, step) = item.split_once('/').map_or((item, None), |(range, step)| (range, Some(step)));
            let step = match step {
                None => 1,
                Some(step) => step.parse::<u32>().ok().filter(|n| (1..=self.high).contains(n))?,
            };
            let (from, to) = match range.split_once('-') {
                _ if range == "*" => (self.low, self.high),
                Some((from, to)) => (self.value(from)?, self.value(to)?),
                // `5/10`: from 5 on.
                None if item.contains('/') => (self.value(range)?, self.high),
                None => (self.value(range)?, self.value(range)?),
            };
            if from > to {
                return None;
            }
            out.extend((from..=to).step_by(step as usize));
        }
        out.sort_unstable();
        out.dedup();
        Some(out)
    }

    fn value(&self, text: &str) -> Option<u32> {
        if let Some(at) = self.words.iter().position(|word| word.eq_ignore_ascii_case(text)) {
            return Some(at as u32 + self.low);
        }
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        text.parse().ok().filter(|n| digits && (self.low..=self.high).contains(n))
    }

    fn refuse(&self, part: &str) -> BadCron {
        let words = if self.words.is_empty() { String::new() } else { format!(" or names like `{}`", self.words[1]) };
        BadCron {
            problem: format!("`{part}` does not fit the field for {}", self.name),
            expected: format!("`*`, numbers from {} to {}{words}, `a-b`, `*/n`, or several of these joined by `,`", self.low, self.high),
        }
    }
}

/// A time of the clock in the types of the crate: as if the clock were in UTC, which never jumps.
pub(super) fn to_chrono(at: DateTime) -> Option<ChronoTime<Utc>> {
    let (year, month, day) = (i32::from(at.year()), at.month().unsigned_abs().into(), at.day().unsigned_abs().into());
    let (hour, minute, second) = (at.hour().unsigned_abs().into(), at.minute().unsigned_abs().into(), at.second().unsigned_abs().into());
    Utc.with_ymd_and_hms(year, month, day, hour, minute, second).single()
}

/// Back again.
pub(super) fn from_chrono<Z: chrono::TimeZone>(at: &ChronoTime<Z>) -> Option<DateTime> {
    let (year, month, day) = (at.year().try_into().ok()?, at.month().try_into().ok()?, at.day().try_into().ok()?);
    DateTime::new(year, month, day, at.hour().try_into().ok()?, at.minute().try_into().ok()?, at.second().try_into().ok()?, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(line: &str, after: &str) -> String {
        Cron::parse(line).unwrap().next(after.parse().unwrap()).map_or_else(|| "never".to_owned(), |at| at.to_string())
    }

    #[test]
    fn lines_are_checked_field_by_field() {
        for fine in ["30 10 * * Mon-Thu", "0 */15 9-17 * * 1-5", "5,10 0 1 jan *", "0 0 29 2 *", "0 0 31 2 Mon", "10/20 * * * *"] {
            assert!(Cron::parse(fine).is_ok(), "{fine}: {:?}", Cron::parse(fine));
        }
        for bad in
            ["", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "*/0 * * * *", "5-1 * * * *", "* * * * Foo", "+5 * * * *", "* * * * 8"]
        {
            assert!(Cron::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_line_that_never_fires_is_refused() {
        for never in ["0 10 30 2 *", "0 10 31 4,6,9,11 *", "0 0 0 30-31 feb *", "0 10 31 2 */2"] {
            let error = Cron::parse(never).unwrap_err();
            assert!(error.problem.contains("never fires"), "{never}: {error:?}");
        }
    }

    #[test]
    fn weekdays_are_those_of_a_crontab() {
        // 2026-11-22 is a Sunday.
        for sunday in ["0 10 * * 0", "0 10 * * 7", "0 10 * * sun"] {
            assert_eq!(next(sunday, "2026-11-18T00:00"), "2026-11-22T10:00:00", "{sunday}");
        }
        assert_eq!(next("0 10 * * 1-5", "2026-11-20T10:00"), "2026-11-23T10:00:00");
        assert_eq!(next("0 10 * * Sat-7", "2026-11-22T10:00"), "2026-11-28T10:00:00", "a range may end at 7");
    }

    #[test]
    fn a_day_and_a_weekday_are_either_or_as_in_a_crontab() {
        assert_eq!(next("0 0 13 * Fri", "2026-11-19T00:00"), "2026-11-20T00:00:00", "a Friday");
        assert_eq!(next("0 0 13 * Fri", "2026-12-12T00:00"), "2026-12-13T00:00:00", "the 13th");
        // What begins with `*` restricts, but is not an alternative.
        assert_eq!(next("0 0 */2 * Mon", "2026-11-17T00:00"), "2026-11-23T00:00:00", "a Monday on an odd day");
    }

    #[test]
    fn seconds_leap_days_and_the_end_of_the_century() {
        assert_eq!(next("*/20 * * * * *", "2026-11-19T10:00:40"), "2026-11-19T10:01:00");
        assert_eq!(next("0 0 29 2 *", "2026-11-19T10:00"), "2028-02-29T00:00:00");
        assert_eq!(next("0 0 29 2 *", "2099-01-01T00:00"), "never");
    }
}
