//! A bucket of tokens: AWS counts calls in such buckets for each account, region and kind of call, and so do we, below its limits. A drill
//! that is throttled takes from everybody in the account, and its undo needs calls too.

use std::time::Duration;

use tokio::sync::Mutex;

use crate::{clock, model::time::Mono};

/// What is in it, and how fast it fills.
#[derive(Debug)]
pub(super) struct Bucket {
    most: f64,
    per_second: f64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// May be below zero: who waits has taken already, so that all wait in their order.
    tokens: f64,
    at: Mono,
}

impl Bucket {
    /// A full one.
    pub(super) fn new(most: u32, per_second: u32) -> Self {
        let state = Mutex::new(State { tokens: f64::from(most), at: clock::now() });
        Self { most: f64::from(most), per_second: f64::from(per_second), state }
    }

    /// Takes a token, and waits until there is one.
    pub(super) async fn take(&self) {
        let wait = self.debt(1.0).await;
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    /// Empties it: AWS says that it was too much.
    pub(super) async fn empty(&self) {
        let mut state = self.state.lock().await;
        self.fill(&mut state);
        state.tokens = state.tokens.min(0.0);
    }

    /// Takes, and says how long until it is paid for.
    async fn debt(&self, tokens: f64) -> Duration {
        let mut state = self.state.lock().await;
        self.fill(&mut state);
        state.tokens -= tokens;
        Duration::from_secs_f64((-state.tokens / self.per_second).max(0.0))
    }

    fn fill(&self, state: &mut State) {
        let now = clock::now();
        let more = now.since(state.at).as_secs_f64() * self.per_second;
        state.tokens = (state.tokens + more).min(self.most);
        state.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_above_the_burst_waits_in_its_order() {
        let bucket = Bucket::new(3, 10);
        for _ in 0..3 {
            assert_eq!(bucket.debt(1.0).await, Duration::ZERO);
        }
        let (first, second) = (bucket.debt(1.0).await, bucket.debt(1.0).await);
        assert!(first > Duration::from_millis(50) && first <= Duration::from_millis(100), "{first:?}");
        assert!(second > first);
        let bucket = Bucket::new(30, 10);
        bucket.empty().await;
        assert!(bucket.debt(1.0).await > Duration::from_millis(50));
    }
}
