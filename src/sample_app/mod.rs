//! Layer 1: the application that every rung of the ladder runs.

pub mod what_time;
