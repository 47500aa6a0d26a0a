//! Layer ½: when an experiment fires by itself. Pure: the next firing is a function of the schedule, the seed, a moment, and when it last
//! fired. So `schedule explain` says today what `serve` will do tomorrow, on any machine.
//!
//! The way of a firing: a [`Rule`] gives [`times`]: moments, some of which depend on a [`draw`]. A [`walk`] judges each of them: is the
//! chance drawn, does nothing [`closed`] cover it, do the environment's hours allow it, is the last one far enough away? A [`Roster`] holds
//! all experiments of a folder, those of one group together, and [`explain`] and [`simulate`] are two ways to look along it.
//!
//! Times are meant in a named zone. Where its clock is put forward or back, [`zone`] has the one rule: each time of the clock happens once.

pub mod calendar;
pub mod closed;
pub mod cron;
pub mod draw;
pub mod explain;
mod lines;
mod recur;
pub mod roster;
pub mod rule;
pub mod simulate;
pub mod times;
pub mod walk;
pub mod zone;

pub use closed::{Closed, Cover, Window};
pub use cron::Cron;
pub use roster::{Entry, Roster};
pub use rule::{Between, Gap, Period, Rule, Working};
pub use walk::{Fate, Firing, Reason, Walk};
