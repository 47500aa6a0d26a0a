//! The contract of `trait Platform`, held by the suite that every platform must pass.
//!
//! The platform takes its credentials from the environment, which a test may not change for its neighbours: the suite runs in a process of
//! its own, which is this very binary.

use std::{process::Command, time::Duration};

use firedrill::{
    model::{aws::AwsSpec, fault::Fault},
    platform::aws::AwsPlatform,
};
use serde_json::json;

use super::rig::{GROUP, Lab, REGION, credentials};
use crate::conformance::conforms;

const ENDPOINT: &str = "FIREDRILL_TEST_AWS_ENDPOINT";

#[test]
fn the_platform_conforms() {
    // An instance takes 25 s to start on AWS: here a second.
    let lab = Lab::with(&["--speed", "60"]);
    // A group whose zone leaves it moves its members at once: that is the group's doing, and not what is looked at here.
    lab.aws("autoscaling", "suspend_processes", &json!({ "AutoScalingGroupName": GROUP, "ScalingProcesses": ["AZRebalance"] }));
    // Nor that a target which was taken out has no connections any more, after a while.
    let pool = &lab.ready["regions"][REGION]["TargetGroup"];
    let slowly = json!([{ "Key": "deregistration_delay.timeout_seconds", "Value": "3000" }]);
    lab.aws("elbv2", "modify_target_group_attributes", &json!({ "TargetGroupArn": pool, "Attributes": slowly }));
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "aws::conforming::in_a_process_of_its_own", "--ignored", "--nocapture"])
        .envs(credentials())
        .env(ENDPOINT, &lab.endpoint)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[tokio::test]
#[ignore = "the_platform_conforms starts it with credentials"]
async fn in_a_process_of_its_own() {
    let endpoint = std::env::var(ENDPOINT).expect("where the laboratory listens");
    assert!(endpoint.starts_with("http://127."));
    let spec = AwsSpec { endpoint: Some(endpoint), regions: vec![REGION.into()], ..AwsSpec::default() };
    let platform = AwsPlatform::connect(spec).await.expect("an account");
    // Those whose undo brings the state before back at once; what a group replaces takes its time.
    let faults = [Fault::SuspendReplacement, Fault::Deregister, Fault::Restart { grace: Duration::from_secs(1) }];
    for (n, fault) in (0..).zip(faults) {
        conforms(&platform, 1 + 2 * n, &fault).await;
    }
}
