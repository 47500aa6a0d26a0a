//! Layer 3: one run, from a plan to a verdict.
//!
//! | file | what |
//! | --- | --- |
//! | `run` | sets a run up: lock, recovery of a dead predecessor, plan, journal, probes; then drives it |
//! | `planning` | inventory → victims → undo of each: what `plan` prints and `run` executes |
//! | `guards` | what is asked whether the run must end |
//! | `dispatcher` | the one select loop, sole owner of the run's `state` |
//! | `script` | the phases and the method, with every wait that a halt may end |
//! | `inject` | check again → prepare → *Armed* + fsync → act → verify |
//! | `phoenix` | one instance after another, each once the one before is replaced |
//! | `mitigated` | a person's word that the fault is mitigated, where the method waits for it |
//! | `built`, `version` | what instances are built from, and which version they say they are |
//! | `ledger` | the run's side of the journal |
//! | `deadman` | who undoes when this process is gone or hangs |
//! | `undo` | reverse order, retries, a deadline of its own |
//! | `conclude` | record → numbers → judgement → outcome |
//! | `recover` | the same undo, from a journal |

mod built;
mod capacity;
mod command;
mod conclude;
pub mod deadman;
mod dispatcher;
pub mod emit;
mod guards;
pub mod halt;
mod inject;
mod ledger;
pub mod mitigated;
mod phoenix;
pub mod planning;
pub mod recover;
pub mod run;
mod script;
mod state;
mod undo;
mod version;
