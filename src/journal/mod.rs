//! Layer 1: the write-ahead journal. Before an act, its intent and its undo are durable; after it, what it came to. Recovery replays
//! it and undoes what is owed. It is not a reporter: it is written before the act, blocks it, and must not fail.

pub mod log;
pub mod record;
pub mod replay;
pub mod sealed;
pub mod store;

pub use log::{Journal, JournalError, Read, read};
pub use record::{ActRecord, ActState, Header, Illegal, JOURNAL_VERSION, Record, next};
pub use replay::{Owed, Replay, replay};
pub use store::{Found, Store};
