//! Layer 1: the built-in load balancer, an HTTP/1.1 reverse proxy. In a drill it runs as a process of its own (`process`), so that
//! it is a target too and its load does not disturb the prober; tests run it in-process (`Balancer`).

pub mod protocol;
