//! Docker: containers of one or several engines, through their API.
//!
//! * Where the engines are: `endpoint` (the file's hosts, or what the `docker` command would use), `wire` (a connection for each request),
//!   `engine` (one connected engine; the one place that reads its errors), `engine_clock` (its clock against ours).
//! * What is there: `inventory`, `own` (the container that this process runs in), `sight` (what was seen a moment ago), `record`
//!   (whether anything happened since).
//! * What a run has for itself: `claims`.
//! * `swarm`: containers that are tasks of Swarm services, and the nodes that they run on.
//! * What is done: `platform` only dispatches; each fault is a [`deed::Deed`] in a file of its own. `undo` is what a recovery needs.
//! * What was left behind: `mark` tells whose a fault is, `orphans` finds those of runs that are gone, with no journal.
//!
//! The engine is not trusted to answer: it can dead-lock under bulk kills, so every call has a deadline, and no answer is never a pass.

mod capabilities;
mod claims;
pub mod container;
pub mod deed;
pub mod endpoint;
pub mod engine;
pub mod engine_clock;
pub mod exec;
pub mod host_process;
pub mod host_tool;
pub mod inventory;
pub mod network;
mod observe;
mod orphans;
mod own;
mod platform;
mod record;
mod replacement;
mod sight;
pub mod swarm;
pub mod undo;
mod wire;

use super::mark;
pub use capabilities::{as_this_machine_can, capabilities};
pub use platform::{COMPOSE_PROJECT_NAME, DockerPlatform};
