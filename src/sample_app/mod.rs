//! Layer 1: the applications of the examples, small programs in this binary so that an example needs nothing else.
//!
//! `server` is what they share, `programs` are the real stores that some need; `stores` makes services of them; each other
//! file is one application.

pub mod blog;
pub mod name_server;
pub mod programs;
pub mod server;
pub mod shop;
pub mod stores;
mod websocket;
pub mod what_time;
