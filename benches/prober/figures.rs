//! The table: each figure beside its bar, and other load generators where they are installed.

use std::{
    collections::BTreeMap,
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{backend::Backend, measured::bursts};

type Values = BTreeMap<String, f64>;

/// A group of figures with its name on the command line; measured for a short look, or in full.
type Group = (&'static str, fn(bool));

const GROUPS: [Group; 7] = [
    ("pace", pace),
    ("truth", truth),
    ("ticks", ticks),
    ("black-hole", black_hole),
    ("memory", memory),
    ("suspended", |_| suspended()),
    ("others", |_| others()),
];

/// Measures and prints the groups that were named, or all.
pub fn print(arguments: &[&str]) {
    let quick = arguments.contains(&"--quick");
    let named: Vec<&str> = arguments.iter().copied().filter(|a| !a.starts_with("--")).collect();
    if let Some(unknown) = named.iter().find(|name| !GROUPS.iter().any(|(group, _)| group == *name)) {
        eprintln!("there is no group `{unknown}`; there are {}", GROUPS.map(|(group, _)| group).join(", "));
        return;
    }
    println!("{:<66}{:>12}   bar", "what", "measured");
    for (name, group) in GROUPS {
        if named.is_empty() || named.contains(&name) {
            group(quick);
        }
    }
}

fn pace(quick: bool) {
    let seconds = if quick { 3.0 } else { 15.0 };
    let v = run(500.0, seconds, "keep-alive");
    row("arrival off its slot at 500/s, p50, µs", v["off_p50_us"], "<= 50", v["off_p50_us"] <= 50.0);
    row("arrival off its slot at 500/s, p99, µs", v["off_p99_us"], "<= 300", v["off_p99_us"] <= 300.0);
    row("CPU of a core at 500/s, keep-alive, %", v["cpu_share"] * 100.0, "<= 3", v["cpu_share"] <= 0.03);
    let v = run(500.0, seconds, "both");
    row("CPU of a core at 500/s, both, %", v["cpu_share"] * 100.0, "(no bar)", true);
    let v = run(5000.0, seconds, "keep-alive");
    row("arrivals in bursts at 5,000/s, %", v["bursts"] * 100.0, "<= 5", v["bursts"] <= 0.05);
    let cost = v["cpu_s_per_10000"];
    row("CPU-s per 10,000 requests at 5,000/s", cost, "<= 0.24", cost <= 0.24);
    let floor = |wakes: &str| values(start(&["floor", "5000", &seconds.to_string(), wakes]))["cpu_s_per_10000"];
    row("  of a bare loop with one wake-up a request, on this machine", floor("once"), "(a floor)", true);
    let floor = floor("both");
    row("  of a bare epoll loop with the same pace, on this machine", floor, "(the floor)", true);
    row("  the prober's, as a multiple of that", cost / floor, "(no bar)", true);
    row("peak memory at 5,000/s, MB", v["rss_peak_kb"] / 1024.0, "<= 20", v["rss_peak_kb"] <= 20.0 * 1024.0);
    row("late or failed at 5,000/s", v["late"] + v["failed"], "(no bar)", true);
    for rate in [20_000.0, 40_000.0, 60_000.0] {
        let seconds = seconds.min(5.0);
        let v = run(rate, seconds, "keep-alive");
        let share = (v["late"] + v["failed"]) / v["requests"].max(1.0);
        let held = share <= 0.01 && v["requests"] >= rate * seconds * 0.99;
        let bar = if rate > 40_000.0 { "held: <= 1 (in the end)" } else { "held: <= 1" };
        row(&format!("late or failed at {rate}/s, %"), share * 100.0, bar, held);
        row(&format!("  off its slot at {rate}/s, p50, µs"), v["off_p50_us"], "(no bar)", true);
        row(&format!("  late at {rate}/s: the last was due after, s"), v["last_late_s"], "(no bar)", true);
        row(&format!("  peak memory at {rate}/s, MB"), v["rss_peak_kb"] / 1024.0, "(no bar)", true);
    }
}

fn truth(quick: bool) {
    let length = if quick { "0.5" } else { "2" };
    for rate in [50.0, 500.0, 2000.0] {
        let v = values(start(&["windows", &rate.to_string(), length]));
        let bound = 1000.0 / rate + 10.0;
        row(&format!("windows of 6 failures at {rate}/s (slow answers are none)"), v["windows"], "5", is(v["windows"], 5.0));
        let bar = format!("<= {bound} (interval + 10)");
        row(&format!("  their edges off the truth at {rate}/s, at most, ms"), v["worst_ms"], &bar, v["worst_ms"] <= bound);
        row(&format!("  samples in the wrong class at {rate}/s"), v["wrong"], "0", is(v["wrong"], 0.0));
        row(&format!("  slow answers seen as slow at {rate}/s"), v["slow"], "> 0", v["slow"] > 0.0);
        row(&format!("  each due request accounted for at {rate}/s"), v["accounted"], "1", is(v["accounted"], 1.0));
        row(&format!("  late at {rate}/s, of {}", v["requests"]), v["late"], "(no bar)", true);
    }
}

fn ticks(quick: bool) {
    let tick = if quick { "0.1" } else { "1" };
    let v = values(start(&["one-tick", tick]));
    let what = format!("ticks of {tick} s, two stalls of three: accounted for");
    row(&what, v["accounted"], "13 of 13", is(v["due"], 13.0) && is(v["accounted"], 13.0));
    row("  which waited as long as the stall was", v["waited"], "13", is(v["waited"], 13.0));
}

fn black_hole(quick: bool) {
    let (rate, seconds) = if quick { ("100", "6") } else { ("10", "600") };
    let v = values(start(&["tenth", rate, seconds]));
    let what = format!("availability with a tenth of {seconds} s in a black hole at {rate}/s, %");
    row(&what, v["availability"], "90.0", (v["availability"] - 90.0).abs() < 0.05);
    row("  outage windows", v["windows"], "1", is(v["windows"], 1.0));
    row("  the longest, s", v["longest_s"], "(a tenth)", true);
}

fn memory(quick: bool) {
    let long = if quick { 10.0 } else { 600.0 };
    let v = run(1000.0, long, "both");
    row(&format!("peak memory over {long} s at 1,000/s, MB"), v["rss_peak_kb"] / 1024.0, "<= 32", v["rss_peak_kb"] <= 32.0 * 1024.0);
    let growth = (v["rss_peak_kb"] - v["rss_early_kb"]) / 1024.0;
    row("  its growth after the first quarter, MB", growth, "flat (< 2)", growth < 2.0);
    row("  late or failed", v["late"] + v["failed"], "(no bar)", true);
}

fn others() {
    for (name, arguments) in [
        ("oha", ["-z", "5s", "-c", "50", "-q", "5000", "--no-tui", "-w"].as_slice()),
        ("hey", ["-z", "5s", "-c", "50", "-q", "100"].as_slice()),
        ("wrk", ["-d", "5", "-c", "50", "-t", "1"].as_slice()),
    ] {
        other(name, arguments);
    }
}

/// Suspended for 500 ms at 100/s: about 50 late samples, no failure.
fn suspended() {
    let child = start(&["measure", "100", "4", "both"]);
    std::thread::sleep(Duration::from_millis(1500));
    let pid = Pid::from_child(&child);
    let sent = kill_process(pid, Signal::STOP).is_ok();
    std::thread::sleep(Duration::from_millis(500));
    let _ = kill_process(pid, Signal::CONT);
    let v = values(child);
    row("suspended for 500 ms at 100/s: late samples", v["late"], "45 to 55", sent && (45.0..=55.0).contains(&v["late"]));
    row("suspended for 500 ms at 100/s: failures blamed", v["failed"], "0", is(v["failed"], 0.0));
}

fn other(name: &str, arguments: &[&str]) {
    let backend = Backend::start();
    let command = Command::new("taskset")
        .args(["-c", "0", name])
        .args(arguments)
        .arg(format!("http://{}/", backend.address))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = command else {
        println!("{name}: not installed");
        return;
    };
    let pid = Pid::from_child(&child);
    if let Ok(fd) = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) {
        let _ = rustix::event::poll(&mut [rustix::event::PollFd::new(&fd, rustix::event::PollFlags::IN)], None);
    }
    // A dead process that nobody has waited for still has its times: fields 14 and 15, in hundredths of a second.
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
    let fields: Vec<f64> = stat.rsplit(')').next().unwrap_or("").split_whitespace().map(|f| f.parse().unwrap_or(0.0)).collect();
    let cpu = (fields.get(11).unwrap_or(&0.0) + fields.get(12).unwrap_or(&0.0)) / 100.0;
    let _ = child.wait();
    let stamps = backend.end();
    let (n, first, last) = (stamps.len() as f64, stamps.first().copied().unwrap_or(0), stamps.last().copied().unwrap_or(0));
    let rate = n / ((last - first) as f64 / 1e9).max(1e-9);
    println!(
        "{name} {}: {rate:.0}/s, bursts {:.0} %, {:.3} CPU-s per 10,000",
        arguments.join(" "),
        bursts(&stamps, rate) * 100.0,
        cpu / n.max(1.0) * 10_000.0
    );
}

fn start(arguments: &[&str]) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("a path"));
    command.args(arguments).stdout(Stdio::piped()).spawn().expect("a measured run starts")
}

fn run(rate: f64, seconds: f64, connections: &str) -> Values {
    values(start(&["measure", &rate.to_string(), &seconds.to_string(), connections]))
}

fn values(child: Child) -> Values {
    let out = child.wait_with_output().expect("a measured run ends");
    let text = String::from_utf8_lossy(&out.stdout);
    text.lines().filter_map(|line| line.split_once('=')).filter_map(|(k, v)| Some((k.to_owned(), v.parse().ok()?))).collect()
}

fn row(what: &str, measured: f64, bar: &str, met: bool) {
    println!("{what:<66}{measured:>12.3}   {bar}{}", if met { "" } else { "   NOT MET" });
}

/// Whether a count is this one.
fn is(count: f64, wanted: f64) -> bool {
    (count - wanted).abs() < 0.5
}
