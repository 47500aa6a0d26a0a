//! Layer 4: what became of past runs, a row each, in an SQLite database of the state directory.
//!
//! The run folders stay the truth: a row has the key figures, and says where the rest lies. So a history that is lost, damaged or full costs a
//! warning, never a verdict, and is read anew from the folders. Nothing here reads a run folder: who records has the record in hand.
//!
//! Many processes use one database at once. It is in WAL mode: who reads waits for nobody, and who writes waits a few seconds at most.
//!
//! | module | what |
//! | --- | --- |
//! | `store` | the file: opened, created, and brought to the version of this build |
//! | `schema` | the versions, each the SQL that leads to it |
//! | `run` | a row |
//! | `query` | rows listed, and one looked up |
//! | `trend` | the runs of one experiment, and how its last one stands among them |
//! | `keep` | rows written, and which of the old ones go |
//! | `error` | what may be wrong with it, in words |

mod error;
mod keep;
mod query;
mod run;
mod schema;
mod store;
mod trend;

pub use error::HistoryError;
pub use keep::Beyond;
pub use query::{Experiment, Filter};
pub use run::{Run, verdict_of, verdict_word};
pub use store::{FILE_NAME, Store};
pub use trend::{ENOUGH, Series, Standing, Trend};
