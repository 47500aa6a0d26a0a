//! Events folded into one record of a day. Total: a stream that stops early gives a record that says so.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    event::{DayBegan, DayEnd, DayEvent, DayEventKind, DayItem, WaitsOn},
    moment::{self, Moment},
};
use crate::model::{
    gameday::What,
    ids::RunId,
    time::{Mono, Wall},
    verdict::Verdict,
};

/// A moment on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stamp {
    /// On the monotonic clock.
    pub at: Mono,
    /// On the wall clock, for display.
    pub wall: Wall,
}

/// What somebody said or did, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Said {
    /// Who; nobody, when a time limit did it.
    pub by: Option<String>,
    /// When.
    pub when: Stamp,
    /// In which words, where there are any.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// During which item of the agenda.
    pub item: Option<u32>,
    /// Of an action item: who will do it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// The drill of an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Drilled {
    /// The run.
    pub run: RunId,
    /// Its folder, seen from the day's.
    pub folder: String,
    /// When it began.
    pub began: Stamp,
    /// Since when a fault is in effect, on the monotonic clock.
    pub in_effect: Option<Mono>,
    /// When it ended.
    pub ended: Option<Stamp>,
    /// Its verdict.
    pub verdict: Option<Verdict>,
    /// Why, in one sentence.
    pub reason: Option<String>,
}

/// Where an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ItemState {
    /// It is to come; or, in a day that is over, never came.
    #[default]
    ToCome,
    /// It is the current one.
    Now,
    /// It is done.
    Done,
    /// It was left out, or ended early.
    Skipped,
    /// The day ended in the middle of it: what it asked for was not given, or its drill never began.
    BrokenOff,
}

/// What became of an item of the agenda.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ItemRecord {
    /// What it is.
    #[serde(flatten)]
    pub item: DayItem,
    /// Where it is.
    pub state: ItemState,
    /// When it began.
    pub began: Option<Stamp>,
    /// When it ended.
    pub ended: Option<Stamp>,
    /// Who said go.
    pub confirmed: Option<Said>,
    /// The answer to a question.
    pub answered: Option<Said>,
    /// Its drill.
    pub drill: Option<Drilled>,
    /// Who first noticed the fault.
    pub detected: Option<Said>,
    /// Who said that it is mitigated.
    pub mitigated: Option<Said>,
    /// Who left it out or ended it.
    pub skipped: Option<Said>,
}

impl ItemRecord {
    fn of(item: &DayItem) -> Self {
        Self {
            item: item.clone(),
            state: ItemState::ToCome,
            began: None,
            ended: None,
            confirmed: None,
            answered: None,
            drill: None,
            detected: None,
            mitigated: None,
            skipped: None,
        }
    }

    /// The verdict of its drill.
    pub fn verdict(&self) -> Option<Verdict> {
        self.drill.as_ref()?.verdict
    }

    /// What the team predicted.
    pub fn predicted(&self) -> Option<Verdict> {
        match &self.item.item.what {
            What::Experiment(drill) => drill.expect,
            _ => None,
        }
    }

    /// Whether the drill ended as predicted; nothing without a prediction or without a verdict.
    pub fn as_predicted(&self) -> Option<bool> {
        Some(self.predicted()? == self.verdict()?)
    }

    /// Seconds from the first effect of the fault until a person noticed it.
    pub fn detected_after_s(&self) -> Option<f64> {
        Some(self.detected.as_ref()?.when.at.seconds_from(self.drill.as_ref()?.in_effect?))
    }

    /// Seconds from the first effect of the fault until a person said that it is mitigated.
    pub fn mitigated_after_s(&self) -> Option<f64> {
        let mitigated = self.mitigated.as_ref().filter(|said| said.by.is_some())?;
        Some(mitigated.when.at.seconds_from(self.drill.as_ref()?.in_effect?))
    }
}

/// All that is known of a day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Day {
    /// What was known when it began.
    pub about: Option<Box<DayBegan>>,
    /// When that was.
    pub began: Option<Stamp>,
    /// The last moment that an event was seen at.
    pub last: Option<Stamp>,
    /// The agenda, with what became of each item.
    pub items: Vec<ItemRecord>,
    /// The number of the current item.
    pub current: Option<u32>,
    /// What it waits on.
    pub waits: Option<WaitsOn>,
    /// Seconds left, as last told.
    pub countdown_s: Option<u64>,
    /// Who paused it.
    pub paused: Option<Said>,
    /// Who ended it early.
    pub aborted: Option<Said>,
    /// What people noted.
    pub notes: Vec<Said>,
    /// What is to be done later.
    pub actions: Vec<Said>,
    /// Worth knowing.
    pub warnings: Vec<String>,
    /// Everything that people see on the day's timeline, in order.
    pub moments: Vec<Moment>,
    /// How it ended; absent while it lasts, or when its process died.
    pub ended: Option<DayEnd>,
    /// The verdict, once it ended.
    pub verdict: Option<Verdict>,
    /// Events folded.
    pub events: u64,
    /// Events that the numbering says should be there and are not.
    pub missing: u64,
    /// The largest number of an event seen.
    pub last_number: u64,
}

/// Folds a whole stream.
pub fn fold<'a>(events: impl IntoIterator<Item = &'a DayEvent>) -> Day {
    let mut day = Day::default();
    for event in events {
        day.apply(event);
    }
    day
}

impl Day {
    /// Takes in one event.
    pub fn apply(&mut self, event: &DayEvent) {
        let when = Stamp { at: event.at, wall: event.wall };
        self.events += 1;
        self.missing += event.number.saturating_sub(self.last_number + 1);
        self.last_number = self.last_number.max(event.number);
        self.began.get_or_insert(when);
        self.last = Some(when);
        let said =
            |by: &str, text: &str, item: Option<u32>| Said { by: Some(by.to_owned()), when, text: text.to_owned(), item, owner: None };
        match &event.kind {
            DayEventKind::DayBegan(about) => {
                self.items = about.agenda.iter().map(ItemRecord::of).collect();
                self.about = Some(about.clone());
            }
            DayEventKind::ItemBegan { item } => {
                self.goes_on();
                self.current = Some(*item);
                self.change(*item, |record| (record.began, record.state) = (Some(when), ItemState::Now));
            }
            DayEventKind::Waits { on, .. } => self.waits = Some(on.clone()),
            DayEventKind::Announced { .. } => {}
            DayEventKind::Countdown { left_s, .. } => {
                self.goes_on();
                self.countdown_s = Some(*left_s);
            }
            DayEventKind::Confirmed { item, by } => {
                self.goes_on();
                let said = said(by, "", Some(*item));
                // A decision after the drill is another yes than the one before it.
                self.change(*item, |record| _ = record.confirmed.get_or_insert(said));
            }
            DayEventKind::Answered { item, by, text } => {
                self.goes_on();
                let said = said(by, text, Some(*item));
                self.change(*item, |record| record.answered = Some(said));
            }
            DayEventKind::RunBegan { item, run, folder } => {
                self.goes_on();
                let drill = Drilled {
                    run: run.clone(),
                    folder: folder.clone(),
                    began: when,
                    in_effect: None,
                    ended: None,
                    verdict: None,
                    reason: None,
                };
                self.change(*item, |record| record.drill = Some(drill));
            }
            DayEventKind::InEffect { item, since } => self.drill(*item, |drill| drill.in_effect = Some(*since)),
            DayEventKind::RunEnded { item, verdict, reason, .. } => self.drill(*item, |drill| {
                (drill.ended, drill.verdict, drill.reason) = (Some(when), *verdict, Some(reason.clone()));
            }),
            DayEventKind::Noted { item, by, text } => self.notes.push(said(by, text, *item)),
            DayEventKind::Action { item, by, text, owner } => {
                self.actions.push(Said { owner: owner.clone(), ..said(by, text, *item) });
            }
            DayEventKind::Paused { by } => self.paused = Some(said(by, "", self.current)),
            DayEventKind::Resumed { .. } => self.paused = None,
            DayEventKind::Skipped { item, by } => {
                self.goes_on();
                let said = said(by, "", Some(*item));
                self.change(*item, |record| (record.skipped, record.state) = (Some(said), ItemState::Skipped));
            }
            DayEventKind::Detected { item, by } => {
                let said = said(by, "", Some(*item));
                self.change(*item, |record| _ = record.detected.get_or_insert(said));
            }
            DayEventKind::Mitigated { item, by } => {
                let said = Said { by: by.clone(), ..said("", "", Some(*item)) };
                self.change(*item, |record| _ = record.mitigated.get_or_insert(said));
            }
            DayEventKind::Aborting { by } => {
                self.goes_on();
                self.aborted.get_or_insert(said(by, "", self.current));
            }
            DayEventKind::ItemEnded { item } => {
                self.goes_on();
                self.current = None;
                let aborted = self.aborted.is_some();
                self.change(*item, |record| {
                    record.ended = Some(when);
                    if record.state == ItemState::Now {
                        let drill = matches!(record.item.item.what, What::Experiment(_));
                        let broken_off = record.drill.is_none() && (aborted || drill);
                        record.state = if broken_off { ItemState::BrokenOff } else { ItemState::Done };
                    }
                });
            }
            DayEventKind::Warning { text } => self.warnings.push(text.clone()),
            DayEventKind::DayEnded { how, verdict } => {
                self.goes_on();
                self.current = None;
                (self.ended, self.verdict) = (Some(how.clone()), Some(*verdict));
            }
        }
        self.moments.extend(moment::of(event, self));
    }

    /// What it waited on has come.
    fn goes_on(&mut self) {
        (self.waits, self.countdown_s) = (None, None);
    }

    fn change(&mut self, number: u32, change: impl FnOnce(&mut ItemRecord)) {
        if let Some(record) = self.items.iter_mut().find(|record| record.item.number == number) {
            change(record);
        }
    }

    fn drill(&mut self, number: u32, change: impl FnOnce(&mut Drilled)) {
        self.change(number, |record| {
            if let Some(drill) = &mut record.drill {
                change(drill);
            }
        });
    }

    /// An item by its number.
    pub fn item(&self, number: u32) -> Option<&ItemRecord> {
        self.items.iter().find(|record| record.item.number == number)
    }

    /// Its title, else words that say that it is missing.
    pub fn title(&self) -> &str {
        self.about.as_ref().map_or("(the beginning of the day is not in the record)", |about| &about.title)
    }

    /// Its id.
    pub fn id(&self) -> &str {
        self.about.as_ref().map_or("(unknown)", |about| &about.day)
    }

    /// Seconds since it began.
    pub fn seconds(&self, at: Mono) -> f64 {
        at.seconds_from(self.began.map_or(at, |began| began.at))
    }

    /// Whether a drill runs.
    pub fn drilling(&self) -> Option<(&ItemRecord, &Drilled)> {
        let record = self.item(self.current?)?;
        record.drill.as_ref().filter(|drill| drill.ended.is_none()).map(|drill| (record, drill))
    }

    /// The worst verdict of its drills. A drill of which nobody knows how it ended is an error; a day without any drill that ran is not
    /// started; one that a person ended is aborted, unless something is worse, and one that stopped by itself has not passed.
    pub fn worst(&self) -> Verdict {
        self.worst_if(self.ended.as_ref())
    }

    /// The same, if it ended so.
    pub fn worst_if(&self, ended: Option<&DayEnd>) -> Verdict {
        let drills = self.items.iter().filter_map(|record| record.drill.as_ref());
        let verdicts = drills.map(|drill| drill.verdict.unwrap_or(Verdict::Error));
        let aborted = self.aborted.as_ref().map(|_| Verdict::Aborted);
        let worst = verdicts.chain(aborted).max_by_key(|verdict| verdict.badness()).unwrap_or(Verdict::NotStarted);
        let stopped = matches!(ended, Some(DayEnd::Stopped { .. }));
        if stopped && worst == Verdict::Passed { Verdict::Aborted } else { worst }
    }

    /// One sentence: how the day went. `alive` is whether its process is known to live.
    pub fn sentence(&self, alive: bool) -> String {
        let drills = self.items.iter().filter(|record| matches!(record.item.item.what, What::Experiment(_)));
        let (all, ran) = drills.fold((0, 0), |(all, ran), record| (all + 1, ran + u32::from(record.drill.is_some())));
        let ran = format!("{ran} of {all} experiments ran");
        let surprises = self.items.iter().filter(|record| record.as_predicted() == Some(false)).count();
        let surprises = match surprises {
            0 => String::new(),
            1 => "; 1 did not end as predicted".to_owned(),
            n => format!("; {n} did not end as predicted"),
        };
        match &self.ended {
            Some(DayEnd::Completed) => format!("The agenda was carried out: {ran}{surprises}."),
            Some(DayEnd::Aborted { by }) => format!("Ended early by {by}: {ran}{surprises}."),
            Some(DayEnd::Stopped { why }) => format!("Stopped: {why}. {ran}{surprises}."),
            None if alive => format!("The day is not over: {ran} so far{surprises}."),
            None => format!(
                "The record stops in the middle: the process of the day died. {ran}{surprises}. A drill that ran then halts and undoes itself; `firedrill recover` makes sure."
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::gameday::{ExperimentItem, IfFailed, Item};

    fn day(kinds: Vec<DayEventKind>) -> Day {
        let events = (1_u64..).zip(kinds).map(|(number, kind)| DayEvent { number, at: Mono(number * 1_000_000_000), wall: Wall(0), kind });
        fold(&events.collect::<Vec<_>>())
    }

    fn began() -> DayEventKind {
        let drill = ExperimentItem {
            file: "zone.yaml".into(),
            env: None,
            seed: None,
            confirm: true,
            countdown: None,
            expect: Some(Verdict::Failed),
            if_failed: IfFailed::Ask,
            mitigate: Some(std::time::Duration::from_mins(1)),
        };
        let item = Item { owner: None, at: None, what: What::Experiment(Box::new(drill)) };
        DayEventKind::DayBegan(Box::new(DayBegan {
            version: 1,
            day: "d".to_owned(),
            tool: String::new(),
            file: String::new(),
            by: "ana".to_owned(),
            pid: 1,
            title: "a day".to_owned(),
            description: None,
            owner: None,
            environment: None,
            timezone: "UTC".to_owned(),
            agenda: vec![DayItem { number: 1, says: "a zone is lost".to_owned(), item }],
        }))
    }

    fn drilled() -> Vec<DayEventKind> {
        let by = || "ben".to_owned();
        vec![
            began(),
            DayEventKind::ItemBegan { item: 1 },
            DayEventKind::Waits { item: 1, on: WaitsOn::Go { plan: None } },
            DayEventKind::Confirmed { item: 1, by: by() },
            DayEventKind::RunBegan { item: 1, run: "r".into(), folder: "../r".to_owned() },
            DayEventKind::InEffect { item: 1, since: Mono(5_500_000_000) },
            DayEventKind::Detected { item: 1, by: by() },
            DayEventKind::Detected { item: 1, by: "too late".to_owned() },
            DayEventKind::Mitigated { item: 1, by: Some(by()) },
        ]
    }

    #[test]
    fn times_of_people_count_from_the_first_effect_and_the_first_word_counts() {
        let mut kinds = drilled();
        let open = day(kinds.clone());
        assert!(open.drilling().is_some() && open.waits.is_none());
        assert!(open.sentence(false).contains("died") && open.sentence(true).contains("not over"));
        assert_eq!(open.worst(), Verdict::Error, "nobody knows how the drill ended");
        kinds.extend([
            DayEventKind::RunEnded { item: 1, run: "r".into(), verdict: Some(Verdict::Passed), reason: String::new() },
            DayEventKind::ItemEnded { item: 1 },
            DayEventKind::DayEnded { how: DayEnd::Completed, verdict: Verdict::Passed },
        ]);
        let over = day(kinds);
        let item = over.item(1).unwrap();
        assert_eq!((item.detected_after_s(), item.mitigated_after_s()), (Some(1.5), Some(3.5)));
        assert_eq!((item.as_predicted(), over.worst(), item.state), (Some(false), Verdict::Passed, ItemState::Done));
        assert!(over.sentence(false).contains("1 did not end as predicted"));
        let stopped = DayEnd::Stopped { why: "the next one has no plan".to_owned() };
        assert_eq!(over.worst_if(Some(&stopped)), Verdict::Aborted, "what did not come to its end has not passed");
        let text = serde_json::to_string(&over).unwrap();
        assert_eq!(serde_json::from_str::<Day>(&text).unwrap(), over, "the page reads what the day says");
    }

    #[test]
    fn a_day_without_a_drill_is_no_pass_and_holes_are_counted() {
        let mut hole = day(vec![began()]);
        assert_eq!(hole.worst(), Verdict::NotStarted);
        hole.apply(&DayEvent { number: 5, at: Mono(0), wall: Wall(0), kind: DayEventKind::Aborting { by: "eve".to_owned() } });
        assert_eq!((hole.missing, hole.worst()), (3, Verdict::Aborted));
        let kinds = [
            began(),
            DayEventKind::ItemBegan { item: 1 },
            DayEventKind::Aborting { by: "eve".to_owned() },
            DayEventKind::ItemEnded { item: 1 },
        ];
        let cut = day(kinds.into());
        assert_eq!(cut.item(1).unwrap().state, ItemState::BrokenOff, "its drill never began");
    }
}
