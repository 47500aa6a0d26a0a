//! What may be asked of a running day: one JSON line, and one JSON line as the answer. Only `watch` is answered by a stream of events.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::record::Day;

/// The longest line of either side but for a day's record.
pub const LONGEST_LINE: u64 = 64 * 1024;
/// The most characters of what a person writes.
pub const LONGEST_TEXT: usize = 4000;
/// The most characters of a name.
pub const LONGEST_NAME: usize = 80;

/// Who asks what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Who asks: it stands beside what they said.
    pub by: String,
    /// What.
    #[serde(flatten)]
    pub ask: Ask,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Ask {
    /// The day's record.
    Status,
    /// Every event after this number, and those that follow.
    Watch {
        /// 0 for all of them.
        #[serde(default)]
        after: u64,
    },
    /// Yes: begin, go on, the pause is over.
    Go {
        /// Only when this is the current item: so that two people who say go at the same time do not start two drills.
        #[serde(default)]
        #[schemars(range(max = u32::MAX))]
        item: Option<u32>,
    },
    /// Keep this.
    Note {
        /// What.
        #[schemars(length(max = LONGEST_TEXT), regex(pattern = r"\S"))]
        text: String,
    },
    /// Keep this as something to be done.
    Action {
        /// What.
        #[schemars(length(max = LONGEST_TEXT), regex(pattern = r"\S"))]
        text: String,
        /// By whom.
        #[schemars(length(max = LONGEST_NAME), regex(pattern = r"\S"))]
        #[serde(default)]
        owner: Option<String>,
    },
    /// The answer to the question.
    Answer {
        /// What.
        #[schemars(length(max = LONGEST_TEXT), regex(pattern = r"\S"))]
        text: String,
        /// Only when this is the current item: so that what somebody else has answered is not taken for the next question.
        #[serde(default)]
        #[schemars(range(max = u32::MAX))]
        item: Option<u32>,
    },
    /// Begin nothing more for now.
    Pause,
    /// Go on.
    Resume,
    /// Leave the current item out; a drill that runs halts and undoes.
    Skip {
        /// Only when this is the current item.
        #[serde(default)]
        #[schemars(range(max = u32::MAX))]
        item: Option<u32>,
    },
    /// The fault was noticed.
    Detected,
    /// Users do not feel the fault any more.
    Mitigated,
    /// End the day; a drill that runs halts and undoes.
    Abort,
}

/// What a day answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// It is done.
    Done {
        /// What, in words.
        says: String,
    },
    /// It cannot be done.
    Refused {
        /// Why.
        why: String,
    },
    /// The record.
    Day {
        /// It.
        day: Box<Day>,
    },
    /// Events follow, a line each.
    Events,
}

impl Request {
    /// Trims the texts, and refuses what nobody wants to read.
    ///
    /// # Errors
    /// With words for whoever wrote it.
    pub fn checked(mut self) -> Result<Self, String> {
        fn bounded(text: &mut String, what: &str, most: usize) -> Result<(), String> {
            *text = text.trim().to_owned();
            match text.chars().count() {
                0 => Err(format!("{what} is empty")),
                n if n > most => Err(format!("{what} has {n} characters; at most {most} are kept")),
                _ => Ok(()),
            }
        }
        bounded(&mut self.by, "the name of who says so", LONGEST_NAME)?;
        match &mut self.ask {
            Ask::Note { text } => bounded(text, "the note", LONGEST_TEXT)?,
            Ask::Answer { text, .. } => bounded(text, "the answer", LONGEST_TEXT)?,
            Ask::Action { text, owner } => {
                bounded(text, "the action item", LONGEST_TEXT)?;
                owner.as_mut().map_or(Ok(()), |owner| bounded(owner, "the owner's name", LONGEST_NAME))?;
            }
            _ => {}
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_one_flat_object() {
        let request: Request = serde_json::from_str(r#"{"by":"ana","ask":"note","text":"users see 502"}"#).unwrap();
        assert_eq!(request, Request { by: "ana".into(), ask: Ask::Note { text: "users see 502".into() } });
        let go: Request = serde_json::from_str(r#"{"by":"ana","ask":"go"}"#).unwrap();
        assert_eq!(go.ask, Ask::Go { item: None });
    }

    #[test]
    fn what_nobody_wants_to_read_is_refused_with_words() {
        let note = |by: &str, text: String| Request { by: by.to_owned(), ask: Ask::Note { text } }.checked();
        assert_eq!(note(" ana ", " x\n".to_owned()).unwrap().ask, Ask::Note { text: "x".to_owned() });
        assert!(note("ana", " \n ".to_owned()).unwrap_err().contains("the note is empty"));
        assert!(note("ana", "x".repeat(4001)).unwrap_err().contains("at most 4000"));
        assert!(note(&"n".repeat(81), "x".to_owned()).unwrap_err().contains("the name"));
    }
}
