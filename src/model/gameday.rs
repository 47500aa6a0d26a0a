//! A game day: an agenda of experiments with the people around them. What the file says; what became of it is a record of its own.

use std::{fmt, path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::verdict::Verdict;

/// One `gameday.yaml`, read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GameDay {
    /// Its title.
    pub title: String,
    /// More words.
    pub description: Option<String>,
    /// Who leads it.
    pub owner: Option<String>,
    /// Where its experiments run, unless an item says so itself.
    pub environment: Option<String>,
    /// The zone of all times of the clock: an IANA name.
    pub timezone: String,
    /// What happens, in order.
    pub agenda: Vec<Item>,
}

/// One item of the agenda.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Item {
    /// Who looks after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// It begins no earlier than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<TimeOfDay>,
    /// What happens.
    #[serde(flatten)]
    pub what: What,
}

/// What happens in an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "item", rename_all = "kebab-case")]
pub enum What {
    /// A drill.
    Experiment(Box<ExperimentItem>),
    /// Something that everybody is told.
    Announce {
        /// What.
        text: String,
    },
    /// Nothing for a while; a person may end it early.
    Pause {
        /// For so long.
        lasts: Duration,
    },
    /// A question; the answer is kept.
    Ask {
        /// The question.
        question: String,
        /// The answers to choose from; any answer when there are none.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        options: Vec<String>,
    },
    /// Things to be seen to before it goes on; a person says that they are.
    Checklist {
        /// Each in a few words.
        entries: Vec<String>,
    },
}

/// A drill of the agenda.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExperimentItem {
    /// The experiment's file.
    pub file: PathBuf,
    /// Where it runs; wins over the day's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// The seed of its draws; drawn when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Whether a person says go.
    #[serde(default)]
    pub confirm: bool,
    /// How long it is counted down to the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub countdown: Option<Duration>,
    /// What the team predicts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Verdict>,
    /// What follows when it neither passes nor ends as predicted.
    #[serde(default)]
    pub if_failed: IfFailed,
    /// Its faults stay until a person says that they are mitigated, for at most so long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mitigate: Option<Duration>,
}

/// What follows a drill that neither passed nor ended as predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IfFailed {
    /// The next item.
    GoOn,
    /// A person decides.
    #[default]
    Ask,
    /// The day ends.
    Stop,
}

/// A time of the clock, to the minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOfDay {
    hour: u8,
    minute: u8,
}

impl TimeOfDay {
    /// Reads `HH:MM`.
    pub fn parse(text: &str) -> Option<Self> {
        let (hour, minute) = text.split_once(':')?;
        let number = |text: &str, digits: std::ops::RangeInclusive<usize>, below: u8| {
            let fits = digits.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
            text.parse::<u8>().ok().filter(|n| fits && *n < below)
        };
        Some(Self { hour: number(hour, 1..=2, 24)?, minute: number(minute, 2..=2, 60)? })
    }

    /// The hour.
    pub fn hour(self) -> u8 {
        self.hour
    }

    /// The minute.
    pub fn minute(self) -> u8 {
        self.minute
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.hour, self.minute)
    }
}

impl Serialize for TimeOfDay {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TimeOfDay {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is no time of the clock")))
    }
}

impl JsonSchema for TimeOfDay {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TimeOfDay".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9]{2}:[0-9]{2}$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_the_clock_is_read_and_shown() {
        let time = |text| TimeOfDay::parse(text).map(|time| time.to_string());
        assert_eq!(time("9:05").as_deref(), Some("09:05"));
        assert_eq!(time("23:59").as_deref(), Some("23:59"));
        for wrong in ["24:00", "12:60", "12", "12:5", "-1:00", "+1:00", "12:00:00", "", "٣:00"] {
            assert_eq!(time(wrong), None, "{wrong}");
        }
    }
}
