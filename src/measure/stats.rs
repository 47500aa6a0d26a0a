//! Requests, failures and latency of some set of samples.

use std::collections::BTreeMap;

use super::{latency::Latencies, rates::Blocks};
use crate::model::{
    measurement::Stats,
    sample::{Sample, SampleOutcome},
};

/// Collects one set of samples, in due order.
#[derive(Debug, Clone, Default)]
pub struct Collector {
    requests: u64,
    ok: u64,
    ok_slow: u64,
    failures: BTreeMap<SampleOutcome, u64>,
    statuses: BTreeMap<u16, u64>,
    late: u64,
    /// Ok, or ok when a client retries once on a closed reused connection.
    retried_ok: u64,
    latencies: Latencies,
    blocks: Blocks,
}

impl Collector {
    /// Counts a sample; a late one counts only as late.
    pub fn push(&mut self, sample: &Sample) {
        if sample.late() {
            self.late += 1;
            return;
        }
        let ok = sample.outcome.is_ok();
        self.requests += 1;
        self.ok += u64::from(ok);
        self.ok_slow += u64::from(sample.outcome == SampleOutcome::OkSlow);
        self.retried_ok += u64::from(ok || sample.retried.is_some_and(SampleOutcome::is_ok));
        self.blocks.push(sample.due_ns, ok);
        if ok {
            self.latencies.record(sample.done_us);
        } else {
            *self.failures.entry(sample.outcome).or_default() += 1;
            if sample.outcome == SampleOutcome::Status {
                *self.statuses.entry(sample.status).or_default() += 1;
            }
        }
    }

    /// The numbers.
    pub fn stats(self, seed: u64) -> Stats {
        Stats {
            requests: self.requests,
            ok: self.ok,
            ok_slow: self.ok_slow,
            availability: self.blocks.estimate(seed),
            latency: self.latencies.latency(),
            retrying_client: (self.requests > 0).then(|| self.retried_ok as f64 / self.requests as f64),
            failures: self.failures,
            statuses: self.statuses,
            late: self.late,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{measure::support::sample, model::sample::LATE_US};

    #[test]
    fn late_samples_are_in_no_number_but_late() {
        let mut collector = Collector::default();
        let mut late = sample(0, 0, false);
        late.sent_us = LATE_US + 1;
        collector.push(&late);
        collector.push(&sample(1, 1, true));
        let stats = collector.stats(1);
        assert_eq!((stats.requests, stats.ok, stats.late, stats.failed()), (1, 1, 1, 0));
    }

    #[test]
    fn a_retrying_client_sees_what_its_retry_gave() {
        let mut collector = Collector::default();
        for (outcome, retried) in
            [(SampleOutcome::EofReused, Some(SampleOutcome::Ok)), (SampleOutcome::EofReused, Some(SampleOutcome::Refused))]
        {
            collector.push(&Sample { outcome, retried, ..sample(0, 0, false) });
        }
        let stats = collector.stats(1);
        assert!(stats.availability.unwrap().value.abs() < 1e-12);
        assert_eq!(stats.retrying_client, Some(0.5));
        assert_eq!(stats.failures[&SampleOutcome::EofReused], 2);
    }

    proptest! {
        #[test]
        fn availability_is_the_ratio_of_what_the_samples_say(outcomes in prop::collection::vec((0_u8..21, 0_u32..20_000), 1..300)) {
            let mut collector = Collector::default();
            let (mut n, mut ok) = (0_u64, 0_u64);
            for (k, (number, sent_us)) in outcomes.iter().enumerate() {
                let outcome = SampleOutcome::from_number(*number).unwrap();
                let sample = Sample { outcome, sent_us: *sent_us, ..sample(k as u32, k as u64 * 1_000_000, true) };
                collector.push(&sample);
                if outcome == SampleOutcome::NotSent || *sent_us <= LATE_US {
                    n += 1;
                    ok += u64::from(outcome.is_ok());
                }
            }
            let stats = collector.stats(3);
            prop_assert_eq!(stats.requests + stats.late, outcomes.len() as u64);
            prop_assert_eq!(stats.failures.values().sum::<u64>(), stats.failed());
            let value = stats.availability.map(|estimate| estimate.value);
            prop_assert_eq!(value, (n > 0).then(|| ok as f64 / n as f64));
        }
    }
}
