//! Layer 2: what a game day is while it lasts and afterwards, and how people in other terminals and the page speak to it.
//!
//! | file | what |
//! | --- | --- |
//! | `event` | what happens in a day: owned, numbered, serialised; a line of `gameday.jsonl` |
//! | `record` | events folded to a `Day`: what a status, the page and the report show |
//! | `moment` | an event as one line of the day, in words |
//! | `protocol` | what may be asked of a running day, and its answers: JSON lines |
//! | `seat` | where running days are found: sockets and notes in the state directory |
//! | `client`, `server` | the two sides of the control socket |
//!
//! Who conducts a day is `cli::gameday`: it starts each drill as a process of its own, as the daemon does.

pub mod client;
pub mod event;
pub mod moment;
pub mod protocol;
pub mod record;
pub mod seat;
pub mod server;

pub use client::Client;
pub use event::{DAY_VERSION, DayEvent, DayEventKind};
pub use protocol::{Answer, Ask, Request};
pub use record::{Day, fold};
pub use seat::Seat;
