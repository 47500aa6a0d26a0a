//! Whole drills while somebody sets the wall clock: an hour back and two forward in the middle of a run. Debian's `faketime` does it to
//! the program and all that it starts; the kernel's monotonic clock, which durations are measured on, goes on as it does.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::Command,
    time::Duration,
};

use firedrill::clock;
use rustix::process::Signal;

use super::rig::{EXPERIMENT, Rig, SYSTEM, Started, eventually};
use crate::support::residue;

/// The library that answers for the wall clock; `scripts/test` installs it.
fn library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").unwrap().filter_map(|entry| Some(entry.ok()?.path()));
    let found = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|path| path.exists());
    found.expect("Debian's package `faketime` is needed for this test")
}

/// The wall clock of what runs in a rig.
struct WallClock<'r>(&'r Rig);

impl WallClock<'_> {
    /// Sets it so many seconds off.
    fn set(&self, offset: i64) {
        // In one step: whoever reads it in between reads the old one.
        self.0.write("offset.new", &format!("{offset:+}\n"));
        fs::rename(self.0.path("offset.new"), self.0.path("offset")).unwrap();
    }

    /// The binary under this clock.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.0.command(args);
        command.env("LD_PRELOAD", library()).env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("DONT_FAKE_MONOTONIC", "1");
        command.env("FAKETIME_TIMESTAMP_FILE", self.0.path("offset")).env("FAKETIME_NO_CACHE", "1").env("NO_FAKE_STAT", "1");
        command
    }

    /// What the servers behind the balancer take the time for, seconds of the day.
    fn told(&self) -> Option<i64> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.0.port())).ok()?;
        // A server that is paused says nothing; the next one does.
        stream.set_read_timeout(Some(Duration::from_millis(300))).ok()?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let time = answer.split_once("It is ")?.1.get(..8)?;
        time.split(':').try_fold(0, |sum, part| Some(sum * 60 + part.parse::<i64>().ok()?))
    }

    /// Sets it and waits until the servers have seen so: the step is real.
    fn step(&self, from: i64, to: i64) {
        const DAY: i64 = 24 * 3600;
        // The first asked may be the one that was just killed.
        let mut before = None;
        eventually("a server tells the time", || {
            before = self.told();
            before.is_some()
        });
        self.set(to);
        eventually("the servers see another time", || {
            let (Some(before), Some(now)) = (before, self.told()) else { return false };
            let moved = (now - before - (to - from)).rem_euclid(DAY);
            !(60..=DAY - 60).contains(&moved)
        });
    }
}

/// With a hold in which the clock can be set.
fn experiment(hold: &str) -> String {
    EXPERIMENT.replace("    hold: 1s\n", &format!("    hold: {hold}\n")).replace("rate: 200/s", "rate: 50/s")
}

/// A run under this clock in the middle of its fault; anew where the machine was too busy for a baseline.
fn acting(clock: &WallClock<'_>) -> Started {
    for _ in 0..8 {
        clock.set(0);
        let run = Started::new(clock.command(&["run", "experiment.yaml"]).spawn().unwrap());
        eventually("it acts or ends", || run.said_so_far().contains("happened") || run.said_so_far().contains("report: "));
        if run.said_so_far().contains("happened") {
            return run;
        }
        let said = run.end();
        assert!(said.out.contains("the baseline is not steady"), "{}{}", said.out, said.err);
        fs::remove_dir_all(clock.0.path("firedrill-runs")).unwrap();
    }
    panic!("this machine is too busy for a drill: eight in a row did not begin");
}

#[test]
fn no_duration_follows_the_wall_clock() {
    let _quiet = crate::support::quiet::quiet();
    let rig = Rig::with(SYSTEM, &experiment("4s"));
    let wall = WallClock(&rig);
    // Only the verdict of a busy machine's own lateness is made again.
    let (said, took) = (0..8)
        .find_map(|_| {
            let run = acting(&wall);
            let begun = clock::now();
            wall.step(0, -3600);
            wall.step(-3600, 3600);
            let said = run.end();
            let took = clock::now().since(begun).as_secs_f64();
            if said.status.code() == Some(5) && said.out.contains("more than 10 ms late") {
                fs::remove_dir_all(rig.path("firedrill-runs")).unwrap();
                return None;
            }
            Some((said, took))
        })
        .expect("a machine that is quiet enough");
    said.code(0).says("PASSED");
    let events = rig.events();
    let at = |name: &str| events.iter().find(|e| e["event"] == name).unwrap_or_else(|| panic!("no {name}"))["at"].as_u64().unwrap();
    let moments: Vec<u64> = events.iter().map(|event| event["at"].as_u64().unwrap()).collect();
    // What took effect is told a little after its moment, which may be behind another's.
    let back = moments.windows(2).map(|two| two[0].saturating_sub(two[1])).max();
    assert!(back < Some(1_000_000_000), "time went back by {back:?} ns");
    // The wall clock of the record is that of the start, carried on: it tells the order of things, too.
    let offset = |event: &serde_json::Value| event["wall"].as_i64().unwrap() - event["at"].as_i64().unwrap();
    assert!(events.iter().all(|event| offset(event) == offset(&events[0])), "the record's wall clock was stepped");
    let held = (at("reverting") - at("acted")) as f64 / 1e9;
    assert!((4.0..6.0).contains(&held), "held for {held} s");
    let rest = (at("run-ended") - at("acted")) as f64 / 1e9;
    assert!((rest - took).abs() < 3.0, "{rest} s by the record, {took} s in truth");
    let result = rig.result();
    let phases = result.pointer("/measurement/phases").unwrap_or_else(|| panic!("{result:#}"));
    for phase in phases.as_array().unwrap() {
        let seconds = phase["to_s"].as_f64().unwrap() - phase["from_s"].as_f64().unwrap();
        assert!((0.0..30.0).contains(&seconds), "{phase}");
    }
    rig.nothing_runs();
}

#[test]
fn what_is_left_behind_is_undone_whatever_the_clock_says() {
    let _quiet = crate::support::quiet::quiet();
    let rig = Rig::with(SYSTEM, &experiment("60s").replace("kill:", "pause:"));
    let wall = WallClock(&rig);
    wall.set(0);
    let port = format!("port={}", rig.port());
    let up = Started::new(wall.command(&["up", "system.yaml", "--var", &port]).spawn().unwrap());
    eventually("the system is up", || wall.told().is_some() && up.said_so_far().contains("cli-test is up"));
    let run = acting(&wall);
    wall.step(0, -3600);
    run.kill_with_its_helper();
    wall.step(-3600, 3600);
    Started::new(wall.command(&["recover"]).spawn().unwrap()).end().code(0).says("undone: ");
    residue::ends("all three serve", || rig.serving().len() == 3);
    residue::none(
        Started::new(wall.command(&["recover"]).spawn().unwrap()).end().out.contains("nothing to recover"),
        "something is left to recover",
    );
    up.signal(Signal::TERM);
    up.end().code(0);
}
