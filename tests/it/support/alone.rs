//! A drill that dies together with its dead-man's switch: what only `recover`, or the next run, can undo. So it goes when a container or a
//! systemd unit is stopped as a whole.

use std::process::Child;

use firedrill::platform::process;
use rustix::process::{Pid, Signal, kill_process};

/// The helpers of a drill: processes of firedrill that would undo it. More than one only while one is being started in place of another.
pub fn helpers(tool: Pid) -> Vec<Pid> {
    let listing = process::all();
    let children = listing.iter().filter(|s| s.parent == tool.as_raw_nonzero().get() && s.alive());
    let helpers = children.filter(|s| process::arguments(s.pid).get(1).is_some_and(|word| word == "deadman"));
    helpers.filter_map(|s| Pid::from_raw(s.pid)).collect()
}

/// Kills both. The tool is stopped first: one that runs would start another helper.
pub fn kill_both(tool: Pid) {
    kill_process(tool, Signal::STOP).expect("it runs");
    for helper in helpers(tool) {
        kill_process(helper, Signal::KILL).expect("killed");
    }
    kill_process(tool, Signal::KILL).expect("killed");
}

/// Kills a child of this process with its helper, and collects it.
pub fn end(child: &mut Child) {
    kill_both(Pid::from_child(child));
    child.wait().expect("ended");
}
