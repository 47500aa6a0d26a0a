//! The Docker platform on a real engine: the one that `scripts/test` starts for all tests, or one of the test's own.

mod examples;
mod rig;
