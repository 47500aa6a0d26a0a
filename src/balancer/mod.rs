//! Layer 1: the built-in load balancer, an HTTP/1.1 reverse proxy: thin glue over hyper's connections. In a drill it runs as a
//! process of its own (`process`), so that it is a target too and its load does not disturb the prober; tests run it
//! in-process (`server::Balancer`).
//!
//! A request's way: `listener` accepts, `forward` takes a backend from the `roster`, a connection from its `pool`, and streams
//! both ways; `health` admits and ejects; `faults` lie on the way between the balancer and a backend. It never retries: a
//! drill must show what happened, not what a second try made of it.

mod answer;
mod config_check;
mod draws;
pub mod faults;
mod forward;
mod headers;
mod health;
mod listener;
mod member;
mod pool;
pub mod process;
pub mod protocol;
mod roster;
pub mod server;
mod tunnel;
