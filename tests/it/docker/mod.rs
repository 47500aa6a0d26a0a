//! The Docker platform on a real engine: the one that `scripts/test` starts for all tests, or one of the test's own.

mod agreement;
mod blog;
mod chat;
mod containers;
mod deployments;
mod examples;
mod first;
mod haproxy;
mod phoenix;
mod rig;
#[cfg(all(feature = "daemon", feature = "history"))]
mod served;
mod shop;
mod syslog;
