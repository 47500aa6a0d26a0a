//! What the chat's drills show beside their verdicts.

use serde_json::Value as Json;

fn finding<'r>(result: &'r Json, kind: &str) -> Vec<&'r str> {
    let findings = result["measurement"]["findings"].as_array().unwrap();
    findings.iter().filter(|finding| finding["kind"] == kind).map(|finding| finding["says"].as_str().unwrap()).collect()
}

/// Without `tokens`, `messages` and `push` fail.
pub fn the_dependency_is_named(result: &Json) {
    let says = finding(result, "dependency").join("; ");
    assert!(says.contains("tokens") && says.contains("messages") && says.contains("push"), "{says}");
}

/// There is one load balancer.
pub fn the_single_point_is_named(result: &Json) {
    let says = finding(result, "single-point-of-failure").join("; ");
    assert!(says.contains("haproxy"), "{says}");
}
