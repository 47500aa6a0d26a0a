//! The next firings, and what is suppressed before the last of them, with the reasons.

use jiff::{Timestamp, Zoned};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    roster::{Last, Roster},
    walk::{Fate, HORIZON, MOST_TIMES, Reason, Walk},
};

/// What comes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Explained {
    /// From this moment on.
    #[schemars(with = "String")]
    pub after: Timestamp,
    /// In the order of their moments.
    pub times: Vec<Line>,
    /// Times that were suppressed too, and are not listed.
    pub left_out: u64,
    /// Whether so many times were suppressed that fewer firings are listed than were asked for.
    pub cut: bool,
    /// Experiments that do not fire among these times, each with how far was looked for it.
    pub none_of: Vec<Silent>,
}

/// One time, or several in a row that one experiment loses for one reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Line {
    /// When, in the zone of its schedule; of several, the first.
    #[schemars(with = "String")]
    pub at: Zoned,
    /// The last of several.
    #[schemars(with = "String")]
    pub last: Zoned,
    /// How many.
    pub count: u64,
    /// Which experiment.
    pub experiment: String,
    /// The group that drew it, if one did.
    pub group: Option<String>,
    /// Why it does not fire; it does when there is none.
    pub suppressed: Vec<Reason>,
}

/// An experiment that does not fire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Silent {
    /// Which.
    pub experiment: String,
    /// Its next firing after those that are listed; none when there is none in two years.
    #[schemars(with = "Option<String>")]
    pub next: Option<Zoned>,
}

/// The most suppressed lines that are listed.
const MOST_LINES: usize = 500;

/// The next `count` firings of a roster.
pub fn explain(roster: &Roster, after: Timestamp, count: usize, last: Last<'_>) -> Explained {
    let mut out = Explained { after, times: Vec::new(), left_out: 0, cut: false, none_of: Vec::new() };
    let end = after.saturating_add(HORIZON).unwrap_or(Timestamp::MAX);
    let mut fired = 0;
    // Where the last line of each experiment is, to fold equal ones into it.
    let mut latest: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
    for (looked_at, (source, firing)) in roster.walk(after, last).take_while(|(_, firing)| firing.at.timestamp() <= end).enumerate() {
        out.cut = looked_at == MOST_TIMES;
        if out.cut || fired == count {
            break;
        }
        let entry = roster.entry(source, firing.member);
        let suppressed = match firing.fate {
            Fate::Fires => Vec::new(),
            Fate::Suppressed(reasons) => reasons,
        };
        fired += usize::from(suppressed.is_empty());
        let before = latest.get(&entry.name).map(|at| &mut out.times[*at]);
        if let Some(line) = before.filter(|line| folds(&line.suppressed, &suppressed)) {
            line.count += 1;
            line.last = firing.at;
        } else if !suppressed.is_empty() && out.times.len() - fired >= MOST_LINES {
            out.left_out += 1;
        } else {
            latest.insert(entry.name.clone(), out.times.len());
            let last = firing.at.clone();
            let (experiment, group) = (entry.name.clone(), entry.group.clone());
            out.times.push(Line { at: firing.at, last, count: 1, experiment, group, suppressed });
        }
    }
    let seen: std::collections::BTreeSet<&str> =
        out.times.iter().filter(|line| line.suppressed.is_empty()).map(|line| line.experiment.as_str()).collect();
    let silent = roster.entries().iter().enumerate().filter(|(_, entry)| !seen.contains(entry.name.as_str()));
    let silent = silent.map(|(at, entry)| Silent { experiment: entry.name.clone(), next: next_of(roster, at, after, last) });
    out.none_of = silent.collect();
    out
}

/// The next firing of one experiment.
fn next_of(roster: &Roster, entry: usize, after: Timestamp, last: Last<'_>) -> Option<Zoned> {
    let end = after.saturating_add(HORIZON).unwrap_or(Timestamp::MAX);
    let (source, member) = roster.source_of(entry)?;
    let source = &roster.sources()[source];
    let mut walk = Walk::new(source, after, last(&source.key)).take(MOST_TIMES).take_while(|firing| firing.at.timestamp() <= end);
    walk.find(|firing| firing.fires() && firing.member == member).map(|firing| firing.at)
}

/// Whether the second is one more of the first: the same reasons, where chance has no say.
fn folds(first: &[Reason], second: &[Reason]) -> bool {
    !first.is_empty() && first == second && !first.iter().any(|reason| matches!(reason, Reason::Probability { .. }))
}
