//! The lives of containers on a real engine: ended, removed, made again, never replaced, watched; and what is left behind by a tool or an
//! engine that is killed in the middle.

mod conforming;
mod crashing;
mod daemon;
mod deadman;
mod observing;
mod orphaned;
mod recovering;
mod removing;
mod rig;
mod suspending;
