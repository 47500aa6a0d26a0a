//! Cron lines: five fields as in a crontab, or six with seconds first.
//!
//! What people know from crontabs holds: weekdays go from 0 (Sunday) to 7 (Sunday again), and where day and weekday are both given, one of
//! them is enough. The crate of this name counts weekdays from 1, always wants both to fit, and brings another library of time zones;
//! so it is not used. Lines are asked in times of the clock only; which moments they are is for [`zone`](super::zone) to say.

use jiff::{
    ToSpan,
    civil::{Date, DateTime, Time},
};

/// A cron line that fires at some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    text: String,
    // A bit for each number that fits.
    seconds: u64,
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    // From Sunday.
    weekdays: u64,
    // Whether a day that fits by either is enough.
    either: bool,
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
        let bits = |numbers: &[u32]| numbers.iter().fold(0_u64, |bits, n| bits | 1 << n);
        let week = bits(weekdays);
        Ok(Self {
            text: text.to_owned(),
            seconds: bits(&read[0]),
            minutes: bits(&read[1]),
            hours: bits(&read[2]),
            days: bits(days),
            months: bits(months),
            weekdays: week & 0x7f | week >> 7,
            either: day && weekday,
        })
    }

    /// The line as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The first time of the clock after another one; none within [`FAR`] years.
    pub fn next(&self, after: DateTime) -> Option<DateTime> {
        let from = after.with().subsec_nanosecond(0).build().ok()?.checked_add(1.second()).ok()?;
        if self.on(from.date())
            && let Some(time) = self.time(from.time())
        {
            return Some(from.date().to_datetime(time));
        }
        let last = from.year().saturating_add(FAR);
        let mut day = from.date().tomorrow().ok()?;
        while day.year() <= last {
            if !has(self.months, day.month()) {
                day = day.last_of_month().tomorrow().ok()?;
            } else if self.on(day) {
                return Some(day.to_datetime(self.time(Time::midnight())?));
            } else {
                day = day.tomorrow().ok()?;
            }
        }
        None
    }

    /// Whether it fires on a day.
    fn on(&self, day: Date) -> bool {
        let by_day = has(self.days, day.day());
        let by_weekday = has(self.weekdays, day.weekday().to_sunday_zero_offset());
        has(self.months, day.month()) && if self.either { by_day || by_weekday } else { by_day && by_weekday }
    }

    /// The first time of a day from another one on.
    fn time(&self, from: Time) -> Option<Time> {
        let hour = first(self.hours, from.hour())?;
        let minute = if hour > from.hour() { 0 } else { from.minute() };
        let second = if hour > from.hour() { 0 } else { from.second() };
        // Within the hour; else in the next one.
        let within = first(self.minutes, minute).and_then(|found| {
            let second = if found > minute { 0 } else { second };
            match first(self.seconds, second) {
                Some(second) => Some((found, second)),
                None => Some((first(self.minutes, found + 1)?, first(self.seconds, 0)?)),
            }
        });
        match within {
            Some((minute, second)) => Time::new(hour, minute, second, 0).ok(),
            None => Time::new(first(self.hours, hour + 1)?, first(self.minutes, 0)?, first(self.seconds, 0)?, 0).ok(),
        }
    }
}

/// Years in which a day comes again: a leap day that must be a certain weekday takes up to 40.
const FAR: i16 = 41;

fn has(bits: u64, n: i8) -> bool {
    bits >> n & 1 == 1
}

/// The first number from `from` on.
fn first(bits: u64, from: i8) -> Option<i8> {
    let rest = bits.checked_shr(from.unsigned_abs().into())?;
    (rest != 0).then(|| from + rest.trailing_zeros() as i8)
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
    fn seconds_leap_days_and_what_is_far_away() {
        assert_eq!(next("*/20 * * * * *", "2026-11-19T10:00:40"), "2026-11-19T10:01:00");
        assert_eq!(next("59 59 23 31 12 *", "2026-12-31T23:59:59"), "2027-12-31T23:59:59");
        assert_eq!(next("0 0 29 2 *", "2026-11-19T10:00"), "2028-02-29T00:00:00");
        assert_eq!(next("0 0 29 2 *", "2096-03-01T00:00"), "2104-02-29T00:00:00", "2100 is no leap year");
        assert_eq!(next("0 0 * * *", "9999-12-31T00:00"), "never");
    }

    #[test]
    fn every_second_of_some_days_is_what_its_fields_say() {
        for line in ["*/7 3,59 */5 * * *", "0 30 10 1-7 * Mon", "15 0 0 28-31 2,3 *", "1 2 3 */3 * 1-5"] {
            let cron = Cron::parse(line).unwrap();
            let mut at: DateTime = "2027-02-24T00:00:00".parse().unwrap();
            let end: DateTime = "2027-03-05T00:00:00".parse().unwrap();
            let mut said = cron.next(at);
            while at < end {
                at = at.saturating_add(1.second());
                let fits =
                    cron.on(at.date()) && has(cron.hours, at.hour()) && has(cron.minutes, at.minute()) && has(cron.seconds, at.second());
                assert_eq!(said == Some(at), fits, "{line}: {at}");
                if fits {
                    said = cron.next(at);
                }
            }
        }
    }
}
