//! The dead-man's switch: a helper process that undoes a run when firedrill cannot.
//!
//! It is this same binary, started before the first act, in a session of its own, so that neither a closed terminal nor a signal to
//! firedrill's process group reaches it. It holds firedrill's pidfd, and firedrill tells it through a pipe by when it will be heard of.
//!
//! * firedrill is gone, however it went, and has not said that its run ended: the helper recovers the run at once, as `firedrill recover` would.
//! * firedrill is not heard of in time (it hangs, or was suspended): the helper ends it with SIGKILL through the pidfd, waits until it is
//!   gone, and then recovers. So there are never two who act; and the lock of the run's scope is taken before anything is undone.
//! * the run has ended: the helper ends too.
//!
//! What ends both at once, as the stop of a whole container or systemd unit, or the end of the machine, leaves the undo to `firedrill recover`,
//! or to the next run in the same place, which recovers first.
//!
//! | file | what |
//! | --- | --- |
//! | `start` | firedrill's side: starts the helper and talks to it |
//! | `helper` | the hidden verb: watches, ends, recovers |
//! | `line` | what goes through the pipe |

mod helper;
mod line;
mod start;

pub use helper::{DeadmanArgs, deadman};
pub use start::Helper;
