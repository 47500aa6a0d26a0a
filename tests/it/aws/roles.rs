//! `role:` in an environment: a drill is signed with the role's credentials, and with nobody else's.

use serde_json::{Value, json};

use super::rig::Lab;

const ROLE: &str = "        role: { arn: \"arn:aws:iam::123456789012:role/drills\", external-id: gate-7 }\n";

fn calls(lab: &Lab) -> Vec<Value> {
    lab.ask("GET", "/lab/calls", "")["calls"].as_array().unwrap().clone()
}

fn key(call: &Value) -> &str {
    call["access_key"].as_str().unwrap()
}

#[test]
fn a_drill_acts_with_the_role_that_it_assumed() {
    let lab = Lab::new();
    let before = lab.shape();
    lab.environment(ROLE);
    lab.experiment("  - kill: what-time-web\n    hold: 1s\n");
    lab.ask("DELETE", "/lab/calls", "");
    lab.firedrill(&["run", "experiment.yaml", "--yes"]).code(0);
    let (assumed, rest): (Vec<Value>, Vec<Value>) = calls(&lab).into_iter().partition(|call| call["name"] == "sts:AssumeRole");
    let [assumed] = &assumed[..] else { panic!("it is assumed once: {assumed:?}") };
    assert_eq!(key(assumed), "drill");
    assert_eq!(assumed["parameters"]["RoleArn"], "arn:aws:iam::123456789012:role/drills");
    assert_eq!(assumed["parameters"]["ExternalId"], "gate-7");
    let role = key(&rest[0]);
    assert!(role.starts_with("ASIA"), "a key that is lent: {role}");
    assert!(rest.iter().all(|call| key(call) == role), "{rest:?}");
    assert!(rest.iter().any(|call| call["name"] == "ec2:TerminateInstances" && call["done"] == 1), "{rest:?}");
    lab.settled();
    crate::support::residue::same(&lab.shape(), &before, "as before");
}

#[test]
fn a_role_that_may_not_be_assumed_is_said_and_nothing_is_touched() {
    let lab = Lab::new();
    lab.environment(ROLE);
    lab.experiment("  - kill: what-time-web\n");
    lab.ask("PUT", "/lab/trouble", &json!([{ "kind": "deny", "actions": ["sts:AssumeRole"] }]).to_string());
    let said = lab.firedrill(&["run", "experiment.yaml", "--yes"]).code(3);
    said.says("credentials");
    assert!(calls(&lab).iter().all(|call| call["name"] == "sts:AssumeRole"), "nothing is asked without the role");
}
