//! Who would be hit how often: a schedule played for some days.

use std::collections::BTreeMap;

use jiff::{Timestamp, ToSpan, civil::Weekday, tz::TimeZone};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    roster::{Last, Roster},
    walk::{Fate, Reason},
};
use crate::model::hours::day_name;

/// The result, experiment by experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Simulated {
    /// The first moment.
    #[schemars(with = "String")]
    pub from: Timestamp,
    /// The last.
    #[schemars(with = "String")]
    pub to: Timestamp,
    /// By name.
    pub experiments: Vec<Tally>,
    /// Whether it was given up before the end, because there were too many times.
    pub cut: bool,
}

/// What becomes of one experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tally {
    /// Its name.
    pub experiment: String,
    /// Its group, if it has one.
    pub group: Option<String>,
    /// How often it fires.
    pub fires: u64,
    /// On which days of the week, from Monday, in the zone of its schedule.
    pub by_weekday: BTreeMap<String, u64>,
    /// The longest time without a firing, in seconds: between two of them, before the first or after the last.
    pub longest_gap: i64,
    /// The shortest time between two firings, in seconds.
    pub shortest_gap: Option<i64>,
    /// How often it does not fire, by kind of reason; the first reason of each time counts.
    pub suppressed: BTreeMap<String, u64>,
}

impl Tally {
    /// The firings on each day of the week, from Monday.
    pub fn weekdays(&self) -> [u64; 7] {
        let mut days = Weekday::Monday.cycle_forward();
        std::array::from_fn(|_| days.next().and_then(|day| self.by_weekday.get(day_name(day))).copied().unwrap_or_default())
    }
}

/// The most days: calendars are worked out for three years.
pub const MOST_DAYS: u32 = 1100;
/// So many times are looked at at most; some seconds of work.
const MOST_TIMES: usize = 5_000_000;

/// Plays a roster for some days after a moment.
pub fn simulate(roster: &Roster, after: Timestamp, days: u32, last: Last<'_>) -> Simulated {
    let days = i64::from(days.min(MOST_DAYS)).days();
    let to = after.to_zoned(TimeZone::UTC).saturating_add(days).timestamp();
    let tally = |entry: &super::Entry| {
        let tally = Tally {
            experiment: entry.name.clone(),
            group: entry.group.clone(),
            fires: 0,
            by_weekday: BTreeMap::new(),
            longest_gap: 0,
            shortest_gap: None,
            suppressed: BTreeMap::new(),
        };
        (entry.name.clone(), (tally, None::<Timestamp>))
    };
    let mut tallies: BTreeMap<String, (Tally, Option<Timestamp>)> = roster.entries().iter().map(tally).collect();
    let mut looked_at = 0;
    for (source, firing) in roster.walk(after, last).take_while(|(_, firing)| firing.at.timestamp() <= to).take(MOST_TIMES) {
        looked_at += 1;
        let Some((tally, previous)) = tallies.get_mut(&roster.entry(source, firing.member).name) else { continue };
        match firing.fate {
            Fate::Fires => {
                let at = firing.at.timestamp();
                let gap = at.as_second() - previous.unwrap_or(after).as_second();
                tally.longest_gap = tally.longest_gap.max(gap);
                if previous.is_some() {
                    tally.shortest_gap = Some(tally.shortest_gap.map_or(gap, |shortest| shortest.min(gap)));
                }
                *previous = Some(at);
                tally.fires += 1;
                *tally.by_weekday.entry(day_name(firing.at.weekday()).to_owned()).or_default() += 1;
            }
            Fate::Suppressed(reasons) => {
                if let Some(kind) = reasons.first().map(Reason::kind) {
                    *tally.suppressed.entry(kind.to_owned()).or_default() += 1;
                }
            }
        }
    }
    let close = |(mut tally, previous): (Tally, Option<Timestamp>)| {
        tally.longest_gap = tally.longest_gap.max(to.as_second() - previous.unwrap_or(after).as_second());
        tally
    };
    Simulated { from: after, to, experiments: tallies.into_values().map(close).collect(), cut: looked_at == MOST_TIMES }
}
