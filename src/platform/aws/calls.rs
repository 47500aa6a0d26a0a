//! The one way to AWS: every call of every service goes through [`Calls::call`], which waits for its turn, sets the deadline, tries again
//! where that is safe, and counts.
//!
//! * A **read** is tried again after anything that passes.
//! * A **write** that comes to the same however often it is done (terminate, stop, tags) is tried again, too.
//! * A write that would count twice is tried again only when AWS says that it did nothing (throttled). Anything else goes back to who asked,
//!   who reads the state: a lost answer is the dangerous one.

use std::{
    collections::BTreeMap,
    error::Error as StdError,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use rand::{TryRng, rngs::SysRng};

use super::{
    bucket::Bucket,
    trouble::{self, Trouble},
};
use crate::{clock, failpoint};

/// How long one try may take.
pub(super) const TRY_LIMIT: Duration = Duration::from_secs(15);
/// How long a call may take with all its tries.
pub(super) const LIMIT: Duration = Duration::from_secs(45);
/// The longest pause before the second try; doubled for each further one, up to `LONGEST_PAUSE`. Each pause is drawn between nothing and that.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What may be done again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing is changed.
    Read,
    /// Twice is as good as once.
    Write,
    /// Twice is once too often.
    WriteOnce,
}

/// A call as a policy names it, and its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Action {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
}

impl Action {
    pub(super) const fn read(name: &'static str) -> Self {
        Self { name, kind: Kind::Read }
    }

    pub(super) const fn write(name: &'static str) -> Self {
        Self { name, kind: Kind::Write }
    }

    /// The same asked with `DryRun`: whether it would be permitted. Nothing is done.
    pub(super) const fn dry(self) -> Self {
        Self { name: self.name, kind: Kind::Read }
    }

    pub(super) const fn write_once(name: &'static str) -> Self {
        Self { name, kind: Kind::WriteOnce }
    }
}

/// How often an action was called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Requests that were sent, with the repeated ones.
    pub requests: u64,
    /// Those that AWS throttled.
    pub throttled: u64,
    /// Those that failed otherwise, or were not answered.
    pub failed: u64,
}

/// The calls to one region, or to a service that is one for all.
#[derive(Debug)]
pub(super) struct Calls {
    region: String,
    reads: Bucket,
    writes: Bucket,
    counts: Mutex<BTreeMap<&'static str, Count>>,
}

impl Calls {
    /// Limits well below what an account has in a region: 20 reads and 5 writes a second are refilled there, for all its users.
    pub(super) fn new(region: &str) -> Self {
        Self { region: region.to_owned(), reads: Bucket::new(40, 10), writes: Bucket::new(30, 4), counts: Mutex::default() }
    }

    /// Of alarms, which `CloudWatch` answers 9 times a second in a region for all users of an account, apart from what EC2 is asked.
    pub(super) fn guard(region: &str) -> Self {
        Self { region: region.to_owned(), reads: Bucket::new(6, 4), writes: Bucket::new(1, 1), counts: Mutex::default() }
    }

    /// Of Route 53, which answers five requests a second of an account, whoever asks.
    pub(super) fn slow(service: &str) -> Self {
        Self { region: service.to_owned(), reads: Bucket::new(4, 2), writes: Bucket::new(4, 2), counts: Mutex::default() }
    }

    /// How often each action was called.
    pub(super) fn counts(&self) -> BTreeMap<&'static str, Count> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Calls, as often as it is safe and the limit allows. `send` begins one try.
    pub(super) async fn call<T, E, F>(&self, action: Action, send: impl Fn() -> F + Send + Sync) -> Result<T, Trouble>
    where
        F: Future<Output = Result<T, SdkError<E>>> + Send,
        T: Send,
        E: Send + Sync + StdError + ProvideErrorMetadata + 'static,
    {
        self.call_within(LIMIT, action, send).await
    }

    /// The same within another limit.
    pub(super) async fn call_within<T, E, F>(
        &self,
        limit: Duration,
        action: Action,
        send: impl Fn() -> F + Send + Sync,
    ) -> Result<T, Trouble>
    where
        F: Future<Output = Result<T, SdkError<E>>> + Send,
        T: Send,
        E: Send + Sync + StdError + ProvideErrorMetadata + 'static,
    {
        let give_up = clock::now().plus(limit);
        let mut pause = FIRST_PAUSE;
        loop {
            // In a box: a call of the SDK is ten kilobytes of future, and hundreds of acts are prepared at once that each may come to make one.
            let trouble = match self.once(action, Box::pin(send())).await {
                Ok(answer) => return Ok(answer),
                Err(trouble) => trouble,
            };
            let again = match action.kind {
                Kind::Read | Kind::Write => trouble.passes(),
                Kind::WriteOnce => matches!(trouble, Trouble::Throttled(_) | Trouble::Unreachable(_)),
            };
            let wait = drawn(pause);
            if !again || clock::now().plus(wait) >= give_up {
                return Err(trouble);
            }
            tracing::debug!(action = action.name, region = self.region, %trouble, ?wait, "again");
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn once<T, E>(&self, action: Action, sent: impl Future<Output = Result<T, SdkError<E>>> + Send) -> Result<T, Trouble>
    where
        T: Send,
        E: Send + Sync + StdError + ProvideErrorMetadata + 'static,
    {
        let bucket = if action.kind == Kind::Read { &self.reads } else { &self.writes };
        bucket.take().await;
        let fail = if action.kind == Kind::Read { None } else { failpoint::visit("aws") };
        failpoint::crash(fail, failpoint::Fail::Before);
        let asked = clock::now();
        let sent = tokio::time::timeout(TRY_LIMIT, sent).await;
        failpoint::crash(fail, failpoint::Fail::After);
        let answer = match sent {
            Ok(Ok(_)) if fail == Some(failpoint::Fail::Lost) => {
                Err(Trouble::Lost(format!("{}: the answer is lost, as a test asks", action.name)))
            }
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(trouble::read(action.name, &self.region, &error)),
            Err(_) => Err(Trouble::Lost(format!("{} in {} was not answered within {TRY_LIMIT:?}", action.name, self.region))),
        };
        let took = clock::now().since(asked);
        tracing::debug!(action = action.name, region = self.region, ?took, ok = answer.is_ok(), "AWS call");
        self.count(action.name, answer.as_ref().err());
        if matches!(answer, Err(Trouble::Throttled(_))) {
            bucket.empty().await;
        }
        answer
    }

    fn count(&self, action: &'static str, trouble: Option<&Trouble>) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(action).or_default();
        count.requests += 1;
        match trouble {
            None => {}
            Some(Trouble::Throttled(_)) => count.throttled += 1,
            Some(_) => count.failed += 1,
        }
    }
}

/// A pause between nothing and `most`, so that those who were refused together do not come back together.
fn drawn(most: Duration) -> Duration {
    let share = SysRng.try_next_u64().map_or(0.5, |n| n as f64 / u64::MAX as f64);
    most.mul_f64(share)
}
