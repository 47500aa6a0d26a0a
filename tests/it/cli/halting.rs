//! Halting by every way there is: in each phase, in the middle of the undo, once, twice, three times; by a terminal, by its end, by a pipe that
//! nobody reads. Whatever it is, what was done is undone, or what is left is said.

use std::{
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use firedrill::clock;
use rustix::process::{Pid, Signal, kill_process};

use super::{
    foreign::Foreign,
    rig::{Started, eventually},
    terminal::Terminal,
};
use crate::support::{alone::helpers, quiet::quiet, residue};

/// Two steps with a wait between them, and phases that are long enough to be halted in.
fn steps() -> Foreign {
    let head = "warm-up: 1s\nbaseline: 1s\nrecovery: { hold: 2s, limit: 10s }\nguardrails: { max-affected: { service: 100% } }";
    let step = |n| format!("  - pause: {}\n    hold: 2s\n", Foreign::target(n));
    Foreign::new(2, head, &format!("{}  - wait: 2s\n{}", step(0), step(1)))
}

/// One sleeper stands still for so long; everything else is short.
fn paused(hold: &str) -> Foreign {
    let head = "warm-up: 0s\nbaseline: 300ms\nrecovery: { hold: 100ms, limit: 5s }\nguardrails: { max-affected: { service: 100% } }";
    Foreign::new(1, head, &format!("  - pause: {}\n    hold: {hold}\n", Foreign::target(0)))
}

fn end(mut child: Child, terminal: impl Fn() -> String) -> ExitStatus {
    eventually("it ends", || child.try_wait().unwrap().is_some());
    let status = child.wait().unwrap();
    println!("{}", terminal());
    status
}

/// How often a drill whose own requests were late is made again.
const ATTEMPTS: usize = 8;

/// A drill on a terminal whose sleeper stands still; of one that this machine was too busy for nothing is learned, and it is made again.
fn on_a_terminal(drill: &Foreign, command: &Command) -> (Terminal, Child) {
    let begun = (0..ATTEMPTS).find_map(|_| {
        let (terminal, mut child) = Terminal::run(command);
        eventually("the sleeper stands still, or it ends", || drill.stopped() == 1 || terminal.shows().contains("report:"));
        if drill.stopped() == 1 {
            return Some((terminal, child));
        }
        assert!(terminal.shows().contains("more than 10 ms late"), "{}", terminal.shows());
        let _ = kill_process(Pid::from_child(&child), Signal::KILL);
        let _ = child.wait();
        None
    });
    begun.expect("this machine is not too busy for a drill")
}

/// How a drill is told to halt, and what it says of it.
#[derive(Clone, Copy)]
enum By {
    Signal(Signal, &'static str),
    /// `firedrill halt`, in another process.
    Halt,
}

#[test]
fn each_signal_in_each_phase_undoes_and_is_aborted() {
    let _quiet = quiet();
    let phases = ["── warm-up", "── baseline", "step 1: ", "step 2: ", "step 3: ", "── recovery"];
    let ways = [
        By::Signal(Signal::INT, "Ctrl-C"),
        By::Signal(Signal::TERM, "SIGTERM"),
        By::Signal(Signal::HUP, "the terminal was closed (SIGHUP)"),
        By::Halt,
    ];
    let all: Vec<(&str, By)> = phases.into_iter().flat_map(|phase| ways.map(|by| (phase, by))).collect();
    let mut slowest = Duration::ZERO;
    // They mostly wait, and have nothing to do with each other; more at once would make each other late.
    for together in all.chunks(8) {
        std::thread::scope(|scope| {
            let drills: Vec<_> = together.iter().map(|(phase, by)| scope.spawn(move || halted_in(phase, *by))).collect();
            for drill in drills {
                slowest = slowest.max(drill.join().unwrap());
            }
        });
    }
    println!("{} of {}: undone after at most {} ms", all.len(), phases.len() * ways.len(), slowest.as_millis());
}

/// Halts a drill in a phase; how long the undo took.
fn halted_in(phase: &str, by: By) -> Duration {
    let drill = steps();
    let before = drill.world();
    let run = (0..ATTEMPTS).find_map(|_| {
        let run = drill.rig.start(["run", "experiment.yaml"]);
        eventually("it comes so far, or ends", || [phase, "report:"].iter().any(|words| run.said_so_far().contains(words)));
        (!run.said_so_far().contains("report:")).then_some(run)
    });
    let run = run.expect("this machine is not too busy for a drill");
    // The step is done when it has said so.
    let acts = matches!(phase, "step 1: " | "step 3: ");
    if acts {
        eventually("it is in effect", || drill.stopped() == 1);
    }
    let halted = clock::now();
    let name = match by {
        By::Signal(signal, name) => {
            run.signal(signal);
            name
        }
        By::Halt => {
            drill.rig.firedrill(["halt"]).code(0).says("told to stop and undo");
            "Ctrl-C"
        }
    };
    residue::ends("nothing is stopped", || drill.stopped() == 0);
    let took = clock::now().since(halted);
    let way = if let By::Halt = by { "firedrill halt" } else { name };
    println!("{way} in {phase}: undone after {} ms", took.as_millis());
    assert!(took < Duration::from_secs(5), "{took:?}");
    run.end().code(4).says("ABORTED").says(name);
    residue::same(&drill.world(), &before, format_args!("{way} in {phase}"));
    drill.rig.owes_nothing();
    took
}

/// Its undo takes three seconds, and leaves a note that it came to its end.
fn slow_undo() -> Foreign {
    let head = "warm-up: 0s\nbaseline: 300ms\nrecovery: { hold: 3s, limit: 10s }\nguardrails: { max-affected: { service: 100% } }";
    let method =
        "  - run: [touch, done]\n    undo: [sh, -c, \"touch undoing; sleep 3; rm done undoing\"]\n    timeout: 20s\n  - wait: 60s\n";
    Foreign::new(1, head, method)
}

fn in_the_middle(drill: &Foreign) -> Started {
    let run = drill.rig.acting(&["run", "experiment.yaml"]);
    run.wait_for("wait 1m");
    run.signal(Signal::INT);
    eventually("it is being undone", || drill.rig.path("undoing").exists());
    run
}

#[test]
fn in_the_middle_of_an_undo_twice_still_undoes_and_three_times_says_what_is_left() {
    let _quiet = quiet();
    std::thread::scope(|scope| {
        scope.spawn(once);
        scope.spawn(twice);
        scope.spawn(three_times);
    });
}

/// What its one step left, and what its undo did not end with.
fn left(drill: &Foreign) -> Vec<&'static str> {
    ["done", "undoing"].into_iter().filter(|name| drill.rig.path(name).exists()).collect()
}

/// The undo is done, and the recovery is watched.
fn once() {
    let drill = slow_undo();
    in_the_middle(&drill).end().code(4).says("── recovery");
    residue::none(left(&drill).is_empty(), "it was not undone to its end");
}

/// The undo is done, and the recovery is not waited for.
fn twice() {
    let drill = slow_undo();
    let run = in_the_middle(&drill);
    run.signal(Signal::TERM);
    let said = run.end().code(4).says("not waiting for the recovery");
    residue::none(left(&drill).is_empty(), format_args!("{}", said.out));
}

/// It leaves, and says what is left and what undoes it.
fn three_times() {
    let drill = slow_undo();
    let run = in_the_middle(&drill);
    let helper = helpers(run.pid());
    run.signal(Signal::INT);
    run.wait_for("still undoing");
    run.signal(Signal::INT);
    let asked = clock::now();
    let said = run.end().code(6).says("RESIDUE").says("firedrill recover");
    assert!(clock::now().since(asked) < Duration::from_secs(10));
    assert!(left(&drill).contains(&"done"), "it is left: {}", said.out);
    eventually("the helper has ended too: a person decided that", || {
        helper.iter().all(|pid| !std::path::Path::new(&format!("/proc/{}", pid.as_raw_nonzero())).exists())
    });
    assert!(left(&drill).contains(&"done"));
    drill.rig.firedrill(["recover"]).code(0).says("undone:");
    residue::none(left(&drill).is_empty(), "it was recovered");
    drill.rig.owes_nothing();
}

#[test]
fn ctrl_c_on_a_terminal_and_a_terminal_that_is_closed_undo() {
    let _quiet = quiet();
    for closed in [false, true] {
        let drill = paused("60s");
        let before = drill.world();
        let (mut terminal, child) = on_a_terminal(&drill, &drill.rig.command(["run", "experiment.yaml"]));
        let helper = helpers(Pid::from_child(&child));
        assert_eq!(helper.len(), 1, "{}", terminal.shows());
        if closed {
            drop(terminal);
            assert_eq!(end(child, String::new).code(), Some(4), "it halted, and did not only die");
        } else {
            terminal.press("\x03");
            let status = end(child, || terminal.shows());
            assert!(status.code() == Some(4) && terminal.shows().contains("ABORTED"), "{status}: {}", terminal.shows());
        }
        residue::same(&drill.world(), &before, "as before");
        drill.rig.owes_nothing();
    }
}

#[test]
fn a_run_whose_output_nobody_reads_any_more_goes_on_and_undoes() {
    let _quiet = quiet();
    let drill = paused("2s");
    let before = drill.world();
    let begun = (0..ATTEMPTS).find_map(|_| {
        let mut command = drill.rig.command(["run", "experiment.yaml"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Whoever read it is gone before it has said anything.
        drop((child.stdout.take(), child.stderr.take()));
        eventually("the sleeper stands still, or it ends", || drill.stopped() == 1 || child.try_wait().unwrap().is_some());
        if drill.stopped() == 1 {
            return Some(child);
        }
        assert_eq!(child.wait().unwrap().code(), Some(3));
        std::fs::remove_dir_all(drill.rig.path("firedrill-runs")).unwrap();
        None
    });
    let status = end(begun.expect("this machine is not too busy for a drill"), String::new);
    // 5: too many of its requests were late in the fault to believe its numbers.
    assert!(matches!(status.code(), Some(0 | 5)), "{status}");
    residue::same(&drill.world(), &before, "as before");
    let report = drill.rig.run_folder().join("report.html");
    assert!(report.exists(), "its report is written all the same");
    drill.rig.owes_nothing();
}

#[test]
fn a_terminal_that_stands_still_holds_up_no_undo() {
    let _quiet = quiet();
    let drill = paused("2s");
    let before = drill.world();
    let (mut terminal, child) = on_a_terminal(&drill, &drill.rig.command(["run", "experiment.yaml"]));
    // Ctrl-S: nothing more is taken from who writes on it.
    terminal.press("\x13");
    residue::ends("the sleeper goes on", || drill.stopped() == 0);
    assert!(!terminal.shows().contains("report:"), "{}", terminal.shows());
    // Ctrl-Q.
    terminal.press("\x11");
    let status = end(child, || terminal.shows());
    assert!(matches!(status.code(), Some(0 | 5)), "{status}: {}", terminal.shows());
    residue::same(&drill.world(), &before, "as before");
}

#[test]
fn ctrl_z_in_the_middle_and_back_in_time_undoes_by_itself_and_too_late_by_the_helper() {
    let _quiet = quiet();
    for (away, in_time) in [(1, true), (60, false)] {
        let drill = paused("3s");
        let before = drill.world();
        // A shell with job control, as a person has: what is stopped is its job, and it brings it back.
        let firedrill = env!("CARGO_BIN_EXE_firedrill");
        let words = format!("set -m; {firedrill} run experiment.yaml; echo back in {away}; sleep {away}; fg; echo ended with $?");
        let usual = drill.rig.command([] as [&str; 0]);
        let mut command = Command::new("sh");
        command.args(["-c", &words]).current_dir(drill.rig.path(""));
        for (name, value) in usual.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        let (mut terminal, mut child) = on_a_terminal(&drill, &command);
        terminal.press("\x1a");
        eventually("it is suspended", || terminal.shows().contains("back in"));
        let suspended = clock::now();
        assert_eq!(drill.stopped(), 1);
        residue::ends("the sleeper goes on", || drill.stopped() == 0);
        let took = clock::now().since(suspended);
        println!("suspended for {away} s in a hold of 3 s: undone after {took:?}");
        if in_time {
            eventually("it has ended by itself", || terminal.shows().contains("ended with"));
            assert!(terminal.shows().contains("undone 1.1") || terminal.shows().contains("goes on"), "{}", terminal.shows());
            assert!(!terminal.shows().contains("dead-man's switch undoes"), "{}", terminal.shows());
        } else {
            // 3 s of hold, and 5 s in which it should have gone on.
            assert!(took > Duration::from_secs(4) && took < Duration::from_secs(20), "{took:?}");
            eventually("the helper said so", || terminal.shows().contains("did not go on in time and was ended"));
        }
        let _ = kill_process(Pid::from_child(&child), Signal::KILL);
        let _ = child.wait();
        residue::same(&drill.world(), &before, "as before");
        drill.rig.owes_nothing();
    }
}
