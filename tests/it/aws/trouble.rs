//! AWS that throttles, fails, and loses answers: the same acts, none twice, none outside of the plan.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::rig::{GROUP, Lab};

/// Kills one, and cuts a zone off.
const METHOD: &str = "  - kill: { service: what-time-web, zone: eu-west-1c, take: 1 }\n    hold: 1s\n  \
     - zone-outage: { zone: eu-west-1b, mechanism: blackhole }\n    hold: 1s\n";
/// Writes that would count twice: each is done as often as without trouble.
const ONCE: [&str; 2] = ["ec2:ReplaceNetworkAclAssociation", "ec2:DeleteNetworkAcl"];

/// What was really changed: each call with the instances, subnets and group that it names. What AWS names anew in each run is left out.
fn changed(lab: &Lab) -> (BTreeSet<String>, [usize; 2]) {
    let told = lab.ask("GET", "/lab/calls", "");
    let mut all = BTreeSet::new();
    for call in told["calls"].as_array().unwrap() {
        let name = call["name"].as_str().unwrap();
        let reads = ["Describe", "Get", "List"].iter().any(|verb| name.contains(&format!(":{verb}")));
        if reads || call["dry_run"] == true || call["done"].as_u64() == Some(0) {
            continue;
        }
        let parameters = call["parameters"].to_string();
        let words = parameters.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-');
        let touched: BTreeSet<&str> =
            words.filter(|word| *word == GROUP || ["i-", "subnet-"].iter().any(|kind| word.starts_with(kind))).collect();
        all.insert(format!("{name} {touched:?}"));
    }
    (all, ONCE.map(|name| lab.done(name).len()))
}

/// How often each kind of trouble struck.
type Struck = BTreeMap<String, u64>;

/// Runs the drill in a laboratory of its own, in which ids and draws are those of every other one.
fn drilled(trouble: Option<u64>) -> (BTreeSet<String>, [usize; 2], Struck) {
    let lab = Lab::new();
    // A group that leaves a zone moves its members at once. A drill that is throttled would find them gone: that is the group's doing, and not
    // what is looked at here.
    let moves = json!({ "AutoScalingGroupName": GROUP, "ScalingProcesses": ["AZRebalance"] });
    let before = lab.shape();
    lab.aws("autoscaling", "suspend_processes", &moves);
    lab.ask("DELETE", "/lab/calls", "");
    lab.experiment(METHOD);
    if let Some(seed) = trouble {
        let rules = json!([
            { "kind": "throttle", "share": 0.30 },
            { "kind": "error", "share": 0.025 },
            { "kind": "unavailable", "share": 0.025 },
            { "kind": "cut-before", "share": 0.01 },
            { "kind": "cut-after", "share": 0.01 },
        ]);
        lab.ask("PUT", &format!("/lab/trouble?seed={seed}"), &rules.to_string());
    }
    let said = lab.firedrill(&["run", "experiment.yaml", "--yes", "--seed", "1"]);
    let struck = lab.ask("GET", "/lab/trouble", "");
    lab.ask("DELETE", "/lab/trouble", "");
    let said = said.code(0);
    let mut by_kind = Struck::new();
    for rule in struck.as_array().unwrap() {
        println!("seed {trouble:?}: {} struck {} of {} calls", rule["kind"], rule["struck"], rule["seen"]);
        by_kind.insert(rule["kind"].as_str().unwrap().to_owned(), rule["struck"].as_u64().unwrap());
    }
    let (changed, once) = changed(&lab);
    lab.aws("autoscaling", "resume_processes", &moves);
    lab.settled();
    crate::support::residue::same(&lab.shape(), &before, format_args!("seed {trouble:?}: {said:?}"));
    (changed, once, by_kind)
}

#[test]
fn throttled_failing_and_cut_off_the_drill_does_the_same_acts() {
    let quiet = drilled(None);
    let ended = |changes: &BTreeSet<String>| changes.iter().filter(|call| call.starts_with("ec2:TerminateInstances")).count();
    assert_eq!(ended(&quiet.0), 1, "{quiet:?}");
    assert!(quiet.1.iter().all(|times| *times > 0), "{quiet:?}");
    let mut struck = Struck::new();
    std::thread::scope(|scope| {
        // Not 1: it strikes the first eight calls in a row, and a drill that cannot even ask whose account it is does not begin.
        let seeds = [2, 3, 4, 5].map(|seed| (seed, scope.spawn(move || drilled(Some(seed)))));
        for (seed, drill) in seeds {
            let (changed, once, by_kind) = drill.join().unwrap();
            assert_eq!((&changed, once), (&quiet.0, quiet.1), "seed {seed}");
            for (kind, times) in by_kind {
                *struck.entry(kind).or_default() += times;
            }
        }
    });
    let of = |kinds: [&str; 2]| kinds.iter().map(|kind| struck[*kind]).sum::<u64>();
    assert!(struck["throttle"] > 0 && of(["error", "unavailable"]) > 0 && of(["cut-before", "cut-after"]) > 0, "{struck:?}");
}

#[test]
fn an_acl_quota_that_is_reached_leaves_nothing_behind() {
    let lab = Lab::new();
    let before = lab.shape();
    lab.ask("PUT", "/lab/trouble", &json!([{ "kind": "acl-quota", "number": 1 }]).to_string());
    lab.experiment("  - zone-outage: { zone: eu-west-1a, mechanism: blackhole }\n    hold: 1s\n");
    let said = lab.firedrill(&["run", "experiment.yaml", "--yes"]);
    assert_ne!(said.code, Some(0));
    said.says("maximum number of network ACLs");
    lab.settled();
    crate::support::residue::same(&lab.shape(), &before, "as before");
}

#[test]
fn an_access_denied_in_the_middle_is_undone() {
    let lab = Lab::new();
    let before = lab.shape();
    // The first one only asks whether it is permitted.
    lab.ask("PUT", "/lab/trouble", &json!([{ "kind": "deny", "actions": ["ec2:ReplaceNetworkAclAssociation"], "nth": [2] }]).to_string());
    lab.experiment("  - zone-outage: { zone: eu-west-1a, mechanism: blackhole }\n    hold: 1s\n");
    let said = lab.firedrill(&["run", "experiment.yaml", "--yes"]);
    assert_ne!(said.code, Some(0));
    said.says("access denied to ec2:ReplaceNetworkAclAssociation");
    lab.settled();
    crate::support::residue::same(&lab.shape(), &before, "as before");
}
