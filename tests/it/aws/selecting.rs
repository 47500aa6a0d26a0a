//! What is a target, and what may never be one.

use serde_json::json;

use super::rig::{GROUP, Lab, Said};

#[test]
fn the_members_of_a_group_are_its_service_and_the_tag_is_asked_for() {
    let lab = Lab::new();
    let zones = lab.running();
    assert_eq!(zones.values().map(Vec::len).collect::<Vec<_>>(), [2, 2, 2], "{zones:?}");
    lab.calls();
    let said = lab.firedrill(&["targets"]).code(0).says(GROUP).says("eu-west-1a");
    assert_eq!(said.out.lines().count(), 7, "{}", said.out);
    let calls = lab.calls();
    assert_eq!(calls.values().sum::<usize>(), 4, "one call each of who, instances, groups and health: {calls:?}");

    lab.environment("        opt-in: drills=yes\n");
    lab.experiment("  - kill: what-time-web\n");
    lab.firedrill(&["plan", "experiment.yaml"]).code(3).says("without the tag drills=yes");
    lab.environment("        services: { web: { target-group: what-time-web } }\n");
    lab.experiment("  - kill: web\n");
    lab.firedrill(&["plan", "experiment.yaml"]).code(0).says("fails open").says("its Auto Scaling group what-time-web replaces it");
    lab.environment("        services: { web: { group: what-time-wbe } }\n");
    lab.firedrill(&["plan", "experiment.yaml"]).code(3).says("no Auto Scaling group `what-time-wbe`").says("did you mean `what-time-web`?");
    lab.environment("        account: \"999999999999\"\n");
    lab.firedrill(&["targets"]).code(3).says("nothing was listed");
}

#[test]
fn a_vpc_means_its_instances_alone() {
    let lab = Lab::new();
    let zones = lab.running();
    let one = &zones["eu-west-1a"][0];
    let found = lab.aws("ec2", "describe_instances", &json!({ "InstanceIds": [one] }));
    let vpc = found["Reservations"][0]["Instances"][0]["VpcId"].as_str().unwrap().to_owned();
    lab.environment(&format!("        vpc: {vpc}\n"));
    assert_eq!(lab.running(), zones);
    let other = lab.aws("ec2", "create_vpc", &json!({ "CidrBlock": "10.99.0.0/16" }))["Vpc"]["VpcId"].as_str().unwrap().to_owned();
    lab.environment(&format!("        vpc: {other}\n"));
    assert!(lab.running().is_empty());
    lab.environment(&format!("        services: {{ here: {{ vpc: {vpc} }}, there: {{ vpc: {other} }} }}\n"));
    lab.experiment("  - kill: there\n");
    lab.firedrill(&["plan", "experiment.yaml"]).code(3);
    lab.experiment("  - kill: here\n");
    lab.firedrill(&["plan", "experiment.yaml"]).code(0).says("here");
}

#[test]
fn lists_that_come_in_many_pages_are_read_to_their_end() {
    let lab = Lab::new();
    let zones = lab.running();
    let group = lab.aws("autoscaling", "describe_auto_scaling_groups", &json!({ "AutoScalingGroupNames": [GROUP] }));
    let group = &group["AutoScalingGroups"][0];
    // One that comes after it in the list, and wants nobody.
    let launch = json!({ "LaunchTemplateId": group["LaunchTemplate"]["LaunchTemplateId"], "Version": group["LaunchTemplate"]["Version"] });
    lab.aws(
        "autoscaling",
        "create_auto_scaling_group",
        &json!({ "AutoScalingGroupName": "zebras", "MinSize": 0, "MaxSize": 0, "LaunchTemplate": launch,
            "VPCZoneIdentifier": group["VPCZoneIdentifier"] }),
    );
    lab.calls();
    lab.ask("PUT", "/lab/trouble", &json!([{ "kind": "short-pages", "number": 1 }]).to_string());
    assert_eq!(lab.running(), zones);
    let paged = lab.calls();
    assert!(paged["ec2:DescribeInstances"] > 1, "{paged:?}");
    lab.experiment("  - kill: what-time-web\n    hold: 1s\n");
    lab.firedrill(&["run", "experiment.yaml", "--yes"]).code(0);
}

#[test]
fn protection_is_respected_and_named() {
    let lab = Lab::new();
    let zones = lab.running();
    let (first, second) = (&zones["eu-west-1a"][0], &zones["eu-west-1b"][0]);
    lab.aws("ec2", "create_tags", &json!({ "Resources": [first], "Tags": [{ "Key": "firedrill:protected", "Value": "true" }] }));
    lab.aws(
        "autoscaling",
        "set_instance_protection",
        &json!({ "AutoScalingGroupName": GROUP, "InstanceIds": [second], "ProtectedFromScaleIn": true }),
    );
    lab.experiment(&format!("  - kill: {{ id: [{first}, {second}], take: all }}\n"));
    lab.firedrill(&["plan", "experiment.yaml"]).code(3).says("protected").says("scale-in");
    let third = &zones["eu-west-1c"][0];
    lab.aws("ec2", "modify_instance_attribute", &json!({ "InstanceId": third, "DisableApiTermination": { "Value": true } }));
    lab.experiment(&format!("  - kill: {{ id: {third} }}\n"));
    lab.firedrill(&["plan", "experiment.yaml"]).code(3).says("protected from termination");
    assert_eq!(lab.done("ec2:TerminateInstances").len(), 0);
}

#[test]
fn bad_credentials_are_said_and_nothing_is_touched() {
    let lab = Lab::new();
    lab.experiment("  - kill: what-time-web\n");
    let mut command = lab.command(&["run", "experiment.yaml", "--yes"]);
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        command.env_remove(name);
    }
    Said::of(command.output().unwrap()).code(3).says("there are no AWS credentials");
    for (kind, says) in [("expired", "have expired"), ("unknown-key", "does not accept the credentials"), ("deny", "access denied to")] {
        let rule = json!([{ "kind": kind, "actions": ["ec2:DescribeInstances"] }]);
        lab.ask("PUT", "/lab/trouble", &rule.to_string());
        lab.firedrill(&["run", "experiment.yaml", "--yes"]).code(3).says(says);
    }
    lab.ask("DELETE", "/lab/trouble", "");
    assert_eq!(lab.done("ec2:TerminateInstances").len(), 0);
}

#[test]
fn a_policy_names_what_the_experiment_needs_and_nothing_else() {
    let lab = Lab::new();
    lab.environment("        groups: what-time-web\n");
    lab.experiment("  - kill: what-time-web\n");
    let kill = lab.firedrill(&["aws", "policy", "experiment.yaml"]).code(0).out;
    assert!(kill.contains("ec2:TerminateInstances") && !kill.contains("UpdateAutoScalingGroup"), "{kill}");
    lab.experiment("  - zone-outage: { zone: eu-west-1a, mechanism: blackhole }\n    hold: 1s\n");
    let outage = lab.firedrill(&["aws", "policy", "experiment.yaml"]).code(0).out;
    assert!(!outage.contains("TerminateInstances"), "{outage}");
    lab.calls();
    lab.firedrill(&["run", "experiment.yaml", "--yes"]).code(0);
    let allowed: Vec<String> = serde_json::from_str::<serde_json::Value>(&outage).unwrap()["Statement"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|statement| statement["Action"].as_array().unwrap().clone())
        .map(|action| action.as_str().unwrap().to_owned())
        .collect();
    let called = lab.calls();
    let missing: Vec<&String> = called.keys().filter(|name| *name != "sts:GetCallerIdentity" && !allowed.contains(name)).collect();
    assert!(missing.is_empty(), "called and not in the policy: {missing:?}");
}
