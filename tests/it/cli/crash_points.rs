//! firedrill is killed right before, in the middle of and right after each record of its journal, and its disk is full from each record on: on a
//! system that `firedrill up` keeps, and (killed before and after) on processes that it did not start. Another process puts back the world,
//! field by field, and a second time finds nothing to do. So does the helper of the run.

use std::{os::unix::process::ExitStatusExt, path::Path};

use firedrill::platform::local::{
    client::Client,
    control::{Status, Traffic},
};
use rustix::process::Signal;

use super::{
    foreign::Foreign,
    rig::{EXPERIMENT, Rig, SYSTEM, Said, eventually, names},
};
use crate::support::residue;

/// Phases as short as they can be: what is measured does not matter here.
const HEAD: &str =
    "warm-up: 0s\nbaseline: 100ms\nrecovery: { hold: 100ms, limit: 5s }\nwatch: 1s\nguardrails: { max-affected: { service: 100% } }\n";
/// Drills that may be disturbed by what else this machine does.
const ATTEMPTS: usize = 12;

/// Who undoes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    /// `firedrill recover`: the helper of the run dies with it.
    Recover,
    /// The helper.
    Helper,
}

/// A drill at whose records firedrill is killed, and the world that it touches.
struct Case<'a> {
    rig: &'a Rig,
    /// The world, a line a field, without what a journey through a death changes (numbers of processes).
    world: &'a dyn Fn() -> Vec<String>,
    /// The file, so that a drill which was disturbed can be told.
    file: &'a str,
}

/// Whether a drill says of itself that this machine was too busy for it.
pub fn disturbed(said: &str) -> bool {
    ["more than 10 ms late", "the baseline is not steady"].iter().any(|words| said.contains(words))
}

/// What a sweep over all records came to.
#[derive(Debug, Default)]
struct Sweep {
    killed: usize,
    touched: usize,
    helped: usize,
    records: u32,
}

impl Said {
    /// Whether the helper of the run has undone it.
    fn helped(&self) -> bool {
        self.err.contains("the dead-man's switch undoes what it did")
    }
}

impl Case<'_> {
    /// Kills at every record, in each way; the number of kills, after each of which nothing was left.
    fn sweep(&self, ways: &[(&str, Who)]) -> Sweep {
        let before = (self.world)();
        let mut sweep = Sweep::default();
        for n in 1.. {
            let mut met = false;
            for (way, who) in ways {
                // Every second record is enough for the helper: it is the same code.
                if *who == Who::Helper && n % 2 == 1 {
                    continue;
                }
                let point = format!("journal:{n}:{way}");
                let Some(said) = self.crash(&point, *who) else { continue };
                met = true;
                sweep.killed += 1;
                sweep.helped += usize::from(said.helped());
                sweep.touched += usize::from(*who == Who::Recover && (self.world)() != before);
                self.undone(&point, *who, &before, &said);
            }
            if !met && n % 2 == 0 {
                sweep.records = n - 1;
                return sweep;
            }
        }
        unreachable!("a journal has an end")
    }

    /// The disk is full from each record on. The run itself undoes what it did, and `recover` finds the same. Gives the number of records.
    fn full(&self) -> u32 {
        let before = (self.world)();
        for n in 1.. {
            let point = format!("journal:{n}+:short");
            let whole = (0..ATTEMPTS).find_map(|_| {
                let mut command = self.rig.command(["run", self.file]);
                command.env("FIREDRILL_FAILPOINT", &point).env("FIREDRILL_LOG", "firedrill::failpoint=info");
                let said = Said::of(command.output().unwrap());
                residue::same(&(self.world)(), &before, format_args!("{point}: {}{}", said.out, said.err));
                self.rig.firedrill(["recover"]).recovered();
                self.rig.owes_nothing();
                residue::same(&(self.world)(), &before, format_args!("{point}, recovered: {}{}", said.out, said.err));
                let met = said.err.contains("is met");
                (met || !disturbed(&said.out)).then_some(!met)
            });
            if whole.expect("this machine is not too busy for a drill") {
                return n - 1;
            }
        }
        unreachable!("a journal has an end")
    }

    /// Runs the drill with a fail point. `None` when it did not come to it.
    fn crash(&self, point: &str, who: Who) -> Option<Said> {
        for _ in 0..ATTEMPTS {
            let mut command = self.rig.command(["run", self.file]);
            command.env("FIREDRILL_FAILPOINT", point).env("FIREDRILL_LOG", "firedrill::failpoint=info");
            if who == Who::Recover {
                command.env("FIREDRILL_DEADMAN_FAILPOINT", "deadman:1:before");
            }
            // To the end of its output: that of the helper is the same.
            let output = command.output().unwrap();
            let said = Said::of(output);
            residue::none(said.status.code() != Some(6), format_args!("{point}: {}{}", said.out, said.err));
            if said.status.signal().is_some() {
                assert!(said.err.contains(&format!("fail point {point} is met")), "{point}: {}{}", said.out, said.err);
                return Some(said);
            }
            if said.out.contains("── recovery") && !disturbed(&said.out) {
                return None;
            }
            assert!(disturbed(&said.out), "{point}: {}{}", said.out, said.err);
        }
        panic!("{point}: this machine is too busy for a drill: {ATTEMPTS} in a row were disturbed");
    }

    fn undone(&self, point: &str, who: Who, before: &Vec<String>, crashed: &Said) {
        if who == Who::Helper {
            // It begins right before the run would touch anything; until then there is nothing to undo.
            residue::same(&(self.world)(), before, format_args!("{point}, by the helper: {}{}", crashed.out, crashed.err));
        }
        if !crashed.helped() {
            let said = self.rig.firedrill(["recover"]).recovered();
            residue::same(&(self.world)(), before, format_args!("{point}: {}{}", said.out, said.err));
        }
        self.rig.owes_nothing();
        residue::same(&(self.world)(), before, format_args!("{point}, once more"));
    }
}

#[test]
fn killed_at_every_record_processes_that_it_did_not_start_are_as_before() {
    // One of them is stopped already, and stays so.
    let step = |n| format!("  - pause: {}\n", Foreign::target(n));
    let run = "  - run: [touch, done]\n    undo: [rm, -f, done]\n    timeout: 5s\n";
    let drill = Foreign::new(3, HEAD, &format!("{}{run}{}  - wait: 10ms\n", step(0), step(1)));
    drill.stop(2);
    let world = || {
        let mut lines: Vec<String> = drill.world().iter().map(|(pid, began, state)| format!("{pid}@{began} {state}")).collect();
        lines.push(format!("done: {}", drill.rig.path("done").exists()));
        lines
    };
    let case = Case { rig: &drill.rig, world: &world, file: "experiment.yaml" };
    let sweep = case.sweep(&[("before", Who::Recover), ("after", Who::Recover), ("after", Who::Helper)]);
    let Sweep { killed, touched, helped, records } = sweep;
    println!(
        "foreign processes: {records} records; {killed} of {killed} kills without residue, {touched} of them in the middle of a fault, {helped} undone by the helper"
    );
    assert!(records >= 17 && killed >= 40 && touched >= 10 && helped >= 5, "{records} {killed} {touched} {helped}");
}

/// The fields of a system that a drill may change. A dead instance that was started again is another process at another address.
fn fields(status: &Status) -> Vec<String> {
    let mut lines = vec![format!("suspended {:?}", status.suspended), format!("desired {:?}", status.desired)];
    for known in &status.instances {
        let i = &known.instance;
        let traffic = if known.traffic == Traffic::default() { "flows".to_owned() } else { format!("{:?}", known.traffic) };
        let runs = i.identity.strip_prefix("pid:").and_then(|i| i.split_once('@')).and_then(|(pid, _)| pid.parse().ok());
        let stopped = runs.and_then(firedrill::platform::process::stat).is_some_and(|stat| stat.stopped());
        lines.push(format!(
            "{} {} {} {} {:?} healthy {:?} labels {:?} stopped {stopped} traffic {traffic} replaced {}",
            i.id, i.service, i.zone, i.region, i.state, i.healthy, i.labels, known.replaced
        ));
    }
    lines.sort();
    lines
}

#[test]
fn killed_at_every_record_a_system_is_as_before() {
    let system = SYSTEM.replace("    replace: { after: 500ms }\n", "");
    let (head, _) = EXPERIMENT.split_once("steady-state:").unwrap();
    let head = head.replace("200/s", "50/s");
    let method = "method:\n  - zone-outage: b\n  - pause: { service: web, zone: a, take: 1 }\n  - slow: { service: web, zone: a, take: 1, latency: 1ms }\n  - wait: 10ms\n";
    let rig = Rig::with(&system, &format!("{head}steady-state: [{{ probe: home, availability: '>= 1%' }}]\n{HEAD}{method}"));
    let up = rig.up();
    let folder = rig.path("state").join("local");
    let socket = names(&folder).into_iter().find(|name| Path::new(name).extension().is_some_and(|e| e == "sock")).unwrap();
    let client = Client::new(folder.join(socket));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let look = || {
        let status = runtime.block_on(client.status()).unwrap();
        let marks = runtime.block_on(client.marks()).unwrap().len();
        let mut lines = fields(&status);
        lines.push(format!("marks {marks}"));
        lines
    };
    eventually("all serve", || look().iter().filter(|line| line.contains("Running healthy Some(true)")).count() >= 3);
    let case = Case { rig: &rig, world: &look, file: "experiment.yaml" };
    let sweep = case.sweep(&[("before", Who::Recover), ("torn", Who::Recover), ("after", Who::Recover), ("after", Who::Helper)]);
    let Sweep { killed, touched, helped, records } = sweep;
    println!(
        "firedrill up: {records} records; {killed} of {killed} kills without residue, {touched} of them in the middle of a fault, {helped} undone by the helper"
    );
    assert!(records >= 22 && killed >= 70 && touched >= 20 && helped >= 7, "{records} {killed} {touched} {helped}");
    let full = case.full();
    println!("firedrill up: the disk was full from each of {full} records on, without residue");
    assert!(full >= 22, "{full}");
    up.signal(Signal::TERM);
    up.end().code(0);
}
