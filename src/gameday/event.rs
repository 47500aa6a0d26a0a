//! The events of a game day. The same event is the line of `gameday.jsonl`, what the control socket streams, and the input of the report.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{
    gameday::Item,
    ids::RunId,
    time::{Mono, Wall},
    verdict::Verdict,
};

/// The version of the events that this build writes and reads.
pub const DAY_VERSION: u32 = 1;

/// The file in a day's folder.
pub const FILE_NAME: &str = "gameday.jsonl";

/// Something that happened in a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DayEvent {
    /// From 1, without a gap.
    pub number: u64,
    /// When, on the monotonic clock: the same one as that of the runs.
    pub at: Mono,
    /// When, on the wall clock, for display.
    pub wall: Wall,
    /// What.
    #[serde(flatten)]
    pub kind: DayEventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "`item` is the number of an item of the agenda, `by` who did it; the others say what they are")]
pub enum DayEventKind {
    /// The day began. Always the first.
    DayBegan(Box<DayBegan>),
    /// An item of the agenda began.
    ItemBegan { item: u32 },
    /// It waits.
    Waits { item: u32, on: WaitsOn },
    /// Everybody is told something.
    Announced { item: u32, text: String },
    /// So many seconds are left until the drill begins.
    Countdown { item: u32, left_s: u64 },
    /// A person said go.
    Confirmed { item: u32, by: String },
    /// A person answered the question.
    Answered { item: u32, by: String, text: String },
    /// A drill began. `folder` is its run folder, seen from the day's.
    RunBegan { item: u32, run: RunId, folder: String },
    /// Its first fault took effect, no later than `since` on the monotonic clock.
    InEffect { item: u32, since: Mono },
    /// It ended. Without a verdict nobody knows how.
    RunEnded { item: u32, run: RunId, verdict: Option<Verdict>, reason: String },
    /// A person noted something.
    Noted { item: Option<u32>, by: String, text: String },
    /// A person wrote down what is to be done later.
    Action { item: Option<u32>, by: String, text: String, owner: Option<String> },
    /// Nothing more begins until it is resumed.
    Paused { by: String },
    /// It goes on.
    Resumed { by: String },
    /// The item was left out, or ended early.
    Skipped { item: u32, by: String },
    /// A person noticed the fault.
    Detected { item: u32, by: String },
    /// A person says that users do not feel the fault any more; nobody did within the time that the file gives.
    Mitigated { item: u32, by: Option<String> },
    /// The day is to end now; a drill that runs halts and undoes.
    Aborting { by: String },
    /// An item of the agenda ended.
    ItemEnded { item: u32 },
    /// Worth knowing.
    Warning { text: String },
    /// The day ended. Always the last.
    DayEnded { how: DayEnd, verdict: Verdict },
}

/// What is known when a day begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DayBegan {
    /// The version of the events.
    pub version: u32,
    /// The day's id.
    pub day: String,
    /// The tool and its version.
    pub tool: String,
    /// The file of the agenda.
    pub file: String,
    /// Who began it.
    pub by: String,
    /// The process that conducts it.
    pub pid: u32,
    /// The title.
    pub title: String,
    /// More words.
    pub description: Option<String>,
    /// Who leads it.
    pub owner: Option<String>,
    /// Where its experiments run, unless an item says so itself.
    pub environment: Option<String>,
    /// The zone of the times of the clock.
    pub timezone: String,
    /// What is to happen.
    pub agenda: Vec<DayItem>,
}

/// An item of the agenda as the day knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DayItem {
    /// From 1.
    pub number: u32,
    /// What it is, in words: an experiment's title, an announcement's text.
    pub says: String,
    /// What the file says.
    #[serde(flatten)]
    pub item: Item,
}

/// What a day waits on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "on", rename_all = "kebab-case")]
pub enum WaitsOn {
    /// A time of the clock.
    Time {
        /// When.
        until: Wall,
    },
    /// A person's go.
    Go {
        /// The plan that would be carried out, where the environment wants it agreed to.
        plan: Option<String>,
    },
    /// The end of a pause.
    Pause {
        /// When.
        until: Wall,
    },
    /// An answer.
    Answer {
        /// The question.
        question: String,
        /// What can be answered; anything when empty.
        options: Vec<String>,
    },
    /// A decision after a drill that did not go well: `go` on, or `abort`.
    Decision {
        /// How it ended.
        verdict: Option<Verdict>,
    },
}

/// How a day ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "end", rename_all = "kebab-case")]
pub enum DayEnd {
    /// Through its whole agenda.
    Completed,
    /// By a person.
    Aborted {
        /// Who.
        by: String,
    },
    /// By its own rule, after a drill that did not go well.
    Stopped {
        /// Why.
        why: String,
    },
}
