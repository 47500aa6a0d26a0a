//! Integration tests.
mod balancer;
mod what_time;
