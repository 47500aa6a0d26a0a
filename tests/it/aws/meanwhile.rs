//! What somebody else did before a drill, or does in the middle of it, is theirs: it is not undone with what is ours.

use std::{
    fs,
    process::{Child, Command},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::rig::{GROUP, Lab, WITHOUT_HELPER};

const BLACKHOLE: &str = "  - zone-outage: { zone: eu-west-1a, mechanism: blackhole }\n    hold: 120s\n";

/// A run that is in the middle of its fault. It does not outlive its test.
struct Acting(Child);

impl Drop for Acting {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Acting {
    /// Begins the experiment of the laboratory's folder, and waits until its acts have happened.
    fn new(lab: &Lab, mut command: Command) -> Self {
        let said = fs::File::create(lab.path("said")).unwrap();
        let mut run = Self(command.stdout(said.try_clone().unwrap()).stderr(said).spawn().unwrap());
        for _ in 0..1200 {
            std::thread::sleep(Duration::from_millis(50));
            let text = fs::read_to_string(lab.path("said")).unwrap();
            if text.contains("happened") {
                return run;
            }
            assert!(run.0.try_wait().unwrap().is_none(), "it ended: {text}");
        }
        panic!("never in the middle of its fault: {}", fs::read_to_string(lab.path("said")).unwrap());
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    fn code(&mut self) -> Option<i32> {
        self.0.wait().unwrap().code()
    }
}

/// The subnet of a network ACL's first association, and the association's id.
fn association(lab: &Lab, acl: &Value) -> (String, String) {
    let found = lab.aws("ec2", "describe_network_acls", &json!({ "NetworkAclIds": [acl] }));
    let first = &found["NetworkAcls"][0]["Associations"][0];
    (first["SubnetId"].as_str().unwrap().to_owned(), first["NetworkAclAssociationId"].as_str().unwrap().to_owned())
}

#[test]
fn a_network_acl_that_somebody_else_put_on_a_subnet_is_left_there() {
    let lab = Lab::new();
    lab.experiment(BLACKHOLE);
    let mut command = lab.command(&["run", "experiment.yaml", "--yes"]);
    command.envs([WITHOUT_HELPER]);
    let mut run = Acting::new(&lab, command);
    // What comes first is that its group leaves the zone.
    let cuts = || lab.done("ec2:ReplaceNetworkAclAssociation");
    let cut = (0..1200).find_map(|_| {
        std::thread::sleep(Duration::from_millis(50));
        cuts().pop()
    });
    let cut = cut.expect("one subnet is cut off");
    let ours = cut["parameters"]["NetworkAclId"].clone();
    let (subnet, held) = association(&lab, &ours);
    let vpc = lab.aws("ec2", "describe_subnets", &json!({ "SubnetIds": [subnet] }))["Subnets"][0]["VpcId"].clone();
    let theirs = lab.aws("ec2", "create_network_acl", &json!({ "VpcId": vpc }))["NetworkAcl"]["NetworkAclId"].clone();
    lab.aws("ec2", "replace_network_acl_association", &json!({ "AssociationId": held, "NetworkAclId": theirs }));
    run.signal(Signal::INT);
    assert_eq!(run.code(), Some(6), "{}", fs::read_to_string(lab.path("said")).unwrap());
    // A console breaks its lines.
    let said = lab.result().to_string();
    assert!(said.contains(&subnet) && said.contains(theirs.as_str().unwrap()), "{said}");
    assert!(said.contains("somebody else gave it"), "{said}");
    assert_eq!(association(&lab, &theirs).0, subnet, "it has what they gave it");
    // All else is undone: the group has its zone again.
    let group =
        &lab.aws("autoscaling", "describe_auto_scaling_groups", &json!({ "AutoScalingGroupNames": [GROUP] }))["AutoScalingGroups"][0];
    assert!(group["VPCZoneIdentifier"].as_str().unwrap().contains(&subnet), "{group}");
}

#[test]
fn processes_that_were_suspended_before_stay_suspended() {
    let lab = Lab::new();
    let theirs = json!({ "AutoScalingGroupName": GROUP, "ScalingProcesses": ["AlarmNotification", "ReplaceUnhealthy"] });
    lab.aws("autoscaling", "suspend_processes", &theirs);
    let before = lab.shape();
    lab.experiment("  - suspend-replacement: what-time-web\n    hold: 1s\n");
    lab.firedrill(&["run", "experiment.yaml", "--yes"]).code(0);
    let ours: Vec<String> = lab.done("autoscaling:ResumeProcesses").iter().map(|call| call["parameters"].to_string()).collect();
    assert!(!ours.is_empty(), "something was suspended and is resumed");
    assert!(ours.iter().all(|call| !call.contains("AlarmNotification") && !call.contains("ReplaceUnhealthy")), "{ours:?}");
    lab.settled();
    crate::support::residue::same(&lab.shape(), &before, "as before");
}

/// A profile whose credentials come from a program that lends them for a few seconds, each time others.
fn lent_for_moments(lab: &Lab, last: &str) -> Command {
    let lender = lab.path("lend");
    let script = "#!/bin/sh\nset -eu\nn=$(cat \"$1\" 2>/dev/null || echo 0)\nn=$((n + 1))\necho $n >\"$1\"\n\
         printf '{\"Version\": 1, \"AccessKeyId\": \"LENT%s\", \"SecretAccessKey\": \"drill\", \"SessionToken\": \"lent\", \"Expiration\": \"%s\"}\\n' \
         $n \"$(date -u -d \"+$2 seconds\" +%Y-%m-%dT%H:%M:%SZ)\"\n";
    fs::write(&lender, script).unwrap();
    let config = format!("[profile drills]\ncredential_process = sh {} {} {last}\n", lender.display(), lab.path("lent").display());
    lab.write("config", &config);
    lab.environment("        profile: drills\n");
    let mut command = lab.command(&["run", "experiment.yaml", "--yes"]);
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY").env("AWS_CONFIG_FILE", lab.path("config"));
    command
}

#[test]
fn credentials_that_expire_in_the_middle_are_fetched_anew() {
    let lab = Lab::new();
    let before = lab.shape();
    lab.experiment("  - suspend-replacement: what-time-web\n    hold: 6s\n");
    lab.ask("DELETE", "/lab/calls", "");
    // The SDK holds those for expired that have less than ten seconds to go.
    let output = lent_for_moments(&lab, "13").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    let calls = lab.ask("GET", "/lab/calls", "");
    let keys: std::collections::BTreeSet<&str> =
        calls["calls"].as_array().unwrap().iter().map(|call| call["access_key"].as_str().unwrap()).collect();
    assert!(keys.len() > 1 && keys.iter().all(|key| key.starts_with("LENT")), "{keys:?}");
    lab.settled();
    crate::support::residue::same(&lab.shape(), &before, "as before");
}

#[test]
fn credentials_that_end_for_good_leave_what_they_could_not_undo_and_say_how() {
    let lab = Lab::new();
    let before = lab.shape();
    lab.experiment("  - suspend-replacement: what-time-web\n    hold: 120s\n");
    let mut command = lab.command(&["run", "experiment.yaml", "--yes"]);
    command.envs([WITHOUT_HELPER]);
    let mut run = Acting::new(&lab, command);
    lab.ask("PUT", "/lab/trouble", &json!([{ "kind": "expired" }]).to_string());
    run.signal(Signal::INT);
    assert_eq!(run.code(), Some(6), "{}", fs::read_to_string(lab.path("said")).unwrap());
    let said = fs::read_to_string(lab.path("said")).unwrap();
    assert!(said.contains("have expired") && said.contains("firedrill recover"), "{said}");
    lab.ask("DELETE", "/lab/trouble", "");
    lab.firedrill(&["recover"]).code(0);
    lab.settled();
    crate::support::residue::same(&lab.shape(), &before, "as before");
}
