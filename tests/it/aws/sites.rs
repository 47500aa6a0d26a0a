//! Whole drills of the examples: real processes behind a real `HAProxy`, users who ask all the time, and the API that ends, stops and cuts off
//! what the processes are. The times of the examples are AWS's; here they are shortened as the laboratory's are.

use std::fs;

use serde_json::{Value, json};

use super::rig::{GROUP, Lab, Said};

/// Runs it against the laboratory, where users find the site at `url`.
fn drill(lab: &Lab, name: &str, url: &str) -> Said {
    let mut command = lab.command(&["run", name, "--yes", "--var", &format!("url={url}")]);
    Said::of(command.env("AWS_ENDPOINT_URL", &lab.endpoint).output().unwrap())
}

/// What the platform saw happen by itself, by kind.
fn observed(result: &Value, kind: &str) -> Vec<Value> {
    let all = result["observations"].as_array().unwrap_or_else(|| panic!("observations: {result}"));
    all.iter().map(|o| o["what"].clone()).filter(|what| what["observed"] == kind).collect()
}

#[test]
fn one_ends_users_notice_and_another_takes_its_place() {
    let lab = Lab::real(&[]);
    let before = lab.shape();
    lab.example("monkey.yaml");
    drill(&lab, "monkey.yaml", &lab.url("eu-west-1")).code(0);
    lab.settled();
    crate::support::residue::same(&lab.shape(), &before, "as before");
    let result = lab.result();
    assert_eq!(observed(&result, "died").len(), 1, "{result}");
    assert_eq!(observed(&result, "ejected").len(), 1, "{result}");
    assert_eq!(observed(&result, "launched").len(), 1, "{result}");
    assert!(!observed(&result, "in-service").is_empty(), "{result}");
}

#[test]
fn a_zone_ends_and_its_instances_come_up_in_the_others() {
    // Long enough for a look at the group while it has too few.
    let lab = Lab::real(&["--time", "launch=150"]);
    let before = lab.shape();
    lab.example("gorilla.yaml");
    let said = drill(&lab, "gorilla.yaml", &lab.url("eu-west-1")).code(0);
    lab.settled();
    crate::support::residue::same(&lab.shape(), &before, format_args!("{said:?}"));
    let result = lab.result();
    let dead = observed(&result, "died");
    let zone = dead[0]["zone"].as_str().unwrap();
    let during = observed(&result, "launched");
    assert!(during.iter().take(2).all(|new| new["zone"] != zone), "nothing comes up in {zone} while it is lost: {during:?}");
    assert!(
        observed(&result, "note").iter().any(|note| note["text"].as_str().unwrap().contains("Launching a new EC2 instance")),
        "{result}"
    );
}

#[test]
fn a_zone_is_cut_off_and_users_wait_in_vain_for_a_moment() {
    let lab = Lab::real(&[]);
    let before = lab.shape();
    lab.example("blackhole.yaml");
    drill(&lab, "blackhole.yaml", &lab.url("eu-west-1")).code(0);
    lab.settled();
    crate::support::residue::same(&lab.shape(), &before, "as before");
    let result = lab.result();
    let measured = result["measurement"].to_string();
    assert!(measured.contains("timeout") || measured.contains("status"), "a zone that is cut off is felt: {measured}");
}

/// The wrong architecture must fail the drill that the right one passes.
#[test]
fn a_site_in_one_zone_does_not_survive_it() {
    let lab = Lab::real(&[]);
    let groups = lab.aws("autoscaling", "describe_auto_scaling_groups", &json!({ "AutoScalingGroupNames": [GROUP] }));
    let subnets = groups["AutoScalingGroups"][0]["VPCZoneIdentifier"].as_str().unwrap().to_owned();
    let one = subnets.split(',').next().unwrap();
    lab.aws("autoscaling", "update_auto_scaling_group", &json!({ "AutoScalingGroupName": GROUP, "VPCZoneIdentifier": one }));
    lab.settled();
    let zones = lab.running();
    assert_eq!(zones.len(), 1, "{zones:?}");
    let before = lab.shape();
    lab.example("gorilla.yaml");
    // Half of the service is the most that a drill takes unless its file says more.
    let text = fs::read_to_string(lab.path("gorilla.yaml")).unwrap();
    lab.write("gorilla.yaml", &text.replace("method:", "guardrails: { max-affected: { service: 100% } }\nmethod:"));
    drill(&lab, "gorilla.yaml", &lab.url("eu-west-1")).code(1);
    lab.settled();
    crate::support::residue::same(&lab.shape(), &before, "as before");
}

#[test]
fn a_region_ends_and_its_users_find_the_other_one() {
    let lab = Lab::real(&["--region", "eu-west-1", "--region", "us-east-1", "--size", "3"]);
    let before = lab.shape();
    lab.example("kong.yaml");
    let text = fs::read_to_string(lab.path("kong.yaml")).unwrap();
    let resolver = lab.ready["resolver"].as_str().unwrap();
    lab.write("kong.yaml", &text.replace("    rate: 200/s\n", &format!("    rate: 200/s\n    resolver: \"{resolver}\"\n")));
    let name = lab.ready["names"]["Url"].as_str().unwrap_or_else(|| panic!("a name: {}", lab.ready));
    let check = lab.ready["names"]["HealthCheck"].as_str().unwrap_or_else(|| panic!("a health check: {}", lab.ready));
    // What it finds itself comes too late by now: users go elsewhere because the drill makes it fail.
    lab.aws("route53", "update_health_check", &json!({ "HealthCheckId": check, "FailureThreshold": 10 }));
    lab.ask("DELETE", "/lab/calls", "");
    let args = ["run", "kong.yaml", "--yes", "--var", &format!("url={name}"), "--var", &format!("check={check}")];
    Said::of(lab.command(&args).env("AWS_ENDPOINT_URL", &lab.endpoint).output().unwrap()).code(0);
    assert_eq!(lab.done("route53:UpdateHealthCheck").len(), 2, "it fails, and is as before");
    lab.settled();
    crate::support::residue::same(&lab.shape(), &before, "as before");
    let all = lab.result().to_string();
    assert!(all.contains("us-east-1"), "users were answered from the other region");
}

#[test]
fn an_environment_of_elastic_beanstalk_is_drilled_by_its_name() {
    let lab = Lab::real(&["--beanstalk"]);
    let sites = lab.ask("GET", "/lab/site", "");
    let balanced = sites["eu-west-1"].as_object().unwrap().iter().find(|(name, _)| name.starts_with("awseb"));
    let url = balanced.and_then(|(_, site)| site["url"].as_str()).unwrap_or_else(|| panic!("its URL: {sites}")).to_owned();
    let before = lab.shape();
    lab.example("beanstalk-monkey.yaml");
    drill(&lab, "beanstalk-monkey.yaml", &url).code(0);
    lab.settled();
    crate::support::residue::same(&lab.shape(), &before, "as before");
    let ended = lab.done("ec2:TerminateInstances");
    assert_eq!(ended.len(), 1, "{ended:?}");

    // Workers, at whose end users of the site in front feel nothing.
    lab.example("beanstalk-workers.yaml");
    drill(&lab, "beanstalk-workers.yaml", &url).code(0);
    lab.settled();
    crate::support::residue::same(&lab.shape(), &before, "as before");

    // The only one. Its address stays with it here, so that users never find the other one.
    lab.example("beanstalk-single.yaml");
    let text = fs::read_to_string(lab.path("beanstalk-single.yaml")).unwrap();
    lab.write("beanstalk-single.yaml", &text.replace("recovered-within: 60s", "recovered-within: 5s").replace("limit: 60s", "limit: 5s"));
    let mut command = lab.command(&["targets", "--env", "beanstalk-single", "--format", "json"]);
    let said = Said::of(command.env("AWS_ENDPOINT_URL", &lab.endpoint).output().unwrap()).code(0);
    let inventory: Value = serde_json::from_str(&said.out).unwrap();
    let only = inventory["instances"][0]["id"].as_str().unwrap();
    let address = lab.ask("GET", "/lab/site", "")["eu-west-1"]["unbalanced"]["instances"][only].as_str().unwrap().to_owned();
    drill(&lab, "beanstalk-single.yaml", &format!("http://{address}")).code(1).says("single point of failure");
    lab.settled();
    crate::support::residue::same(&lab.shape(), &before, "as before");
}
