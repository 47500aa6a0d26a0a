//! What people say to the day, and what it means now. Notes, action items and a stop are always heard; a go only where one is waited for.

use super::conduct::Conductor;
use crate::{
    file::suggest::{listed, nearest},
    gameday::{Answer, Ask, DayEventKind, Request, record::ItemRecord, server::Order},
    model::quantity::show_duration,
};

/// What the day takes at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expects {
    /// Nothing: it is between two things.
    Nothing,
    /// A time of the clock.
    Time,
    /// A go.
    Go,
    /// A go that ends a pause of the agenda.
    PauseEnd,
    /// The end of a countdown.
    Countdown,
    /// An answer, one of these if there are any.
    Answer(Vec<String>),
    /// A go, or the end, after a drill.
    Decision,
    /// The end of a drill; `open` when people mitigate it.
    Drill { open: bool },
}

/// What was heard that ends a wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// The time is over.
    Time,
    /// A go.
    Go,
    /// An answer.
    Answered,
    /// Leave it out.
    Skip,
    /// It was paused, or goes on.
    Changed,
    /// The fault is mitigated.
    Mitigated(String),
    /// The day is to end.
    Halted,
}

type Told = Result<(String, Option<Heard>), String>;

impl Conductor {
    /// Takes what somebody said: answers, keeps it, and gives what follows for whoever waits.
    pub(super) fn take(&mut self, order: Order) -> Option<Heard> {
        let Request { by, ask } = order.request;
        let told = match ask {
            Ask::Status => {
                // Who hung up does not want it.
                let _ = order.reply.send(Answer::Day { day: Box::new(self.day.clone()) });
                return None;
            }
            ask => self.said(by, ask),
        };
        let (answer, heard) = match told {
            Ok((says, heard)) => (Answer::Done { says }, heard),
            Err(why) => (Answer::Refused { why }, None),
        };
        let _ = order.reply.send(answer);
        heard
    }

    fn said(&mut self, by: String, ask: Ask) -> Told {
        match ask {
            Ask::Note { text } => {
                self.emit(DayEventKind::Noted { item: self.day.current, by, text });
                Ok(("noted".to_owned(), None))
            }
            Ask::Action { text, owner } => {
                self.emit(DayEventKind::Action { item: self.day.current, by, text, owner });
                Ok(("kept as an action item".to_owned(), None))
            }
            Ask::Abort => {
                self.halt.call(by);
                Ok(("the day ends; a drill that runs halts and undoes first".to_owned(), None))
            }
            Ask::Pause if self.day.paused.is_some() => Err("it is paused already".to_owned()),
            Ask::Pause => {
                self.emit(DayEventKind::Paused { by });
                let says = match self.expects {
                    Expects::Drill { .. } => "paused: the drill that runs goes on to its end, and then nothing begins until `resume`",
                    _ => "paused: nothing begins until `resume`",
                };
                Ok((says.to_owned(), Some(Heard::Changed)))
            }
            Ask::Resume if self.day.paused.is_none() => Err(match self.expects {
                Expects::PauseEnd => "it is not paused; `go` ends this pause of the agenda".to_owned(),
                _ => "it is not paused".to_owned(),
            }),
            Ask::Resume => {
                self.emit(DayEventKind::Resumed { by });
                Ok(("goes on".to_owned(), Some(Heard::Changed)))
            }
            Ask::Go { item } => self.go(by, item),
            Ask::Skip { item } => self.skip(by, item),
            Ask::Answer { text, item } => self.answer(by, text, item),
            Ask::Detected => self.detected(by),
            Ask::Mitigated => self.mitigated(by),
            // Answered before they come here.
            Ask::Status | Ask::Watch { .. } => Err("that is not asked here".to_owned()),
        }
    }

    /// The current item, if it is the one that is meant.
    fn meant(&self, item: Option<u32>) -> Result<u32, String> {
        match (self.day.current, item) {
            (None, _) => Err("no item of the agenda is under way at this moment".to_owned()),
            (Some(now), Some(meant)) if now != meant => Err(format!("item {meant} is not the current one: that is item {now}")),
            (Some(now), _) => Ok(now),
        }
    }

    fn go(&mut self, by: String, item: Option<u32>) -> Told {
        let item = self.meant(item)?;
        match self.expects {
            _ if self.day.paused.is_some() => Err("the day is paused; `resume` first".to_owned()),
            Expects::Go | Expects::PauseEnd | Expects::Decision => {
                self.emit(DayEventKind::Confirmed { item, by });
                Ok(("go".to_owned(), Some(Heard::Go)))
            }
            Expects::Time => Err("it begins no earlier than its time; `skip` leaves it out".to_owned()),
            Expects::Answer(_) => Err("this is a question: `answer TEXT`".to_owned()),
            Expects::Countdown => Err("it is counted down already".to_owned()),
            Expects::Drill { open: true } => Err("the drill runs; `mitigated` when users do not feel the fault any more".to_owned()),
            Expects::Drill { open: false } => Err("the drill runs".to_owned()),
            Expects::Nothing => Err("nothing waits for a go".to_owned()),
        }
    }

    fn skip(&mut self, by: String, item: Option<u32>) -> Told {
        let item = self.meant(item)?;
        let says = match self.expects {
            Expects::Decision => return Err("the drill is over: `go` goes on, `abort` ends the day".to_owned()),
            Expects::Drill { .. } => "the drill halts and undoes, and then the day goes on",
            _ => "skipped",
        };
        self.emit(DayEventKind::Skipped { item, by });
        Ok((says.to_owned(), Some(Heard::Skip)))
    }

    fn answer(&mut self, by: String, text: String, item: Option<u32>) -> Told {
        let item = self.meant(item)?;
        let Expects::Answer(options) = &self.expects else { return Err("nothing was asked".to_owned()) };
        if !options.is_empty() && !options.contains(&text) {
            let choice = options.iter().map(String::as_str);
            let near = nearest(&text, choice.clone()).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            return Err(format!("the answer is one of {}{near}", listed(choice, "or")));
        }
        self.emit(DayEventKind::Answered { item, by, text });
        Ok(("kept".to_owned(), Some(Heard::Answered)))
    }

    fn detected(&mut self, by: String) -> Told {
        let item = self.in_effect()?;
        let record = self.day.item(item);
        if let Some(first) = record.and_then(|record| record.detected.as_ref()) {
            return Err(format!("{} noticed it before", first.by.as_deref().unwrap_or("somebody")));
        }
        self.emit(DayEventKind::Detected { item, by });
        let after = self.day.item(item).and_then(ItemRecord::detected_after_s).unwrap_or_default();
        Ok((format!("noticed {} after the fault took effect", shown(after)), None))
    }

    fn mitigated(&mut self, by: String) -> Told {
        let item = self.in_effect()?;
        let record = self.day.item(item);
        if let Some(first) = record.and_then(|record| record.mitigated.as_ref()) {
            return Err(format!("{} said so before", first.by.as_deref().unwrap_or("somebody")));
        }
        self.emit(DayEventKind::Mitigated { item, by: Some(by.clone()) });
        let after = shown(self.day.item(item).and_then(ItemRecord::mitigated_after_s).unwrap_or_default());
        let then = match self.expects {
            Expects::Drill { open: true } => "; the drill undoes what is left",
            _ => "; the drill goes on to its end",
        };
        Ok((format!("mitigated {after} after the fault took effect{then}"), Some(Heard::Mitigated(by))))
    }

    /// The item whose fault is in effect.
    fn in_effect(&self) -> Result<u32, String> {
        match self.day.drilling() {
            None => Err("no drill runs".to_owned()),
            Some((_, drill)) if drill.in_effect.is_none() => Err("the fault has not taken effect yet".to_owned()),
            Some((record, _)) => Ok(record.item.number),
        }
    }
}

fn shown(seconds: f64) -> String {
    show_duration(std::time::Duration::from_secs_f64(seconds.max(0.0)))
}
