//! What the tests of the Docker platform stand on.

#[path = "../../tests/it/support/composed.rs"]
pub mod composed;
#[path = "../../tests/it/support/engine.rs"]
pub mod engine;
#[path = "../../tests/it/support/project.rs"]
pub mod project;
