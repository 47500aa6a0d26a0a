//! Layer 5: what fires experiments by themselves, apart from the verb that does it.
//!
//! [`agenda`] says what is due at a moment: pure, so that tests jump over months. [`state`] is what must survive a restart: what is disabled,
//! and when each last fired. `firedrill serve` (`cli::serve`) watches the folder and starts the runs.

#[cfg(feature = "daemon")]
pub mod agenda;
pub mod state;
