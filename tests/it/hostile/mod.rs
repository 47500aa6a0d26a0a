//! A world that means harm: what answers, what names things, and what says secrets back. Each hole that was found has its test here.

mod http;
mod outputs;
mod prober;
mod secrets;
mod servers;
pub mod shells;
mod stores;
mod streams;

use std::process::Command;

use crate::cli::rig::{EXPERIMENT, Rig, Said, Started};

/// The usual experiment with few requests: how fast a system answers is not tested here.
fn gentle() -> String {
    EXPERIMENT.replace("rate: 200/s", "rate: 20/s")
}

/// Runs a drill until its method was carried out. On a machine that is busy with something else, firedrill may rightly say that its own
/// baseline cannot be trusted, and do nothing; that is not what is tested here, so it is then made again.
fn ran(rig: &Rig, command: &dyn Fn() -> Command) -> Said {
    for _ in 0..8 {
        let said = Started::new(command().spawn().unwrap()).end();
        let busy = ["more than 10 ms late", "the baseline is not steady"].iter().any(|words| said.out.contains(words));
        if said.out.contains("step 1: ") || !busy {
            return said;
        }
        std::fs::remove_dir_all(rig.path("firedrill-runs")).unwrap();
    }
    panic!("this machine is too busy for a drill: eight in a row did not begin");
}
