//! Marks: words that one act alone has, so that its undo finds what it left and nothing else. They are written and read here only.
//!
//! A mark also tells whose it is: what carries the mark of a process that is gone was left behind, even if no journal knows it any more.
//! What carries the mark of a process that runs is that run's own business, whatever state directory it uses: no lock of ours excludes
//! such a run. So a mark holds, in 18 letters and digits (all that fits into a chain's name):
//! * where its maker's number and start time mean something: a digest of the machine's boot and of the maker's namespaces of both;
//! * the maker's number, and when it began: the number alone may be another process's by now;
//! * a number of the act, which the maker counts up from a random one.
//!
//! **A maker elsewhere cannot be judged**: in another PID namespace, on another machine, before the last boot (of this machine or of
//! another: nothing tells them apart). What it did is left alone.

use std::{
    fmt,
    sync::{Mutex, OnceLock, PoisonError},
};

use rand::{TryRng, rngs::SysRng};
use rustix::process::{Pid, test_kill_process};
use sha2::{Digest, Sha256};

use crate::{
    lock,
    platform::{PlatformError, process},
};

/// Letters and digits of a mark, of five bits each.
const DIGITS: usize = 18;
const BASE: u32 = 32;
/// How many numbers of acts there are: each fits into the handle of a queueing discipline (`network::shaping`).
const NUMBERS: u16 = 0xfff;
const NUMBER_BITS: u32 = 12;
/// Of the start time, in ticks: it repeats after 46 hours. Should another process get the maker's number just then, it is taken for the
/// maker, and what is left behind stays.
const START_BITS: u32 = 24;
/// The kernel gives out no higher ones.
const PID_BITS: u32 = 22;

/// A process, as far as a mark tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Maker {
    /// Where its number is known; 0 is nowhere.
    place: u32,
    pid: u32,
    started: u32,
}

/// What can be told of the process that made a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    /// It runs.
    Lives,
    /// It is gone.
    Gone,
    /// It cannot be seen from here.
    Elsewhere,
}

/// The mark of one act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    maker: Maker,
    number: u16,
}

/// A new mark.
///
/// # Errors
/// When the machine gives no random numbers.
pub fn fresh() -> Result<Mark, PlatformError> {
    static LAST: Mutex<Option<u16>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let number = match *last {
        Some(last) => (last + 1) % NUMBERS,
        None => u16::try_from(draw()? % u64::from(NUMBERS)).unwrap_or_default(),
    };
    *last = Some(number);
    Ok(Mark { maker: own(), number })
}

fn draw() -> Result<u64, PlatformError> {
    SysRng.try_next_u64().map_err(|error| PlatformError::Failed(format!("this machine gives no random numbers: {error}")))
}

impl Mark {
    /// The number of the act: no other that this process did lately has it.
    #[cfg(feature = "docker")]
    pub fn number(self) -> u16 {
        self.number
    }

    /// Reads a mark; none where it is no text of ours.
    pub fn read(text: &str) -> Option<Self> {
        let digits = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'v'));
        let all = if text.len() == DIGITS && digits { u128::from_str_radix(text, BASE).ok()? } else { return None };
        let part = |from: u32, bits: u32| (all >> from) & ((1 << bits) - 1);
        let number = u16::try_from(part(0, NUMBER_BITS)).ok().filter(|number| *number < NUMBERS)?;
        let started = u32::try_from(part(NUMBER_BITS, START_BITS)).ok()?;
        let pid = u32::try_from(part(NUMBER_BITS + START_BITS, PID_BITS)).ok()?;
        let place = u32::try_from(all >> (NUMBER_BITS + START_BITS + PID_BITS)).ok()?;
        Some(Self { maker: Maker { place, pid, started }, number })
    }

    /// Whether its maker is gone, and that can be told from here.
    #[cfg(feature = "docker")]
    pub fn left_behind(self) -> bool {
        self.judged() == Judged::Gone
    }

    /// Whether another process than this one has made it, which is not known to be gone: what carries it is at work, or may be.
    pub fn of_another(self) -> bool {
        self.maker != own() && self.judged() != Judged::Gone
    }

    /// What can be told of its maker from here.
    pub fn judged(self) -> Judged {
        if self.maker.place == 0 || self.maker.place != own().place {
            Judged::Elsewhere
        } else if self.maker.runs() {
            Judged::Lives
        } else {
            Judged::Gone
        }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Maker { place, pid, started } = self.maker;
        let all = (u128::from(place) << PID_BITS | u128::from(pid)) << START_BITS | u128::from(started);
        let all = all << NUMBER_BITS | u128::from(self.number);
        for place in (0..DIGITS).rev() {
            let digit = u32::try_from((all >> (5 * place)) & 31).unwrap_or_default();
            fmt::Write::write_char(f, char::from_digit(digit, BASE).unwrap_or('0'))?;
        }
        Ok(())
    }
}

impl Maker {
    fn runs(self) -> bool {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else { return false };
        match process::stat(pid.as_raw_pid()) {
            // One that ended and is not collected yet does nothing any more.
            Some(stat) => stat.alive() && low(stat.start_time) == self.started,
            // Where `/proc` hides the processes of others, one that is there counts as the maker.
            None => test_kill_process(pid) != Err(rustix::io::Errno::SRCH),
        }
    }
}

/// This process.
fn own() -> Maker {
    static OWN: OnceLock<Maker> = OnceLock::new();
    *OWN.get_or_init(|| {
        let pid = std::process::id();
        Maker { place: place(pid).unwrap_or(0), pid, started: low(lock::started(pid).unwrap_or_default()) }
    })
}

fn low(started: u64) -> u32 {
    u32::try_from(started & ((1 << START_BITS) - 1)).unwrap_or_default()
}

/// Where this process's number is known. None where `/proc` is that of another PID namespace: nothing can be judged by it.
fn place(pid: u32) -> Option<u32> {
    let seen = std::fs::read_link("/proc/self").ok()?;
    let boot = std::fs::read("/proc/sys/kernel/random/boot_id").ok()?;
    let pids = std::fs::read_link("/proc/self/ns/pid").ok()?;
    // Not every kernel has these.
    let times = std::fs::read_link("/proc/self/ns/time").unwrap_or_default();
    if seen.to_str() != Some(pid.to_string().as_str()) {
        return None;
    }
    let namespaces = [pids, times].map(|link| link.into_os_string().into_encoded_bytes()).concat();
    let digest = Sha256::new().chain_update(&boot).chain_update(&namespaces).finalize();
    let first = digest.first_chunk::<4>().copied().map(u32::from_be_bytes)?;
    // 0 is nowhere.
    Some(first.max(1))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn of(pid: u32, started: u64) -> Mark {
        Mark { maker: Maker { place: own().place, pid, started: low(started) }, number: 7 }
    }

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        let (mark, next) = (fresh().unwrap(), fresh().unwrap());
        assert_eq!(next.number, (mark.number + 1) % NUMBERS);
        let text = mark.to_string();
        assert_eq!((text.len(), Mark::read(&text)), (DIGITS, Some(mark)));
        let most = Mark { maker: Maker { place: u32::MAX, pid: 4_194_303, started: low(u64::MAX) }, number: NUMBERS - 1 };
        assert_eq!(most.to_string(), "vvvvvvvvvvvvvvvvvu");
        assert_eq!(Mark::read(&most.to_string()), Some(most));
        for other in
            ["", "xyz", "+123456789abcdefgh", "0123456789ABCDEFGH", "0123456789abcdefg", "0123456789abcdefghi", "vvvvvvvvvvvvvvvvvv"]
        {
            assert_eq!(Mark::read(other), None, "{other}");
        }
    }

    #[test]
    fn what_a_process_that_runs_did_is_not_left_behind() {
        assert_ne!(own().place, 0);
        assert!(!fresh().unwrap().left_behind() && !fresh().unwrap().of_another());
        let mut child = Command::new("sleep").arg("30").spawn().unwrap();
        let started = lock::started(child.id()).unwrap();
        let mark = of(child.id(), started);
        assert!(!mark.left_behind() && mark.of_another());
        assert!(of(child.id(), started + 1).left_behind(), "its number belongs to another process now");
        child.kill().unwrap();
        // Until it is collected its number and its start time are still there.
        while process::stat(child.id().cast_signed()).is_some_and(|stat| stat.alive()) {
            std::thread::yield_now();
        }
        assert!(mark.left_behind() && !mark.of_another());
        child.wait().unwrap();
        assert!(mark.left_behind());
    }

    #[test]
    fn a_maker_elsewhere_cannot_be_judged() {
        let gone = of(4_194_303, 1);
        assert!(gone.left_behind());
        let elsewhere = |place| Mark { maker: Maker { place, ..gone.maker }, ..gone };
        for place in [0, own().place ^ 1] {
            assert!(!elsewhere(place).left_behind() && elsewhere(place).of_another());
        }
    }
}
