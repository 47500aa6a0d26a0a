//! Integration tests.

mod report;
mod support;
