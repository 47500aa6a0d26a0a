//! A run held against earlier ones: did anything get worse than what is tolerated?
//!
//! A gate that cries wolf is switched off, so nothing counts as worse on the strength of a single number. Both sides are ranges: the interval
//! of an availability, the brackets of an outage, the ranks between which a quantile lies, the counts that a rate could have given. Of several
//! earlier runs the range is that of all of them: what they differ by among themselves is no regression. Worse is what lies wholly beyond that
//! range and the tolerance; what the ranges cannot tell is said to be untold, and fails nothing.
//!
//! | module | what |
//! | --- | --- |
//! | `tolerance` | how much worse is borne |
//! | `range` | the ranges, and how they are made |
//! | `figures` | the worst of a run, one range an aspect: what a history keeps of runs whose samples and reports are gone |

mod figures;
mod range;
mod tolerance;

pub use figures::{Figures, compare_figures};
pub use range::Range;
pub use tolerance::Tolerance;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{
    ids::ProbeName,
    measurement::{Measurement, ProbeMeasurement, Stats},
    state::StateFindings,
    steady_state::Phase,
};

/// Requests below which no quantile is compared: the 99th percentile of fewer is one of the largest few.
const ENOUGH: u64 = 500;

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Aspect {
    /// The share of requests that succeeded.
    Availability,
    /// The 99th percentile of latency.
    P99,
    /// The longest outage of the run.
    LongestOutage,
    /// Sessions, or acknowledged writes, that were lost.
    Lost,
    /// From the last undo until the steady state held.
    Recovery,
    /// From the first effect until all capacity was back.
    Capacity,
}

/// What came of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Worse by more than is tolerated.
    Worse,
    /// Within the tolerance, or within what can be told.
    Same,
    /// Better by more than would be tolerated the other way.
    Better,
    /// One of the sides has no number.
    Untold,
}

/// One comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The probe; none for numbers of the whole run.
    pub probe: Option<ProbeName>,
    /// The phase; none for the whole run.
    pub phase: Option<Phase>,
    /// What.
    pub aspect: Aspect,
    /// The earlier runs: from the best to the worst that they may have been.
    pub before: Option<Range>,
    /// This run.
    pub now: Option<Range>,
    /// What came of it.
    pub change: Change,
}

/// A run held against earlier ones.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Comparison {
    /// Every comparison, in the order of the probes.
    pub lines: Vec<Line>,
    /// Probes that only one of the sides has.
    pub without: Vec<ProbeName>,
}

impl Aspect {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Availability, Self::P99, Self::LongestOutage, Self::Lost, Self::Recovery, Self::Capacity];
}

impl Comparison {
    /// What got worse.
    pub fn worse(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| line.change == Change::Worse)
    }
}

/// Holds a run against earlier ones of the same experiment.
pub fn compare(before: &[&Measurement], now: &Measurement, tolerance: &Tolerance) -> Comparison {
    let mut out = Comparison::default();
    if before.is_empty() {
        return out;
    }
    for probe in &now.probes {
        let earlier: Vec<&ProbeMeasurement> =
            before.iter().filter_map(|run| run.probes.iter().find(|known| known.name == probe.name)).collect();
        if earlier.is_empty() {
            out.without.push(probe.name.clone());
            continue;
        }
        probes(&mut out, &earlier, probe, tolerance);
    }
    for probe in before.iter().flat_map(|run| &run.probes) {
        if now.probes.iter().all(|known| known.name != probe.name) && !out.without.contains(&probe.name) {
            out.without.push(probe.name.clone());
        }
    }
    whole(&mut out, before, now, tolerance);
    out
}

fn probes(out: &mut Comparison, before: &[&ProbeMeasurement], now: &ProbeMeasurement, tolerance: &Tolerance) {
    let mut line = |phase, aspect, before: Option<Range>, here: Option<Range>| {
        let change = tolerance.change(aspect, before, here);
        out.lines.push(Line { probe: Some(now.name.clone()), phase, aspect, before, now: here, change });
    };
    for here in &now.phases {
        let earlier = || before.iter().filter_map(|probe| probe.phases.iter().find(|known| known.phase == here.phase));
        let phase = Some(here.phase);
        let before = Range::all(earlier().map(|known| known.stats.availability.map(|a| Range::share(&a))));
        line(phase, Aspect::Availability, before, here.stats.availability.map(|a| Range::share(&a)));
        line(phase, Aspect::P99, Range::all(earlier().map(|known| p99(&known.stats))), p99(&here.stats));
    }
    let outage = |probe: &ProbeMeasurement| Some(Range::longest_outage(probe));
    line(None, Aspect::LongestOutage, Range::all(before.iter().map(|probe| outage(probe))), outage(now));
    let lost = |probe: &ProbeMeasurement| probe.state.as_ref().and_then(StateFindings::lost).map(Range::lost);
    if lost(now).is_some() || before.iter().any(|probe| lost(probe).is_some()) {
        line(None, Aspect::Lost, Range::all(before.iter().map(|probe| lost(probe))), lost(now));
    }
}

/// The 99th percentile, where there are enough requests for one.
fn p99(stats: &Stats) -> Option<Range> {
    stats.latency.filter(|latency| latency.n >= ENOUGH).map(|latency| Range::p99(&latency))
}

fn whole(out: &mut Comparison, before: &[&Measurement], now: &Measurement, tolerance: &Tolerance) {
    for aspect in [Aspect::Recovery, Aspect::Capacity] {
        let of = |run: &Measurement| if aspect == Aspect::Recovery { run.recovered_after_s } else { run.capacity_back_after_s };
        let earlier = Range::all(before.iter().map(|run| of(run).map(Range::exact)));
        back(out, aspect, earlier, of(now).map(Range::exact), now.capacity_lost, tolerance);
    }
}

/// How long it took until something was back: the line, if one of both sides has a number.
fn back(out: &mut Comparison, aspect: Aspect, before: Option<Range>, now: Option<Range>, capacity_lost: bool, tolerance: &Tolerance) {
    // What was always back and is not any more has no number, and is the worst that could be.
    let gone = now.is_none() && before.is_some() && (aspect != Aspect::Capacity || capacity_lost);
    let change = if gone { Change::Worse } else { tolerance.change(aspect, before, now) };
    if before.is_some() || now.is_some() {
        out.lines.push(Line { probe: None, phase: None, aspect, before, now, change });
    }
}

#[cfg(test)]
mod tests;
