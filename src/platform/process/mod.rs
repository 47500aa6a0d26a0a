//! Processes of this machine: found in `/proc`, held by pidfd and start time, never by number alone.

mod handle;
mod stat;
mod tree;

pub use handle::{Handle, Missing, wait_all};
pub use stat::{Stat, all, arguments, environment_has, executable, stat};
pub use tree::{Root, descendants_of, members};
