//! The comment that a shift carries, where other resources carry tags: whose act it is, and until when its run lives in any case. A shift
//! needs no more to be undone from another machine: what was before it is that there was none.

use std::{collections::BTreeMap, sync::atomic::Ordering};

use super::{
    arc::{self, Shift},
    which,
};
use crate::{
    model::{
        act::{Act, Group, Prepared, Target},
        fault::{Fault, Mechanism},
        ids::{ActId, RunId, Zone},
    },
    platform::{
        Orphan,
        aws::{
            connection::Place,
            mark::{self, MARK, RUN, UNTIL},
            trouble::Trouble,
            undo::Before,
        },
    },
};

/// The most letters of a comment, and of a run's id in it.
const MOST: usize = 128;
const MOST_OF_RUN: usize = 48;

/// `firedrill:run=… firedrill:mark=… firedrill:until=…`
pub(super) fn write(mark: &str, run: &str) -> String {
    let run: String = run.chars().take(MOST_OF_RUN).collect();
    let text = format!("{RUN}={run} {MARK}={mark} {UNTIL}={}", mark::until());
    text.chars().take(MOST).collect()
}

/// What a comment tells, as tags would.
fn tags(comment: &str) -> BTreeMap<String, String> {
    let fields = comment.split_whitespace().filter_map(|field| field.split_once('='));
    fields.filter(|(key, _)| [RUN, MARK, UNTIL].contains(key)).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// The mark in it.
pub(super) fn mark(comment: &str) -> Option<String> {
    tags(comment).remove(MARK)
}

/// The run of a drill whose comment it is; none of somebody else's.
pub(super) fn run(comment: &str) -> Option<String> {
    let mut tags = tags(comment);
    let mark = tags.remove(MARK)?;
    Some(tags.remove(RUN).unwrap_or(mark))
}

fn run_of(shift: &Shift) -> Option<RunId> {
    run(&shift.comment).filter(|run| run != "none").map(RunId)
}

/// All shifts that last in a region. None where the service does not answer (a network that leads to the other services only, an emulator):
/// it is no reason to leave other drills undone, since nothing is down by a shift, and AWS ends what may be there within the hour. It is
/// asked once then, for each question waits long for no answer.
async fn lasting(place: &Place) -> Result<Vec<Shift>, Trouble> {
    if place.no_shifts.load(Ordering::Relaxed) {
        return Ok(Vec::new());
    }
    match arc::active(place, None).await {
        Err(trouble @ (Trouble::Unreachable(_) | Trouble::Lost(_) | Trouble::Failed(_) | Trouble::Gone(_) | Trouble::Refused(_))) => {
            place.no_shifts.store(true, Ordering::Relaxed);
            tracing::warn!(%trouble, "zonal shifts of other runs are not looked for");
            Ok(Vec::new())
        }
        found => found,
    }
}

/// What was left behind in a region, as a journal would have told it.
pub(in crate::platform::aws) async fn left_behind(account: &str, place: &Place) -> Result<Vec<Orphan>, Trouble> {
    let left = lasting(place).await?.into_iter().filter_map(|shift| {
        let tags = tags(&shift.comment);
        let marked = tags.get(MARK).filter(|marked| mark::left_behind(marked, &tags))?;
        let away = super::Away { balancer: shift.arn.clone(), zone: shift.away_from.clone(), mark: marked.clone() };
        let says = super::says(std::slice::from_ref(&away), &away.zone);
        let target = Target::Group(Group { services: Vec::new(), zone: None, region: Some(place.region.clone()) });
        let undo = Before::Sent { balancers: vec![away] }.into_undo(account, &place.region, says);
        let act = Act { id: ActId { step: 0, act: 0 }, fault: Fault::ZoneOutage { mechanism: Mechanism::Shift }, target };
        Some(Orphan { run: run_of(&shift), prepared: Prepared { act, undo } })
    });
    Ok(left.collect())
}

/// The zones of a region that runs of other processes shift users away from just now, each with the run, if it said which.
pub(in crate::platform::aws) async fn of_others(place: &Place) -> Result<BTreeMap<Zone, Option<RunId>>, Trouble> {
    let at_work = lasting(place).await?.into_iter().filter(|shift| {
        let tags = tags(&shift.comment);
        tags.get(MARK).is_some_and(|marked| mark::of_another(marked, &tags))
    });
    let at_work: BTreeMap<String, Option<RunId>> = at_work.map(|shift| (shift.away_from.clone(), run_of(&shift))).collect();
    // Nothing else is asked for while nobody is at work.
    if at_work.is_empty() {
        return Ok(BTreeMap::new());
    }
    let names = which::zone_ids(place).await?;
    Ok(names.into_iter().filter_map(|(name, id)| Some((name, at_work.get(&id)?.clone()))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_tells_whose_a_shift_is() {
        let mark_of = "0".repeat(18);
        let text = write(&mark_of, "20261129-101937-abcdef");
        assert!(text.len() <= MOST, "{text}");
        assert_eq!((mark(&text), run(&text).as_deref()), (Some(mark_of.clone()), Some("20261129-101937-abcdef")));
        assert!(!mark::left_behind(&mark_of, &tags(&text)), "another machine's run says that it lives");
        let long = write(&mark_of, &"x".repeat(200));
        assert!(long.len() <= MOST && mark(&long) == Some(mark_of) && tags(&long).contains_key(UNTIL), "{long}");
        for others in ["", "planned work, ticket=7", "mark=0"] {
            assert_eq!((mark(others), run(others)), (None, None), "{others}");
        }
    }
}
