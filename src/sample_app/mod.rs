//! Layer 1: the application that every rung of the ladder runs.

mod websocket;
pub mod what_time;
