//! The table: each figure beside its bar, and other load generators where they are installed.

use std::{
    collections::BTreeMap,
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{backend::Backend, measured::bursts};

type Values = BTreeMap<String, f64>;

/// Measures and prints everything.
pub fn print(quick: bool) {
    let seconds = if quick { 3.0 } else { 15.0 };
    println!("{:<58}{:>12}   bar", "what", "measured");
    let v = run(500.0, seconds, "keep-alive");
    row("arrival off its slot at 500/s, p50, µs", v["off_p50_us"], "<= 50", v["off_p50_us"] <= 50.0);
    row("arrival off its slot at 500/s, p99, µs", v["off_p99_us"], "<= 300", v["off_p99_us"] <= 300.0);
    row("CPU of a core at 500/s, keep-alive, %", v["cpu_share"] * 100.0, "<= 3", v["cpu_share"] <= 0.03);
    let v = run(500.0, seconds, "both");
    row("CPU of a core at 500/s, both, %", v["cpu_share"] * 100.0, "(no bar)", true);
    let v = run(5000.0, seconds, "keep-alive");
    row("arrivals in bursts at 5,000/s, %", v["bursts"] * 100.0, "<= 5", v["bursts"] <= 0.05);
    row("CPU-s per 10,000 requests at 5,000/s", v["cpu_s_per_10000"], "<= 0.24", v["cpu_s_per_10000"] <= 0.24);
    row("peak memory at 5,000/s, MB", v["rss_peak_kb"] / 1024.0, "<= 20", v["rss_peak_kb"] <= 20.0 * 1024.0);
    row("late or failed at 5,000/s", v["late"] + v["failed"], "(no bar)", true);
    for rate in [20_000.0, 40_000.0, 60_000.0] {
        let v = run(rate, seconds.min(5.0), "keep-alive");
        let held = (v["late"] + v["failed"]) / v["requests"].max(1.0) <= 0.01 && v["requests"] >= rate * seconds.min(5.0) * 0.99;
        let bar = if rate > 40_000.0 { "(in the end)" } else { "held" };
        row(&format!("late or failed at {rate}/s, %"), (v["late"] + v["failed"]) / v["requests"].max(1.0) * 100.0, bar, held);
    }
    let long = if quick { 10.0 } else { 600.0 };
    let v = run(1000.0, long, "both");
    row(&format!("peak memory over {long} s at 1,000/s, MB"), v["rss_peak_kb"] / 1024.0, "<= 32", v["rss_peak_kb"] <= 32.0 * 1024.0);
    let growth = (v["rss_peak_kb"] - v["rss_early_kb"]) / 1024.0;
    row("its growth after the first quarter, MB", growth, "flat (< 2)", growth < 2.0);
    suspended();
    for (name, arguments) in
        [("hey", ["-z", "5s", "-c", "50", "-q", "100"].as_slice()), ("wrk", ["-d", "5", "-c", "50", "-t", "1"].as_slice())]
    {
        other(name, arguments);
    }
}

/// Suspended for 500 ms at 100/s: about 50 late samples, no failure.
fn suspended() {
    let child = start(100.0, 4.0, "both");
    std::thread::sleep(Duration::from_millis(1500));
    let pid = Pid::from_child(&child);
    let sent = kill_process(pid, Signal::STOP).is_ok();
    std::thread::sleep(Duration::from_millis(500));
    let _ = kill_process(pid, Signal::CONT);
    let v = values(child);
    row("suspended for 500 ms at 100/s: late samples", v["late"], "45 to 55", sent && (45.0..=55.0).contains(&v["late"]));
    row("suspended for 500 ms at 100/s: failures blamed", v["failed"], "0", v["failed"] == 0.0);
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

fn start(rate: f64, seconds: f64, connections: &str) -> Child {
    Command::new(std::env::current_exe().expect("a path"))
        .args(["measure", &rate.to_string(), &seconds.to_string(), connections])
        .stdout(Stdio::piped())
        .spawn()
        .expect("a measured run starts")
}

fn run(rate: f64, seconds: f64, connections: &str) -> Values {
    values(start(rate, seconds, connections))
}

fn values(child: Child) -> Values {
    let out = child.wait_with_output().expect("a measured run ends");
    let text = String::from_utf8_lossy(&out.stdout);
    text.lines().filter_map(|line| line.split_once('=')).filter_map(|(k, v)| Some((k.to_owned(), v.parse().ok()?))).collect()
}

fn row(what: &str, measured: f64, bar: &str, met: bool) {
    println!("{what:<58}{measured:>12.3}   {bar}{}", if met { "" } else { "   NOT MET" });
}
