//! Swarm on Docker: a container may be the task of a service, which Swarm keeps running on its nodes.
//!
//! * A task that ends is never started again: Swarm starts another in its place, and the old one beside it would be a stray that nobody
//!   counts. The way back of a task (`task`) only looks, until the service runs as many as before.
//! * What replaces the dead in a zone are its nodes, so `suspend-replacement` (`suspension`) acts on them: they take no new tasks while it
//!   lasts (`node`).
//! * An outage is that, and then a kill of each victim at once.
//!
//! **Why `pause`, and not `drain`, though both keep new tasks out.** A node that is drained stops its tasks as an update would: it asks them
//! to end, waits for their grace, and Swarm has their replacements ready elsewhere. No zone fails like that, and it would show a better
//! recovery than a real outage has. And a drain stops every task of the node, also those of other stacks and those that are protected,
//! which no plan chose. A node on `pause` keeps what runs and takes nothing new; what the plan chose dies by SIGKILL in one instant.
//!
//! The availability of a node is put back to what it was. Tasks that Swarm moved to other nodes meanwhile stay there: it does not move them
//! back by itself, and to do it would end them once more.
//!
//! Only a manager knows nodes and services, so one must be among the hosts of the environment.

pub mod manager;
pub mod node;
pub mod place;
pub mod service;
pub mod suspension;
pub mod task;

/// The label by which a task's container tells its Swarm service, by id.
const SERVICE_ID: &str = "com.docker.swarm.service.id";
/// The label by which it tells its node, by id.
const NODE_ID: &str = "com.docker.swarm.node.id";
