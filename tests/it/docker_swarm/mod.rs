//! Swarm on real engines of the tests' own: tasks that are replaced, nodes that are held back and given back.

mod conforming;
mod drills;
mod nodes;
mod rig;
