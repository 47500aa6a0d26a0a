//! What the phoenix drills show beside their verdicts.

use serde_json::Value as Json;

/// Three servers, three replacements.
pub fn all_are_new(result: &Json) {
    let victims = result["measurement"]["victims"].as_array().unwrap();
    assert_eq!(victims.len(), 3);
    assert!(victims.iter().all(|victim| victim["in_service_after_s"].as_f64().is_some_and(|after| after < 5.0)), "{victims:?}");
}

/// Both times stand side by side.
pub fn the_golden_image_is_faster(result: &Json) {
    let back = |step: usize| result["measurement"]["capacity_by_step"][step]["back_after_s"].as_f64().unwrap();
    assert!(back(0) + 1.0 < back(1), "{} and {}", back(0), back(1));
}

/// The report names the server and both versions.
pub fn drift_is_named(result: &Json) {
    let findings = result["measurement"]["findings"].as_array().unwrap();
    let drift = findings.iter().find(|finding| finding["kind"] == "drift").unwrap_or_else(|| panic!("no drift in {findings:?}"));
    let says = drift["says"].as_str().unwrap();
    assert!(says.contains("1.1") && says.contains("1.0") && says.contains("bootstrap-"), "{says}");
}
