//! A prober in virtual time: what each request comes to is decided by a closure over the scripted world.

use std::sync::{Arc, Mutex};

use firedrill::{
    clock::Clock,
    measure::source::InMemory,
    model::{
        probe::ProbeSpec,
        sample::{NEVER, NameIndex, Policy, Sample, SampleOutcome},
        time::Mono,
    },
    probe::{Launch, LaunchError, Prober, Recorded, RunningProber},
};

/// What a request comes to.
#[derive(Debug, Clone)]
pub struct Answer {
    pub outcome: SampleOutcome,
    pub latency_us: u32,
    pub backend: Option<String>,
}

impl Answer {
    pub fn ok(backend: &str) -> Self {
        Self { outcome: SampleOutcome::Ok, latency_us: 2_000, backend: Some(backend.to_owned()) }
    }

    pub fn failed(outcome: SampleOutcome) -> Self {
        Self { outcome, latency_us: 1_000, backend: None }
    }
}

type Ask = dyn Fn(&str, u32) -> Answer + Send + Sync;

/// Starts scripted probes.
pub struct ScriptedProber {
    clock: Clock,
    ask: Arc<Ask>,
    /// Sent so late, for tests of a prober that was starved.
    pub late_us: u32,
}

impl ScriptedProber {
    pub fn new(clock: Clock, ask: impl Fn(&str, u32) -> Answer + Send + Sync + 'static) -> Self {
        Self { clock, ask: Arc::new(ask), late_us: 0 }
    }
}

impl Prober for ScriptedProber {
    fn launch(&self, launch: Launch) -> Result<Box<dyn RunningProber>, LaunchError> {
        let count = launch.probes.len();
        Ok(Box::new(Running {
            clock: self.clock,
            ask: Arc::clone(&self.ask),
            late_us: self.late_us,
            // The first request is under way when a prober has been started.
            origin: Mono(self.clock.now().0.saturating_sub(2_000_000)),
            probes: launch.probes,
            names: vec![String::new()],
            samples: Mutex::new(vec![Vec::new(); count]),
        }))
    }
}

struct Running {
    clock: Clock,
    ask: Arc<Ask>,
    late_us: u32,
    origin: Mono,
    probes: Vec<ProbeSpec>,
    names: Vec<String>,
    samples: Mutex<Vec<Vec<Option<Sample>>>>,
}

impl Running {
    /// Every request that has become due since the last look is asked of the world as it is now.
    fn catch_up(&mut self) -> Vec<Sample> {
        let now = self.clock.now();
        let mut fresh = Vec::new();
        let mut recorded = self.samples.lock().unwrap();
        for (index, probe) in self.probes.iter().enumerate() {
            let interval_ns = probe.rate.interval().as_nanos() as u64;
            loop {
                let number = recorded[index].len() as u32;
                let due_ns = u64::from(number) * interval_ns;
                if self.origin.0 + due_ns > now.0 {
                    break;
                }
                let answer = (self.ask)(probe.name.as_str(), number);
                let backend = match &answer.backend {
                    None => NameIndex(0),
                    Some(name) => {
                        let at = self.names.iter().position(|n| n == name).unwrap_or_else(|| {
                            self.names.push(name.clone());
                            self.names.len() - 1
                        });
                        NameIndex(at as u16)
                    }
                };
                let sample = Sample {
                    probe: index as u16,
                    route: 0,
                    number,
                    due_ns,
                    sent_us: self.late_us,
                    connected_us: self.late_us + 100,
                    first_byte_us: NEVER,
                    done_us: self.late_us + answer.latency_us,
                    bytes: 20,
                    status: if answer.outcome.is_ok() { 200 } else { 0 },
                    outcome: answer.outcome,
                    retried: None,
                    policy: if number.is_multiple_of(2) { Policy::New } else { Policy::KeepAlive },
                    names: None,
                    backend,
                    zone: NameIndex(0),
                    address: NameIndex(0),
                };
                recorded[index].push(Some(sample));
                fresh.push(sample);
            }
        }
        fresh
    }
}

impl RunningProber for Running {
    fn origin(&self) -> Mono {
        self.origin
    }

    fn take(&mut self) -> Vec<Sample> {
        self.catch_up()
    }

    fn in_flight(&self) -> Vec<u64> {
        vec![0; self.probes.len()]
    }

    fn stop(self: Box<Self>) -> Recorded {
        let probes = self.samples.into_inner().unwrap();
        Recorded {
            due: probes.iter().map(|p| p.len() as u64).collect(),
            samples: Box::new(InMemory { probes }),
            state: Vec::new(),
            names: self.names,
            doubts: Vec::new(),
        }
    }
}
