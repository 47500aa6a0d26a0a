//! The coming weeks: which experiments fire on which day. Pure, and bounded: who fires every minute does not keep a page waiting.

use std::collections::BTreeMap;

use jiff::{Timestamp, ToSpan as _, Zoned, civil::Date, tz::TimeZone};

use super::snapshot::Snapshot;
use crate::schedule::Walk;

/// So many weeks are shown, the present one included.
pub const WEEKS: i32 = 4;
/// So many times are looked at, and so many firings of a day are listed.
const MOST_TIMES: usize = 20_000;
const MOST_A_DAY: usize = 6;
/// For so many experiments that do not fire in these weeks a later firing is looked for.
const MOST_LATER: usize = 200;
/// And among so many times of each.
const MOST_LATER_TIMES: usize = 2_000;

/// What comes.
#[derive(Debug, Clone, Default)]
pub struct Outlook {
    /// The days of whole weeks, from the Monday of the present one on.
    pub days: Vec<Day>,
    /// The next firing of each experiment, by its name; those without one are left out.
    pub next: BTreeMap<String, Zoned>,
    /// Until when all firings are listed, when there were too many times.
    pub until: Option<Timestamp>,
}

/// A day.
#[derive(Debug, Clone, Default)]
pub struct Day {
    /// Which.
    pub date: Date,
    /// What fires, in order.
    pub firings: Vec<(Zoned, String)>,
    /// Firings that are not listed.
    pub more: usize,
}

/// The outlook from a moment on; days are those of a zone.
pub fn look(snapshot: &Snapshot, now: Timestamp, zone: &TimeZone) -> Outlook {
    let today = zone.to_datetime(now).date();
    let monday = today.checked_sub(i64::from(today.weekday().to_monday_zero_offset()).days()).unwrap_or(today);
    let days = (0..WEEKS * 7).filter_map(|n| Some(Day { date: monday.checked_add(n.days()).ok()?, ..Day::default() }));
    let mut out = Outlook { days: days.collect(), ..Outlook::default() };
    let (roster, last) = (&snapshot.roster, &snapshot.last);
    let at_last = |key: &str| last.get(key).copied();
    let day_of = |at: &Zoned| (at.with_time_zone(zone.clone()).date() - monday).get_days();
    for (looked_at, (source, firing)) in roster.walk(now, &at_last).enumerate() {
        let Ok(day) = usize::try_from(day_of(&firing.at)) else { continue };
        if day >= out.days.len() {
            break;
        }
        if looked_at == MOST_TIMES {
            out.until = Some(firing.at.timestamp());
            break;
        }
        if !firing.fires() {
            continue;
        }
        let name = &roster.entry(source, firing.member).name;
        out.next.entry(name.clone()).or_insert_with(|| firing.at.clone());
        let day = &mut out.days[day];
        if day.firings.len() < MOST_A_DAY {
            day.firings.push((firing.at, name.clone()));
        } else {
            day.more += 1;
        }
    }
    let silent = roster.entries().iter().enumerate().filter(|(_, entry)| entry.enabled && !out.next.contains_key(&entry.name));
    let later: Vec<_> = silent
        .take(MOST_LATER)
        .filter_map(|(at, entry)| {
            let (source, member) = roster.source_of(at)?;
            let source = &roster.sources()[source];
            let mut walk = Walk::new(source, now, at_last(&source.key)).take(MOST_LATER_TIMES);
            walk.find(|firing| firing.fires() && firing.member == member).map(|firing| (entry.name.clone(), firing.at))
        })
        .collect();
    out.next.extend(later);
    out
}
