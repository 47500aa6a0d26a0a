//! The tags that a failed health check carries: whose act it is, and how the check was. They are written before it is touched, and taken
//! away after it was put back. From them alone another machine can undo it.
//!
//! AWS lets a health check carry ten tags, so there are only four of ours: `firedrill:run`, `firedrill:mark`, `firedrill:until`, and
//! `firedrill:was`, which tells the setting and the version.

use std::collections::BTreeMap;

use super::{
    Failing,
    check::{self, Names, Setting},
};
use crate::{
    model::{
        act::{Act, Group, Prepared, Target},
        aws::AwsSpec,
        fault::Fault,
        ids::{ActId, RunId},
    },
    platform::{
        Orphan,
        aws::{
            mark::{self, MARK, RUN, UNTIL},
            trouble::Trouble,
            undo::Before,
        },
    },
};

const WAS: &str = "firedrill:was";
/// Ours.
const OURS: [&str; 4] = [RUN, MARK, UNTIL, WAS];
/// How many a health check may carry.
const MOST: usize = 10;

/// Tags of a health check.
pub(super) type Tags = BTreeMap<String, String>;

/// Whether there is no room for ours.
pub(super) fn full(tags: &Tags) -> bool {
    tags.keys().filter(|key| !OURS.contains(&key.as_str())).count() + OURS.len() > MOST
}

/// Writes them. `version` is the one that the check has now.
pub(super) async fn put(names: &Names, failing: &Failing, version: i64, run: &str) -> Result<(), Trouble> {
    let was = format!("disabled={} inverted={} version={version}", failing.disabled, failing.inverted);
    let tags = [(RUN, run.to_owned()), (MARK, failing.mark.clone()), (UNTIL, mark::until()), (WAS, was)];
    let tags = tags.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    check::put_tags(names, &failing.id, &tags).await
}

/// Takes them away.
pub(super) async fn clear(names: &Names, id: &str, tags: &Tags) -> Result<(), Trouble> {
    let keys: Vec<String> = OURS.iter().filter(|key| tags.contains_key(**key)).map(|key| (*key).to_owned()).collect();
    check::clear_tags(names, id, keys).await
}

/// Says anew until when the run lives.
pub(in crate::platform::aws) async fn renew(names: &Names, id: &str) -> Result<(), Trouble> {
    check::put_tags(names, id, &BTreeMap::from([(UNTIL.to_owned(), mark::until())])).await
}

/// Whether an act of this mark holds it.
pub(super) fn is_of(tags: &Tags, mark: &str) -> bool {
    tags.get(MARK).is_some_and(|carried| carried == mark)
}

/// The run whose drill holds it at the moment, if it is not the one with this mark.
pub(super) fn held_by_another(tags: &Tags, mark: &str) -> Option<String> {
    let carried = tags.get(MARK).filter(|carried| *carried != mark)?;
    Some(tags.get(RUN).unwrap_or(carried).clone())
}

/// The setting and the version that it had; none when the tag is not there, or not ours.
pub(super) fn was(tags: &Tags) -> Option<(Setting, i64)> {
    let fields: BTreeMap<&str, &str> = tags.get(WAS)?.split(' ').filter_map(|field| field.split_once('=')).collect();
    let setting = Setting { disabled: fields.get("disabled")?.parse().ok()?, inverted: fields.get("inverted")?.parse().ok()? };
    Some((setting, fields.get("version")?.parse().ok()?))
}

/// What was left behind on the health checks that the environment names, as a journal would have told it.
pub(in crate::platform::aws) async fn left_behind(account: &str, names: &Names, spec: &AwsSpec) -> Result<Vec<Orphan>, Trouble> {
    let mut all = Vec::new();
    for (region, id) in &spec.health_checks {
        let tags = match check::tags(names, id).await {
            Ok(tags) => tags,
            Err(Trouble::Gone(_)) => continue,
            Err(trouble) => return Err(trouble),
        };
        let Some(marked) = tags.get(MARK).filter(|marked| mark::left_behind(marked, &tags)) else { continue };
        let Some((Setting { disabled, inverted }, version)) = was(&tags) else { continue };
        let run = tags.get(RUN).filter(|run| run.as_str() != "none").map(|run| RunId(run.clone()));
        let failing = Failing { id: id.clone(), mark: marked.clone(), disabled, inverted, version };
        let says = failing.says();
        let undo = Before::Checked(failing).into_undo(account, region, says);
        let target = Target::Group(Group { services: Vec::new(), zone: None, region: Some(region.clone()) });
        let act = Act { id: ActId { step: 0, act: 0 }, fault: Fault::REGION_OUTAGE, target };
        all.push(Orphan { run, prepared: Prepared { act, undo } });
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_was_is_read_back_from_its_tag() {
        let of = |was: &str| Tags::from([(WAS.to_owned(), was.to_owned())]);
        let setting = Setting { disabled: false, inverted: true };
        assert_eq!(was(&of("disabled=false inverted=true version=7")), Some((setting, 7)));
        for broken in ["", "disabled=false inverted=true", "disabled=no inverted=true version=7", "7"] {
            assert_eq!(was(&of(broken)), None, "{broken}");
        }
        assert_eq!(was(&Tags::new()), None);
    }

    #[test]
    fn ten_tags_are_the_most() {
        let of = |n: usize| (0..n).map(|n| (format!("k{n}"), String::new())).collect::<Tags>();
        assert!(!full(&of(6)) && full(&of(7)));
        let mut ours = of(6);
        ours.insert(MARK.to_owned(), String::new());
        assert!(!full(&ours), "ours are written over");
    }
}
