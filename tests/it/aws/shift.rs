//! Users are moved away from a zone by a zonal shift of the Application Recovery Controller, and nothing is taken down.

use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::{Value, json};

use super::rig::{Lab, REGION, Said, WITHOUT_HELPER};

const SHIFT: &str = "  - zone-outage: { zone: eu-west-1a, mechanism: shift }\n    hold: 1s\n";
const KEY: &str = "zonal_shift.config.enabled";

fn site() -> Lab {
    let lab = Lab::new();
    lab.experiment(SHIFT);
    lab
}

/// The ARN of the site's load balancer.
fn balancer(lab: &Lab) -> String {
    let found = lab.aws("elbv2", "describe_load_balancers", &json!({ "Names": ["what-time"] }));
    found["LoadBalancers"][0]["LoadBalancerArn"].as_str().unwrap().to_owned()
}

/// The id of a zone, which is not in the order of the names.
fn zone_id(lab: &Lab, zone: &str) -> String {
    let found = lab.aws("ec2", "describe_availability_zones", &json!({ "ZoneNames": [zone] }));
    found["AvailabilityZones"][0]["ZoneId"].as_str().unwrap().to_owned()
}

/// The shifts that last.
fn shifts(lab: &Lab) -> Vec<Value> {
    lab.aws("arc-zonal-shift", "list_zonal_shifts", &json!({ "status": "ACTIVE" }))["items"].as_array().unwrap().clone()
}

/// Somebody else's.
fn theirs(lab: &Lab, zone: &str) -> Value {
    let ask = json!({ "resourceIdentifier": balancer(lab), "awayFrom": zone_id(lab, zone), "expiresIn": "24h", "comment": "planned work" });
    lab.aws("arc-zonal-shift", "start_zonal_shift", &ask)
}

fn cancel(lab: &Lab, shift: &Value) {
    lab.aws("arc-zonal-shift", "cancel_zonal_shift", &json!({ "zonalShiftId": shift["zonalShiftId"] }));
}

/// The zones that answer so many users who ask one after another, each on a connection of its own.
fn answer(url: &str, users: usize) -> BTreeSet<String> {
    let host = url.strip_prefix("http://").unwrap();
    let ask = |_| {
        let mut stream = TcpStream::connect(host).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        write!(stream, "GET / HTTP/1.0\r\nHost: {host}\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let zone = answer.lines().find_map(|line| line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case("x-zone")));
        zone.unwrap_or_else(|| panic!("nobody's zone: {answer}")).1.to_owned()
    };
    (0..users).map(ask).collect()
}

#[test]
fn users_are_served_by_the_other_zones_while_it_lasts_and_feel_nothing() {
    let lab = Lab::real(&[]);
    let (before, url) = (lab.state(), lab.url(REGION));
    let all: BTreeSet<String> = ["a", "b", "c"].map(|zone| format!("{REGION}{zone}")).into();
    assert_eq!(answer(&url, 30), all);
    lab.example("shift.yaml");
    let drawn = fs::read_to_string(lab.path("shift.yaml")).unwrap();
    assert!(drawn.contains("zone: random"), "{drawn}");
    lab.write("shift.yaml", &drawn.replace("zone: random", "zone: eu-west-1a"));
    let mut command = lab.command(&["run", "shift.yaml", "--yes", "--var", &format!("url={url}")]);
    command.env("AWS_ENDPOINT_URL", &lab.endpoint).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let run = command.spawn().unwrap();
    let shifted = (0..400).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        !lab.done("arc-zonal-shift:StartZonalShift").is_empty()
    });
    assert!(shifted, "it was never shifted");
    std::thread::sleep(Duration::from_millis(700));
    let during = answer(&url, 60);
    let lasts = lab.done("arc-zonal-shift:CancelZonalShift").is_empty();
    let said = Said::of(run.wait_with_output().unwrap()).code(0);
    assert!(lasts, "it was over before users were counted: {said:?}");
    assert_eq!(during, ["b", "c"].map(|zone| format!("{REGION}{zone}")).into(), "{said:?}");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(answer(&url, 60), all, "they are back");
    lab.settled();
    crate::support::residue::same(&lab.state(), &before, "as before");
    for never in ["ec2:TerminateInstances", "ec2:StopInstances", "ec2:CreateNetworkAcl", "autoscaling:UpdateAutoScalingGroup"] {
        assert_eq!(lab.done(never).len(), 0, "{never}");
    }
    assert_eq!(lab.done("arc-zonal-shift:StartZonalShift")[0]["parameters"]["awayFrom"], zone_id(&lab, "eu-west-1a"));
}

#[test]
fn a_plan_tells_who_loses_users_and_the_caps_count_them() {
    let lab = site();
    lab.firedrill(&["plan", "experiment.yaml"])
        .code(0)
        .says("the load balancer what-time sends nobody to eu-west-1a, whose instances (2) lose their users")
        .says("2 in eu-west-1b, 2 in eu-west-1c remain to carry everybody")
        .says("AWS ends it by itself 1h after the last word of this run");
    lab.write("few.yaml", &fs::read_to_string(lab.path("experiment.yaml")).unwrap().replace("service: 50%", "service: 20%"));
    lab.firedrill(&["run", "few.yaml", "--yes"]).code(3).says("20%");
    assert!(lab.done("arc-zonal-shift:StartZonalShift").is_empty());
}

#[test]
fn what_may_not_or_cannot_be_shifted_is_named_before_anything_is_touched() {
    let lab = site();
    let arn = balancer(&lab);
    let refused = |says: &str| {
        let said = lab.firedrill(&["run", "experiment.yaml", "--yes"]).code(3);
        let words = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(says), "{says:?} is not in {words}");
    };
    let attribute = |value: &str| {
        let attributes = json!([{ "Key": KEY, "Value": value }]);
        lab.aws("elbv2", "modify_load_balancer_attributes", &json!({ "LoadBalancerArn": arn, "Attributes": attributes }));
    };
    let tag = |key: &str, value: &str| {
        lab.aws("elbv2", "add_tags", &json!({ "ResourceArns": [arn], "Tags": [{ "Key": key, "Value": value }] }));
    };
    attribute("false");
    refused("the load balancer what-time is no managed resource of zonal shift");
    attribute("true");
    for zone in ["eu-west-1a", "eu-west-1b"] {
        let theirs = theirs(&lab, zone);
        refused("what-time is shifted already, by a zonal shift of somebody else");
        cancel(&lab, &theirs);
    }
    lab.ask("PUT", "/lab/trouble", &json!([{ "kind": "autoshift", "zones": ["eu-west-1c"] }]).to_string());
    refused("by AWS itself (autoshift)");
    lab.ask("DELETE", "/lab/trouble", "");
    tag("firedrill:protected", "true");
    refused("the load balancer what-time carries the tag firedrill:protected=true");
    tag("firedrill:protected", "false");
    tag("firedrill:allowed", "no");
    refused("the load balancer what-time does not carry the tag firedrill:allowed=true");
    tag("firedrill:allowed", "true");
    // Its users would be moved, too.
    let kept = lab.running()["eu-west-1a"][0].clone();
    lab.aws("ec2", "create_tags", &json!({ "Resources": [kept], "Tags": [{ "Key": "firedrill:protected", "Value": "true" }] }));
    refused("which is no target of this step");
    lab.aws("ec2", "delete_tags", &json!({ "Resources": [kept], "Tags": [{ "Key": "firedrill:protected" }] }));
    lab.experiment("  - zone-outage: { zone: [eu-west-1a, eu-west-1b], mechanism: shift }\n    hold: 1s\n");
    lab.write("experiment.yaml", &fs::read_to_string(lab.path("experiment.yaml")).unwrap().replace("service: 50%", "service: 90%"));
    refused("can be shifted away from one zone at a time");
    assert_eq!(lab.done("arc-zonal-shift:StartZonalShift").len(), 2, "theirs");
}

#[test]
fn its_policy_is_enough_and_goes_by_the_balancers_tag() {
    let lab = site();
    let before = lab.state();
    let policy = lab.firedrill(&["aws", "policy", "experiment.yaml"]).code(0).out;
    for action in ["arc-zonal-shift:StartZonalShift", "arc-zonal-shift:CancelZonalShift", "arc-zonal-shift:GetManagedResource"] {
        assert!(policy.contains(action), "{action} in {policy}");
    }
    assert!(!policy.contains("ec2:Terminate") && !policy.contains("autoscaling:Update"), "{policy}");
    lab.ask("PUT", "/lab/policy", &policy);
    lab.firedrill(&["run", "experiment.yaml", "--yes"]).code(0);
    lab.ask("PUT", "/lab/policy", &policy.replace("arc-zonal-shift:StartZonalShift", "arc-zonal-shift:Nothing"));
    let denied = lab.firedrill(&["run", "experiment.yaml", "--yes"]).says("access denied to arc-zonal-shift:StartZonalShift");
    assert_ne!(denied.code, Some(0), "{denied:?}");
    lab.ask("DELETE", "/lab/policy", "");
    crate::support::residue::same(&lab.state(), &before, "as before");
}

#[test]
fn answers_that_are_lost_leave_nothing() {
    let lab = site();
    let before = lab.state();
    let lost = json!([
        { "kind": "cut-after", "actions": ["arc-zonal-shift:StartZonalShift"], "nth": [1] },
        { "kind": "cut-after", "actions": ["arc-zonal-shift:CancelZonalShift"], "nth": [1] },
        { "kind": "throttle", "actions": ["arc-zonal-shift:GetManagedResource"], "nth": [2] },
        { "kind": "error", "actions": ["arc-zonal-shift:ListZonalShifts"], "nth": [3] },
    ]);
    lab.ask("PUT", "/lab/trouble", &lost.to_string());
    lab.firedrill(&["run", "experiment.yaml", "--yes"]).code(0);
    let rules = lab.ask("GET", "/lab/trouble", "");
    assert!(rules.as_array().unwrap().iter().all(|rule| rule["struck"].as_u64() != Some(0)), "{rules}");
    assert_eq!(lab.done("arc-zonal-shift:StartZonalShift").len(), 1, "started once");
    crate::support::residue::same(&lab.state(), &before, "as before");
}

#[test]
fn where_the_service_never_answers_other_drills_go_on_and_it_is_asked_once() {
    let lab = site();
    lab.ask("PUT", "/lab/trouble", &json!([{ "kind": "error", "actions": ["arc-zonal-shift:ListZonalShifts"] }]).to_string());
    lab.experiment("  - kill: { service: what-time-web, take: 1 }\n    hold: 1s\n");
    let mut command = lab.command(&["run", "experiment.yaml", "--yes"]);
    let said = Said::of(command.env("FIREDRILL_LOG", "warn").output().unwrap()).code(0);
    let warned = said.err.matches("zonal shifts of other runs are not looked for").count();
    assert_eq!(warned, 1, "{said:?}");
    assert_eq!(lab.done("ec2:TerminateInstances").len(), 1);
}

/// Kills it at each call that changes something, and recovers it so.
fn killed_everywhere(recover: impl Fn(&Lab)) {
    let lab = site();
    let before = lab.state();
    let mut lasted = 0;
    // Start and cancel.
    for (at, when) in [(1, "before"), (1, "after"), (2, "before"), (2, "after")] {
        let said = lab.killed_at_call(at, when);
        assert_eq!(said.code, None, "it was to be killed {when} call {at}: {said:?}");
        lasted += shifts(&lab).len();
        recover(&lab);
        crate::support::residue::same(&lab.state(), &before, format_args!("killed {when} call {at}"));
    }
    assert_eq!(lasted, 2, "it lasted when those died that had started it and not ended it");
    lab.killed_at_call(3, "before").code(0);
}

#[test]
fn killed_at_every_call_it_is_recovered_from_its_journal() {
    killed_everywhere(Lab::recovered_by_its_journal);
}

#[test]
fn killed_at_every_call_it_is_recovered_from_the_comment() {
    killed_everywhere(Lab::recovered_by_its_marks);
}

#[test]
fn what_somebody_else_shifted_meanwhile_is_left_and_said() {
    let lab = site();
    assert_eq!(lab.killed_at_call(1, "after").code, None);
    let [ours] = &shifts(&lab)[..] else { panic!("a shift") };
    assert!(ours["comment"].as_str().unwrap().starts_with("firedrill:run="), "{ours}");
    let take = json!({ "zonalShiftId": ours["zonalShiftId"], "comment": "we keep it: the zone is ill" });
    lab.aws("arc-zonal-shift", "update_zonal_shift", &take);
    lab.firedrill(&["recover"]).code(6).says("the zone is ill").says("it is left so");
    lab.firedrill(&["recover", "--env", "here"]).code(6).says("it is left so");
    assert_eq!(shifts(&lab).len(), 1, "it is theirs now");
    cancel(&lab, ours);
    lab.firedrill(&["recover"]).recovered();
}

#[test]
fn a_shift_of_some_labels_only_is_refused_as_it_is_written() {
    let lab = site();
    lab.experiment("  - zone-outage: { zone: eu-west-1a, labels: { tier: web }, mechanism: shift }\n    hold: 1s\n");
    let said = lab.firedrill(&["check", "experiment.yaml"]).says("`shift` moves all users of a load balancer");
    assert_ne!(said.code, Some(0), "{said:?}");
}

/// Ends with its test.
struct Holding(std::process::Child);

impl Drop for Holding {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn what_another_machines_drill_shifts_is_left_alone_and_counts_for_the_caps() {
    let lab = site();
    let before = lab.state();
    let elsewhere = |args: &[&str]| Said::of(lab.command(args).env("FIREDRILL_STATE_DIR", lab.path("other-state")).output().unwrap());
    let experiment = fs::read_to_string(lab.path("experiment.yaml")).unwrap();
    lab.write("first.yaml", &experiment.replace("    hold: 1s", "    hold: 100s"));
    lab.write("two.yaml", &experiment.replace(SHIFT, "  - kill: { zone: eu-west-1b, take: 2 }\n    hold: 1s\n"));
    elsewhere(&["plan", "two.yaml"]).code(0);
    let mut command = lab.command(&["run", "first.yaml", "--yes"]);
    command.envs([WITHOUT_HELPER]).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut first = Holding(command.spawn().unwrap());
    let shifted = (0..600).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        !lab.done("arc-zonal-shift:StartZonalShift").is_empty()
    });
    assert!(shifted, "it was never shifted");
    // Half of six may be affected at a time, and two are.
    elsewhere(&["plan", "two.yaml"]).code(3).says("2 of them affected by the zone-outage of");
    elsewhere(&["run", "experiment.yaml", "--yes"]).code(3).says("of another drill");
    elsewhere(&["recover", "--env", "here"]).found_nothing();
    assert_eq!(shifts(&lab).len(), 1, "a drill that lives was disturbed");
    rustix::process::kill_process(rustix::process::Pid::from_child(&first.0), rustix::process::Signal::INT).unwrap();
    assert_eq!(first.0.wait().unwrap().code(), Some(4));
    crate::support::residue::same(&lab.state(), &before, "as before");
}
