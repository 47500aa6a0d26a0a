//! The scheduler's figures beside their bars: `cargo bench --bench schedule`.
//!
//! * the next firing of 10,000 experiments of all kinds: under 100 ms;
//! * 500 due in the same second: from the moment at which they are due until each is written down and its victims are drawn on the fake
//!   platform, p99 under 50 ms;
//! * memory with all of that: under 150 MB.

use std::{fs, path::Path, process::ExitCode, time::Duration};

use firedrill::{
    clock::{self, Clock},
    daemon::{
        agenda::{Agenda, What},
        state::Fired,
    },
    engine::planning,
    file::{LoadOptions, Source, load_source},
    platform::fake::{FakePlatform, World},
    schedule::{Between, Closed, Cover, Cron, Entry, Gap, Period, Roster, Rule, Window, Working, roster::Missed},
};
use jiff::{
    Timestamp,
    civil::{date, time},
    tz::TimeZone,
};

const NEXT: Duration = Duration::from_millis(100);
const LAG: Duration = Duration::from_millis(50);
const MEMORY: u64 = 150 << 20;
const MANY: usize = 10_000;
const AT_ONCE: usize = 500;

const EXPERIMENT: &str = "
title: one of many
seed: 3
probes:
  home: { http: 'http://127.0.0.1:1/', rate: 100/s }
steady-state:
  - { probe: home, availability: '>= 99%' }
method:
  - kill: { service: web, zone: random }
";

fn entry(name: String, rule: Rule, zone: &TimeZone, closed: &Closed) -> Entry {
    Entry {
        draws: name.clone(),
        path: name.clone().into(),
        name,
        project: None,
        group: None,
        seed: 1,
        rule,
        zone: zone.clone(),
        working: Working::default(),
        gap: None,
        hours: None,
        closed: closed.clone(),
        missed: Missed::Skip,
        within: Duration::from_mins(10),
        enabled: true,
    }
}

fn cron(line: &str) -> Rule {
    Rule::Cron { cron: Cron::parse(line).expect("a line"), probability: 1.0 }
}

/// One of each kind after another, in four zones, with two weeks of holidays.
fn many() -> Vec<Entry> {
    let zones = ["Europe/Lisbon", "America/New_York", "Asia/Kolkata", "Australia/Sydney"].map(|name| TimeZone::get(name).expect("a zone"));
    let between = Between { from: time(10, 0, 0, 0), to: time(16, 0, 0, 0) };
    let entries = (0..MANY).map(|n| {
        let zone = &zones[n / 5 % zones.len()];
        let cover = Cover::Freeze { name: "holidays".to_owned() };
        let closed = Closed::new(vec![Window::days(zone, date(2026, 12, 20), date(2027, 1, 3), cover)]);
        let rule = match n % 5 {
            0 => cron(&format!("{} {} * * Mon-Thu", n % 60, n % 24)),
            1 => cron(&format!("{} 3 {} * *", n % 60, n % 28 + 1)),
            2 => Rule::Times { count: 1, per: Period::Weekday, between, probability: 0.3 },
            3 => Rule::Mean { days: 5.0, between },
            _ => cron("*/10 9-17 * * 1-5"),
        };
        let gap = (n % 5 == 3).then_some(Gap::WorkingDays(2));
        Entry { gap, ..entry(format!("experiment-{n:05}"), rule, zone, &closed) }
    });
    entries.collect()
}

fn next_firings() -> bool {
    let after: Timestamp = "2026-12-18T12:00:00Z".parse().expect("a moment");
    let roster = Roster::new(many());
    let mut took = Vec::new();
    for _ in 0..5 {
        let start = clock::now();
        let found = roster.sources().iter().filter(|source| source.next(after, None).is_some()).count();
        took.push(clock::now().since(start));
        assert_eq!(found, MANY);
    }
    took.sort();
    println!("the next firing of {MANY} experiments: {:?} (median of 5, worst {:?}); the bar is {NEXT:?}", took[2], took[4]);
    took[2] < NEXT
}

async fn firing_at_once(state: &Path) -> bool {
    let due = clock::moment().saturating_add(jiff::SignedDuration::from_secs(2)).expect("soon");
    let due = Timestamp::from_second(due.as_second()).expect("a whole second");
    let utc = TimeZone::UTC;
    let closed = Closed::default();
    let mut entries = many();
    let line = due.strftime("%S %M %H %d %m *").to_string();
    entries.extend((0..AT_ONCE).map(|n| entry(format!("now-{n:03}"), cron(&line), &utc, &closed)));
    let before = clock::moment();
    let mut agenda = Agenda::new(Roster::new(entries), |_| (before, None));
    let experiment = load_source(&Source::new("bench.yaml", EXPERIMENT), None, &LoadOptions::default()).expect("an experiment").experiment;
    let world = World::builder("bench").service("web", "here", &["a", "b", "c"], 2).build();
    let platform = FakePlatform::new(world, Clock::start());
    while agenda.next().is_some_and(|at| at < due) {
        let at = agenda.next().expect("one");
        agenda.due(at);
    }
    tokio::time::sleep(due.duration_since(clock::moment()).try_into().unwrap_or_default()).await;
    let told = agenda.due(clock::moment());
    let wanted: Vec<_> = told.iter().filter(|due| matches!(due.what, What::Fire { .. })).collect();
    let keys: Vec<(&str, Timestamp)> = wanted.iter().map(|due| (due.key.as_str(), due.at)).collect();
    let new = Fired::record(state, clock::moment(), &keys).expect("written");
    let mut lags = Vec::new();
    for (due, new) in wanted.iter().zip(new) {
        assert!(new, "{}", due.entry.name);
        planning::plan(&experiment, &platform, 7).await.expect("a plan");
        lags.push(Duration::try_from(clock::moment().duration_since(due.at)).unwrap_or_default());
    }
    lags.sort();
    let p99 = lags[lags.len() * 99 / 100];
    println!("{} due in the same second: p99 of the lag is {p99:?}; the bar is {LAG:?}", lags.len());
    lags.len() >= AT_ONCE && p99 < LAG
}

/// The most memory that was resident so far.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(u64::MAX / 1024) * 1024
}

fn main() -> ExitCode {
    // What fires is written down where the caller says (`FIREDRILL_STATE_DIR`), as the daemon does.
    let next = next_firings();
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let lag = runtime.block_on(firing_at_once(folder.path()));
    let memory = resident();
    println!("memory at most: {} MB; the bar is {} MB", memory >> 20, MEMORY >> 20);
    if next && lag && memory < MEMORY { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
