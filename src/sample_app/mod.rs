//! Layer 1: the applications of the examples, small programs in this binary so that an example needs nothing else.
//!
//! `server` is what they share, `programs` are the real programs that some need; `stores` makes services of them, and `real` becomes one
//! as it is. `client`, `etcd`, `haproxy`, `registry` and `here` are how services find each other. Each other file is one application.

pub mod blog;
pub mod chat;
mod client;
pub mod discovery;
mod etcd;
pub mod haproxy;
mod here;
pub mod host_port;
pub mod jobs;
pub mod name_server;
pub mod programs;
pub mod real;
mod registry;
pub mod server;
pub mod shop;
pub mod stores;
pub mod upgrade;
mod websocket;
pub mod what_time;
