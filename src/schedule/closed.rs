//! When nothing fires: days off, freezes, events of calendars. All of them are windows of moments here, so that one question answers all.

use std::fmt;

use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    tz::TimeZone,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::zone;

/// What closes a window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Cover {
    /// Days that the file names.
    Days {
        /// As written: `2026-12-20..2027-01-06`.
        written: String,
    },
    /// A freeze.
    Freeze {
        /// Its name.
        name: String,
    },
    /// An event of a calendar.
    Event {
        /// The calendar's file, as written.
        calendar: String,
        /// What the event is called there.
        summary: String,
    },
}

impl fmt::Display for Cover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Days { written } => write!(f, "not on {written}"),
            Self::Freeze { name } => write!(f, "freeze window of {name}"),
            Self::Event { calendar, summary } => write!(f, "{summary} ({calendar})"),
        }
    }
}

/// From a moment to before another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// The first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub to: Timestamp,
    /// What closes it.
    pub cover: Cover,
}

impl Window {
    /// Whole days, the last one included, of a zone.
    pub fn days(zone: &TimeZone, first: Date, last: Date, cover: Cover) -> Self {
        let (from, to) = (start_of(zone, first), last.tomorrow().map_or(Timestamp::MAX, |day| start_of(zone, day)));
        Self { from, to, cover }
    }

    /// From a time of the clock to before another one, of a zone.
    pub fn clock(zone: &TimeZone, from: DateTime, to: DateTime, cover: Cover) -> Self {
        Self { from: zone::moment(zone, from), to: zone::moment(zone, to), cover }
    }
}

/// The moment at which a day of a zone begins.
pub(super) fn start_of(zone: &TimeZone, day: Date) -> Timestamp {
    zone::moment(zone, day.into())
}

/// All windows of an experiment, ready to be asked.
#[derive(Debug, Clone, Default)]
pub struct Closed {
    // By their beginnings.
    windows: Vec<Window>,
    // The latest end of the windows up to this one: where it is past, no earlier window needs to be looked at.
    ends: Vec<Timestamp>,
}

impl Closed {
    /// Of these windows, in any order.
    pub fn new(mut windows: Vec<Window>) -> Self {
        windows.retain(|window| window.from < window.to);
        windows.sort_by_key(|window| (window.from, window.to));
        let mut end = Timestamp::MIN;
        let ends = windows.iter().map(|window| {
            end = end.max(window.to);
            end
        });
        let ends = ends.collect();
        Self { windows, ends }
    }

    /// The window that covers a moment; of several, one that began last.
    pub fn at(&self, at: Timestamp) -> Option<&Window> {
        self.over(at, at)
    }

    /// A window that covers a whole day of a zone.
    pub fn day(&self, zone: &TimeZone, day: Date) -> Option<&Window> {
        let end = day.tomorrow().map_or(Timestamp::MAX, |next| start_of(zone, next));
        self.over(start_of(zone, day), end.checked_sub(jiff::SignedDuration::from_secs(1)).unwrap_or(end))
    }

    fn over(&self, first: Timestamp, last: Timestamp) -> Option<&Window> {
        let begun = self.windows.partition_point(|window| window.from <= first);
        let candidates = (0..begun).rev().take_while(|at| self.ends[*at] > last);
        candidates.map(|at| &self.windows[at]).find(|window| window.to > last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_window_is_found_under_many_short_ones() {
        let zone = TimeZone::get("Europe/Lisbon").unwrap();
        let day = |text: &str| text.parse::<Date>().unwrap();
        let cover = |name: &str| Cover::Freeze { name: name.to_owned() };
        let mut windows = vec![Window::days(&zone, day("2026-12-01"), day("2026-12-31"), cover("long"))];
        windows.extend((2..20).map(|n| Window::days(&zone, Date::constant(2026, 12, n), Date::constant(2026, 12, n), cover("short"))));
        let closed = Closed::new(windows);
        let at = |text: &str| closed.at(text.parse().unwrap()).map(|window| window.cover.to_string());
        assert_eq!(at("2026-12-25T10:00Z").as_deref(), Some("freeze window of long"));
        assert_eq!(at("2026-12-05T10:00Z").as_deref(), Some("freeze window of short"));
        assert_eq!(at("2026-12-31T23:59:59Z").as_deref(), Some("freeze window of long"));
        assert_eq!(at("2027-01-01T00:00:00Z"), None, "the end is outside");
        assert_eq!(at("2026-11-30T23:59:59Z"), None);
        assert!(closed.day(&zone, day("2026-12-31")).is_some() && closed.day(&zone, day("2027-01-01")).is_none());
    }

    #[test]
    fn a_day_is_as_long_as_it_is_in_its_zone() {
        let zone = TimeZone::get("Europe/Lisbon").unwrap();
        let day: Date = "2026-10-25".parse().unwrap();
        let window = Window::days(&zone, day, day, Cover::Days { written: String::new() });
        assert_eq!(window.to.duration_since(window.from), jiff::SignedDuration::from_hours(25));
    }
}
