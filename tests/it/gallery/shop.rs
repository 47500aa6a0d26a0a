//! What the shop's drills show beside their verdicts.

use serde_json::Value as Json;

fn state(result: &Json) -> &Json {
    &result["measurement"]["probes"][0]["state"]
}

/// Every lost cart lived on the server that was killed.
pub fn only_carts_of_the_dead_are_lost(result: &Json) {
    let victim = result["measurement"]["victims"][0]["instance"].as_str().unwrap();
    let lived: Vec<(&String, &Json)> = state(result)["lost_by_backend"].as_object().unwrap().iter().collect();
    let lost = state(result)["lost"].as_u64().unwrap();
    assert_eq!(lived, [(&victim.to_owned(), &Json::from(lost))], "{}", state(result));
    assert!(lost > 0 && state(result)["unchecked"] == 0, "{}", state(result));
}

/// A few, of those acknowledged last before the primary died.
pub fn a_few_orders_are_lost(result: &Json) {
    let (lost, of) = (state(result)["lost"].as_u64().unwrap(), state(result)["acknowledged"].as_u64().unwrap());
    assert!(lost > 0 && lost < of / 10, "{}", state(result));
    let died = result["measurement"]["victims"][0]["effect_by_s"].as_f64().unwrap();
    assert!(state(result)["lost_within"]["from_s"].as_f64().unwrap() > died - 2.0, "{}", state(result));
}

/// None, and each was looked for.
pub fn no_order_is_lost(result: &Json) {
    assert_eq!((&state(result)["unchecked"], &state(result)["never_read"]), (&0.into(), &0.into()), "{}", state(result));
}

/// Those that were on the line; and readings of the standby missed what the primary had acknowledged.
pub fn some_orders_are_lost_and_some_were_stale(result: &Json) {
    let (lost, of) = (state(result)["lost"].as_u64().unwrap(), state(result)["acknowledged"].as_u64().unwrap());
    assert!(lost > 0 && lost < of / 10 && state(result)["stale_reads"].as_u64().unwrap() > 0, "{}", state(result));
    reads_went_on(result);
}

/// What the cache says is there.
pub fn no_order_is_lost_or_stale(result: &Json) {
    no_order_is_lost(result);
    assert_eq!(state(result)["stale_reads"], 0, "{}", state(result));
    reads_went_on(result);
}

/// Nobody could order for a second and more; who only looked was hardly disturbed.
fn reads_went_on(result: &Json) {
    let outage = |probe| super::rig::fault(result, probe)["longest_outage_s"].as_f64().unwrap();
    assert!(outage("orders") > 1.0 && outage("reads") < 1.0, "orders {} s, reads {} s", outage("orders"), outage("reads"));
}
