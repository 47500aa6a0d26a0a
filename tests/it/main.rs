//! Integration tests.

mod probe_truth;
mod support;
