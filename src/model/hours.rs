//! Hours in which something is allowed: `Mon-Thu 10:00-16:00 Europe/Lisbon`.

use jiff::{
    Zoned,
    civil::{Time, Weekday},
    tz::TimeZone,
};

/// Days of the week, a span of the day, and the zone they are meant in.
#[derive(Debug, Clone, PartialEq)]
pub struct Hours {
    days: Vec<Weekday>,
    from: Time,
    to: Time,
    zone: TimeZone,
}

const DAYS: [(&str, Weekday); 7] = [
    ("Mon", Weekday::Monday),
    ("Tue", Weekday::Tuesday),
    ("Wed", Weekday::Wednesday),
    ("Thu", Weekday::Thursday),
    ("Fri", Weekday::Friday),
    ("Sat", Weekday::Saturday),
    ("Sun", Weekday::Sunday),
];

impl Hours {
    /// Reads `DAYS HH:MM-HH:MM ZONE`; days are `Mon`, `Mon-Thu` or `Mon,Wed,Fri`; the zone is an IANA name.
    ///
    /// # Errors
    /// With what is wrong, as a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = text.split_whitespace();
        let (Some(days), Some(span), Some(zone), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(format!("`{text}` is not of the form `Mon-Thu 10:00-16:00 Europe/Lisbon`"));
        };
        let days = weekdays(days)?;
        let (from, to) = day_span(span)?;
        let zone = TimeZone::get(zone).map_err(|_| format!("`{zone}` is not a time zone (such as Europe/Lisbon)"))?;
        Ok(Self { days, from, to, zone })
    }

    /// Whether a moment lies in them. The end is outside.
    pub fn contain(&self, at: &Zoned) -> bool {
        let there = at.with_time_zone(self.zone.clone());
        self.days.contains(&there.weekday()) && (self.from..self.to).contains(&there.time())
    }
}

/// Reads days of the week: `Mon`, `Mon-Thu` (also around the end of the week, `Sat-Mon`) or `Mon,Wed,Fri`.
///
/// # Errors
/// With what is wrong, as a sentence.
pub fn weekdays(text: &str) -> Result<Vec<Weekday>, String> {
    let mut out = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut at, last) = (day(first.trim())?, day(last.trim())?);
        loop {
            out.push(DAYS[at].1);
            if at == last {
                break;
            }
            at = (at + 1) % DAYS.len();
        }
    }
    Ok(out)
}

/// Reads a span of the day, `10:00-16:00`; the end is after the beginning.
///
/// # Errors
/// With what is wrong, as a sentence.
pub fn day_span(text: &str) -> Result<(Time, Time), String> {
    let (from, to) = text.split_once('-').ok_or_else(|| format!("`{text}` is not of the form `10:00-16:00`"))?;
    let (from, to) = (time(from.trim())?, time(to.trim())?);
    if from >= to {
        return Err(format!("`{text}` ends before it begins"));
    }
    Ok((from, to))
}

/// The short English name of a day of the week: `Mon`.
pub fn day_name(day: Weekday) -> &'static str {
    DAYS[day.to_monday_zero_offset() as usize].0
}

fn day(text: &str) -> Result<usize, String> {
    DAYS.iter()
        .position(|(name, _)| name.eq_ignore_ascii_case(text))
        .ok_or_else(|| format!("`{text}` is not a day (Mon, Tue, Wed, Thu, Fri, Sat, Sun)"))
}

fn time(text: &str) -> Result<Time, String> {
    let bad = || format!("`{text}` is not a time of day (such as 09:30)");
    let (hour, minute) = text.split_once(':').ok_or_else(bad)?;
    let (hour, minute) = (hour.parse().map_err(|_| bad())?, minute.parse().map_err(|_| bad())?);
    Time::new(hour, minute, 0, 0).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Zoned {
        text.parse().unwrap()
    }

    #[test]
    fn hours_are_meant_in_their_own_zone() {
        let hours = Hours::parse("Mon-Thu 10:00-16:00 Europe/Lisbon").unwrap();
        assert!(hours.contain(&at("2026-11-19T10:00[Europe/Lisbon]")));
        assert!(hours.contain(&at("2026-11-19T16:59[Europe/Berlin]")));
        assert!(!hours.contain(&at("2026-11-19T16:00[Europe/Lisbon]")));
        assert!(!hours.contain(&at("2026-11-20T12:00[Europe/Lisbon]")));
        assert!(Hours::parse("Sat-Mon 00:00-23:59 UTC").unwrap().contain(&at("2026-11-22T12:00[UTC]")));
    }

    #[test]
    fn what_is_no_span_of_hours_is_refused_with_words() {
        for (text, words) in [
            ("Mon 10:00-16:00", "not of the form"),
            ("Mox 10:00-16:00 UTC", "`Mox` is not a day"),
            ("Mon 16:00-10:00 UTC", "ends before"),
            ("Mon 10:00-25:00 UTC", "`25:00` is not a time"),
            ("Mon 10:00-16:00 Europe/Lisboa", "not a time zone"),
        ] {
            let error = Hours::parse(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
