//! Layer 4: experiments of the Chaos Toolkit. Read with their places ([`read`]), turned into our format (`import`), or run as they are
//! (`run`) — strictly, or as the Chaos Toolkit itself would judge them.
//!
//! It stands beside `report`, above the engine, because it is a small runner of its own: what its actions do, only they know, so there is no
//! platform to ask, no inventory and no plan. What the engine promises holds here too: everything is bounded, what was begun is ended, and
//! what may have been done is written down before it is done, so that `unfinished` can bring it back.

pub mod import;
pub mod journal;
pub mod json;
pub mod jsonpath;
pub mod judge;
pub mod leftover;
pub mod model;
pub mod provider;
pub mod read;
pub mod regex;
pub mod run;
pub mod settle;
pub mod substitute;
pub mod unfinished;
pub mod value;
