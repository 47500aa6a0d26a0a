//! A prober in a process of its own, so that what hostile answers cost is seen: memory, time on the processor, and what became of the
//! requests, those to a well-behaved server among them.

use std::{collections::BTreeMap, path::Path, process::Command, thread::sleep, time::Duration};

use firedrill::{
    file::{LoadOptions, Source, load_source},
    model::sample::SampleOutcome,
    probe::{Launch, NetworkProber, Prober},
};
use serde::{Deserialize, Serialize};

use crate::support::truth_server::TruthServer;

const CHILD: &str = "FIREDRILL_TEST_HOSTILE_CHILD";
const FOUND: &str = "found:";
/// The name of the probe of a server that does nothing wrong.
const HONEST: &str = "honest";

/// What became of a run.
#[derive(Debug, Serialize, Deserialize)]
pub struct Found {
    /// The largest resident size, kB.
    pub peak_kb: u64,
    /// Time on the processors, seconds.
    pub cpu_s: f64,
    /// How long probes were sent, seconds.
    pub wall_s: f64,
    pub probes: BTreeMap<String, Fate>,
    pub names: Vec<String>,
    pub doubts: Vec<String>,
}

/// What became of a probe's requests.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Fate {
    /// How many, by outcome.
    pub outcomes: BTreeMap<String, u64>,
    /// The largest body.
    pub most_bytes: u64,
    /// The longest time to the end, seconds.
    pub longest_s: f64,
    /// The backends' names.
    pub backends: Vec<String>,
}

impl Found {
    /// Requires that a probe's requests all came to one of these.
    pub fn only(&self, probe: &str, allowed: &[SampleOutcome]) -> &Fate {
        let fate = self.probes.get(probe).unwrap_or_else(|| panic!("no probe {probe}"));
        let fine = |outcome: &String| allowed.iter().any(|allowed| allowed.name() == outcome);
        assert!(!fate.outcomes.is_empty() && fate.outcomes.keys().all(fine), "{probe}: {fate:?}, allowed are {allowed:?}");
        fate
    }

    /// Requires that it cost little: a bounded memory, and less of one processor than a half for what came without end.
    pub fn cheap(&self, most_mb: u64) {
        assert!(self.peak_kb < most_mb * 1024, "{} kB: {self:#?}", self.peak_kb);
        assert!(self.cpu_s < self.wall_s * 0.75 + 1.0, "{} s of {} s: {self:#?}", self.cpu_s, self.wall_s);
        let honest = self.only(HONEST, &[SampleOutcome::Ok]);
        assert!(honest.outcomes["ok"] >= 20, "{honest:?}");
        println!("peak {} MB, {:.2} s of {:.2} s", self.peak_kb / 1024, self.cpu_s, self.wall_s);
    }
}

/// Sends these probes (the `probes:` of a file, indented by two) for so long, beside one of an honest server.
pub fn attack(probes: &str, ms: u64) -> Found {
    let _quiet = crate::support::quiet::quiet();
    let honest = TruthServer::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("probes.yaml");
    let text = format!(
        "title: t\nprobes:\n  {HONEST}: {{ http: \"http://{}/\", rate: 50/s, timeout: 5s }}\n{probes}\nsteady-state: [{{ probe: {HONEST}, availability: \">= 9%\" }}]\nmethod: [{{ kill: web }}]\n",
        honest.address
    );
    std::fs::write(&file, text).unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "hostile::prober::in_a_child", "--ignored", "--nocapture"])
        .env(CHILD, format!("{ms} {}", file.display()))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    let line = said.split_once(FOUND).and_then(|(_, rest)| rest.lines().next());
    let Some(line) = line.filter(|_| child.status.success()) else {
        panic!("the prober ended with {}: {said}{}", child.status, String::from_utf8_lossy(&child.stderr))
    };
    serde_json::from_str(line).unwrap()
}

#[test]
#[ignore = "run by the other tests here, in a process of its own"]
fn in_a_child() {
    let Ok(told) = std::env::var(CHILD) else { return };
    let (ms, file) = told.split_once(' ').unwrap();
    let source = Source::read(Path::new(file)).unwrap();
    let loaded = load_source(&source, None, &LoadOptions::default()).unwrap_or_else(|errors| panic!("{errors}"));
    let probes = loaded.experiment.probes;
    let names: Vec<String> = probes.iter().map(|probe| probe.name.to_string()).collect();
    let folder = tempfile::tempdir().unwrap();
    let launch = Launch { probes, seed: 42, folder: folder.path().to_owned() };
    let running = NetworkProber::new().launch(launch).unwrap_or_else(|error| panic!("{error}"));
    let origin = running.origin();
    sleep(Duration::from_millis(ms.parse().unwrap()));
    let recorded = running.stop();
    let wall_s = firedrill::clock::now().since(origin).as_secs_f64();
    let mut fates: BTreeMap<String, Fate> = BTreeMap::new();
    for (place, name) in (0_u16..).zip(&names) {
        let fate = fates.entry(name.clone()).or_default();
        for sample in recorded.samples.samples(place).map(|sample| sample.expect("each request has its sample")) {
            *fate.outcomes.entry(sample.outcome.name().to_owned()).or_default() += 1;
            fate.most_bytes = fate.most_bytes.max(u64::from(sample.bytes));
            fate.longest_s = fate.longest_s.max(f64::from(sample.done_us) / 1e6);
            let backend = &recorded.names[usize::from(sample.backend.0)];
            if !fate.backends.contains(backend) {
                fate.backends.push(backend.clone());
            }
        }
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let found = Found {
        peak_kb: peak.trim().trim_end_matches(" kB").parse().unwrap(),
        cpu_s: time.tv_sec as f64 + time.tv_nsec as f64 / 1e9,
        wall_s,
        probes: fates,
        names: recorded.names,
        doubts: recorded.doubts,
    };
    println!("{FOUND}{}", serde_json::to_string(&found).unwrap());
}
