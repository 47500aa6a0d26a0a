//! What the blog's drills show beside their verdicts.

use serde_json::Value as Json;

fn writes(result: &Json) -> &Json {
    &result["measurement"]["probes"][0]["state"]
}

/// Readings miss pictures before anything is touched.
pub fn readings_missed_pictures(result: &Json) {
    assert!(writes(result)["stale_reads"].as_u64().unwrap() > 0, "{}", writes(result));
}

/// Not all is lost, and none of it in the time after the kill when its disk was new.
pub fn a_part_is_lost(result: &Json) {
    let state = writes(result);
    let (lost, acknowledged) = (state["lost"].as_u64().unwrap(), state["acknowledged"].as_u64().unwrap());
    assert!(lost > 0 && lost < acknowledged / 2, "{state}");
}

/// Nothing is stale or lost.
pub fn all_is_there(result: &Json) {
    let state = writes(result);
    assert_eq!((&state["lost"], &state["stale"], &state["unchecked"]), (&0.into(), &0.into(), &0.into()), "{state}");
    assert!(state["acknowledged"].as_u64().unwrap() > 100, "{state}");
}
