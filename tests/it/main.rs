//! Integration tests.

mod probe_kinds;
mod probe_tls;
mod probe_truth;
mod support;
