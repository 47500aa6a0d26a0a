//! One at a time: tests that time real requests would disturb each other on a machine with two processors. Those that let it idle most of
//! the time go in pairs.

use std::{
    fs::{File, OpenOptions},
    path::Path,
    time::Duration,
};

use rustix::fs::{FlockOperation, flock};

/// Held while a test measures; the others wait. It works over threads and over processes, so for every test runner.
pub struct Quiet {
    _files: Vec<File>,
}

/// Waits for the other tests that measure.
#[allow(dead_code, reason = "the gallery's bench has this file, too, and goes in pairs")]
pub fn quiet() -> Quiet {
    let file = open("quiet.lock");
    flock(&file, FlockOperation::LockExclusive).unwrap();
    Quiet { _files: vec![file] }
}

/// Waits for the other tests that measure, but for one of its own kind.
pub fn paired() -> Quiet {
    let (all, places) = (open("quiet.lock"), [open("quiet.1.lock"), open("quiet.2.lock")]);
    flock(&all, FlockOperation::LockShared).unwrap();
    loop {
        if let Some(place) = places.iter().find(|place| flock(place, FlockOperation::NonBlockingLockExclusive).is_ok()) {
            return Quiet { _files: vec![all, place.try_clone().unwrap()] };
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn open(name: &str) -> File {
    OpenOptions::new().create(true).truncate(false).write(true).open(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)).unwrap()
}
