//! When the steady state held again: the earliest moment after the last undo from which on it held for its hold time, by the same
//! rules that the live view applies, replayed over the complete record.

use std::iter::Peekable;

use super::{live::Live, phase::Phases, run::Input, sliding::BUCKET_NS, source::SampleSource};
use crate::model::{measurement::ProbeMeasurement, sample::Sample, steady_state::Phase, time::nanos};

/// The run may end as soon as the live view saw the hold time pass, up to two buckets before the record's own grid does.
const GRID_SLACK: u64 = 2;

/// Seconds from the last undo (without one: from the end of the fault phase) until the steady state held again.
pub fn recovered_after_s(input: &Input<'_>, phases: &Phases, probes: &[ProbeMeasurement], source: &dyn SampleSource) -> Option<f64> {
    let undo_ns = match input.last_undo {
        Some(undo) => undo.0.saturating_sub(input.origin.0),
        None => phases.span(Phase::Fault)?.1,
    };
    phases.span(Phase::Recovery)?;
    let hold = (nanos(input.experiment.recovery.hold) / BUCKET_NS).saturating_sub(GRID_SLACK).max(1);
    let first = undo_ns / BUCKET_NS;
    let steady_ns = first_steady(input, source, first, hold, phases.end() / BUCKET_NS)?;
    // A window of the hold time may tolerate the last failures of an outage: then it held from that outage's end on.
    let mut at_s = steady_ns.max(undo_ns) as f64 / 1e9;
    for outage in probes.iter().flat_map(|probe| &probe.outages).filter(|o| o.failures > 1) {
        if outage.first_failure_s <= at_s && at_s < outage.first_failure_s + outage.duration_s {
            at_s = outage.until_s?;
        }
    }
    Some(at_s - undo_ns as f64 / 1e9)
}

/// The begin of the first stretch of `hold` buckets from bucket `first` on that holds, in nanoseconds.
fn first_steady(input: &Input<'_>, source: &dyn SampleSource, first: u64, hold: u64, end: u64) -> Option<u64> {
    let mut live = Live::new(input.experiment, input.origin);
    let mut probes: Vec<Peekable<Box<dyn Iterator<Item = Sample> + '_>>> = (0..input.experiment.probes.len())
        .map(|place| {
            let all = source.samples(place as u16).flatten();
            let later: Box<dyn Iterator<Item = Sample> + '_> = Box::new(all.skip_while(move |s| s.due_ns < first * BUCKET_NS));
            later.peekable()
        })
        .collect();
    for boundary in first + 1..=end {
        for probe in &mut probes {
            while let Some(sample) = probe.next_if(|sample| sample.due_ns < boundary * BUCKET_NS) {
                live.push(&sample);
            }
        }
        if boundary >= first + hold && live.steady_over(boundary - hold, boundary) {
            return Some((boundary - hold) * BUCKET_NS);
        }
    }
    None
}
