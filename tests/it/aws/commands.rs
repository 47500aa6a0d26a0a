//! `run`: commands reach just the instances that were chosen, once, and are undone by their own.

use serde_json::{Value, json};

use super::rig::Lab;

const STOP_THE_SITE: &str = "  - run: { service: what-time-web, take: 2, command: [systemctl, stop, \"what time\"], undo: [systemctl, start, \"what time\"] }\n    hold: 1s\n";

/// The lines that each order had run, with the instances that it was for.
fn orders(lab: &Lab) -> Vec<(String, usize)> {
    let said = |call: &Value| {
        let parameters = &call["parameters"];
        let line = parameters["Parameters"]["commands"][0].as_str().unwrap_or_else(|| panic!("a line: {call}")).to_owned();
        (line, parameters["InstanceIds"].as_array().unwrap().len())
    };
    lab.done("ssm:SendCommand").iter().map(said).collect()
}

#[test]
fn a_command_runs_on_those_that_were_chosen_and_is_undone() {
    let lab = Lab::new();
    lab.experiment(STOP_THE_SITE);
    lab.firedrill(&["plan", "experiment.yaml"]).code(0).says("run `systemctl start what time` on");
    lab.firedrill(&["run", "experiment.yaml", "--yes"]).code(0).says("exit code");
    let orders = orders(&lab);
    assert_eq!(
        orders.iter().filter(|(line, n)| line == "'systemctl' 'stop' 'what time'" && *n == 2).count(),
        1,
        "one order for both: {orders:?}"
    );
    assert_eq!(orders.iter().filter(|(line, _)| line == "'systemctl' 'start' 'what time'").count(), 2, "{orders:?}");
}

#[test]
fn a_command_that_fails_is_no_fault_that_happened() {
    let lab = Lab::new();
    lab.ask("PUT", "/lab/trouble", &json!([{ "kind": "command", "code": 5, "output": "Unit what-time.service not loaded." }]).to_string());
    lab.experiment("  - run: { service: what-time-web, take: 1, command: [systemctl, stop, what-time] }\n");
    lab.firedrill(&["run", "experiment.yaml", "--yes"]).code(5).says("ended with exit code 5");
    assert_eq!(lab.done("ssm:SendCommand").len(), 1, "it is not tried a second time");
}

#[test]
fn an_order_whose_answer_is_lost_is_not_repeated_and_is_undone() {
    let lab = Lab::new();
    lab.ask("PUT", "/lab/trouble", &json!([{ "kind": "cut-after", "actions": ["ssm:SendCommand"], "nth": [1] }]).to_string());
    lab.experiment(&STOP_THE_SITE.replace("take: 2", "take: 1"));
    let said = lab.firedrill(&["run", "experiment.yaml", "--yes"]);
    assert_ne!(said.code, Some(0), "what is not known to have happened is no pass: {said:?}");
    let orders = orders(&lab);
    assert_eq!(orders.iter().filter(|(line, _)| line.contains("'stop'")).count(), 1, "{orders:?}");
    assert_eq!(orders.iter().filter(|(line, _)| line.contains("'start'")).count(), 1, "{orders:?}");
}
