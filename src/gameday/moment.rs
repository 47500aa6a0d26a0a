//! An event as one line of the day, in words. The console, the page and the report show the same ones. The texts are as people wrote them:
//! who shows them makes them safe.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    event::{DayEnd, DayEvent, DayEventKind, WaitsOn},
    record::{Day, Stamp},
};
use crate::model::{gameday::What, quantity::show_duration, time::Mono};

/// What sort of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the words are those of the events")]
pub enum Sort {
    Day,
    Item,
    Waits,
    Announced,
    Countdown,
    Confirmed,
    Answered,
    Run,
    Effect,
    Note,
    Action,
    Paused,
    Resumed,
    Skipped,
    Detected,
    Mitigated,
    Aborting,
    Warning,
}

/// A line of the day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Moment {
    /// When.
    pub when: Stamp,
    /// What sort of thing.
    pub sort: Sort,
    /// During which item.
    pub item: Option<u32>,
    /// Who did it, if a person.
    pub by: Option<String>,
    /// What happened, or what somebody wrote.
    pub text: String,
}

/// The line of an event; `day` knows it already. None for those that a person need not see.
pub fn of(event: &DayEvent, day: &Day) -> Option<Moment> {
    let when = Stamp { at: event.at, wall: event.wall };
    let says = |number: u32| day.item(number).map_or_else(|| format!("item {number}"), |record| record.item.says.clone());
    let (sort, item, by, text) = match &event.kind {
        DayEventKind::DayBegan(about) => (Sort::Day, None, Some(&about.by), format!("the game day begins: {}", about.title)),
        DayEventKind::ItemBegan { item } => match day.item(*item).map(|record| &record.item.item.what) {
            // What it says follows at once.
            Some(What::Announce { .. }) => return None,
            Some(What::Checklist { entries }) => (Sort::Item, Some(*item), None, format!("to be seen to: {}", entries.join("; "))),
            _ => (Sort::Item, Some(*item), None, says(*item)),
        },
        DayEventKind::Waits { item, on } => (Sort::Waits, Some(*item), None, waits(on)),
        DayEventKind::Announced { item, text } => (Sort::Announced, Some(*item), None, text.clone()),
        DayEventKind::Countdown { item, left_s } => {
            (Sort::Countdown, Some(*item), None, format!("begins in {}", show_duration(std::time::Duration::from_secs(*left_s))))
        }
        DayEventKind::Confirmed { item, by } => (Sort::Confirmed, Some(*item), Some(by), "go".to_owned()),
        DayEventKind::Answered { item, by, text } => (Sort::Answered, Some(*item), Some(by), text.clone()),
        DayEventKind::RunBegan { item, run, .. } => (Sort::Run, Some(*item), None, format!("run {run} begins")),
        // Its own time, not the one at which it was seen.
        DayEventKind::InEffect { item, since } => {
            let wall = Stamp { at: *since, wall: crate::model::time::Wall(event.wall.0 - offset(event.at, *since)) };
            return Some(Moment { when: wall, sort: Sort::Effect, item: Some(*item), by: None, text: "the fault is in effect".to_owned() });
        }
        DayEventKind::RunEnded { item, run, verdict, reason } => {
            let verdict = verdict.map_or_else(|| "nobody knows how".to_owned(), |verdict| verdict.to_string());
            (Sort::Run, Some(*item), None, format!("run {run} ended: {verdict}. {reason}"))
        }
        DayEventKind::Noted { item, by, text } => (Sort::Note, *item, Some(by), text.clone()),
        DayEventKind::Action { item, by, text, owner } => {
            let owner = owner.as_ref().map(|owner| format!(" ({owner})")).unwrap_or_default();
            (Sort::Action, *item, Some(by), format!("{text}{owner}"))
        }
        DayEventKind::Paused { by } => (Sort::Paused, day.current, Some(by), "paused".to_owned()),
        DayEventKind::Resumed { by } => (Sort::Resumed, day.current, Some(by), "goes on".to_owned()),
        DayEventKind::Skipped { item, by } => (Sort::Skipped, Some(*item), Some(by), "skipped".to_owned()),
        DayEventKind::Detected { item, by } => (Sort::Detected, Some(*item), Some(by), "noticed".to_owned()),
        DayEventKind::Mitigated { item, by: Some(by) } => (Sort::Mitigated, Some(*item), Some(by), "mitigated".to_owned()),
        DayEventKind::Mitigated { item, by: None } => {
            (Sort::Mitigated, Some(*item), None, "nobody mitigated it in the time that the agenda gives".to_owned())
        }
        DayEventKind::Aborting { by } => (Sort::Aborting, day.current, Some(by), "ends the day".to_owned()),
        DayEventKind::ItemEnded { .. } => return None,
        DayEventKind::Warning { text } => (Sort::Warning, day.current, None, text.clone()),
        DayEventKind::DayEnded { how, verdict } => (Sort::Day, None, None, format!("the game day {}: {verdict}", ended(how))),
    };
    Some(Moment { when, sort, item, by: by.cloned(), text })
}

/// Nanoseconds from `since` to `at`.
fn offset(at: Mono, since: Mono) -> i64 {
    i64::try_from(i128::from(at.0) - i128::from(since.0)).unwrap_or(0)
}

fn ended(how: &DayEnd) -> String {
    match how {
        DayEnd::Completed => "is over".to_owned(),
        DayEnd::Aborted { by } => format!("was ended by {by}"),
        DayEnd::Stopped { why } => format!("was stopped ({why})"),
    }
}

/// What a day waits on, in words.
pub fn waits(on: &WaitsOn) -> String {
    match on {
        WaitsOn::Time { .. } => "waits for its time".to_owned(),
        WaitsOn::Go { .. } => "waits for a go".to_owned(),
        WaitsOn::Pause { .. } => "a pause; `go` ends it".to_owned(),
        WaitsOn::Answer { question, options } if options.is_empty() => format!("waits for an answer: {question}"),
        WaitsOn::Answer { question, options } => format!("waits for an answer: {question} ({})", options.join(", ")),
        WaitsOn::Decision { verdict } => {
            let how = verdict.map_or_else(|| "ended, nobody knows how".to_owned(), |verdict| format!("ended: {verdict}"));
            format!("the drill {how}. `go` goes on, `abort` ends the day")
        }
    }
}
