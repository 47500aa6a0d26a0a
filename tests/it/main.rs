//! Integration tests.

mod conformance;
mod journal;
mod planning;
