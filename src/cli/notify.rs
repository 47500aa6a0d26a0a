//! Who is told about a run (`notify:` of `firedrill.yaml`), from its beginning to its end; and `firedrill notify test`.

use std::{path::Path, sync::Arc, time::Duration};

use clap::{Args, Subcommand};

use super::{
    args::Place,
    loading::{self, Purpose},
    say,
};
use crate::{
    clock,
    model::{
        environment::Environment,
        experiment::Experiment,
        notify::{Message, Notification, Occasion},
        outcome::{Ended, Outcome, Shown},
        quantity::plural,
        verdict::Verdict,
    },
    notify::Notifier,
    report::{
        Reporter, RunRecord,
        notices::{Notices, message},
        words,
    },
};

/// How long a run that is over waits for the receivers of its messages.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long a person waits who tries them.
const TEST: Duration = Duration::from_secs(70);

/// `firedrill notify`.
#[derive(Debug, Subcommand)]
pub enum NotifyVerb {
    /// Send a test message to everybody whom firedrill.yaml names for an environment, and say who took it.
    Test(TestArgs),
}

/// `firedrill notify test`.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// Of which environment.
    #[command(flatten)]
    pub place: Place,
}

/// Those who are told about a run.
pub struct Telling(Arc<Notifier>);

impl Telling {
    /// Gets ready to tell them.
    pub fn start(notifications: &[Notification]) -> Self {
        Self(Arc::new(Notifier::start(notifications)))
    }

    /// What turns a run's events into messages; none when nobody is told.
    pub fn reporter(&self, folder: &Path) -> Option<Box<dyn Reporter>> {
        (!self.0.is_empty()).then(|| Box::new(Notices::new(Arc::clone(&self.0), folder, &host())) as Box<dyn Reporter>)
    }

    /// The run is over: waits a little, and says what did not arrive.
    pub async fn finish(self) {
        self.waited(PATIENCE).await;
    }

    async fn waited(self, patience: Duration) -> usize {
        if self.0.is_empty() {
            return 0;
        }
        let failures = tokio::task::spawn_blocking(move || self.0.finish(patience)).await.unwrap_or_default();
        failures.iter().for_each(say::problem);
        failures.len()
    }
}

/// Tells of a run that did not get as far as a run folder: an engine that is not there, hours that do not allow it.
pub async fn not_begun(environment: &Environment, experiment: &Experiment, why: &str) {
    let telling = Telling::start(&environment.notify);
    let record = RunRecord {
        environment: Some(environment.name.clone()),
        experiment: Some(Box::new(experiment.clone())),
        outcome: Some(Outcome {
            ended: Ended::NotStarted { why: why.to_owned() },
            shown: Shown::Untold { why: Vec::new() },
            residue: Vec::new(),
        }),
        last: Some((clock::now(), clock::wall())),
        ..RunRecord::default()
    };
    telling.0.tell(Occasion::Verdict, Some(Verdict::NotStarted), message(Occasion::Verdict, &record, "", &host()));
    telling.finish().await;
}

/// The verb.
pub async fn notify(verb: NotifyVerb) -> u8 {
    let NotifyVerb::Test(args) = verb;
    let environment = loading::environment(&args.place, None).and_then(|environment| loading::told(environment, Purpose::Run));
    let environment = match environment {
        Ok(environment) => environment,
        Err(diagnostics) => {
            say::err(&diagnostics.text(say::colour_on_stderr()));
            return Verdict::Invalid.exit_code();
        }
    };
    let name = words::visible(&environment.name).into_owned();
    if environment.notify.is_empty() {
        say::problem(format!("nobody is told about runs in {name}: firedrill.yaml has no `notify:` for it"));
        return Verdict::Invalid.exit_code();
    }
    let telling = Telling::start(&environment.notify);
    let receivers: Vec<String> = telling.0.receivers().map(|(place, host)| format!("{place} ({})", words::visible(host))).collect();
    telling.0.announce(test_message(&name));
    let failed = telling.waited(TEST).await;
    let all = receivers.len();
    say::out(&format!("{} of {} taken: {}\n", all - failed, plural(all, "message"), receivers.join(", ")));
    if failed == 0 { 0 } else { Verdict::Error.exit_code() }
}

fn test_message(environment: &str) -> Message {
    Message {
        event: "test".to_owned(),
        summary: format!("A test message of firedrill for {environment}: nothing happens"),
        details: format!("Somebody ran `firedrill notify test` on {}. No drill runs because of it.", words::visible(&host())),
        environment: environment.to_owned(),
        host: words::visible(&host()).into_owned(),
        at: words::wall(clock::wall()),
        ..Message::default()
    }
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
