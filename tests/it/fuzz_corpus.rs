//! What the fuzzers kept (`fuzz/corpus`, found by `scripts/fuzz`) is replayed: an input that once found something finds nothing more.

use std::{fs, path::Path, time::Duration};

use firedrill::clock;

#[path = "../../fuzz/fuzz_targets/drive/mod.rs"]
mod drive;

#[test]
fn everything_that_was_kept_is_survived() {
    for (name, target) in drive::TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
        let inputs: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(inputs.len() >= 20, "only {} inputs of {name}", inputs.len());
        for input in inputs {
            let bytes = fs::read(&input).unwrap();
            let start = clock::now();
            assert!(std::panic::catch_unwind(|| target(&bytes)).is_ok(), "{} is not survived", input.display());
            let took = clock::now().since(start);
            assert!(took < Duration::from_secs(5), "{} takes {took:?}", input.display());
        }
    }
}

/// The oracle of the planner is itself right about worlds that no fuzzer thought of: many seeds, no file.
#[test]
fn the_planner_keeps_its_caps_in_random_worlds() {
    for seed in 0..500 {
        let mut stream = firedrill::plan::draw::Stream::new(seed, 0, 0, "fuzz");
        let bytes: Vec<u8> = (0..200).map(|_| stream.below(256) as u8).collect();
        drive::planner::drive(&bytes);
    }
}
