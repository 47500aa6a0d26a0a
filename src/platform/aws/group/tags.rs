//! The tags that a held group carries: whose act it is, and how the group was. They are written before it is touched, and taken away after
//! it was put back. From them alone another machine can undo it.
//!
//! * `firedrill:run`, `firedrill:mark`: whose it is; `firedrill:until`: until when that run lives in any case.
//! * `firedrill:left:ZONE`: the places of that zone that left. `firedrill:order`: all of its places, in their order.
//! * `firedrill:suspended`: the processes that were suspended by us.
//! * `firedrill:desired`: how many instances it wanted, and how many places it may have lost.
//!
//! A tag holds 256 letters: a longer list goes on in `…:2`, `…:3`. Lists are separated by spaces, which every tag may hold.

use std::collections::BTreeMap;

use aws_sdk_autoscaling::types::Tag;

use super::{Held, Way};
use crate::{
    model::{
        act::{Act, Group, Prepared, Target},
        fault::Fault,
        ids::{ActId, RunId, Zone},
    },
    platform::{
        Orphan,
        aws::{
            calls::Action,
            connection::Place,
            mark::{self, MARK, RUN, UNTIL},
            read,
            trouble::Trouble,
            undo::Before,
            world::AutoGroup,
        },
    },
};

const PUT: Action = Action::write("autoscaling:CreateOrUpdateTags");
const CLEAR: Action = Action::write("autoscaling:DeleteTags");
const LEFT: &str = "firedrill:left:";
const ORDER: &str = "firedrill:order";
const SUSPENDED: &str = "firedrill:suspended";
const DESIRED: &str = "firedrill:desired";

/// How a tag says whether its places are zones instead of subnets.
const ZONES: &str = "zones";

/// What is written for a group that is held.
fn wanted(held: &Held, run: &str) -> BTreeMap<String, String> {
    let mut tags =
        BTreeMap::from([(RUN.to_owned(), run.to_owned()), (MARK.to_owned(), held.mark.clone()), (UNTIL.to_owned(), mark::until())]);
    match &held.way {
        Way::Left { zone, subnets, leave, order } => {
            let order = if *subnets { order.clone() } else { [&[ZONES.to_owned()], &order[..]].concat() };
            tags.extend(mark::lines(&format!("{LEFT}{zone}"), leave));
            tags.extend(mark::lines(ORDER, &order));
        }
        Way::Suspended { processes } => tags.extend(mark::lines(SUSPENDED, processes)),
        // Written by who knows how many places it loses.
        Way::Shrunk { .. } => {}
    }
    tags
}

fn tag(group: &str, key: &str, value: Option<&str>) -> Tag {
    Tag::builder()
        .resource_id(group)
        .resource_type("auto-scaling-group")
        .key(key)
        .set_value(value.map(str::to_owned))
        .propagate_at_launch(false)
        .build()
}

/// Writes them.
pub(super) async fn put(place: &Place, held: &Held, run: &str) -> Result<(), Trouble> {
    let tags: Vec<Tag> = wanted(held, run).iter().map(|(key, value)| tag(&held.name, key, Some(value))).collect();
    let ask = place.scaling.create_or_update_tags().set_tags(Some(tags));
    place.calls.call(PUT, || ask.clone().send()).await.map(drop)
}

/// Writes them for a group that is about to lose `number` of its places.
pub(super) async fn put_shrunk(place: &Place, held: &Held, desired: u32, number: u32, run: &str) -> Result<(), Trouble> {
    let mut wanted = wanted(held, run);
    wanted.insert(DESIRED.to_owned(), format!("{desired} {number}"));
    let tags: Vec<Tag> = wanted.iter().map(|(key, value)| tag(&held.name, key, Some(value))).collect();
    let ask = place.scaling.create_or_update_tags().set_tags(Some(tags));
    place.calls.call(PUT, || ask.clone().send()).await.map(drop)
}

/// How many instances a group wanted, and how many places acts of this mark may have taken from it.
pub(super) fn shrunk(group: &AutoGroup, mark: &str) -> Option<(u32, u32)> {
    if !is_of(group, mark) {
        return None;
    }
    let (desired, number) = group.tags.get(DESIRED)?.split_once(' ')?;
    Some((desired.parse().ok()?, number.parse().ok()?))
}

/// Takes away those of this act; whether there were any. What another act of the same mark still needs stays.
pub(super) async fn clear(place: &Place, held: &Held, now: &AutoGroup) -> Result<bool, Trouble> {
    if !is_of(now, &held.mark) {
        return Ok(false);
    }
    let own: Vec<String> = match &held.way {
        Way::Left { zone, .. } => mark::keys(&now.tags, &format!("{LEFT}{zone}")),
        Way::Suspended { .. } => mark::keys(&now.tags, SUSPENDED),
        Way::Shrunk { .. } => mark::keys(&now.tags, DESIRED),
    };
    let tells = |key: &str| [LEFT, SUSPENDED, DESIRED].iter().any(|prefix| key.starts_with(prefix));
    let others = now.tags.keys().any(|key| tells(key) && !own.contains(key));
    let mut keys = own;
    if !others {
        keys.extend(mark::keys(&now.tags, ORDER));
        keys.extend([RUN, MARK, UNTIL].map(str::to_owned));
    }
    let tags: Vec<Tag> = keys.iter().map(|key| tag(&held.name, key, now.tags.get(key).map(String::as_str))).collect();
    let ask = place.scaling.delete_tags().set_tags(Some(tags));
    place.calls.call(CLEAR, || ask.clone().send()).await.map(|_| true)
}

/// Says anew until when the run lives.
pub(in crate::platform::aws) async fn renew(place: &Place, group: &str) -> Result<(), Trouble> {
    let ask = place.scaling.create_or_update_tags().tags(tag(group, UNTIL, Some(&mark::until())));
    place.calls.call(PUT, || ask.clone().send()).await.map(drop)
}

/// The run whose drill holds the group at the moment, if it is not the one with this mark.
pub(super) fn held_by_another(group: &AutoGroup, mark: &str) -> Option<String> {
    let carried = group.tags.get(MARK).filter(|carried| *carried != mark)?;
    Some(group.tags.get(RUN).unwrap_or(carried).clone())
}

/// Whether the group carries this mark.
pub(super) fn is_of(group: &AutoGroup, mark: &str) -> bool {
    group.tags.get(MARK).is_some_and(|carried| carried == mark)
}

/// The places that acts of this mark took out of the group.
pub(super) fn left(group: &AutoGroup, mark: &str) -> Vec<String> {
    if !is_of(group, mark) {
        return Vec::new();
    }
    zones(group).iter().flat_map(|zone| mark::list(&group.tags, &format!("{LEFT}{zone}"))).collect()
}

/// The zones that left a group, as its tags tell.
fn zones(group: &AutoGroup) -> Vec<String> {
    let zone = |key: &String| key.strip_prefix(LEFT).filter(|zone| !zone.contains(':')).map(str::to_owned);
    group.tags.keys().filter_map(zone).collect()
}

/// What was left behind on the groups of a region, as a journal would have told it.
pub(in crate::platform::aws) async fn left_behind(account: &str, place: &Place) -> Result<Vec<Orphan>, Trouble> {
    let groups = read::marked_groups(place).await?;
    let mut all = Vec::new();
    for group in groups.values() {
        let Some(marked) = group.tags.get(MARK).filter(|marked| mark::left_behind(marked, &group.tags)) else { continue };
        let run = group.tags.get(RUN).filter(|run| run.as_str() != "none").map(|run| RunId(run.clone()));
        for (way, zone) in ways(group) {
            let held = Held { region: group.region.clone(), name: group.name.clone(), mark: marked.clone(), way };
            let says = format!("put back: {}", held.says());
            let target = Target::Group(Group { services: Vec::new(), zone: zone.map(Zone), region: Some(group.region.clone()) });
            let undo = Before::Launching { groups: vec![held] }.into_undo(account, &group.region, says);
            let act = Act { id: ActId { step: 0, act: 0 }, fault: Fault::SuspendReplacement, target };
            all.push(Orphan { run: run.clone(), prepared: Prepared { act, undo } });
        }
    }
    Ok(all)
}

/// How a group is held, as its tags tell.
fn ways(group: &AutoGroup) -> Vec<(Way, Option<String>)> {
    let mut order = mark::list(&group.tags, ORDER);
    let subnets = order.first().is_none_or(|first| first != ZONES);
    if !subnets {
        order.remove(0);
    }
    let mut ways: Vec<(Way, Option<String>)> = zones(group)
        .into_iter()
        .map(|zone| {
            let leave = mark::list(&group.tags, &format!("{LEFT}{zone}"));
            (Way::Left { zone: zone.clone(), subnets, leave, order: order.clone() }, Some(zone))
        })
        .collect();
    if let Some((desired, _)) = group.tags.get(MARK).and_then(|mark| shrunk(group, mark)) {
        ways.push((Way::Shrunk { desired }, None));
    }
    let processes = mark::list(&group.tags, SUSPENDED);
    if !processes.is_empty() || ways.is_empty() {
        ways.push((Way::Suspended { processes }, None));
    }
    ways
}
