//! Layer 5: what fires experiments by themselves, apart from the verb that does it; and what shows it.
//!
//! [`agenda`] says what is due at a moment: pure, so that tests jump over months. [`state`] is what must survive a restart: what is disabled,
//! and when each last fired. [`running`] knows the drills that run on this machine, and tells them to stop. `firedrill serve` (`cli::serve`)
//! watches the folder and starts the runs; what it knows it publishes as a [`snapshot`].
//!
//! [`api`] answers requests over HTTP and [`page`] is what a browser shows of it. Both read the snapshot and the run folders ([`shelf`]), on
//! threads of their own: whatever a client does, firings come on time.

#[cfg(feature = "daemon")]
pub mod agenda;
#[cfg(feature = "daemon")]
pub mod api;
#[cfg(feature = "daemon")]
pub mod outlook;
#[cfg(feature = "daemon")]
pub mod page;
pub mod running;
#[cfg(feature = "daemon")]
pub mod shelf;
#[cfg(feature = "daemon")]
pub mod snapshot;
pub mod state;
