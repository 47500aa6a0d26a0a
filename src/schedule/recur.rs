//! Events that come again, by their recurrence rule (RFC 5545, 3.3.10), with the crate `rrule`, and with bounds: a rule is a small program
//! that somebody else wrote.
//!
//! The crate's types for times (`chrono`) stay in this file. Rules are asked in times of the clock, as if it were in UTC; which moments they are is for the calendar to say, by the one rule of
//! [`zone`](super::zone).

use std::str::FromStr;

use chrono::{DateTime as ChronoTime, Datelike as _, TimeZone as _, Timelike as _};
use jiff::{
    Timestamp,
    civil::{Date, DateTime, Time},
    tz::TimeZone,
};
use rrule::{RRule, RRuleSet, Tz, Unvalidated};

use crate::{clock, model::time::Mono};

/// So often an event may come between two moments.
pub const MOST: usize = 2_000;
/// And so often in all before the later one: a rule that began long ago is played from its beginning.
const MOST_PLAYED: usize = 100_000;
const TOO_LONG: &str = "the rules of this calendar take too long to play";

/// The starts of an event that comes again: those from `from` to before `to`, in order.
///
/// # Errors
/// With what is wrong, as a sentence: the rule cannot be read, comes too often, or is not played to its end before the deadline.
pub fn starts(rule: &str, start: DateTime, zone: &TimeZone, (from, to): (DateTime, DateTime), by: Mono) -> Result<Vec<DateTime>, String> {
    // A rule that fits no day is looked for by the crate itself, which gives up after a while: once is enough.
    if clock::now() > by {
        return Err(TOO_LONG.to_owned());
    }
    let first = to_chrono(start).ok_or("its beginning is out of range")?;
    let rule = until_in_clock_time(rule, zone)?;
    let rule = RRule::<Unvalidated>::from_str(&rule).and_then(|rule| rule.validate(first)).map_err(|error| error.to_string())?;
    let set = RRuleSet::new(first).rrule(rule).limit();
    let mut out = Vec::new();
    for (played, at) in set.into_iter().enumerate() {
        let Some(at) = from_chrono(&at).filter(|at| *at < to) else { break };
        if played >= MOST_PLAYED || out.len() >= MOST {
            return Err(format!("it comes too often: more than {MOST} times in some years, or {MOST_PLAYED} times since it began"));
        }
        if clock::now() > by {
            return Err(TOO_LONG.to_owned());
        }
        if at >= from {
            out.push(at);
        }
    }
    Ok(out)
}

/// The rule with its end as a time of the clock where the event is: as a day or in UTC it would not be comparable.
fn until_in_clock_time(rule: &str, zone: &TimeZone) -> Result<String, String> {
    let mut parts: Vec<String> = Vec::new();
    for part in rule.split(';').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').ok_or_else(|| format!("`{part}` is not of the form `NAME=value`"))?;
        if name.eq_ignore_ascii_case("UNTIL") {
            let until = until(value, zone).ok_or_else(|| format!("`{value}` is neither a day nor a time"))?;
            parts.push(format!("UNTIL={}", until.strftime("%Y%m%dT%H%M%SZ")));
        } else {
            parts.push(part.to_owned());
        }
    }
    Ok(parts.join(";"))
}

fn until(value: &str, zone: &TimeZone) -> Option<DateTime> {
    if let Ok(date) = Date::strptime("%Y%m%d", value) {
        return Some(date.to_datetime(Time::constant(23, 59, 59, 0)));
    }
    let local = DateTime::strptime("%Y%m%dT%H%M%S", value.trim_end_matches('Z')).ok()?;
    if !value.ends_with('Z') {
        return Some(local);
    }
    let moment: Timestamp = local.to_zoned(TimeZone::UTC).ok()?.timestamp();
    Some(zone.to_datetime(moment))
}

/// A time of the clock in the types of the crate.
fn to_chrono(at: DateTime) -> Option<ChronoTime<Tz>> {
    let (year, month, day) = (i32::from(at.year()), at.month().unsigned_abs().into(), at.day().unsigned_abs().into());
    let (hour, minute, second) = (at.hour().unsigned_abs().into(), at.minute().unsigned_abs().into(), at.second().unsigned_abs().into());
    Tz::UTC.with_ymd_and_hms(year, month, day, hour, minute, second).single()
}

/// Back again.
fn from_chrono(at: &ChronoTime<Tz>) -> Option<DateTime> {
    let (year, month, day) = (at.year().try_into().ok()?, at.month().try_into().ok()?, at.day().try_into().ok()?);
    DateTime::new(year, month, day, at.hour().try_into().ok()?, at.minute().try_into().ok()?, at.second().try_into().ok()?, 0).ok()
}
