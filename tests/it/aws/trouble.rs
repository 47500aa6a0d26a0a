//! AWS that throttles, fails, and loses answers: the same acts, none twice, none outside of the plan.

use std::collections::BTreeSet;

use serde_json::json;

use super::rig::Lab;

#[test]
fn throttled_failing_and_cut_off_the_drill_does_the_same_acts() {
    let lab = Lab::new();
    let before = lab.shape();
    lab.experiment("  - kill: { service: what-time-web, zone: eu-west-1c, take: 1 }\n    hold: 1s\n  - zone-outage: { zone: eu-west-1b, mechanism: blackhole }\n    hold: 1s\n");
    let rules = json!([
        { "kind": "throttle", "share": 0.3 },
        { "kind": "error", "share": 0.05 },
        { "kind": "cut-after", "share": 0.02 },
    ]);
    lab.ask("PUT", "/lab/trouble", &rules.to_string());
    let said = lab.firedrill(&["run", "experiment.yaml", "--yes"]);
    lab.ask("DELETE", "/lab/trouble", "");
    let said = said.code(0);
    let mut ended: BTreeSet<String> = BTreeSet::new();
    for call in lab.done("ec2:TerminateInstances") {
        ended.insert(call["parameters"].to_string());
    }
    assert_eq!(ended.len(), 1, "one instance, however often it was asked for: {said:?}");
    lab.settled();
    assert_eq!(lab.shape(), before);
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
    assert_eq!(lab.shape(), before);
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
    assert_eq!(lab.shape(), before);
}
