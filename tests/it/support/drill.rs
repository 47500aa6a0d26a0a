//! A drill in virtual time on a scripted world: `Drill::on(world).file(YAML).run().await`.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};

use firedrill::{
    clock::Clock,
    engine::{
        halt::Halt,
        mitigated::Mitigated,
        run::{self, Request},
    },
    event::{Event, EventKind},
    file::{LoadOptions, Source, load_source},
    journal::Store,
    model::{
        environment::{Environment, PlatformSpec, Require},
        experiment::Experiment,
        ids::InstanceId,
        observation::{Observation, Observed},
        outcome::Outcome,
        plan::Plan,
        sample::SampleOutcome,
        verdict::Verdict,
    },
    platform::fake::{FakePlatform, Script, World},
};
use tokio::sync::mpsc;

use super::scripted_prober::{Answer, ScriptedProber};

/// A world with two `web` in each of three zones.
pub fn six() -> World {
    World::builder("scope").service("web", "here", &["a", "b", "c"], 2).build()
}

/// The usual beginning of an experiment: 100 requests a second, one in six of which goes to each `web`.
pub const HEAD: &str = "
title: a drill
seed: 3
probes:
  home: { http: 'http://127.0.0.1:1/', rate: 100/s }
warm-up: 1s
baseline: 4s
recovery: { hold: 4s, limit: 10s }
watch: 5s
";

/// One drill, to be run.
pub struct Drill {
    pub world: Arc<FakePlatform>,
    pub clock: Clock,
    experiment: Experiment,
    folder: tempfile::TempDir,
    prober: ScriptedProber,
    plan: Option<Plan>,
    run: String,
    mitigated: Mitigated,
}

/// What a drill came to.
pub struct Done {
    pub verdict: Verdict,
    pub outcome: Outcome,
    pub events: Vec<Event>,
    pub world: Arc<FakePlatform>,
    /// Kept until the test has looked.
    pub folder: tempfile::TempDir,
}

impl Drill {
    /// A drill on this world; its method and conditions follow.
    pub fn on(world: World) -> Self {
        let clock = Clock::start();
        Self::with(FakePlatform::new(world, clock), clock, tempfile::tempdir().unwrap())
    }

    /// A drill on a platform that other processes may see too; journals and locks are kept in `folder`.
    pub fn with(platform: FakePlatform, clock: Clock, folder: tempfile::TempDir) -> Self {
        let all: Vec<InstanceId> = platform.snapshot().unwrap().instances.keys().cloned().collect();
        let world = Arc::new(platform);
        let seen = Arc::clone(&world);
        // Each request goes to one of the first six, dead or not: no balancer looks after its users.
        let prober = ScriptedProber::new(clock, move |_, number| {
            let id = &all[number as usize % all.len()];
            let now = seen.snapshot().unwrap();
            match now.instances.get(id) {
                Some(instance) if instance.serving() => Answer::ok(id.as_str()),
                _ => Answer::failed(SampleOutcome::Refused),
            }
        });
        let experiment = lowered("steady-state: [{ probe: home, availability: '>= 50%' }]\nmethod: [{ wait: 1s }]");
        Self { world, clock, experiment, folder, prober, plan: None, run: "run-1".to_owned(), mitigated: Mitigated::default() }
    }

    /// The rest of the experiment's file, after [`HEAD`].
    pub fn file(mut self, rest: &str) -> Self {
        self.experiment = lowered(rest);
        self
    }

    /// Another answer to each request.
    pub fn answers(mut self, ask: impl Fn(&str, u32) -> Answer + Send + Sync + 'static) -> Self {
        self.prober = ScriptedProber::new(self.clock, ask);
        self
    }

    /// Sends every request so late.
    pub fn late(mut self, micros: u32) -> Self {
        self.prober.late_us = micros;
        self
    }

    /// Troubles of the platform.
    pub fn trouble(self, set: impl FnOnce(&mut Script)) -> Self {
        self.world.script(set);
        self
    }

    /// Keeps journals and locks where an earlier drill kept them.
    pub fn after(mut self, done: Done) -> Self {
        self.folder = done.folder;
        self.world = done.world;
        "run-2".clone_into(&mut self.run);
        self
    }

    pub fn plan(mut self, plan: Plan) -> Self {
        self.plan = Some(plan);
        self
    }

    pub fn experiment(&self) -> &Experiment {
        &self.experiment
    }

    fn place(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    /// With faults that stay until they are mitigated, for at most so long.
    pub fn until_mitigated(mut self, at_most: Duration) -> Self {
        self.experiment = self.experiment.until_mitigated(at_most);
        self
    }

    /// Runs it, with somebody who says at this moment of the run that it is mitigated.
    pub async fn mitigated_at(self, moment: u64) -> Done {
        let mitigated = self.mitigated.clone();
        let says = async {
            tokio::time::sleep(Duration::from_millis(moment)).await;
            mitigated.say("ana");
            mitigated.say("ben");
        };
        let halt = Halt::default();
        tokio::join!(self.run_with(&halt), says).0
    }

    /// Runs it to its end.
    pub async fn run(self) -> Done {
        self.run_with(&Halt::default()).await
    }

    /// Runs it, halted at these moments of the run.
    pub async fn halted_at(self, moments: &[u64]) -> Done {
        let halt = Halt::default();
        let calls = async {
            let begun = tokio::time::Instant::now();
            for moment in moments {
                tokio::time::sleep_until(begun + Duration::from_millis(*moment)).await;
                halt.call("test");
            }
        };
        tokio::join!(self.run_with(&halt), calls).0
    }

    /// Runs it, guarded by an alarm that rings at this moment of the run; `says` is told by who asks it, from a source.
    pub async fn rung_at(self, moment: u64, source: &str, says: &str) -> Done {
        self.world.guard_with("errors");
        let (world, clock) = (Arc::clone(&self.world), self.clock);
        let rings = async {
            tokio::time::sleep(Duration::from_millis(moment)).await;
            let what = Observed::Alarm { text: says.to_owned() };
            world.ring(&Observation { at: clock.now(), source: source.to_owned(), what });
        };
        let halt = Halt::default();
        tokio::join!(self.run_with(&halt), rings).0
    }

    pub async fn run_with(self, halt: &Halt) -> Done {
        let (sink, mut heard) = mpsc::unbounded_channel();
        let request = Request {
            experiment: self.experiment.clone(),
            run: self.run.as_str().into(),
            file: None,
            environment: Environment {
                name: "test".to_owned(),
                platform: PlatformSpec::Local { system: None },
                vars: std::collections::BTreeMap::new(),
                require: Require::default(),
                foreign: false,
                notify: Vec::new(),
            },
            plan: self.plan.clone(),
            seed: 3,
            folder: self.place("run"),
            store: Store::at(self.place("journals")),
            locks: self.place("locks"),
            mitigated: self.mitigated.clone(),
            // In virtual time, in this very process: there is nobody who could hang or be gone.
            deadman: None,
        };
        let finished = Box::pin(run::run(request, self.world.as_ref(), &self.prober, halt, self.clock, sink)).await;
        let mut events = Vec::new();
        while let Ok(event) = heard.try_recv() {
            events.push(event);
        }
        Done { verdict: finished.verdict, outcome: finished.outcome, events, world: self.world, folder: self.folder }
    }
}

fn lowered(rest: &str) -> Experiment {
    let source = Source::new("drill.yaml", format!("{HEAD}{rest}"));
    load_source(&source, None, &LoadOptions::default()).unwrap_or_else(|e| panic!("{}", e.text(false))).experiment
}

impl Done {
    /// The verdict, with everything that explains another one.
    pub fn expect(self, verdict: Verdict) -> Self {
        assert_eq!(self.verdict, verdict, "{:#?}\n{:#?}", self.outcome, self.words());
        self
    }

    /// The world serves as before: the same services and zones, nothing suspended, nothing marked.
    pub fn restored(self) -> Self {
        let world = self.world.snapshot().unwrap();
        let serving = world.instances.values().filter(|i| i.serving()).count();
        assert_eq!(serving, world.desired.values().sum::<u32>() as usize, "{:#?}", self.words());
        assert!(world.suspended.is_empty(), "{:?}", world.suspended);
        assert!(world.marks.values().all(BTreeSet::is_empty), "{:?}", world.marks);
        self
    }

    /// Nothing was ever done to the world.
    pub fn untouched(self) -> Self {
        assert!(self.world.snapshot().unwrap().done.is_empty(), "{:#?}", self.words());
        assert!(!self.events.iter().any(|e| matches!(e.kind, EventKind::Armed { .. })), "{:#?}", self.words());
        self.restored()
    }

    /// The journals that are not put away.
    pub fn open_journals(&self) -> usize {
        Store::at(self.folder.path().join("journals")).unfinished().unwrap().len()
    }

    /// What happened, a word or two an event.
    pub fn words(&self) -> Vec<String> {
        let start = self.events.first().map_or(0, |e| e.at.0);
        let kind = |event: &Event| match &event.kind {
            EventKind::PhaseStarted { phase } => Some(format!("phase {phase}")),
            EventKind::Armed { act, .. } => Some(format!("arm {} {}", act.fault.kind(), act.target.says())),
            EventKind::Acted { effect } => Some(format!("acted {} {}", effect.act, effect.status.word())),
            EventKind::Reverted { act, .. } => Some(format!("reverted {act}")),
            EventKind::NothingToUndo { act, .. } => Some(format!("nothing {act}")),
            EventKind::Stuck { act, .. } => Some(format!("stuck {act}")),
            EventKind::Warning { text } => Some(format!("warning {text}")),
            EventKind::Halting { by } => Some(format!("halting {by}")),
            EventKind::RunEnded { verdict, .. } => Some(format!("ended {verdict}")),
            _ => None,
        };
        let at = |event: &Event| (event.at.0.saturating_sub(start)) / 1_000_000;
        self.events.iter().filter_map(|e| Some(format!("{:>6} {}", at(e), kind(e)?))).collect()
    }

    /// The milliseconds since the start at which the first event with these words came.
    pub fn at(&self, words: &str) -> u64 {
        let line = self.words().into_iter().find(|line| line.contains(words));
        let line = line.unwrap_or_else(|| panic!("no `{words}` in {:#?}", self.words()));
        line.trim_start().split(' ').next().unwrap().parse().unwrap()
    }
}
