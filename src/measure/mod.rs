//! Layer 1: samples to numbers, numbers to judgements. Pure: no I/O, no clock; randomness only by seed.
//!
//! [`measure`](fn@measure) folds the samples of a run into a [`Measurement`](crate::model::measurement::Measurement), one pass
//! over each probe's record, in bounded memory. [`judge`](fn@judge) holds the experiment's conditions against it, and
//! [`shown`] says what the run showed. [`Live`] does the little that is needed while the run goes on.
//!
//! | module | concept |
//! | --- | --- |
//! | `source` | where samples come from |
//! | `phase` | which phase a sample belongs to |
//! | `stats` | requests, failures, latency of a set of samples |
//! | `rates` | availability with its interval |
//! | `latency` | quantiles |
//! | `groups` | the same numbers by route, backend, zone, policy, name model, address |
//! | `windows` | outage windows |
//! | `worst` | the worst window of a given length |
//! | `timeline` | buckets for pictures |
//! | `trust` | whether we were late ourselves |
//! | `victims` | what followed each act |
//! | `capacity` | capacity that was lost, and when it was back |
//! | `reach` | what each probe felt while what a step hit was away |
//! | `course` | what happened beside the acts |
//! | `findings` | what was found out about the system: dependencies, single points of failure, drift |
//! | `phoenix` | phoenix drills |
//! | `recovery` | when the steady state held again |
//! | `budget` | the error budget |
//! | `run` | the pass that feeds them all |
//! | `judge`, `reading`, `words` | conditions to judgements, and their text |
//! | `showing` | judgements to what the run showed |
//! | `live`, `sliding` | the view while the run goes on |
//! | `compare` | a run held against earlier ones |
//! | `abort`, `asked` | abort conditions: on probes, and on what is asked beside them |

mod abort;
mod asked;
mod budget;
mod capacity;
pub mod compare;
pub mod course;
mod findings;
mod groups;
mod judge;
mod latency;
mod live;
mod phase;
mod phoenix;
mod rates;
mod reach;
mod reading;
mod recovery;
mod run;
mod showing;
mod sliding;
pub mod source;
mod stats;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tests;
mod timeline;
mod trust;
mod victims;
mod windows;
mod words;
mod worst;

pub use asked::AskedView;
pub use course::{Course, Replacing};
pub use judge::judge;
pub use latency::Latencies;
pub use live::Live;
pub use rates::{needed_without_failures, wilson};
pub use run::{Input, measure};
pub use showing::shown;
pub use sliding::BUCKET_NS;
pub use windows::{Tracker, Window};
