//! Local processes: the supervisor behind `firedrill up` (`up`, `supervisor`), and the platform that runs act through
//! (`LocalPlatform`), which talks to a supervisor over its control socket and to processes by pidfd.

mod attach;
pub mod client;
mod command;
pub mod containment;
pub mod control;
mod deadline;
mod deed;
mod fingerprint;
pub mod foreign;
mod health;
pub mod init;
mod launch;
mod leavings;
mod marks;
mod output;
mod platform;
pub use super::process;
pub mod rendezvous;
mod revert;
pub mod server;
pub mod spec;
pub mod spec_file;
pub mod supervisor;
mod system_lock;
pub mod system_vars;
mod tree_signal;
mod undo;
pub mod up;

pub use attach::LocalOptions;
pub use containment::Containment;
pub use platform::{CONTROL, LocalPlatform, capabilities};
