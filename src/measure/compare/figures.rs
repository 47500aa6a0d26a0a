//! The key figures of a run: of each aspect the worst probe's. Enough for a table, a trend, and a comparison when nothing else is left.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Aspect, Comparison, Line, Range, Tolerance, back, p99};
use crate::model::{
    measurement::{Measurement, PhaseStats, ProbeMeasurement},
    state::StateFindings,
    steady_state::Phase,
};

/// The key figures of a run. What it has no number for is absent, never zero.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figures {
    /// Requests that count, of all probes, over the whole run.
    pub requests: Option<u64>,
    /// Of which failed.
    pub failures: Option<u64>,
    /// The lowest availability of a probe in the fault phase.
    pub availability: Option<Range>,
    /// The highest 99th percentile of latency of a probe in the fault phase, seconds.
    pub p99: Option<Range>,
    /// The longest outage of a probe over the whole run, seconds.
    pub longest_outage: Option<Range>,
    /// Sessions, or acknowledged writes, that were lost: of the probe that lost most.
    pub lost: Option<Range>,
    /// From the last undo until the steady state held again, seconds.
    pub recovery: Option<Range>,
    /// From the first effect until all capacity was back, seconds.
    pub capacity: Option<Range>,
    /// Whether capacity was lost: then, without a time, it never came back.
    #[serde(default)]
    pub capacity_lost: bool,
}

impl Figures {
    /// Those of a measurement.
    pub fn of(run: &Measurement) -> Self {
        let fault = || run.probes.iter().filter_map(|probe| probe.phases.iter().find(|stats| stats.phase == Phase::Fault));
        let probes = || run.probes.iter();
        let sum = |of: fn(&ProbeMeasurement) -> u64| (!run.probes.is_empty()).then(|| probes().map(of).sum());
        let availability = |phase: &PhaseStats| phase.stats.availability.map(|estimate| Range::share(&estimate));
        Self {
            requests: sum(|probe| probe.whole.requests),
            failures: sum(|probe| probe.whole.failed()),
            availability: fault().filter_map(availability).min_by(|a, b| a.value.total_cmp(&b.value)),
            p99: highest(fault().filter_map(|phase| p99(&phase.stats))),
            longest_outage: highest(probes().map(Range::longest_outage)),
            lost: highest(probes().filter_map(|probe| probe.state.as_ref().and_then(StateFindings::lost)).map(Range::lost)),
            recovery: run.recovered_after_s.map(Range::exact),
            capacity: run.capacity_back_after_s.map(Range::exact),
            capacity_lost: run.capacity_lost,
        }
    }

    /// That of an aspect.
    pub fn get(&self, aspect: Aspect) -> Option<Range> {
        match aspect {
            Aspect::Availability => self.availability,
            Aspect::P99 => self.p99,
            Aspect::LongestOutage => self.longest_outage,
            Aspect::Lost => self.lost,
            Aspect::Recovery => self.recovery,
            Aspect::Capacity => self.capacity,
        }
    }

    /// The place of an aspect, for who reads figures back.
    pub fn get_mut(&mut self, aspect: Aspect) -> &mut Option<Range> {
        match aspect {
            Aspect::Availability => &mut self.availability,
            Aspect::P99 => &mut self.p99,
            Aspect::LongestOutage => &mut self.longest_outage,
            Aspect::Lost => &mut self.lost,
            Aspect::Recovery => &mut self.recovery,
            Aspect::Capacity => &mut self.capacity,
        }
    }
}

fn highest(ranges: impl Iterator<Item = Range>) -> Option<Range> {
    ranges.max_by(|a, b| a.value.total_cmp(&b.value))
}

/// Holds the figures of a run against those of an earlier one. Coarser than [`super::compare`]: a probe that got worse while another one
/// stays the worst is not seen.
pub fn compare_figures(before: &Figures, now: &Figures, tolerance: &Tolerance) -> Comparison {
    let mut out = Comparison::default();
    for aspect in Aspect::ALL {
        let (earlier, here) = (before.get(aspect), now.get(aspect));
        match aspect {
            Aspect::Recovery | Aspect::Capacity => back(&mut out, aspect, earlier, here, now.capacity_lost, tolerance),
            _ if earlier.is_none() && here.is_none() => {}
            _ => {
                let phase = matches!(aspect, Aspect::Availability | Aspect::P99).then_some(Phase::Fault);
                let change = tolerance.change(aspect, earlier, here);
                out.lines.push(Line { probe: None, phase, aspect, before: earlier, now: here, change });
            }
        }
    }
    out
}
