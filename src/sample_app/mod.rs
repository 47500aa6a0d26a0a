//! Layer 1: the applications of the examples, small programs in this binary so that an example needs nothing else.
//!
//! `server` is what they share, `programs` are the real stores that some need (`real` becomes one of them); `client`, `etcd`, `haproxy`,
//! `registry` and `here` are how services find each other; each other file is one application.

pub mod blog;
pub mod chat;
mod client;
pub mod discovery;
mod etcd;
mod haproxy;
mod here;
pub mod programs;
pub mod real;
mod registry;
pub mod server;
pub mod upgrade;
pub mod what_time;
