//! The balancer, in-process, against tiny servers on ports of their own.

mod faults;
mod forwarding;
mod health;
mod process;
mod rig;
