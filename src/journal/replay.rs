//! From records to what is owed. Recovery is the same code as a run's own undo, from the middle.

use std::collections::{BTreeMap, BTreeSet};

use super::record::{ActRecord, ActState, Header, Record, next};
use crate::model::{act::Prepared, ids::ActId};

/// What a journal says about its run.
#[derive(Debug, Clone, PartialEq)]
pub struct Replay {
    /// Its header.
    pub header: Header,
    /// Where each act stands.
    pub states: BTreeMap<ActId, ActState>,
    /// What must be undone, in the order in which to undo it: the last armed first.
    pub owed: Vec<Owed>,
    /// Whether the run said that it ended.
    pub closed: bool,
    /// Records that could not follow what came before; they are not used.
    pub odd: Vec<String>,
}

/// An act whose undo is owed.
#[derive(Debug, Clone, PartialEq)]
pub struct Owed {
    /// The act with the undo that was armed.
    pub prepared: Prepared,
    /// Where it stands.
    pub state: ActState,
    /// Whether its undo has a secret part, which must be read before it is carried out.
    pub sealed: bool,
}

impl Replay {
    /// Whether recovery has something to do. A closed journal may still owe what was stuck.
    pub fn finished(&self) -> bool {
        self.owed.is_empty()
    }
}

/// Folds the records of a journal. The first must be the header: `log::parse` gives no others.
pub fn replay(records: &[Record]) -> Option<Replay> {
    let Some((Record::Header(header), rest)) = records.split_first() else { return None };
    let mut states: BTreeMap<ActId, ActState> = BTreeMap::new();
    let mut acts: BTreeMap<ActId, Prepared> = BTreeMap::new();
    let mut armed: Vec<ActId> = Vec::new();
    let mut with_secret: BTreeSet<ActId> = BTreeSet::new();
    let mut odd = Vec::new();
    let mut closed = false;
    for record in rest {
        match record {
            Record::Header(_) => odd.push("a second header".to_owned()),
            Record::Closed => closed = true,
            Record::Act { act, what } => {
                let state = match next(states.get(act).copied(), what) {
                    Ok(state) => state,
                    Err(illegal) => {
                        odd.push(format!("act {act}: {illegal}"));
                        continue;
                    }
                };
                match what {
                    ActRecord::Planned { prepared } => {
                        if prepared.act.id != *act {
                            odd.push(format!("act {act}: it was planned as {}", prepared.act.id));
                            continue;
                        }
                        acts.insert(*act, (**prepared).clone());
                    }
                    ActRecord::Armed { undo, sealed } => {
                        armed.push(*act);
                        if *sealed {
                            with_secret.insert(*act);
                        }
                        if let Some(prepared) = acts.get_mut(act) {
                            prepared.undo = undo.clone();
                        }
                    }
                    _ => {}
                }
                states.insert(*act, state);
            }
        }
    }
    let owed = armed
        .iter()
        .rev()
        .filter_map(|id| {
            let state = *states.get(id)?;
            state.owes().then(|| acts.get(id).map(|p| Owed { prepared: p.clone(), state, sealed: with_secret.contains(id) })).flatten()
        })
        .collect();
    Some(Replay { header: (**header).clone(), states, owed, closed, odd })
}
