//! No shell runs anything unless a file asks for it by its name: not in the source, and not for arguments that a shell would obey.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    thread::sleep,
    time::Duration,
};

use firedrill::model::{
    probe::{CommandProbe, ProbeKind},
    sample::SampleOutcome,
};

use super::ran;
use crate::{
    cli::rig::{EXPERIMENT, Rig, SYSTEM},
    probe_truth::{launch, probe},
    support::residue,
};

/// By the last part of their path.
const SHELLS: [&str; 7] = ["sh", "bash", "dash", "ash", "zsh", "ksh", "busybox"];
/// Where a shell is named: two scripts of our own that run inside of a container, which take their words as arguments; the list of
/// programs that the examples need; and Chaos Toolkit's experiments, where arguments written as one text are by that format for a shell
/// (a warning says so): one is started for them, or written by name into the file that they are turned into.
const ALLOWED: [&str; 5] = [
    "src/platform/docker/exec/stress.rs",
    "src/sample_app/programs.rs",
    "src/chaostoolkit/provider/process.rs",
    "src/chaostoolkit/import/probes.rs",
    "src/chaostoolkit/import/steps.rs",
];

/// Every file of source below a folder.
pub fn sources(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            sources(&entry.path(), out);
        } else if entry.path().extension().is_some_and(|ending| ending == "rs") {
            out.push(entry.path());
        }
    }
}

#[test]
fn the_source_names_no_shell() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    assert!(files.len() > 200);
    let mut named = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        // What unit tests run is theirs: they stand at the end of a file.
        let code =
            ["", "pub "].iter().fold(text.as_str(), |code, public| code.split(&format!("#[cfg(test)]\n{public}mod tests")).next().unwrap());
        let name = path.strip_prefix(root).unwrap().display().to_string();
        for (number, line) in (1..).zip(code.lines()).filter(|(_, line)| !line.trim_start().starts_with("//")) {
            let shell = SHELLS.iter().any(|shell| line.contains(&format!("\"{shell}\"")) || line.contains(&format!("/{shell}\"")));
            if shell || line.contains("libc::system") || line.contains("\"-c\", &format!") {
                named.push((name.clone(), number, line.trim().to_owned()));
            }
        }
    }
    let elsewhere: Vec<_> = named.iter().filter(|(name, ..)| !ALLOWED.contains(&name.as_str())).collect();
    assert!(elsewhere.is_empty(), "{elsewhere:#?}");
    // Those two scripts are what they were written as: no text of anybody is put into them.
    let stress: Vec<&str> = named.iter().filter(|(name, ..)| name == ALLOWED[0]).map(|(_, _, line)| line.as_str()).collect();
    for line in stress.iter().filter(|line| line.contains("\"-c\"")) {
        assert!(line.contains("\"-c\", LOOK, \"sh\"") || line.contains("\"-c\", STRESS, \"sh\""), "{line}");
    }
}

/// What a shell would obey; each is also the name of a file, when nobody does.
const WORDS: [&str; 8] = [
    "$(touch pwned)",
    "; touch pwned",
    "`touch pwned`",
    "| tee pwned",
    "> pwned",
    "a\n touch pwned",
    "$IFS&&touch pwned",
    "${PATH}' \" * ? ~",
];

fn yaml() -> String {
    let quoted: Vec<String> = WORDS.iter().map(|word| serde_json::Value::from(word.replace("${", "$${")).to_string()).collect();
    quoted.join(", ")
}

#[test]
fn arguments_that_a_shell_would_obey_arrive_as_they_are() {
    let words = yaml();
    let step = format!("method:\n  - run: [touch, --, {words}]\n    undo: [touch, --, undone, {words}]\n");
    let idle = format!("services:\n  idle:\n    command: [tail, -f, /dev/null, {words}]\n    working-directory: .\n");
    let rig = Rig::with(&SYSTEM.replace("services:\n", &idle), &EXPERIMENT.replace("method:\n", &step));
    // Whoever starts a shell starts this one.
    let shims = rig.path("shims");
    fs::create_dir(&shims).unwrap();
    for shell in ["sh", "bash", "dash", "ash"] {
        let shim = shims.join(shell);
        fs::write(&shim, "#!/bin/sh\necho \"$0 $*\" >>\"$(/usr/bin/dirname \"$0\")/called\"\nexec /bin/sh \"$@\"\n").unwrap();
        fs::set_permissions(&shim, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = std::env::join_paths([shims.clone()].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap()))).unwrap();
    let ran = ran(&rig, &|| {
        let mut command = rig.command(["run", "experiment.yaml"]);
        command.env("PATH", &path);
        command
    });
    for name in ["undone"].iter().chain(&WORDS) {
        assert!(rig.path(".").join(name).exists(), "no file `{name}`:\n{}\n{}", ran.out, ran.err);
    }
    residue::none(!rig.path("pwned").exists(), "a shell obeyed");
    let called = fs::read_to_string(shims.join("called")).unwrap_or_default();
    residue::same(&called.as_str(), &"", "a shell was started");
}

#[test]
fn a_command_probe_gets_its_arguments_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let inside = |word: &str| format!("{}/{word}", folder.path().display());
    let command = ["touch", "--"].map(str::to_owned).into_iter().chain(WORDS.map(inside)).collect();
    let run = launch(vec![probe(ProbeKind::Command(CommandProbe { command, status: vec![] }), 2.0, 10_000)]);
    sleep(Duration::from_millis(100));
    let outcomes: Vec<_> = run.running.stop().samples.samples(0).map(|sample| sample.unwrap().outcome).collect();
    assert_eq!(outcomes, [SampleOutcome::Ok]);
    for word in WORDS {
        assert!(folder.path().join(word).exists(), "no file `{word}`");
    }
    residue::none(!Path::new("pwned").exists() && !folder.path().join("pwned").exists(), "a shell obeyed");
}
