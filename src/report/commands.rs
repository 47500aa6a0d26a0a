//! The commands of a method: when each was started, how long it took, how it ended. A deployment or a restore is measured by that, too.

use super::{
    record::RunRecord,
    words::{maybe_seconds, moment, visible},
};
use crate::model::{act::Target, fault::Fault};

/// A command step that was run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Its step.
    pub step: String,
    /// The command and its arguments, fit to be shown.
    pub command: String,
    /// When it was started.
    pub started: String,
    /// From its start to its end.
    pub took: String,
    /// How it ended.
    pub ended: String,
    /// Whether it ended as it should.
    pub well: bool,
}

impl Ran {
    /// The heads of a table of them.
    pub const HEADS: [&'static str; 5] = ["step", "command", "started", "took", "ended"];

    /// A row of that table.
    pub fn cells(self) -> [String; 5] {
        [self.step, self.command, self.started, self.took, self.ended]
    }
}

/// Those of a run, in the order in which they were run.
pub fn commands(record: &RunRecord) -> Vec<Ran> {
    let ran = record.effects.iter().filter_map(|effect| {
        let act = &record.act(effect.act)?.act;
        let (Target::Command, Fault::Run { command, .. }) = (&act.target, &act.fault) else { return None };
        let took = effect.answered.map(|answered| answered.since(effect.requested).as_secs_f64());
        let why = effect.status.why().map(|why| format!(": {}", visible(why))).unwrap_or_default();
        Some(Ran {
            step: act.id.step.to_string(),
            command: visible(&command.join(" ")).into_owned(),
            started: moment(record.seconds(effect.requested)),
            took: maybe_seconds(took),
            ended: if effect.status.happened() { "with exit status 0".to_owned() } else { format!("{}{why}", effect.status.word()) },
            well: effect.status.happened(),
        })
    });
    ran.collect()
}
