//! Whether the numbers say something about the system, or about us: lateness, holes, requests that were never sent.

use std::collections::BTreeMap;

use super::{phase::Phases, words};
use crate::model::{
    measurement::{Accounting, Gap},
    sample::Sample,
    steady_state::Phase,
};

/// A prober that is late for this share of a phase's requests still measures the system.
const LATE_SHARE: f64 = 0.01;
/// How sure it must be that the prober was late more often than that: the share itself, of a few requests, would trust none that is late,
/// and refuse a drill for one moment of a busy machine. Late ones are in no number either way.
const SURE: f64 = 0.95;
/// From so many requests on the binomial distribution is as good as normal.
const MANY: u64 = 20_000;
/// The normal distribution's quantile at `SURE`.
const SURE_Z: f64 = 1.645;

/// How many of a phase's requests may be late: the quantile of the binomial distribution at 95 %, if each were late with a chance of 1 %.
/// One of 6, three of 100, 117 of 10,000.
pub(super) fn most_late(requests: u64) -> u64 {
    let n = requests as f64;
    if requests >= MANY {
        return SURE_Z.mul_add((n * LATE_SHARE * (1.0 - LATE_SHARE)).sqrt(), n * LATE_SHARE).ceil() as u64;
    }
    let mut late = 0_u64;
    let mut chance = (1.0 - LATE_SHARE).powf(n);
    let mut so_far = chance;
    while so_far < SURE && late < requests {
        chance *= (requests - late) as f64 / (late + 1) as f64 * (LATE_SHARE / (1.0 - LATE_SHARE));
        so_far += chance;
        late += 1;
    }
    late
}

/// Whether so many late requests of a phase make its numbers ours.
pub(super) fn too_late(late: u64, requests: u64) -> bool {
    late > most_late(requests)
}

/// Being late for so long in the fault phase is too long.
const LATE_SPAN_NS: u64 = 250_000_000;
/// Late requests closer than this (or than two intervals) are one gap: a stall ends raggedly.
const SAME_GAP_NS: u64 = 50_000_000;
/// The gaps that are listed; the doubts count them all.
const MOST_GAPS: usize = 200;

/// Watches one probe's samples, in due order.
#[derive(Debug)]
pub struct Watch {
    same_gap_ns: u64,
    /// Requests and late ones.
    phases: BTreeMap<Phase, (u64, u64)>,
    open: Option<OpenGap>,
    gaps: Vec<Gap>,
    /// The longest lateness inside the fault.
    longest_ns: u64,
    not_sent: u64,
}

#[derive(Debug)]
struct OpenGap {
    from: u64,
    to: u64,
    worst_us: u32,
    requests: u64,
    in_fault: bool,
}

impl Watch {
    /// Watches a probe with this interval.
    pub fn new(interval_ns: u64) -> Self {
        Self {
            same_gap_ns: SAME_GAP_NS.max(2 * interval_ns),
            phases: BTreeMap::new(),
            open: None,
            gaps: Vec::new(),
            longest_ns: 0,
            not_sent: 0,
        }
    }

    /// The next sample of a phase that counts.
    pub fn push(&mut self, sample: &Sample, phase: Phase) {
        let (requests, late) = self.phases.entry(phase).or_default();
        *requests += 1;
        self.not_sent += u64::from(sample.outcome == crate::model::sample::SampleOutcome::NotSent);
        if !sample.late() {
            return;
        }
        *late += 1;
        if self.open.as_ref().is_some_and(|gap| sample.due_ns - gap.to > self.same_gap_ns) {
            self.close();
        }
        let gap = self.open.get_or_insert(OpenGap { from: sample.due_ns, to: sample.due_ns, worst_us: 0, requests: 0, in_fault: false });
        gap.to = sample.due_ns;
        gap.worst_us = gap.worst_us.max(sample.sent_us);
        gap.requests += 1;
        gap.in_fault |= phase == Phase::Fault;
    }

    fn close(&mut self) {
        let Some(gap) = self.open.take() else { return };
        if gap.in_fault {
            // One slow probe's single late request may be all that is seen of a long stall: its own error is a span too.
            self.longest_ns = self.longest_ns.max(gap.to - gap.from).max(u64::from(gap.worst_us) * 1000);
        }
        if self.gaps.len() < MOST_GAPS {
            self.gaps.push(Gap {
                from_s: gap.from as f64 / 1e9,
                to_s: gap.to as f64 / 1e9,
                worst_error_s: f64::from(gap.worst_us) / 1e6,
                requests: gap.requests,
            });
        }
    }

    /// The doubts and gaps of the probe `name`.
    pub fn finish(mut self, name: &str, accounting: &Accounting, phases: &Phases) -> (Vec<String>, Vec<Gap>) {
        self.close();
        let mut doubts = Vec::new();
        if accounting.recorded < accounting.due {
            doubts.push(words::holes(name, accounting.due - accounting.recorded, accounting.due));
        }
        for phase in Phase::COUNTED.into_iter().filter(|phase| phases.has(*phase)) {
            let (requests, late) = self.phases.get(&phase).copied().unwrap_or_default();
            if too_late(late, requests) {
                doubts.push(words::late_share(name, phase, late, requests, most_late(requests)));
            }
        }
        if self.longest_ns >= LATE_SPAN_NS {
            doubts.push(words::late_span(name, self.longest_ns));
        }
        if self.not_sent > 0 {
            doubts.push(words::not_sent(name, self.not_sent));
        }
        (doubts, self.gaps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        measure::support::{phases, sample},
        model::{sample::SampleOutcome, time::Mono},
    };

    fn doubts(change: impl Fn(&mut Sample)) -> (Vec<String>, Vec<Gap>) {
        let phases = Phases::new(&phases(&[(Phase::Baseline, 0.0, 10.0), (Phase::Fault, 10.0, 40.0)]), Mono(0), None);
        let mut watch = Watch::new(5_000_000);
        for k in 0..8_000_u32 {
            let mut sample = sample(k, u64::from(k) * 5_000_000, true);
            change(&mut sample);
            watch.push(&sample, phases.of(&sample));
        }
        watch.finish("home", &Accounting { due: 8_000, recorded: 8_000, ..Accounting::default() }, &phases)
    }

    #[test]
    fn on_time_is_trusted() {
        assert_eq!(doubts(|_| ()), (vec![], vec![]));
        let (doubts, gaps) = doubts(|s| {
            if s.number % 500 == 0 {
                s.sent_us = 12_000;
            }
        });
        assert_eq!((doubts.len(), gaps.len()), (0, 16), "0.2 %, one at a time");
    }

    #[test]
    fn a_stopped_prober_is_our_fault() {
        // Stopped from 20.0 s for half a second: everything due in it is sent at its end.
        let (doubts, gaps) = doubts(|s| {
            if (20_000_000_000..20_500_000_000).contains(&s.due_ns) {
                s.sent_us = ((20_500_000_000 - s.due_ns) / 1000) as u32;
            }
        });
        assert_eq!(doubts.len(), 2, "1.6 % of the phase, and half a second on end: {doubts:?}");
        assert_eq!(gaps.len(), 1);
        assert!((gaps[0].worst_error_s - 0.5).abs() < 1e-9 && (gaps[0].from_s - 20.0).abs() < 1e-9);
    }

    #[test]
    fn how_many_may_be_late_grows_with_the_requests() {
        // The quantiles by exact fractions (up to 1,000) and by sums in another program.
        for (requests, most) in [(0, 0), (5, 0), (6, 1), (35, 1), (36, 2), (100, 3), (111, 3), (301, 6), (1_000, 15), (10_000, 117)] {
            assert_eq!(most_late(requests), most, "of {requests}");
        }
        let (exact, normal) = (most_late(MANY - 1), most_late(MANY));
        assert!(exact.abs_diff(normal) <= 1, "{exact} and {normal}");
        assert_eq!(most_late(10_000_000), 100_518);
    }

    #[test]
    fn more_than_a_hundredth_late_or_never_sent_is_doubted() {
        assert_eq!(
            doubts(|s| if s.number % 50 == 0 {
                s.sent_us = 11_000;
            })
            .0
            .len(),
            2,
            "both phases"
        );
        assert_eq!(
            doubts(|s| if s.number == 7 {
                s.outcome = SampleOutcome::NotSent;
            })
            .0
            .len(),
            1
        );
    }
}
