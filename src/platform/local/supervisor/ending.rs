//! The end of a system: everything is asked to end, then killed, and seen to be gone.

use std::{collections::BTreeMap, time::Duration};

use rustix::process::{Pid, Signal, WaitOptions, waitpid};

use super::Supervisor;
use crate::{
    clock,
    platform::local::process::{self, Handle, Root, Stat},
};

/// How long killed processes get to be gone.
const KILL_LIMIT: Duration = Duration::from_secs(5);

impl Supervisor {
    /// Ends all processes of the system. An error says which are left.
    pub(super) async fn take_down(&mut self) -> Result<(), String> {
        self.stop.get_or_insert_with(String::new);
        for live in self.lives.values_mut() {
            if let Some(timer) = live.pending.take() {
                timer.abort();
            }
            if let (true, Some((pid, start))) = (live.running, live.process)
                && let Ok(handle) = Handle::open(pid, start)
            {
                // A stopped process hears SIGTERM only when it continues.
                let _ = handle.signal(Signal::TERM);
                let _ = handle.signal(Signal::CONT);
            }
        }
        let grace = self.setup.spec.services.iter().map(|s| s.stop_grace).max().unwrap_or_default();
        let deadline = clock::now().plus(grace);
        while self.lives.values().any(|l| l.running) && clock::now() < deadline {
            self.next(Duration::from_millis(20)).await;
        }
        let deadline = clock::now().plus(KILL_LIMIT);
        loop {
            let left = self.remains();
            if left.is_empty() {
                return Ok(());
            }
            if clock::now() > deadline {
                let pids: Vec<String> = left.iter().map(|s| s.pid.to_string()).collect();
                return Err(format!("these processes of {} could not be ended: {}", self.setup.spec.name, pids.join(", ")));
            }
            for stat in left {
                if let Ok(handle) = Handle::open(stat.pid, stat.start_time) {
                    let _ = handle.signal(Signal::KILL);
                }
            }
            self.next(Duration::from_millis(20)).await;
        }
    }

    /// The living processes of this system: descendants of this process (and of the namespace's init), and what carries its mark.
    fn remains(&self) -> Vec<Stat> {
        let listing = process::all();
        let warden = self.setup.warden;
        let own = [std::process::id().cast_signed(), warden];
        let marks = [format!("FIREDRILL_SYSTEM={}", self.setup.mark)];
        let marked = process::members(&listing, Root { process: None, marks: &marks, except: &own });
        let born = process::descendants_of(&listing, own[0]);
        let all: BTreeMap<i32, Stat> = marked.into_iter().chain(born).filter(|s| s.pid != warden).map(|s| (s.pid, s)).collect();
        all.into_values().collect()
    }

    /// Collects orphans that became children of this process (where it is their reaper). Its own children are awaited elsewhere.
    pub(super) fn reap_orphans(&self) {
        if self.setup.containment != "keeper" {
            return;
        }
        let own = std::process::id().cast_signed();
        for stat in process::all().into_iter().filter(|s| s.parent == own && s.state == 'Z' && s.pid != self.setup.warden) {
            let ours = self.lives.values().any(|l| l.process.is_some_and(|(pid, _)| pid == stat.pid));
            if let (false, Some(pid)) = (ours, Pid::from_raw(stat.pid)) {
                let _ = waitpid(Some(pid), WaitOptions::NOHANG);
            }
        }
    }
}
