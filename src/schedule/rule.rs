//! Rules: what times a schedule gives, before anything closes some of them.

use std::fmt;

use jiff::{
    SignedDuration, Timestamp,
    civil::{Time, Weekday},
};

use super::cron::Cron;
use crate::model::hours;

/// When a schedule fires.
#[derive(Debug, Clone, PartialEq)]
pub enum Rule {
    /// At the times of a cron line.
    Cron {
        /// The line.
        cron: Cron,
        /// Each time is used with this chance, above 0 and up to 1.
        probability: f64,
    },
    /// So many times in each period, at random times.
    Times {
        /// From 1 to 100.
        count: u32,
        /// In each of these.
        per: Period,
        /// The hours that times are drawn from.
        between: Between,
        /// Each time is used with this chance, above 0 and up to 1.
        probability: f64,
    },
    /// Once in so many working days on average: on each of them with the chance of 1/mean, at a random time.
    Mean {
        /// Working days, from 1.
        days: f64,
        /// The hours that times are drawn from.
        between: Between,
    },
    /// At these moments, once each; in order.
    At(Vec<Timestamp>),
}

/// A period in which times are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// Each hour of each day.
    Hour,
    /// Each day.
    Day,
    /// Each working day.
    Weekday,
    /// The working days of each week; weeks begin on Monday.
    Week,
    /// The working days of each month.
    Month,
}

impl Period {
    /// All, with their names in files.
    pub const ALL: [(&str, Self); 5] =
        [("hour", Self::Hour), ("day", Self::Day), ("weekday", Self::Weekday), ("week", Self::Week), ("month", Self::Month)];

    /// Its name in files.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, period)| *period == self).map_or("", |(name, _)| name)
    }
}

/// Hours of a day; the end is outside, and after the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Between {
    /// The first time.
    pub from: Time,
    /// The first time after it.
    pub to: Time,
}

/// The days of the week on which people work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Working([bool; 7]);

impl Default for Working {
    fn default() -> Self {
        Self([true, true, true, true, true, false, false])
    }
}

impl Working {
    /// These days.
    pub fn new(days: &[Weekday]) -> Self {
        let mut out = [false; 7];
        for day in days {
            out[day.to_monday_zero_offset().unsigned_abs() as usize] = true;
        }
        Self(out)
    }

    /// Whether a day is one of them.
    pub fn on(&self, day: Weekday) -> bool {
        self.0[day.to_monday_zero_offset().unsigned_abs() as usize]
    }
}

/// How far apart two firings are at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// So many working days lie after the day of the last one, the day of the next one included.
    WorkingDays(u32),
    /// So much time.
    Time(SignedDuration),
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cron { cron, probability } => write!(f, "cron {}{}", cron.text(), chance(*probability)),
            Self::Times { count, per, between, probability } => {
                write!(f, "{count} per {} between {between}{}", per.name(), chance(*probability))
            }
            Self::Mean { days, between } => write!(f, "once in {days} working days on average, between {between}"),
            Self::At(moments) if moments.len() == 1 => write!(f, "once"),
            Self::At(moments) => write!(f, "{} times", moments.len()),
        }
    }
}

fn chance(probability: f64) -> String {
    if probability < 1.0 { format!(", each with the chance {probability}") } else { String::new() }
}

impl fmt::Display for Between {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.from.strftime("%H:%M"), self.to.strftime("%H:%M"))
    }
}

impl fmt::Display for Working {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = Weekday::Monday.cycle_forward().take(7).filter(|day| self.on(*day)).map(hours::day_name);
        f.write_str(&days.collect::<Vec<_>>().join(","))
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WorkingDays(1) => f.write_str("1 weekday"),
            Self::WorkingDays(days) => write!(f, "{days} weekdays"),
            Self::Time(time) => write!(f, "{time:#}"),
        }
    }
}
