//! What the deployments show beside their verdicts.

use serde_json::Value as Json;

use super::rig::fault;

fn stats(result: &Json) -> &Json {
    &fault(result, "home")["stats"]
}

/// Requests that a version answered in the fault phase.
fn answered(result: &Json, version: &str) -> u64 {
    let groups = result["measurement"]["probes"][0]["groups"].as_array().unwrap();
    let mut of = groups.iter().filter(|g| g["by"] == "backend" && g["key"] == version && g["phase"] == "fault");
    of.next().map_or(0, |group| group["stats"]["requests"].as_u64().unwrap())
}

pub fn both_versions_served(result: &Json) {
    assert!(answered(result, "4") > 0 && answered(result, "5") > 0, "both versions served meanwhile");
}

pub fn some_were_cut(result: &Json) {
    let (failed, all) = (stats(result)["failures"]["status"].as_u64().unwrap(), stats(result)["requests"].as_u64().unwrap());
    assert!(failed >= 4 && failed < all / 2, "{failed} of {all}");
}

pub fn the_new_version_served(result: &Json) {
    assert!(answered(result, "5") > answered(result, "4"), "the new version served while it was switched");
}

pub fn the_canary_got_its_share(result: &Json) {
    let share = answered(result, "5") as f64 / stats(result)["requests"].as_u64().unwrap() as f64;
    assert!((0.05..=0.12).contains(&share), "the canary got {share}");
}

pub fn half_of_them_failed(result: &Json) {
    let availability = stats(result)["availability"]["value"].as_f64().unwrap();
    assert!((0.3..0.75).contains(&availability), "{availability}");
}
