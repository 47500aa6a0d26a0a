//! What the drills of the tests need of the tests' own support.

#[path = "../../tests/it/support/alone.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
pub mod alone;
#[path = "../../tests/it/support/residue.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
pub mod residue;
