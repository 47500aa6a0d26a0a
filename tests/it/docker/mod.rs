//! The Docker platform on a real engine: the one that `scripts/test` starts for all tests, or one of the test's own.

mod agreement;
mod chat;
mod examples;
mod haproxy;
mod rig;
mod shop;
mod syslog;
