//! A tool that is killed in the middle of a drill, and its state directory is lost with it: what it left is found where it was done.

use std::process::Child;

use super::rig::User;
use crate::support::{
    alone,
    engine::Engine,
    project::{Container, Project},
    quiet::quiet,
    residue,
};

/// Of each kind that leaves a mark on a container.
const METHOD: &str = "
  - partition: { service: cut }
  - partition: { service: refused, mode: refuse }
  - limit: { service: limited, rate: 64KiB }
  - stress: { service: busy, memory: 4MB }
  - wait: 60s
";

/// A chain whose name only begins like ours.
const FOREIGN: &str = "FIREDRILL-xyz";

struct Site<'p> {
    project: &'p Project<'p>,
    all: Vec<Container<'p>>,
}

impl<'p> Site<'p> {
    fn of(project: &'p Project<'p>) -> Self {
        let site = Self { project, all: ["cut", "refused", "limited", "busy"].map(|service| project.container(service).start()).into() };
        site.inside(0, &["iptables", "-w", "-N", FOREIGN]);
        site.inside(0, &["iptables", "-w", "-A", FOREIGN, "-j", "DROP"]);
        site
    }

    /// Runs a program of this machine in a container's network namespace.
    fn inside(&self, which: usize, words: &[&str]) -> String {
        let namespace = format!("--net=/proc/{}/ns/net", self.all[which].inspect("{{.State.Pid}}"));
        let output = std::process::Command::new("nsenter").arg(namespace).args(words).output().expect("nsenter");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    fn rules(&self, which: usize) -> String {
        ["iptables", "ip6tables"].map(|tool| self.inside(which, &[tool, "-w", "-S"])).concat()
    }

    /// What is in effect, a word each.
    fn hit(&self) -> Vec<&'static str> {
        let chains = |which| self.rules(which).lines().filter(|line| line.starts_with("-N FIREDRILL-") && !line.ends_with("xyz")).count();
        let stressed = || {
            let ids = std::fs::read_dir("/proc").expect("processes").filter_map(Result::ok);
            let read = |path: std::path::PathBuf| std::fs::read(path).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default();
            ids.map(|entry| entry.path())
                .any(|path| read(path.join("cgroup")).contains(&self.all[3].id) && read(path.join("environ")).contains("FIREDRILL_STRESS="))
        };
        let all = [
            ("cut", chains(0) > 0),
            ("refused", chains(1) > 0),
            ("limited", self.inside(2, &["tc", "qdisc", "show"]).contains("qdisc tbf f")),
            ("marked", chains(2) > 0),
            ("busy", stressed()),
        ];
        all.into_iter().filter_map(|(word, is)| is.then_some(word)).collect()
    }

    fn as_before(&self, said: &str) {
        residue::same(&self.hit(), &Vec::new(), said);
        let theirs = self.rules(0).contains(&format!("-A {FOREIGN} -j DROP"));
        residue::none(theirs, format_args!("what is not ours stays: {}", self.rules(0)));
    }

    /// A run in the middle of its faults, of a user with a state directory of its own.
    fn at_work(&self) -> (User<'p>, Child) {
        let user = User::new(self.project, METHOD);
        let child = user.in_the_middle("wait 1m");
        assert_eq!(self.hit(), ["cut", "refused", "limited", "marked", "busy"]);
        (user, child)
    }
}

/// Kills the run and its helper; its state directory goes, too.
fn lose(user: &User<'_>, mut child: Child) {
    alone::end(&mut child);
    std::fs::remove_dir_all(user.folder().join("state")).expect("removed");
}

/// `recover` from another PID namespace, in which the numbers of `/proc` are not those of the processes around it.
fn elsewhere(user: &User<'_>) -> String {
    let here = user.command(&["recover", "--env", "staging"]);
    let mut there = std::process::Command::new("unshare");
    there.args(["--pid", "--fork"]).arg(here.get_program()).args(here.get_args()).current_dir(user.folder());
    for (name, value) in here.get_envs() {
        match value {
            Some(value) => there.env(name, value),
            None => there.env_remove(name),
        };
    }
    let output = there.output().expect("unshare");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn recover_finds_what_is_left_in_an_environment_and_leaves_the_living_alone() {
    let engine = Engine::shared();
    let project = engine.project("orphaned");
    let site = Site::of(&project);
    let _quiet = quiet();
    let (user, child) = site.at_work();
    // Of another state directory: no lock of one excludes the other.
    let other = User::new(&project, METHOD);
    let (code, said) = other.says(&["recover", "--env", "staging"]);
    assert!(code == Some(0) && said.contains("nothing to recover"), "{code:?}: {said}");
    residue::same(&site.hit().len(), &5, format_args!("what a run that lives did is left alone: {said}"));
    let (code, said) = user.says(&["recover", "--env", "staging"]);
    assert!(code == Some(3) && said.contains("another drill is at work there"), "{code:?}: {said}");
    assert_eq!(site.hit().len(), 5, "{said}");

    lose(&user, child);
    let (code, said) = other.says(&["recover"]);
    assert!(code == Some(0) && site.hit().len() == 5, "nobody named the place: {said}");
    let said = elsewhere(&other);
    assert!(said.contains("nothing to recover") && site.hit().len() == 5, "from there it cannot be told who lives: {said}");
    // Nothing can run in one that is paused, so its stress is ended later.
    engine.docker(&["pause", &site.all[3].id]);
    let (code, said) = other.says(&["recover", "--env", "staging"]);
    assert_eq!((code, site.hit()), (Some(0), vec!["busy"]), "{said}");
    for words in ["partition of", "limit of", "left without a journal", "pass again", "without the limit"] {
        assert!(said.contains(words), "`{words}` is not in {said}");
    }
    engine.docker(&["unpause", &site.all[3].id]);
    let (code, said) = other.says(&["recover", "--env", "staging"]);
    assert!(code == Some(0) && said.contains("stress of") && said.contains("ended the stress"), "{code:?}: {said}");
    site.as_before(&said);
    let (code, said) = other.says(&["recover", "--env", "staging"]);
    assert!(code == Some(0) && said.contains("nothing to recover"), "{code:?}: {said}");
}

#[test]
fn the_next_run_undoes_first_what_is_left() {
    let engine = Engine::shared();
    let project = engine.project("orphaned");
    let site = Site::of(&project);
    let _quiet = quiet();
    let (user, child) = site.at_work();
    lose(&user, child);
    let next = User::new(&project, "  - pause: { service: cut }\n    hold: 500ms\n");
    let (_, said) = next.says(&["run", "experiment.yaml", "--yes"]);
    // It goes on from there, whatever comes of it on a busy machine.
    for words in ["undone first: partition of", "undone first: limit of", "undone first: stress of", "baseline"] {
        assert!(said.contains(words), "`{words}` is not in {said}");
    }
    site.as_before(&said);
}
