//! What the drills of names show beside their verdicts.

use serde_json::Value as Json;

/// The availability of one kind of user in the fault phase.
fn felt(result: &Json, user: &str) -> f64 {
    let groups = result["measurement"]["probes"][0]["groups"].as_array().unwrap();
    let group = groups.iter().find(|group| group["by"] == "names" && group["key"] == user && group["phase"] == "fault");
    group.unwrap_or_else(|| panic!("no {user} in {groups:#?}"))["stats"]["availability"]["value"].as_f64().unwrap()
}

/// New visitors hardly notice, the others lose a third, and the report says so.
pub fn visitors_disagree(result: &Json) {
    assert!(felt(result, "each-connection") > 0.9 && felt(result, "ttl") < 0.8, "{result:#}");
    let findings = result["measurement"]["findings"].as_array().unwrap();
    let told = |finding: &Json| finding["kind"] == "names-disagree" && finding["says"].as_str().unwrap().contains("a new visitor");
    assert!(findings.iter().any(told), "{findings:#?}");
}

/// Nobody is better off.
pub fn all_lose_a_third(result: &Json) {
    for user in ["each-connection", "ttl"] {
        let felt = felt(result, user);
        assert!((0.5..0.8).contains(&felt), "{user}: {felt}");
    }
}
