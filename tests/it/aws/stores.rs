//! Managed stores fail over, and alarms guard a run.

use serde_json::json;

use super::rig::Lab;

const SERVICES: &str = "        services: { accounts: { database: what-time-accounts }, carts: { cache: what-time-carts } }\n";

#[test]
fn a_database_and_a_cache_fail_over_once() {
    let lab = Lab::with(&["--stores"]);
    lab.environment(&format!("{SERVICES}        opt-in: false\n"));
    lab.write(
        "experiment.yaml",
        &super::rig::EXPERIMENT
            .replace("service: 50%", "service: 100%")
            .replace("method:\n", "method:\n  - failover: accounts\n  - failover: carts\n"),
    );
    lab.firedrill(&["plan", "experiment.yaml"]).code(0).says("db:what-time-accounts").says("cache:what-time-carts/");
    let said = lab.firedrill(&["run", "experiment.yaml", "--yes"]).code(0);
    assert_eq!(lab.done("rds:RebootDBInstance").len(), 1, "{said:?}");
    assert_eq!(lab.done("elasticache:TestFailover").len(), 1, "{said:?}");
    // A zone alone does not mean what outlives it.
    lab.write("experiment.yaml", &format!("{}  - kill: {{ zone: eu-west-1a, take: all }}\n", super::rig::EXPERIMENT));
    lab.firedrill(&["plan", "experiment.yaml"]).code(3).says("nothing matches");
}

#[test]
fn an_alarm_that_rings_ends_the_run_and_keeps_another_from_beginning() {
    let lab = Lab::new();
    lab.aws(
        "cloudwatch",
        "put_metric_alarm",
        &json!({
            "AlarmName": "errors", "MetricName": "5xx", "Namespace": "site", "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1,
            "Threshold": 1.0, "ComparisonOperator": "GreaterThanThreshold",
        }),
    );
    let ring = |state: &str| {
        lab.aws("cloudwatch", "set_alarm_state", &json!({ "AlarmName": "errors", "StateValue": state, "StateReason": "seen" }))
    };
    lab.environment("        abort-alarms: errors\n");
    lab.experiment("  - stop: { service: what-time-web, take: 1 }\n    hold: 60s\n");
    ring("ALARM");
    lab.firedrill(&["run", "experiment.yaml", "--yes"]).code(3).says("the CloudWatch alarm errors rings");
    ring("OK");
    let mut command = lab.command(&["run", "experiment.yaml", "--yes"]);
    let run = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let limit = firedrill::clock::now().plus(std::time::Duration::from_secs(90));
    while lab.done("ec2:StopInstances").is_empty() {
        assert!(firedrill::clock::now() < limit, "nothing was stopped");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    ring("ALARM");
    super::rig::Said::of(run.wait_with_output().unwrap()).code(4).says("the CloudWatch alarm errors rings");
    lab.environment("        abort-alarms: [errors, typo]\n");
    lab.firedrill(&["plan", "experiment.yaml"]).code(3).says("no CloudWatch alarm `typo`");
}
