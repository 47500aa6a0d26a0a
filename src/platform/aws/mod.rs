//! AWS: instances of one account in one or several regions, through its API.
//!
//! * Who asks: `connection` (credentials, account, regions), `web` (TLS where it is needed), `calls` (the one way out: turns, deadlines, tries, counts), `bucket`, `batch`,
//!   `trouble` (the one place that reads AWS's errors).
//! * What is there: `read` (pages become our own types), `answer` (long lists without what nobody reads), `world` (those types), `inventory`, `service`, `own` (the instance that we run on),
//!   `sight` (what was seen a moment ago), `glance` (of a large fleet only what may have changed), `observe` and `activity` (what changes by itself).
//! * What guards a run beside all that, and is asked apart from it: `alarms`.
//! * What a run has for itself: `claims`.
//! * What is looked at first: `preflight`. What it needs: [`policy`].
//! * What is done: `platform` only dispatches. Faults on instances are `deed`s: `machine` (terminate, stop, reboot, remove, deregister), `cut`
//!   (a network ACL that denies everything). `group` holds replacement back, `store` makes managed stores fail over, `names` makes a region's health check fail,
//!   `shift` moves users away from a zone. `undo` is what a recovery
//!   needs.
//! * What was left behind: `mark` (tags tell whose a fault is and how it was before), `keeper` (they say that the run lives).
//!
//! AWS is not trusted to answer, nor to be up to date: a lost answer is *unknown* and the state is read back; what was just made may not be
//! visible yet, what is dead may still be listed.

mod activity;
mod alarms;
mod answer;
mod batch;
mod bucket;
mod calls;
mod capabilities;
mod claims;
mod connection;
mod cut;
mod deed;
mod effect;
mod glance;
mod group;
mod inventory;
mod keeper;
mod machine;
mod mark;
mod names;
mod observe;
mod own;
mod platform;
pub mod policy;
mod preflight;
mod reach;
mod read;
mod service;
mod shift;
mod sight;
mod store;
mod trouble;
mod undo;
mod web;
mod world;

pub use calls::Count;
pub use capabilities::capabilities;
pub use platform::AwsPlatform;
