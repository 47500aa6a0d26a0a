//! A game day as a reader sees it: its file of events, and the reports that are made from it and from the records of its runs.
//! `report.html` is drawn beside that of runs, in `html::gameday`.

pub mod lines;
pub mod log;
mod markdown;
mod result;
pub mod runs;
pub mod write;

pub use log::{DayLog, load};
