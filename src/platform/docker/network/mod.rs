//! What is done inside a container's network namespace, from this machine: dropping its packets, limiting, delaying and losing
//! them. Nothing is installed in the container, and its own loopback stays as it is. And what the engine does itself: it takes a container
//! off its networks and puts it back.

pub mod chains;
pub mod disconnect;
pub mod drop_rule;
pub mod inside;
pub mod machine;
pub mod netns;
pub mod partition;
pub mod place;
pub mod shape;
pub mod shaping;
