//! The platform `aws` in the laboratory of `scripts/aws-lab`: the binary as a user runs it, against an account that behaves like AWS. A
//! laboratory that cannot be started is a failure, not a reason to leave a test out.

mod alarms;
mod commands;
mod conforming;
mod held_back;
mod large;
mod meanwhile;
mod names;
mod permissions;
mod refusals;
mod rig;
mod roles;
mod selecting;
mod sharing;
mod shift;
mod sites;
mod stores;
mod terminating;
mod trouble;
