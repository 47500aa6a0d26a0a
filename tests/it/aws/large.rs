//! A fleet of some hundreds is watched by its groups: everything is listed where something is decided, and not at each look.

use serde_json::{Value, json};

use super::rig::{Lab, REGION};

const FLEET: usize = 300;

/// A laboratory with nothing but one group over three zones.
fn fleet() -> Lab {
    let lab = Lab::with(&["--empty", "--speed", "600"]);
    let vpc = lab.aws("ec2", "create_vpc", &json!({ "CidrBlock": "10.0.0.0/16" }))["Vpc"]["VpcId"].clone();
    let subnet = |(n, zone): (usize, char)| {
        let place = json!({ "VpcId": vpc, "CidrBlock": format!("10.0.{}.0/20", 16 * n), "AvailabilityZone": format!("{REGION}{zone}") });
        lab.aws("ec2", "create_subnet", &place)["Subnet"]["SubnetId"].as_str().unwrap().to_owned()
    };
    let subnets: Vec<String> = "abc".chars().enumerate().map(subnet).collect();
    let template =
        json!({ "LaunchTemplateName": "fleet", "LaunchTemplateData": { "ImageId": "ami-12c6146b", "InstanceType": "t4g.nano" } });
    lab.aws("ec2", "create_launch_template", &template);
    let allowed = json!({ "Key": "firedrill:allowed", "Value": "true", "PropagateAtLaunch": true, "ResourceId": "fleet", "ResourceType": "auto-scaling-group" });
    let group = json!({
        "AutoScalingGroupName": "fleet", "MinSize": 0, "MaxSize": 2 * FLEET, "DesiredCapacity": FLEET, "VPCZoneIdentifier": subnets.join(","),
        "LaunchTemplate": { "LaunchTemplateName": "fleet", "Version": "1" }, "Tags": [allowed],
    });
    lab.aws("autoscaling", "create_auto_scaling_group", &group);
    lab.settled();
    lab.environment("        groups: fleet\n");
    lab.ask("DELETE", "/lab/calls", "");
    lab
}

/// The calls that list instances: of everything, and of some by their ids.
fn lists(lab: &Lab) -> (usize, usize) {
    let calls = lab.done("ec2:DescribeInstances");
    let by_id = |call: &&Value| call["parameters"].as_object().unwrap().values().any(|value| value == "instance-id");
    let some = calls.iter().filter(by_id).count();
    (calls.len() - some, some)
}

#[test]
fn the_zone_of_a_large_fleet_is_seen_to_end_and_to_come_back_without_listing_everything_each_time() {
    let lab = fleet();
    lab.experiment("  - kill: { zone: eu-west-1a, take: all }\n    hold: 8s\n");
    lab.firedrill(&["run", "experiment.yaml", "--yes"]).code(0);
    let (all, some) = lists(&lab);
    let looks = lab.done("autoscaling:DescribeAutoScalingGroups").len();
    assert!(all <= 3, "{all} whole lists (for the plan and for the act), {some} of some, {looks} of groups");
    assert!(looks >= all + 2, "{looks} looks at the groups, {all} whole lists");
    let asked = lab.done("ec2:DescribeInstanceAttribute").len();
    assert_eq!(asked, 3, "of more than twenty victims three are asked whether they are protected");
    let result = lab.result();
    let observations: Vec<&Value> = result["observations"].as_array().unwrap().iter().map(|observation| &observation["what"]).collect();
    let observed = |what: &str| observations.iter().filter(|observation| observation["observed"] == what).count();
    assert_eq!(observed("died"), FLEET / 3, "each victim is seen to have ended, once");
    assert_eq!(observed("launched"), FLEET / 3, "and each replacement to be launched");
    assert_eq!(observed("in-service"), FLEET / 3, "and to be in service");
    // Here a zone is back within a second or two: it may be lost and whole again between two looks, and then nothing is told.
    let mut capacity = observations.iter().filter(|observation| observation["observed"] == "capacity");
    let whole = json!(FLEET);
    let last = capacity.next_back().map_or((&whole, &whole), |last| (&last["serving"], &last["desired"]));
    assert_eq!(last, (&whole, &whole), "all is back");
    let back = &result["measurement"]["capacity_back_after_s"];
    assert!(back.as_f64().is_some() || result["measurement"]["capacity_lost"] == false, "{back}");
}
