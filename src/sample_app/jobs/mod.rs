//! The application of the multi-container example: an API that takes jobs, a queue of them in Redis, a worker that does them, and PostgreSQL
//! that knows which are done. And the backup of what it knows.

pub mod api;
pub mod backup;
mod database;
mod queue;
pub mod worker;

/// Whether a job may be called this.
fn is_id(id: &str) -> bool {
    (1..=100).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}
