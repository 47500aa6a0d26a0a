//! What `firedrill aws policy` prints is enough for its experiment, and not for another one: the laboratory is given that policy, and denies
//! whatever it does not allow, on the resources and tags that each call touches.

use serde_json::json;

use super::rig::{EXPERIMENT, GROUP, Lab};

/// Gives the laboratory the policy of the experiment, and runs it.
fn runs_under_its_own_policy(lab: &Lab, method: &str) {
    lab.experiment(method);
    let policy = lab.firedrill(&["aws", "policy", "experiment.yaml"]).code(0).out;
    lab.ask("PUT", "/lab/policy", &policy);
    let before = lab.shape();
    let said = lab.firedrill(&["run", "experiment.yaml", "--yes"]);
    assert!(!said.out.contains("access denied") && !said.err.contains("access denied"), "{said:?}");
    said.code(0);
    lab.ask("DELETE", "/lab/policy", "");
    lab.settled();
    crate::support::residue::same(&lab.shape(), &before, format_args!("{method}"));
}

#[test]
fn the_policy_of_an_experiment_is_enough_for_it() {
    let lab = Lab::with(&["--speed", "60"]);
    lab.environment("        services: { web: { group: what-time-web } }\n");
    lab.aws("autoscaling", "update_auto_scaling_group", &json!({ "AutoScalingGroupName": GROUP, "MinSize": 3 }));
    for method in [
        "  - kill: { service: web, take: 1 }\n    hold: 1s\n",
        "  - zone-outage: { zone: eu-west-1a, mechanism: blackhole }\n    hold: 1s\n",
        "  - zone-outage: { zone: eu-west-1b, mechanism: stop }\n    hold: 1s\n",
        "  - remove: { service: web, take: 1 }\n    hold: 1s\n",
        "  - remove: { service: web, take: 1, decrement: false }\n    hold: 1s\n",
        "  - deregister: { service: web, take: 1 }\n    hold: 1s\n",
        "  - restart: { service: web, take: 1 }\n    hold: 1s\n",
        "  - run: { service: web, take: 1, command: [true], undo: [true] }\n    hold: 1s\n",
    ] {
        runs_under_its_own_policy(&lab, method);
    }
}

#[test]
fn a_failover_is_allowed_by_its_policy_on_its_stores_alone() {
    let lab = Lab::with(&["--stores"]);
    lab.environment("        services: { accounts: { database: what-time-accounts }, carts: { cache: what-time-carts } }\n");
    lab.write(
        "experiment.yaml",
        &EXPERIMENT.replace("service: 50%", "service: 100%").replace("method:\n", "method:\n  - failover: accounts\n  - failover: carts\n"),
    );
    let policy = lab
        .firedrill(&["aws", "policy", "experiment.yaml"])
        .code(0)
        .says("db:what-time-accounts")
        .says("replicationgroup:what-time-carts")
        .out;
    lab.ask("PUT", "/lab/policy", &policy);
    lab.firedrill(&["run", "experiment.yaml", "--yes"]).code(0);
}

#[test]
fn what_is_not_permitted_is_said_before_anything_is_touched() {
    let lab = Lab::new();
    lab.experiment("  - restart: { service: what-time-web, take: 1 }\n");
    let policy = lab.firedrill(&["aws", "policy", "experiment.yaml"]).code(0).out;
    lab.ask("PUT", "/lab/policy", &policy);
    for method in [
        "  - kill: { service: what-time-web, take: 1 }\n",
        "  - stop: { service: what-time-web, take: 1 }\n    hold: 1s\n",
        "  - zone-outage: { zone: eu-west-1a, mechanism: blackhole }\n    hold: 1s\n",
    ] {
        lab.experiment(method);
        lab.firedrill(&["run", "experiment.yaml", "--yes"]).code(3).says("access denied to");
    }
    for never in ["ec2:TerminateInstances", "ec2:StopInstances", "ec2:CreateNetworkAcl", "autoscaling:CreateOrUpdateTags"] {
        assert_eq!(lab.done(never).len(), 0, "{never}");
    }
}
