//! Integration tests.
mod balancer;
mod what_time;
mod local_platform;
