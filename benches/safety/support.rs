//! What the drills of the tests need of the tests' own support.

#[path = "../../tests/it/support/alone.rs"]
pub mod alone;
