//! One deadline over each call, whatever the steps inside it come to. Each step has a limit of its own, so this one is met only when
//! those fail; then what is not known is said, and the engine undoes what may have been done.

use std::{future::Future, time::Duration};

use super::deed::effect;
use crate::{
    clock,
    model::{
        act::{Effect, EffectStatus, Prepared},
        fault::Fault,
        quantity::show_duration,
    },
};

/// The deadlines of one platform's calls.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadlines {
    /// Of an injection, beyond the time that the longest of its acts was given by the file: the answers of the supervisor (10 s each
    /// at most), deaths (5 s) and their being seen.
    pub inject: Duration,
    /// Of a verification.
    pub verify: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { inject: Duration::from_mins(1), verify: Duration::from_secs(40) }
    }
}

impl Deadlines {
    /// Does acts; those of a call that does not come to an end may or may not have happened.
    pub(super) async fn inject(self, acts: &[Prepared], work: impl Future<Output = Vec<Effect>>) -> Vec<Effect> {
        let limit = self.inject + acts.iter().map(|prepared| given(&prepared.act.fault)).max().unwrap_or_default();
        let requested = clock::now();
        tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
            let why = format!("it was not done within {}: it may or may not have happened", show_duration(limit));
            acts.iter().map(|act| effect(act, requested, EffectStatus::Unknown { why: why.clone() })).collect()
        })
    }

    /// Looks at effects; those of a look that does not come to an end are not known to have happened.
    pub(super) async fn verify(self, effects: Vec<Effect>, look: impl Future<Output = Vec<Effect>>) -> Vec<Effect> {
        tokio::time::timeout(self.verify, look).await.unwrap_or_else(|_| {
            let why = format!("whether it happened could not be seen within {}", show_duration(self.verify));
            let unseen = |mut effect: Effect| {
                if effect.status.happened() {
                    effect.status = EffectStatus::Unknown { why: why.clone() };
                }
                effect
            };
            effects.into_iter().map(unseen).collect()
        })
    }
}

/// The time that the file gives an act.
fn given(fault: &Fault) -> Duration {
    match fault {
        Fault::Stop { grace } | Fault::Restart { grace } => *grace,
        Fault::Run { timeout, .. } => *timeout,
        _ => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
        net::UnixListener,
    };

    use super::*;
    use crate::{
        model::{
            act::{Act, Group, Target},
            ids::ActId,
        },
        platform::{
            Platform,
            local::{
                LocalPlatform,
                client::Client,
                control::{Answer, Request, Status},
            },
        },
    };

    /// A supervisor of nothing: tells how it is once, notes acts, and is silent about anything else for ever.
    async fn supervise(listener: UnixListener) {
        let mut kept = Vec::new();
        let mut answers = 0;
        loop {
            let mut stream = BufReader::new(listener.accept().await.unwrap().0);
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            let answer = match serde_json::from_str(&line).unwrap() {
                Request::Status if answers == 0 => Answer::Status(Box::new(Status {
                    name: "x".to_owned(),
                    scope: "x".to_owned(),
                    supervisor: 1,
                    mark: "x".to_owned(),
                    ready: true,
                    containment: "keeper".to_owned(),
                    instances: Vec::new(),
                    desired: std::collections::BTreeMap::new(),
                    suspended: std::collections::BTreeMap::new(),
                })),
                Request::Mark { .. } => Answer::Done { says: "noted".to_owned() },
                _ => {
                    kept.push(stream);
                    continue;
                }
            };
            answers += 1;
            let mut text = serde_json::to_vec(&answer).unwrap();
            text.push(b'\n');
            stream.write_all(&text).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_call_that_does_not_end_says_that_it_is_not_known() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("x.sock");
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(supervise(UnixListener::bind(&socket).unwrap()));
        let mut platform = LocalPlatform::new(Some(Client::new(socket)), None, Vec::new(), None);
        platform.deadlines = Deadlines { inject: Duration::from_millis(200), verify: Duration::from_millis(100) };
        let act = Act { id: ActId { step: 1, act: 1 }, fault: Fault::SuspendReplacement, target: Target::Group(Group::default()) };
        let undo = platform.prepare(&act).await.unwrap();
        let acts = [Prepared { act, undo }];

        let effects = platform.inject(&acts).await;
        let words = "it was not done within 200 ms: it may or may not have happened";
        assert_eq!(effects[0].status, EffectStatus::Unknown { why: words.to_owned() });
        assert!(effects[0].status.may_have_acted(), "so that it is undone");

        let mut done = effects;
        done[0].status = EffectStatus::Happened;
        let seen = platform.verify(&acts, done).await;
        let words = "whether it happened could not be seen within 100 ms";
        assert_eq!(seen[0].status, EffectStatus::Unknown { why: words.to_owned() });
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_file_gives_an_act_is_added() {
        let act = Act { id: ActId { step: 1, act: 1 }, fault: Fault::Stop { grace: Duration::from_mins(5) }, target: Target::Command };
        let acts = [Prepared { act, undo: crate::model::undo::Undo::Nothing { why: "x".to_owned() } }];
        let long = async {
            tokio::time::sleep(Duration::from_secs(305)).await;
            Vec::new()
        };
        assert_eq!(Deadlines::default().inject(&acts, long).await, Vec::new(), "its grace is no lateness");
        let for_ever = Deadlines::default().inject(&acts, std::future::pending()).await;
        let words = "it was not done within 6m 0s: it may or may not have happened";
        assert_eq!(for_ever[0].status, EffectStatus::Unknown { why: words.to_owned() });
    }
}
