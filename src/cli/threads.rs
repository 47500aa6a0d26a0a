//! How many threads a verb gets for what it waits for. What time depends on, the pacing of probes and the writing of reports, has threads of its
//! own in any case.

use std::future::Future;

use super::say;
use crate::model::{
    environment::{Environment, PlatformSpec},
    verdict::Verdict,
};

/// Who works beside the verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Threads {
    /// Two workers: who watches processes or containers sees an end when it comes, whatever the verb is at.
    Workers,
    /// Nobody. Where everything that is seen is asked for every few seconds, another thread sees nothing earlier; and each answer would wake a
    /// worker, which wakes the verb.
    Alone,
}

impl Threads {
    /// Those for drills in these environments, one after another.
    pub(super) fn of<'e>(environments: impl IntoIterator<Item = &'e Environment>) -> Self {
        let asked = |environment: &Environment| matches!(environment.platform, PlatformSpec::Aws(_));
        let mut environments = environments.into_iter().peekable();
        if environments.peek().is_some() && environments.all(asked) { Self::Alone } else { Self::Workers }
    }

    /// Runs a verb to its end. Gives the exit code.
    pub(super) fn run(self, verb: impl Future<Output = u8>) -> u8 {
        let mut builder = match self {
            Self::Workers => tokio::runtime::Builder::new_multi_thread(),
            Self::Alone => tokio::runtime::Builder::new_current_thread(),
        };
        match builder.worker_threads(2).enable_all().build() {
            Ok(runtime) => runtime.block_on(verb),
            Err(error) => {
                say::problem(format!("the runtime cannot be started: {error}"));
                Verdict::Error.exit_code()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::environment::Require;

    #[test]
    fn only_where_everything_is_asked_for_is_a_verb_alone() {
        let of = |platform| Environment {
            name: "here".to_owned(),
            platform,
            vars: BTreeMap::new(),
            require: Require::default(),
            foreign: false,
            notify: Vec::new(),
        };
        let aws = || of(PlatformSpec::Aws(Box::default()));
        let local = || of(PlatformSpec::Local { system: None });
        assert_eq!(Threads::of([&aws(), &aws()]), Threads::Alone);
        assert_eq!(Threads::of([&aws(), &local()]), Threads::Workers);
        assert_eq!(Threads::of([]), Threads::Workers);
        assert_eq!([Threads::Alone, Threads::Workers].map(|threads| threads.run(async { 7 })), [7, 7]);
    }
}
