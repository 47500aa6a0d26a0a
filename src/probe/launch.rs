//! The real prober: checks every probe, then starts the two threads.

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread::JoinHandle,
};

use tokio::sync::Notify;

use crate::{
    model::{sample::Sample, time::Mono},
    probe::{
        Launch, LaunchError, Prober, Recorded, RunningProber,
        kind::Prepared,
        limits,
        pacer::{Paced, Pacer},
        recorder::{Live, pair},
        schedule::{Schedule, Slots},
        spill::SpillSource,
    },
};

/// Probes over the network (and programs, for `command` probes).
#[derive(Debug, Clone, Copy, Default)]
pub struct NetworkProber;

impl NetworkProber {
    /// The real prober.
    pub fn new() -> Self {
        Self
    }
}

impl Prober for NetworkProber {
    fn launch(&self, launch: Launch) -> Result<Box<dyn RunningProber>, LaunchError> {
        let mut probes = Vec::new();
        let mut slots = Vec::new();
        for spec in &launch.probes {
            let wrong = |problem: String| LaunchError { probe: spec.name.to_string(), problem };
            let regular = spec
                .kind
                .regular(spec.rate)
                .map(|rate| Slots::new(rate).ok_or_else(|| wrong(format!("its rate is {}, which is not above zero", spec.rate))));
            slots.push(regular.transpose()?);
            probes.push(Prepared::new(spec).map_err(wrong)?);
        }
        let all = |problem: String| {
            let probe = launch.probes.iter().map(|probe| probe.name.as_str()).collect::<Vec<_>>().join("`, `");
            LaunchError { probe, problem }
        };
        let live: Live = Arc::new(Mutex::new(VecDeque::new()));
        let (feed, recorder) = pair(launch.folder.clone(), probes.len(), live.clone())
            .map_err(|error| all(format!("samples cannot be written in {}: {error}", launch.folder.display())))?;
        let in_flight = Arc::new(probes.iter().map(|_| AtomicU64::new(0)).collect::<Vec<_>>());
        let stop = Arc::new(Notify::new());
        let pacer = Pacer {
            probes,
            seed: launch.seed,
            schedule: Schedule::new(slots),
            descriptors: limits::raise_descriptors(),
            feed,
            in_flight: in_flight.clone(),
            stop: stop.clone(),
        };
        let no_thread = |error: std::io::Error| all(format!("a thread cannot be started: {error}"));
        let recording = std::thread::Builder::new().name("recorder".to_owned()).spawn(move || recorder.run()).map_err(no_thread)?;
        let (started, origin) = mpsc::channel();
        let pacing = std::thread::Builder::new()
            .name("pacer".to_owned())
            .spawn(move || pacer.run(|origin| drop(started.send(origin))))
            .map_err(no_thread)?;
        let origin = match origin.recv() {
            Ok(Ok(origin)) => origin,
            Ok(Err(error)) => return Err(all(format!("the pacing thread cannot start: {error}"))),
            Err(_) => return Err(all("the pacing thread ended at once (a defect)".to_owned())),
        };
        let threads = Threads { stop, pacing: Some(pacing), recording: Some(recording) };
        Ok(Box::new(Running { origin, live, in_flight, folder: launch.folder, threads }))
    }
}

struct Running {
    origin: Mono,
    live: Live,
    in_flight: Arc<Vec<AtomicU64>>,
    folder: PathBuf,
    threads: Threads,
}

/// The two threads; dropped, they end by themselves once the requests in flight are over.
struct Threads {
    stop: Arc<Notify>,
    pacing: Option<JoinHandle<Option<Paced>>>,
    recording: Option<JoinHandle<Vec<String>>>,
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.stop.notify_one();
    }
}

impl RunningProber for Running {
    fn origin(&self) -> Mono {
        self.origin
    }

    fn take(&mut self) -> Vec<Sample> {
        std::mem::take(&mut *self.live.lock().unwrap_or_else(PoisonError::into_inner)).into()
    }

    fn in_flight(&self) -> Vec<u64> {
        self.in_flight.iter().map(|n| n.load(Ordering::Relaxed)).collect()
    }

    fn stop(mut self: Box<Self>) -> Recorded {
        self.threads.stop.notify_one();
        let mut doubts = Vec::new();
        let paced = self.threads.pacing.take().and_then(|thread| thread.join().ok()).flatten().unwrap_or_else(|| {
            doubts.push("the pacing thread ended by a defect: requests after it were not sent".to_owned());
            Paced { due: vec![0; self.in_flight.len()], names: vec![String::new()], state: Vec::new(), doubts: Vec::new() }
        });
        match self.threads.recording.take().map(JoinHandle::join) {
            Some(Ok(more)) => doubts.extend(more),
            _ => doubts.push("the recording thread ended by a defect: samples are missing".to_owned()),
        }
        doubts.extend(paced.doubts);
        let samples = Box::new(SpillSource::new(self.folder, paced.due.clone()));
        Recorded { samples, due: paced.due, names: paced.names, state: paced.state, doubts }
    }
}
