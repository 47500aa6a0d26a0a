//! Layer 1: the applications of the examples.

pub mod name_server;
mod websocket;
pub mod what_time;
