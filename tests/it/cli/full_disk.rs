//! The disk of the journals is full at every append, in earnest: a tmpfs of a few pages, in a mount namespace of its own. And state that is
//! read-only. Nothing is begun that cannot be written down; what was begun is undone.

use std::process::Output;

use super::{crash_points::disturbed, foreign::Foreign, rig::names};
use crate::support::residue;

const HEAD: &str =
    "warm-up: 0s\nbaseline: 100ms\nrecovery: { hold: 100ms, limit: 5s }\nwatch: 100ms\nguardrails: { max-affected: { service: 100% } }\n";
const PAGE: usize = 4096;
const ATTEMPTS: usize = 12;

fn drill() -> Foreign {
    let step = |n| format!("  - pause: {}\n", Foreign::target(n));
    Foreign::new(2, HEAD, &format!("{}{}  - wait: 10ms\n", step(0), step(1)))
}

/// Makes the header of the journal longer by so many bytes: it holds the variables of the environment.
fn pad(drill: &Foreign, bytes: usize) {
    let filler = "x".repeat(bytes);
    let text =
        format!("environments:\n  here:\n    platform: {{ local: {{}} }}\n    foreign: allowed\n    vars: {{ filler: \"{filler}\" }}\n");
    drill.rig.write("firedrill.yaml", &text);
}

/// Where each record of a journal ends.
fn ends(journal: &[u8]) -> Vec<usize> {
    let mut out = vec![0];
    while let Some(at) = out.last().copied().filter(|at| *at < journal.len()) {
        out.push(at + 12 + u32::from_le_bytes(journal[at..at + 4].try_into().unwrap()) as usize);
    }
    out
}

/// Runs words of a shell in a mount namespace of their own, as root of it, in the drill's folder. `$F` is firedrill, `$J` the folder of
/// journals.
pub fn apart(drill: &Foreign, words: &str) -> Output {
    let usual = drill.rig.command(["run", "experiment.yaml"]);
    let mut command = std::process::Command::new("unshare");
    command.arg("--mount");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command
        .args(["sh", "-euc", words])
        .current_dir(drill.rig.path(""))
        .env("F", usual.get_program())
        .env("J", drill.rig.path("state/journals"));
    for (name, value) in usual.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let output = command.output().unwrap();
    assert!(!text(&output).contains("unshare:"), "this machine does not let its users have a mount namespace: {}", text(&output));
    output
}

pub fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

/// The exit code that was said behind a word.
pub fn code(said: &str, word: &str) -> i32 {
    let line = said.lines().find_map(|line| line.strip_prefix(word)).unwrap_or_else(|| panic!("no `{word}` in {said}"));
    line.trim().parse().unwrap()
}

#[test]
fn a_disk_that_is_full_at_every_append_leaves_nothing_behind() {
    let drill = drill();
    let before = drill.world();
    pad(&drill, 0);
    let journal = (0..ATTEMPTS)
        .find_map(|_| {
            let said = drill.rig.firedrill(["run", "experiment.yaml"]);
            let done = drill.rig.path("state").join("journals/done");
            let journal = std::fs::read(done.join(names(&done).pop()?)).unwrap();
            std::fs::remove_dir_all(done).unwrap();
            said.out.contains("undone 2.1").then_some(journal)
        })
        .expect("this machine is not too busy for a drill");
    let ends = ends(&journal);
    let records = ends.len() - 1;
    let (mut full, mut begun) = (0, 0);
    for record in 0..records {
        // The last page ends in the middle of this record.
        let middle = usize::midpoint(ends[record], ends[record + 1]);
        let pages = middle.div_ceil(PAGE).max(1);
        pad(&drill, pages * PAGE - middle);
        let words = format!(
            "mount -t tmpfs -o size={},mode=700 tmpfs \"$J\"
             \"$F\" run experiment.yaml && echo \"run: 0\" || echo \"run: $?\"
             \"$F\" recover && echo \"full: 0\" || echo \"full: $?\"
             mount -o remount,size=1m \"$J\"
             \"$F\" recover && echo \"room: 0\" || echo \"room: $?\"",
            pages * PAGE
        );
        let said = (0..ATTEMPTS).find_map(|_| {
            let said = text(&apart(&drill, &words));
            (!disturbed(&said)).then_some(said)
        });
        let said = said.expect("this machine is not too busy for a drill");
        residue::same(&drill.world(), &before, format_args!("record {record}: {said}"));
        assert!(said.contains("No space left on device"), "record {record} of {pages} pages: {said}");
        // A run that could not write down that it undid everything has undone it, and says what is not written.
        let words = ["the undo went on, but the journal could not be written", "the journal could not be put away"];
        let unwritten = words.iter().any(|words| said.contains(words));
        assert!([3, 5].contains(&code(&said, "run: ")) || (code(&said, "run: ") == 0 && unwritten), "record {record}: {said}");
        assert!([0, 5].contains(&code(&said, "full: ")), "record {record}: {said}");
        assert_eq!(code(&said, "room: "), 0, "record {record}: {said}");
        full += 1;
        begun += usize::from(said.contains("happened"));
    }
    println!("the disk was full at {full} of {records} appends without residue, in {begun} of them after the first act");
    assert!(full == records && records > 10 && begun > 4, "{full} {begun}");
}

#[test]
fn read_only_state_begins_nothing_and_stops_no_undo() {
    let drill = drill();
    let before = drill.world();
    drill.rig.firedrill(["recover"]).code(0);
    for folder in ["firedrill-runs", "state"] {
        std::fs::create_dir_all(drill.rig.path(folder)).unwrap();
        let words = format!(
            "mount --bind {folder} {folder}
             mount -o remount,bind,ro {folder}
             \"$F\" run experiment.yaml && echo \"run: 0\" || echo \"run: $?\""
        );
        let said = text(&apart(&drill, &words));
        assert_eq!(code(&said, "run: "), 3, "{said}");
        assert!(said.contains("Read-only file system"), "{said}");
        residue::same(&drill.world(), &before, format_args!("{said}"));
    }
    // Both acts are in effect when firedrill and its helper die; then their state is read-only.
    let words = "
        mount --bind state state
        FIREDRILL_FAILPOINT=journal:7:after FIREDRILL_DEADMAN_FAILPOINT=deadman:1:before \"$F\" run experiment.yaml || echo \"killed: $?\"
        mount -o remount,bind,ro state
        \"$F\" recover && echo \"read-only: 0\" || echo \"read-only: $?\"
        mount -o remount,bind,rw state
        \"$F\" recover && echo \"writable: 0\" || echo \"writable: $?\"
        \"$F\" recover";
    let said = (0..ATTEMPTS).find_map(|_| {
        let said = text(&apart(&drill, words));
        (!disturbed(&said)).then_some(said)
    });
    let said = said.expect("this machine is not too busy for a drill");
    residue::same(&drill.world(), &before, format_args!("{said}"));
    assert_eq!(code(&said, "killed: "), 137, "{said}");
    assert_eq!(code(&said, "read-only: "), 5, "{said}");
    assert!(said.contains("nothing is left behind, but that cannot be written down") && said.contains("goes on"), "{said}");
    assert_eq!(code(&said, "writable: "), 0, "{said}");
    assert!(said.contains("nothing to recover"), "{said}");
}
