//! Integration tests.

mod probe_kinds;
mod probe_truth;
mod support;
