//! What the drills of the tests need of the tests' own support.

#[path = "../../tests/it/support/failover.rs"]
pub mod failover;
#[path = "../../tests/it/support/quiet.rs"]
pub mod quiet;
#[path = "../../tests/it/support/stores.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
pub mod stores;
