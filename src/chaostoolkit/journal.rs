//! The journal of a run in Chaos Toolkit's own form: what its reports and other tools read. Secrets are in none of its texts.

use serde_json::{Value as Json, json};

use super::{
    model::{Experiment, Setting, SettingValue},
    run::Dry,
};
use crate::{
    clock,
    model::time::{Mono, Wall},
    redact,
};

/// What was done by one activity.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The activity, as the file has it.
    pub activity: Json,
    /// Its name.
    pub name: String,
    /// When it began.
    pub start: Wall,
    /// When it ended.
    pub end: Wall,
    /// How long that took, in seconds.
    pub duration: f64,
    /// Its result; nothing when it failed or was left out.
    pub output: Json,
    /// Why it failed.
    pub failed: Option<String>,
    /// Whether its result was within its tolerance: of a hypothesis only.
    pub tolerance_met: Option<bool>,
}

/// One check of the hypothesis.
#[derive(Debug, Clone)]
pub struct Check {
    /// When it was due, on the monotonic clock.
    pub at: Mono,
    /// Whether it was met.
    pub met: bool,
    /// Its probes, up to the first one that was not.
    pub probes: Vec<Entry>,
}

/// How a run ended, in the journal's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Status {
    Completed,
    Failed,
    Aborted,
    Interrupted,
}

/// The journal of one run.
#[derive(Debug)]
pub struct Journal {
    experiment: Json,
    begun: Mono,
    start: Wall,
    /// How it ended.
    pub status: Option<Status>,
    /// Whether the check after the method was not met.
    pub deviated: bool,
    /// The check before the method.
    pub before: Option<Check>,
    /// The checks during the method, in order.
    pub during: Vec<Check>,
    /// The check after the method.
    pub after: Option<Check>,
    /// What the method did.
    pub run: Vec<Entry>,
    /// What the rollbacks did.
    pub rollbacks: Vec<Entry>,
}

impl Check {
    /// The probe that was not met, with the reason in words.
    pub fn missed(&self) -> Option<(&str, String)> {
        let probe = self.probes.last().filter(|_| !self.met)?;
        let why = match &probe.failed {
            Some(why) => why.clone(),
            None => format!("its result {} is not within its tolerance", shortened(&probe.output)),
        };
        Some((&probe.name, why))
    }

    /// Whether a probe gave no result.
    pub fn failed(&self) -> bool {
        self.probes.iter().any(|probe| probe.failed.is_some())
    }

    /// With shorter texts in the results: there may be thousands of them.
    #[must_use]
    pub fn trimmed(mut self) -> Self {
        for probe in &mut self.probes {
            trim(&mut probe.output);
        }
        self
    }

    fn json(&self) -> Json {
        json!({ "steady_state_met": self.met, "probes": self.probes.iter().map(Entry::json).collect::<Vec<_>>() })
    }
}

/// The most characters of a text that a check during the method keeps.
const LONGEST: usize = 4096;

fn trim(value: &mut Json) {
    match value {
        Json::String(text) if text.chars().count() > LONGEST => {
            *text = text.chars().take(LONGEST).chain("… (shortened)".chars()).collect();
        }
        Json::Array(items) => items.iter_mut().for_each(trim),
        Json::Object(map) => map.values_mut().for_each(trim),
        _ => {}
    }
}

/// A value in a sentence.
fn shortened(value: &Json) -> String {
    let text = match (value.get("status"), value.get("stdout"), value.get("body")) {
        (Some(status), Some(_), _) => format!("exit status {status}"),
        (Some(status), _, Some(_)) => format!("status {status}"),
        _ => value.to_string(),
    };
    if text.chars().count() > 80 { format!("{}…", text.chars().take(79).collect::<String>()) } else { text }
}

impl Entry {
    fn json(&self) -> Json {
        let mut out = json!({
            "activity": self.activity,
            "start": stamp(self.start),
            "end": stamp(self.end),
            "duration": self.duration,
            "status": if self.failed.is_some() { "failed" } else { "succeeded" },
            "output": self.output,
        });
        if let Some(why) = &self.failed {
            out["exception"] = json!([format!("chaoslib.exceptions.ActivityFailed: {why}\n")]);
        }
        if let Some(met) = self.tolerance_met {
            out["tolerance_met"] = json!(met);
        }
        out
    }
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
            Self::Interrupted => "interrupted",
        }
    }
}

impl Journal {
    /// The journal of a run that begins now.
    pub fn begin(experiment: &Experiment, dry: Option<Dry>) -> Self {
        let mut document = experiment.document.clone();
        if let Some(secrets) = document.get_mut("secrets") {
            scrub(secrets, &experiment.secrets);
        }
        let dry = dry.map(|dry| match dry {
            Dry::Probes => "probes",
            Dry::Actions => "actions",
            Dry::Activities => "activities",
            Dry::Pause => "pause",
        });
        if let Json::Object(map) = &mut document {
            map.insert("dry".to_owned(), json!(dry));
        }
        Self {
            experiment: document,
            begun: clock::now(),
            start: clock::wall(),
            status: None,
            deviated: false,
            before: None,
            during: Vec::new(),
            after: None,
            run: Vec::new(),
            rollbacks: Vec::new(),
        }
    }

    /// All of it, at the end of the run.
    pub fn json(&self, title: &str) -> Json {
        let system = rustix::system::uname();
        let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
        let mut experiment = self.experiment.clone();
        if let Json::Object(map) = &mut experiment {
            map.insert("title".to_owned(), json!(title));
        }
        let checked = |check: &Option<Check>| check.as_ref().map_or(Json::Null, Check::json);
        redact::without(json!({
            // The form of the journal is that of this version; its readers compare it.
            "chaoslib-version": "1.44.0",
            "made-by": concat!("firedrill ", env!("CARGO_PKG_VERSION")),
            "platform": format!("{}-{}-{}", text(system.sysname()), text(system.release()), text(system.machine())),
            "node": text(system.nodename()),
            "experiment": experiment,
            "start": stamp(self.start),
            "status": self.status.unwrap_or(Status::Completed).word(),
            "deviated": self.deviated,
            "steady_states": {
                "before": checked(&self.before),
                "after": checked(&self.after),
                "during": self.during.iter().map(Check::json).collect::<Vec<_>>(),
            },
            "run": self.run.iter().map(Entry::json).collect::<Vec<_>>(),
            "rollbacks": self.rollbacks.iter().map(Entry::json).collect::<Vec<_>>(),
            "end": stamp(clock::wall()),
            "duration": clock::now().since(self.begun).as_secs_f64(),
        }))
    }
}

/// A moment as RFC 3339 in UTC.
fn stamp(at: Wall) -> String {
    let moment = jiff::Timestamp::from_nanosecond(at.0.into()).unwrap_or_default();
    moment.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00").to_string()
}

/// Secrets that stand in the file do not stand in the journal.
fn scrub(written: &mut Json, settings: &[Setting]) {
    let Json::Object(map) = written else { return };
    for setting in settings {
        match (&setting.value, map.get_mut(&setting.name)) {
            (SettingValue::Literal(_), Some(value)) => *value = json!(redact::HIDDEN),
            (SettingValue::Scope(inner), Some(value)) => scrub(value, inner),
            _ => {}
        }
    }
}
