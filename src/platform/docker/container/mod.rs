//! Deeds on a container as a whole: its end, its freezing, its return.

pub mod came_back;
pub mod crash;
pub mod death;
pub mod definition;
pub mod kill;
pub mod pause;
pub mod recreate;
pub mod remove;
pub mod renew;
pub mod restart;
pub mod state;
pub mod stop;
