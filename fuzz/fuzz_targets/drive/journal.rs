//! The journal reader and what it replays: nothing damaged is believed, and what is owed is exactly what the records say.

use std::{collections::BTreeMap, path::Path};

use firedrill::{
    journal::{
        ActRecord, ActState, JournalError, Record,
        log::{Read, parse},
        replay,
    },
    model::ids::ActId,
};
use sha2::{Digest, Sha256};

/// A file is read as it is when its first byte is even; else each line of the rest becomes a record with the right length and checksum,
/// so that the search does not end at the checksums. The second byte says how many bytes are torn off the end.
pub fn drive(data: &[u8]) {
    let [kind, torn, rest @ ..] = data else { return };
    if kind % 2 == 0 {
        return judge(rest);
    }
    let mut bytes: Vec<u8> = (0_u64..).zip(rest.split(|b| *b == b'\n')).flat_map(|(number, payload)| frame(number, payload)).collect();
    bytes.truncate(bytes.len().saturating_sub(usize::from(*torn)));
    judge(&bytes);
}

/// The frame of a record, as `journal::log` describes it; written here again, so that a change of the format is noticed.
fn frame(number: u64, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("inputs are small").to_le_bytes();
    let mut hash = Sha256::new();
    hash.update(number.to_le_bytes());
    hash.update(length);
    hash.update(payload);
    [&length, &hash.finalize()[..8], payload].concat()
}

fn judge(bytes: &[u8]) {
    let path = Path::new("fuzz.journal");
    let found = match parse(bytes, path) {
        Ok(found) => found,
        Err(error @ (JournalError::NotAJournal { .. } | JournalError::Version { .. })) => return assert!(!error.to_string().is_empty()),
        Err(other) => panic!("{other}"),
    };
    let valid = usize::try_from(found.valid).expect("a length");
    assert_eq!(found.damage.is_some(), valid < bytes.len(), "what is not used is told, and nothing else");
    // The valid part alone is the same records, and no damage: that is what is left when the tail is cut off.
    let again = parse(&bytes[..valid], path).expect("the valid part");
    assert_eq!(again, Read { damage: None, ..found.clone() });
    for record in &found.records {
        let text = serde_json::to_vec(record).expect("plain data");
        assert_eq!(&serde_json::from_slice::<Record>(&text).expect("it was read before"), record);
    }
    owed(&found.records);
}

/// What is owed is every act whose undo was armed and is not finished, the last armed first.
fn owed(records: &[Record]) {
    let replayed = replay(records).expect("the first record is the header");
    let mut states: BTreeMap<ActId, ActState> = BTreeMap::new();
    let mut armed: Vec<ActId> = Vec::new();
    for record in records {
        let Record::Act { act, what } = record else { continue };
        let state = states.get(act).copied();
        let follows = match what {
            ActRecord::Planned { prepared } => state.is_none() && prepared.act.id == *act,
            ActRecord::Armed { .. } => state == Some(ActState::Planned),
            ActRecord::Injected { .. } | ActRecord::InjectFailed { .. } => state == Some(ActState::Armed),
            ActRecord::Reverting => state.is_some_and(ActState::owes),
            ActRecord::Reverted { .. } | ActRecord::NothingToUndo { .. } | ActRecord::Stuck { .. } => state == Some(ActState::Reverting),
        };
        if !follows {
            continue;
        }
        if matches!(what, ActRecord::Armed { .. }) {
            armed.push(*act);
        }
        states.insert(*act, what.state());
    }
    armed.retain(|act| !matches!(states[act], ActState::Reverted | ActState::NothingToUndo));
    armed.reverse();
    let found: Vec<ActId> = replayed.owed.iter().map(|owed| owed.prepared.act.id).collect();
    assert_eq!(found, armed);
    assert_eq!(replayed.states, states);
    assert_eq!(replayed.finished(), armed.is_empty());
}
