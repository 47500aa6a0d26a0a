//! Layer 1: from an experiment and an inventory to the exact victims. Pure: no I/O, no clock, no randomness but the seed's.
//!
//! Two stages, so that the platform is asked in between and planning stays pure:
//! 1. [`draw_victims`] selects, draws and caps. All refusals come at once.
//! 2. [`expand`] turns the victims into acts (with the platform's pure `acts`); the engine asks `Platform::prepare` for each
//!    act's undo; [`Expanded::into_plan`] joins them to the plan that is printed and executed.

pub mod assemble;
pub mod caps;
pub mod draw;
pub mod file;
pub mod recheck;
pub mod refusal;
pub mod select;
pub mod show;
pub mod victims;

pub use assemble::{Expanded, expand};
pub use file::digest;
pub use recheck::recheck;
pub use refusal::{Refusal, RefusalKind};
pub use victims::{Drawn, DrawnFault, DrawnStep, DrawnWork, Occupied, draw_step, draw_victims};
