//! The tool is killed at every record of its journal, before it, in the middle of it and after it, and before and after every call that changes
//! something; and each such call fails, or its answer is lost; and the disk is full from each record on. On a real engine, through the binary:
//! nothing is left behind, N of N. What was killed *after* is undone by its helper, after which `recover` finds nothing; else the helper is
//! killed too, and `recover` undoes it.

use std::{
    collections::BTreeMap,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Command, Output},
    sync::atomic::{AtomicU32, Ordering},
};

use super::rig::{User, World, world};
use crate::support::{
    engine::Engine,
    project::{Container, Project},
    residue,
};

/// Each kind of way back: a policy, an unpause, a container made again, rules, a shaping, starts after a death.
const METHOD: &str = "
  - suspend-replacement: { service: db }
  - remove: { service: db }
  - partition: { service: web, zone: a, take: 1 }
  - limit: { service: web, zone: a, take: 1, rate: 1MB/s }
  - pause: { service: web, zone: b }
  - zone-outage: b
  - wait: 10ms
";
/// Drills at a time: they mostly wait for the engine.
const WORKERS: usize = 3;
/// Drills that may be disturbed by what else this machine does.
const ATTEMPTS: usize = 10;
const SECRET: &str = "hunter2-of-the-db";

fn site<'p>(project: &'p Project<'p>) -> Vec<Container<'p>> {
    let web = |zone| project.container("web").zone(zone).restart("on-failure:3").start();
    let mut all = vec![web("a"), web("a"), web("b")];
    let secret = format!("TOKEN={SECRET}");
    all.push(project.container("db").zone("c").restart("always").flag("--env").flag(&secret).flag("--volume").flag("/data").start());
    all
}

/// All that a drill could leave: the containers as the engine tells them, and what the engine does not tell.
#[derive(PartialEq)]
struct Everything {
    world: World,
    hidden: BTreeMap<String, String>,
}

impl Everything {
    fn of(project: &Project<'_>) -> Self {
        let ids = project.ids();
        let format = "{{.Name}} {{.State.Pid}}";
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let told = project.engine().docker(&[&["inspect", "--format", format], &ids[..]].concat());
        let hidden = told.lines().filter_map(|line| line.split_once(' ')).map(|(name, pid)| (name.to_owned(), hidden(pid))).collect();
        Self { world: world(project), hidden }
    }

    #[track_caller]
    fn is(&self, before: &Self, when: &str) {
        self.world.is(&before.world, when);
        residue::same(&self.hidden, &before.hidden, when);
    }
}

/// The rules and the shaping in the network of a container.
fn hidden(pid: &str) -> String {
    let inside = |words: &[&str]| {
        let output = Command::new("nsenter").arg(format!("--net=/proc/{pid}/ns/net")).args(words).output().expect("nsenter runs");
        assert!(output.status.success(), "{words:?} beside process {pid}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let all: [&[&str]; 3] = [&["iptables", "-w", "-S"], &["ip6tables", "-w", "-S"], &["tc", "qdisc", "show"]];
    all.map(inside).concat()
}

/// Nothing of the secret is left where the run kept what it needs.
fn tells_no_secret(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            tells_no_secret(&entry);
        } else if entry.is_file() {
            let text = std::fs::read(&entry).unwrap();
            let told = text.windows(SECRET.len()).any(|part| part == SECRET.as_bytes());
            residue::none(!told, format_args!("{} tells the secret", entry.display()));
        }
    }
}

fn says(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

/// Runs the drill with a fail point at each visit of a place, until a drill does not come to it so often; `then` looks at what came of it.
fn at_every(place: &str, ways: &[&str], least: u32, then: impl Fn(&User<'_>, &Output, &str) + Sync) {
    let engine = Engine::shared();
    let (next, last) = (AtomicU32::new(1), AtomicU32::new(u32::MAX));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                let project = engine.project("crashing");
                let _all = site(&project);
                let before = Everything::of(&project);
                let user = User::in_a_hurry(&project, METHOD);
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= last.load(Ordering::Relaxed) {
                        break;
                    }
                    for way in ways {
                        let (on, what) = way.strip_prefix('+').map_or(("", *way), |what| ("+", what));
                        let point = format!("{place}:{n}{on}:{what}");
                        let (output, met) = run(&user, &point);
                        then(&user, &output, &point);
                        Everything::of(&project).is(&before, &format!("{point}: {}", says(&output)));
                        tells_no_secret(&user.folder().join("state"));
                        residue::none(!says(&output).contains(SECRET), format_args!("{point}: its output tells the secret"));
                        if !met {
                            last.fetch_min(n, Ordering::Relaxed);
                        }
                    }
                }
                // Nor in any report or event of them all.
                tells_no_secret(user.folder());
            });
        }
    });
    let last = last.into_inner();
    let tried = (last as usize - 1) * ways.len();
    println!("{place} ({}): {tried} of {tried} without residue", ways.join(", "));
    assert!(last > least, "a drill came to {place} only {} times", last - 1);
}

/// Runs the drill with a fail point, and tells whether it came to it. One whose own requests were late did not start, or was no whole drill.
fn run(user: &User<'_>, point: &str) -> (Output, bool) {
    let mut said = String::new();
    for _ in 0..ATTEMPTS {
        let mut command = user.command(&["run", "experiment.yaml", "--yes"]);
        command.env("FIREDRILL_FAILPOINT", point).env("FIREDRILL_LOG", "firedrill::failpoint=info");
        if [":before", ":torn"].iter().any(|way| point.ends_with(way)) {
            // Its helper dies with it: what follows is the work of `recover` alone. Where it lives, it has undone all when the output ends.
            command.env("FIREDRILL_DEADMAN_FAILPOINT", "deadman:1:before");
        }
        let output = command.output().expect("it runs");
        said = says(&output);
        let met = said.contains(&format!("fail point {point} is met"));
        if met || output.status.success() {
            return (output, met);
        }
        assert!(said.contains("more than 10 ms late"), "{point}: {} {said}", output.status);
    }
    panic!("{point}: {ATTEMPTS} drills were disturbed: {said}");
}

/// It was killed, or has ended well without coming to the point; then another process recovers, twice.
fn recovers(user: &User<'_>, output: &Output, point: &str) {
    let killed = output.status.signal().is_some();
    assert!(killed || output.status.success(), "{point}: {} {}", output.status, says(output));
    let (code, said) = user.says(&["recover"]);
    residue::same(&code, &Some(0), format_args!("{point}: {said}"));
    let helped = says(output).contains("the dead-man's switch undoes what it did");
    residue::none(!helped || said.contains("nothing to recover"), format_args!("{point}, the helper had undone it: {said}"));
    let (code, said) = user.says(&["recover"]);
    residue::none(code == Some(0) && said.contains("nothing to recover"), format_args!("{point}, the second time: {said}"));
}

/// It ended by itself, and has undone what it did: a failure of one call is never residue.
fn undoes(_: &User<'_>, output: &Output, point: &str) {
    let code = output.status.code();
    residue::none([Some(0), Some(3), Some(5)].contains(&code), format_args!("{point}: {} {}", output.status, says(output)));
}

#[test]
fn killed_before_every_record_nothing_is_left_behind() {
    at_every("journal", &["before"], 30, recovers);
}

#[test]
fn killed_after_every_record_nothing_is_left_behind() {
    at_every("journal", &["after"], 30, recovers);
}

#[test]
fn torn_in_every_record_nothing_is_left_behind() {
    at_every("journal", &["torn"], 30, recovers);
}

#[test]
fn a_disk_that_is_full_from_each_record_on_leaves_nothing_behind() {
    at_every("journal", &["+short"], 30, |user, output, point| {
        undoes(user, output, point);
        for _ in 0..2 {
            let (code, said) = user.says(&["recover"]);
            residue::same(&code, &Some(0), format_args!("{point}: {said}"));
        }
        let (_, said) = user.says(&["recover"]);
        residue::none(said.contains("nothing to recover"), format_args!("{point}: {said}"));
    });
}

#[test]
fn killed_at_every_call_nothing_is_left_behind() {
    at_every("engine", &["before", "after"], 10, recovers);
    at_every("host-tool", &["before", "after"], 4, recovers);
}

#[test]
fn whatever_call_fails_nothing_is_left_behind() {
    at_every("engine", &["eio", "lost"], 10, undoes);
    at_every("host-tool", &["eio", "lost"], 4, undoes);
}

#[test]
fn read_only_folders_begin_nothing() {
    let engine = Engine::shared();
    let project = engine.project("crashing");
    let _all = site(&project);
    let before = Everything::of(&project);
    let user = User::in_a_hurry(&project, METHOD);
    for folder in ["firedrill-runs", "state"] {
        std::fs::create_dir_all(user.folder().join(folder)).unwrap();
        let usual = user.command(&["run", "experiment.yaml", "--yes"]);
        let words = format!("mount --bind {folder} {folder} && mount -o remount,bind,ro {folder} && exec \"$@\"");
        // In a mount namespace of its own, as root.
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-euc", &words, "sh"]).arg(usual.get_program()).args(usual.get_args());
        for (name, value) in usual.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        let output = command.current_dir(user.folder()).output().expect("unshare runs");
        let said = says(&output);
        assert!(output.status.code() == Some(3) && said.contains("Read-only file system"), "{folder}: {} {said}", output.status);
        Everything::of(&project).is(&before, &format!("{folder}: {said}"));
    }
}
