//! One measured run of the prober, in a process of its own: prints `name=value` lines.

use std::time::Duration;

use firedrill::{
    clock,
    model::{
        ids::ProbeName,
        probe::{Connections, HttpExpect, HttpProbe, NameModel, ProbeKind, ProbeSpec, ServedBy, TlsSettings},
        quantity::Rate,
        sample::Sample,
    },
    probe::{Launch, NetworkProber, Prober},
};

use crate::backend::{Backend, pin};

/// Runs one probe and prints what it cost and how punctual it was.
pub fn measure(rate: &str, seconds: &str, connections: &str) {
    let (rate, seconds): (f64, f64) = (rate.parse().expect("a rate"), seconds.parse().expect("seconds"));
    pin(0);
    let backend = Backend::start();
    let folder = tempfile::tempdir().expect("a folder");
    let probe = spec(&backend.address, rate, connections);
    let mut running =
        NetworkProber::new().launch(Launch { probes: vec![probe], seed: 1, folder: folder.path().to_owned() }).expect("a prober");
    let origin = running.origin();
    let cpu = cpu_seconds();
    let mut early = 0;
    while clock::now().since(origin).as_secs_f64() < seconds {
        std::thread::sleep(Duration::from_millis(100));
        drop(running.take());
        if early == 0 && clock::now().since(origin).as_secs_f64() > seconds / 4.0 {
            early = memory("VmRSS:");
        }
    }
    let cpu = cpu_seconds() - cpu;
    let lasted = clock::now().since(origin).as_secs_f64();
    let recorded = running.stop();
    let (mut all, mut late, mut failed, mut last_late) = (0_u64, 0_u64, 0_u64, 0);
    for sample in recorded.samples.samples(0) {
        all += 1;
        late += u64::from(sample.is_some_and(|s| s.late()));
        last_late = sample.filter(Sample::late).map_or(last_late, |s| s.due_ns.max(last_late));
        failed += u64::from(sample.is_none_or(|s| !s.outcome.is_ok() && !s.late()));
    }
    let peak = memory("VmHWM:");
    let stamps = backend.end();
    let mut off: Vec<u64> = stamps.iter().enumerate().map(|(k, at)| at.abs_diff(origin.0 + (k as f64 * 1e9 / rate) as u64)).collect();
    off.sort_unstable();
    let at = |share: f64| off.get(((off.len() as f64 * share) as usize).min(off.len().saturating_sub(1))).map_or(0, |ns| ns / 1000);
    println!("requests={all}\nlate={late}\nfailed={failed}\narrived={}", stamps.len());
    println!("last_late_s={}", last_late as f64 / 1e9);
    println!("off_p50_us={}\noff_p99_us={}", at(0.5), at(0.99));
    println!("bursts={}", bursts(&stamps, rate));
    println!("cpu_share={}\ncpu_s_per_10000={}", cpu / lasted, cpu / all as f64 * 10_000.0);
    println!("rss_early_kb={early}\nrss_peak_kb={peak}");
}

/// The probe of all figures: a `GET` of the address.
pub fn spec(address: &str, rate: f64, connections: &str) -> ProbeSpec {
    let http = HttpProbe {
        url: format!("http://{address}/"),
        method: "GET".to_owned(),
        headers: vec![],
        body: None,
        connections: match connections {
            "new" => Connections::New,
            "keep-alive" => Connections::KeepAlive,
            _ => Connections::Both,
        },
        names: NameModel::EachConnection.into(),
        resolver: None,
        addresses: vec![],
        expect: HttpExpect::default(),
        body_limit: 65_536,
        served_by: Some(ServedBy { header: Some("x-served-by".to_owned()), zone_header: None }),
        tls: TlsSettings::default(),
        proxy: None,
        number_header: None,
    };
    ProbeSpec {
        name: ProbeName::from("bench"),
        kind: ProbeKind::Http(Box::new(http)),
        rate: Rate(rate),
        timeout: Duration::from_secs(1),
        slow: None,
        service: None,
    }
}

/// The share of arrivals that came closer to the one before than a tenth of the interval.
pub fn bursts(stamps: &[u64], rate: f64) -> f64 {
    let close = stamps.windows(2).filter(|pair| ((pair[1] - pair[0]) as f64) < 1e8 / rate).count();
    close as f64 / stamps.len().max(1) as f64
}

/// What this process has used up.
pub fn cpu_seconds() -> f64 {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    t.tv_sec as f64 + t.tv_nsec as f64 / 1e9
}

fn memory(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let found = status.lines().find_map(|l| l.strip_prefix(line));
    found.and_then(|rest| rest.split_whitespace().next()).and_then(|n| n.parse().ok()).unwrap_or(0)
}
