//! What is written down is on the disk before anything is done, and not only in the system's memory, which a SIGKILL leaves as it is: the
//! system calls of whole drills, in the order in which the kernel saw them. Debian's `strace` tells them, and has each sync fail.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use super::{crash_points::disturbed, foreign::Foreign, rig::Said};
use crate::support::residue;

const HEAD: &str =
    "warm-up: 0s\nbaseline: 100ms\nrecovery: { hold: 100ms, limit: 5s }\nwatch: 100ms\nguardrails: { max-affected: { service: 100% } }\n";
/// Drills that may be disturbed by what else this machine does.
const ATTEMPTS: usize = 12;
const CALLS: &str =
    "trace=mkdir,mkdirat,write,writev,pwrite64,pwritev,fsync,fdatasync,rename,renameat,renameat2,pidfd_send_signal,kill,execve";

/// Three acts by firedrill's own hand: a signal, a program, a signal.
fn drill() -> Foreign {
    let pause = |n| format!("  - pause: {}\n", Foreign::target(n));
    let run = "  - run: [touch, done]\n    undo: [rm, -f, done]\n    timeout: 5s\n";
    Foreign::new(2, HEAD, &format!("{}{run}{}  - wait: 10ms\n", pause(0), pause(1)))
}

/// A system call: the lines of the trace at which it began and had ended.
#[derive(Debug)]
struct Call {
    name: String,
    /// As it was called: a file is its number and its path, `13</path>`.
    words: String,
    began: usize,
    ended: usize,
    worked: bool,
}

impl Call {
    /// The path of the file that it is about, if its first argument is one.
    fn file(&self) -> Option<&str> {
        self.words.split_once('<')?.1.split_once('>').map(|(path, _)| path).filter(|_| self.words.starts_with(|c: char| c.is_ascii_digit()))
    }

    fn writes(&self) -> bool {
        self.name.contains("write")
    }

    fn syncs(&self) -> bool {
        self.worked && matches!(self.name.as_str(), "fsync" | "fdatasync")
    }

    /// Does something to the world of the drill, or undoes it.
    fn acts(&self) -> bool {
        match self.name.as_str() {
            "pidfd_send_signal" | "kill" => ["SIGSTOP", "SIGCONT"].iter().any(|signal| self.words.contains(signal)),
            "execve" => self.worked && ["[\"touch\", ", "[\"rm\", "].iter().any(|program| self.words.contains(program)),
            _ => false,
        }
    }
}

/// Reads a trace. What another thread did meanwhile may stand between the beginning of a call and its end.
fn calls(trace: &str) -> Vec<Call> {
    let mut all: Vec<Call> = Vec::new();
    let mut open: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, line) in trace.lines().enumerate() {
        let Some((thread, said)) = line.split_once(' ') else { continue };
        let said = said.trim_start();
        let worked = said.rsplit_once(" = ").is_some_and(|(_, result)| !result.starts_with('-'));
        if said.starts_with("<... ") {
            let Some(call) = open.remove(thread) else { continue };
            (all[call].ended, all[call].worked) = (at, worked);
        } else if let Some((name, words)) =
            said.split_once('(').filter(|(name, _)| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
        {
            let unfinished = words.ends_with("<unfinished ...>");
            if unfinished {
                open.insert(thread, all.len());
            }
            let ended = if unfinished { usize::MAX } else { at };
            all.push(Call { name: name.to_owned(), words: words.to_owned(), began: at, ended, worked: worked && !unfinished });
        }
    }
    all
}

/// Runs the drill under `strace`, which also does this; gives what it said and the calls. None when this machine was too busy for it.
fn traced(drill: &Foreign, also: &[&str]) -> Option<(Said, Vec<Call>)> {
    let usual = drill.rig.command(["run", "experiment.yaml"]);
    let trace = drill.rig.path("trace");
    // Each begins without one, as the first drill of a user does: its folders are made, too.
    let _ = fs::remove_dir_all(drill.rig.path("state"));
    let mut command = Command::new("strace");
    command.args(["-f", "--seccomp-bpf", "-y", "-s", "100000", "-e", CALLS]).args(also).arg("-o").arg(&trace);
    command.arg(usual.get_program()).args(usual.get_args()).current_dir(drill.rig.path(""));
    for (name, value) in usual.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let said = Said::of(command.output().expect("Debian's package `strace` is needed for this test"));
    let calls = calls(&fs::read_to_string(&trace).unwrap_or_default());
    assert!(!calls.is_empty(), "this machine does not let its users trace what they start: {}{}", said.out, said.err);
    (!disturbed(&said.out)).then_some((said, calls))
}

fn whole(drill: &Foreign, also: &[&str]) -> (Said, Vec<Call>) {
    (0..ATTEMPTS).find_map(|_| traced(drill, also)).expect("this machine is not too busy for a drill")
}

/// What a journal's file is called, before and after it has its name.
fn of_a_journal(path: &str) -> bool {
    path.contains("/journals/") && Path::new(path).extension().is_some_and(|ending| ending == "journal" || ending == "begun")
}

#[test]
fn each_intent_is_on_the_disk_before_its_act() {
    let drill = drill();
    let before = drill.world();
    let (said, calls) = whole(&drill, &[]);
    residue::same(&drill.world(), &before, format_args!("{}{}", said.out, said.err));
    let written: Vec<&Call> = calls.iter().filter(|call| call.writes() && call.file().is_some_and(of_a_journal)).collect();
    let acts: Vec<&Call> = calls.iter().filter(|call| call.acts()).collect();
    // In this order, each with what the journal has to say before it.
    let wanted = [("SIGSTOP", 1, "armed"), ("touch", 2, "armed"), ("SIGSTOP", 3, "armed"), ("SIGCONT", 3, "reverting")];
    let wanted = [&wanted[..], &[("rm", 2, "reverting"), ("SIGCONT", 1, "reverting")]].concat();
    assert_eq!(acts.len(), wanted.len(), "{acts:#?}");
    for (act, (word, step, state)) in acts.iter().zip(wanted) {
        assert!(act.words.contains(word), "{act:?} is not {word}");
        let says = format!(r#"\"act\":{{\"step\":{step},\"act\":1}},\"state\":\"{state}\""#);
        let intent = written.iter().find(|call| call.words.contains(&says)).unwrap_or_else(|| panic!("nothing says {says}"));
        residue::none(intent.ended < act.began, format_args!("{word} of step {step} came before its record"));
        // Neither it nor anything before it is in memory only.
        for record in written.iter().filter(|call| call.began < act.began) {
            let synced = calls
                .iter()
                .any(|call| call.syncs() && call.file() == record.file() && call.began > record.ended && call.ended < act.began);
            residue::none(synced, format_args!("{word} of step {step} did not wait for the disk: {record:?}"));
        }
    }
    // The journal's name, and those of the folders that were made for it, are on the disk too.
    let first = acts[0].began;
    let folder_of = |path: &str| path.rsplit_once('/').unwrap().0.to_owned();
    let quoted = |call: &Call| call.words.split('"').nth(1).unwrap_or_default().to_owned();
    let named = calls.iter().filter(|call| call.worked && call.name.starts_with("rename") && of_a_journal(&quoted(call)));
    let made = calls.iter().filter(|call| call.worked && call.name.starts_with("mkdir"));
    let made = made.filter(|call| ["/state", "/state/journals"].iter().any(|end| quoted(call).ends_with(end)));
    let names: Vec<&Call> = named.chain(made).filter(|call| call.began < first).collect();
    assert_eq!(names.len(), 3, "a journal, its folder, and the state directory: {names:#?}");
    for name in names {
        let folder = folder_of(&quoted(name));
        let synced =
            calls.iter().any(|call| call.syncs() && call.file() == Some(folder.as_str()) && call.began > name.ended && call.ended < first);
        residue::none(synced, format_args!("the first act did not wait for the disk: {name:?}"));
    }
    println!("{} of {} acts and undos waited for the disk, {} appends to the journal", acts.len(), acts.len(), written.len());
}

#[test]
fn a_sync_that_fails_stops_the_acts_and_not_the_undo() {
    let drill = drill();
    let before = drill.world();
    let (mut failed, mut begun) = (0, 0);
    for n in 1.. {
        let fails = format!("inject=fdatasync:error=EIO:when={n}+");
        let (said, calls) = whole(&drill, &["-e", &fails]);
        let told = format!("sync {n}: {}{}", said.out, said.err);
        residue::same(&drill.world(), &before, &told);
        residue::none(!drill.rig.path("done").exists(), &told);
        let all: Vec<&Call> = calls.iter().filter(|call| call.name == "fdatasync" && call.file().is_some_and(of_a_journal)).collect();
        let Some(first) = all.iter().find(|call| !call.worked) else {
            assert!(n > 10, "a drill syncs its journal more often than {n} times");
            break;
        };
        let acts = ["SIGSTOP", "\"touch\""];
        let after = calls.iter().find(|call| call.acts() && call.began > first.ended && acts.iter().any(|act| call.words.contains(act)));
        residue::none(after.is_none(), format_args!("{after:?} after {first:?}\n{told}"));
        let code = said.status.code();
        residue::none([Some(0), Some(3), Some(5)].contains(&code), format_args!("{code:?}: {told}"));
        assert!(code != Some(0) || told.contains("journal"), "{told}");
        failed += 1;
        begun += usize::from(calls.iter().any(Call::acts));
        drill.rig.firedrill(["recover"]).recovered();
        drill.rig.owes_nothing();
        residue::same(&drill.world(), &before, format_args!("recovered: {told}"));
    }
    println!("the disk failed at {failed} of {failed} syncs without residue, in {begun} of them after the first act");
    assert!(begun > 4 && failed - begun >= 3, "{failed} {begun}");
}
