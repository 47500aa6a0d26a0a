//! firedrill
use std::{collections::BTreeMap, process::ExitCode};

use firedrill::platform::local::{Containment, init, up};

/// Temporary: the hidden verbs and `up`, until the command line is there.
fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let ended = match words.next().as_deref() {
        Some("init") => {
            let mut arguments = init::InitArgs::default();
            while let Some(word) = words.next() {
                match word.as_str() {
                    "--keeper" => arguments.keeper = words.next(),
                    "--supervisor" => arguments.supervisor = words.next().and_then(|w| w.parse().ok()),
                    _ => {}
                }
            }
            init::run(&arguments).map_err(|e| e.to_string())
        }
        Some("balancer") => firedrill::balancer::process::run().map_err(|e| e.to_string()),
        Some("up") => {
            let mut vars = BTreeMap::new();
            let (mut system, mut for_run) = (String::new(), false);
            while let Some(word) = words.next() {
                match word.as_str() {
                    "--for-run" => for_run = true,
                    "--var" => vars.extend(words.next().and_then(|w| w.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned())))),
                    _ => system = word,
                }
            }
            let containment = Containment::from_environment();
            up::run(&up::UpArgs { system: system.into(), vars, for_run, containment, program: None }).map_err(|e| e.to_string())
        }
        _ => Err("unknown verb".to_owned()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::from(5)
        }
    }
}
