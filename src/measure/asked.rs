//! Guards that are asked beside the measurement: answers to the moment at which the run must end. Pure.

use super::words;
use crate::model::{
    guardrail::Asked,
    sample::{Sample, SampleOutcome},
    time::nanos,
};

/// One guard, and what it has said lately.
#[derive(Debug)]
pub struct AskedView {
    guard: Asked,
    /// When it began to be bad, without a break: the due time of that question.
    bad_since: Option<u64>,
    /// Questions in a row without an answer.
    unanswered: u32,
}

impl AskedView {
    /// A guard that has not been asked yet.
    pub fn new(guard: &Asked) -> Self {
        Self { guard: guard.clone(), bad_since: None, unanswered: 0 }
    }

    /// An answer. `Some` says why the run must end, as a person reads it.
    pub fn push(&mut self, answer: &Sample) -> Option<String> {
        match answer.outcome {
            outcome if outcome.is_ok() => {
                self.bad_since = None;
                self.unanswered = 0;
                None
            }
            SampleOutcome::Expectation => {
                self.unanswered = 0;
                let since = *self.bad_since.get_or_insert(answer.due_ns);
                (answer.due_ns.saturating_sub(since) >= nanos(self.guard.held_for)).then(|| self.guard.to_string())
            }
            // It may be bad, or not: the time that it was bad before neither ends nor grows.
            nothing => {
                self.unanswered += 1;
                (self.unanswered >= self.guard.misses).then(|| words::unanswered(&self.guard, self.unanswered, nothing))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        measure::support::sample,
        model::{guardrail::Ask, probe::CommandProbe},
    };

    fn guard(held_for: u64) -> AskedView {
        let what = Ask::Command(CommandProbe { command: vec!["well".to_owned()], status: vec![] });
        let (every, timeout) = (Duration::from_secs(1), Duration::from_secs(1));
        AskedView::new(&Asked { what, every, timeout, held_for: Duration::from_secs(held_for), misses: 3 })
    }

    /// The number of the answer that ends the run, and why; `.` is well, `x` is bad, `?` is no answer.
    fn ends(mut guard: AskedView, answers: &str) -> Option<(usize, String)> {
        answers.chars().enumerate().find_map(|(n, what)| {
            let mut answer = sample(n as u32, n as u64 * 1_000_000_000, what == '.');
            match what {
                'x' => answer.outcome = SampleOutcome::Expectation,
                '?' => answer.outcome = SampleOutcome::Refused,
                _ => {}
            }
            Some((n, guard.push(&answer)?))
        })
    }

    #[test]
    fn bad_without_a_break_for_its_time_ends_the_run() {
        assert_eq!(ends(guard(0), "..x"), Some((2, "`well` fails".to_owned())));
        assert_eq!(ends(guard(3), ".xxx.xx.xxx."), None);
        assert_eq!(ends(guard(3), ".xxx.xxxx"), Some((8, "`well` fails for 3 s".to_owned())));
    }

    #[test]
    fn a_guard_that_does_not_answer_is_bad_after_so_many_times_in_a_row() {
        assert_eq!(ends(guard(0), "??.??.??"), None);
        let (n, why) = ends(guard(0), ".???").unwrap();
        assert!(n == 3 && why.contains("no answer 3 times in a row (refused)"), "{n} {why}");
        assert_eq!(ends(guard(3), "xx?xx").map(|(n, _)| n), Some(3), "no answer is no break");
    }
}
