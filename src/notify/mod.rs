//! Layer 3: messages about runs, to webhooks, Slack and mail (`notify:` of `firedrill.yaml`).
//!
//! A run never waits for a receiver. [`Notifier`] has a thread of its own and a bounded queue for each receiver; what cannot be sent within
//! its time is a warning at the end, and changes no verdict. What a message says is made by others (`report::notices`).

mod body;
pub mod http;
mod lane;
mod mail;
mod notifier;
mod receiver;

pub use notifier::{Failure, Notifier};
pub use receiver::unusable;
