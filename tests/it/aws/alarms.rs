//! Alarms guard a run: one that rings, or that cannot be asked any more, ends it, and everything is undone.

use std::{
    process::{Child, Stdio},
    time::Duration,
};

use firedrill::clock;
use serde_json::{Value, json};

use super::rig::{Lab, Said};

/// A drill that is in effect until something ends it.
const LONG: &str = "  - zone-outage: { zone: eu-west-1a, mechanism: blackhole }\n    hold: 90s\n";

/// A laboratory with an alarm that does not ring, which guards its runs.
fn guarded() -> Lab {
    let lab = Lab::new();
    lab.aws(
        "cloudwatch",
        "put_metric_alarm",
        &json!({
            "AlarmName": "errors", "MetricName": "5xx", "Namespace": "site", "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1,
            "Threshold": 1.0, "ComparisonOperator": "GreaterThanThreshold",
        }),
    );
    ring(&lab, "OK");
    lab.environment("        abort-alarms: errors\n");
    lab.experiment(LONG);
    lab
}

fn ring(lab: &Lab, state: &str) {
    lab.aws("cloudwatch", "set_alarm_state", &json!({ "AlarmName": "errors", "StateValue": state, "StateReason": "seen" }));
}

/// A run whose fault is in effect.
fn in_effect(lab: &Lab) -> Child {
    let mut command = lab.command(&["run", "experiment.yaml", "--yes"]);
    let mut run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let limit = clock::now().plus(Duration::from_secs(90));
    while lab.done("ec2:ReplaceNetworkAclAssociation").is_empty() {
        assert!(clock::now() < limit && run.try_wait().unwrap().is_none(), "nothing was cut off");
        std::thread::sleep(Duration::from_millis(100));
    }
    // The rest of the step.
    std::thread::sleep(Duration::from_secs(2));
    run
}

fn ended(run: Child) -> Said {
    Said::of(run.wait_with_output().unwrap())
}

/// Seconds on the laboratory's clock at which the last call of these was answered.
fn last(calls: &[Value], which: impl Fn(&str) -> bool) -> f64 {
    let answered = |call: &Value| call["at"].as_f64().unwrap() + call["seconds"].as_f64().unwrap_or_default();
    let of = calls.iter().filter(|call| which(call["name"].as_str().unwrap()) && call["dry_run"] != true);
    of.map(answered).reduce(f64::max).expect("such a call")
}

#[test]
fn an_alarm_that_rings_ends_the_run_and_keeps_another_from_beginning() {
    let lab = guarded();
    let before = lab.shape();
    lab.firedrill(&["plan", "experiment.yaml"]).code(0).says("the CloudWatch alarm `errors` rings; noticed within 4 s");
    let run = in_effect(&lab);
    // Each look at the account takes long from now on, as with a large one: the alarms are not asked behind it.
    lab.ask(
        "PUT",
        "/lab/trouble",
        &json!([{ "kind": "stall", "seconds": 12, "actions": ["elasticloadbalancing:DescribeTargetHealth"] }]).to_string(),
    );
    ring(&lab, "ALARM");
    let limit = clock::now().plus(Duration::from_mins(1));
    while lab.done("ec2:DeleteNetworkAcl").is_empty() {
        assert!(clock::now() < limit, "the zone is still cut off");
        std::thread::sleep(Duration::from_millis(100));
    }
    lab.ask("DELETE", "/lab/trouble", "");
    let said = ended(run).code(4).says("the CloudWatch alarm errors rings");
    let calls = lab.ask("GET", "/lab/calls", "");
    let calls = calls["calls"].as_array().unwrap();
    let rang = last(calls, |name| name == "cloudwatch:SetAlarmState");
    let reads = |name: &str| ["Describe", "Get", "List"].iter().any(|verb| name.contains(&format!(":{verb}")));
    let undone = last(calls, |name| !reads(name));
    println!("from the alarm to the last call of the undo: {:.2} s", undone - rang);
    // A turn of the alarms, and the second that is promised; twice that on a busy machine.
    assert!(undone > rang && undone - rang < 4.0, "{} s: {said:?}", undone - rang);
    let told =
        said.out.matches("the CloudWatch alarm errors rings").count() + said.err.matches("the CloudWatch alarm errors rings").count();
    assert!(told < 10, "it is not told again with each question: {said:?}");
    lab.settled();
    ring(&lab, "OK");
    crate::support::residue::same(&lab.shape(), &before, "as before");
    ring(&lab, "ALARM");
    lab.firedrill(&["run", "experiment.yaml", "--yes"]).code(3).says("the CloudWatch alarm errors rings");
    lab.environment("        abort-alarms: [errors, typo]\n");
    ring(&lab, "OK");
    lab.firedrill(&["plan", "experiment.yaml"]).code(3).says("no CloudWatch alarm `typo`");
}

#[test]
fn alarms_that_cannot_be_asked_any_more_end_the_run() {
    let lab = guarded();
    let before = lab.shape();
    let run = in_effect(&lab);
    lab.ask("PUT", "/lab/trouble", &json!([{ "kind": "deny", "actions": ["cloudwatch:DescribeAlarms"] }]).to_string());
    let denied = clock::now();
    let limit = denied.plus(Duration::from_mins(1));
    while lab.done("ec2:DeleteNetworkAcl").is_empty() {
        assert!(clock::now() < limit, "the zone is still cut off");
        std::thread::sleep(Duration::from_millis(50));
    }
    let took = clock::now().since(denied).as_secs_f64();
    println!("from the denial to the last ACL that is deleted: {took:.2} s");
    // Three questions, one a second, and the second that is promised; twice that on a busy machine.
    assert!(took < 8.0, "{took} s");
    ended(run)
        .code(4)
        .says("the alarms that guard this run cannot be asked")
        .says("no answer 3 times in a row")
        .says("access denied to cloudwatch:DescribeAlarms");
    lab.ask("DELETE", "/lab/trouble", "");
    lab.settled();
    crate::support::residue::same(&lab.shape(), &before, "as before");
}
