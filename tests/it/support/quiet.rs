//! One at a time: tests that time real requests would disturb each other on a machine with two processors.

use std::fs::{File, OpenOptions};

use rustix::fs::{FlockOperation, flock};

/// Held while a test measures; the others wait. It works over threads and over processes, so for every test runner.
pub struct Quiet {
    _file: File,
}

/// Waits for the other tests that measure.
pub fn quiet() -> Quiet {
    let path = concat!(env!("CARGO_TARGET_TMPDIR"), "/quiet.lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path).unwrap();
    flock(&file, FlockOperation::LockExclusive).unwrap();
    Quiet { _file: file }
}
