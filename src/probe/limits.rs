//! File descriptors: the prober takes what it may, and leaves the rest of the process enough to journal and to undo.

use std::cell::Cell;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that probes never take.
const RESERVE: u64 = 128;

/// Raises the limit on descriptors to the hard one and says how many connections probes may hold.
pub fn raise_descriptors() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    // Refused only where a sandbox forbids it: then the limit stays as it was, and is read below.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let now = getrlimit(Resource::Nofile).current.unwrap_or(1 << 20);
    for_probes(now)
}

/// Lets the process hold so many descriptors at once without a pause later. The kernel's table of descriptors grows by doubling,
/// and in a process with several threads each growth waits for all cores (`synchronize_rcu`): 10 to 25 ms in which the pacing thread
/// stands still, just when an outage lets requests pile up. The table never shrinks, so growing it once is enough.
pub fn make_room(descriptors: u64) {
    let highest = i32::try_from(descriptors + RESERVE).unwrap_or(i32::MAX);
    // Refused beyond the limit, or without memory: then the table grows later, and the stall is reported like any other.
    drop(rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stderr(), highest));
}

fn for_probes(limit: u64) -> u64 {
    limit - RESERVE.min(limit / 2)
}

/// How many connections and processes the probes hold, against what they may.
#[derive(Debug)]
pub struct Descriptors {
    free: Cell<u64>,
}

impl Descriptors {
    /// So many may be held.
    pub fn new(most: u64) -> Self {
        Self { free: Cell::new(most) }
    }

    /// Takes one; `None` when all are taken.
    pub fn take(self: &std::rc::Rc<Self>) -> Option<Held> {
        self.free.set(self.free.get().checked_sub(1)?);
        Some(Held(self.clone()))
    }
}

/// One descriptor, given back when dropped.
#[derive(Debug)]
pub struct Held(std::rc::Rc<Descriptors>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.free.set(self.0.free.get() + 1);
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    #[test]
    fn a_reserve_is_left_and_what_is_dropped_comes_back() {
        assert_eq!((for_probes(20_000), for_probes(64)), (19_872, 32));
        let two = Rc::new(Descriptors::new(2));
        let (first, _second) = (two.take().unwrap(), two.take().unwrap());
        assert!(two.take().is_none());
        drop(first);
        assert!(two.take().is_some());
    }
}
