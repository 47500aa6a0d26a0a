//! Zonal shifts of the Application Recovery Controller, as far as a drill needs them. AWS itself sees to it that a resource has one at most.

use std::{collections::BTreeMap, time::Duration};

use aws_sdk_arczonalshift::types::{AppliedStatus, ZonalShiftStatus};

use super::comment;
use crate::platform::aws::{
    calls::{Action, LIMIT},
    connection::Place,
    trouble::{Trouble, short},
};

const GET: Action = Action::read("arc-zonal-shift:GetManagedResource");
const LIST: Action = Action::read("arc-zonal-shift:ListZonalShifts");
/// Done twice, it is refused the second time.
const START: Action = Action::write_once("arc-zonal-shift:StartZonalShift");
const UPDATE: Action = Action::write("arc-zonal-shift:UpdateZonalShift");
/// What is canceled already is refused, and read back.
const CANCEL: Action = Action::write("arc-zonal-shift:CancelZonalShift");

/// How often a start whose answer is lost, and that was not done, is asked for.
const TRIES: u32 = 4;
/// The most pages that are read.
const MOST_PAGES: usize = 50;
/// How long a look for what was left behind may take: in a region that has no such service, its name is never found.
const LOOK_LIMIT: Duration = Duration::from_secs(8);

/// After so long without a word of the run, AWS ends a shift by itself, and users come back. Renewed with the promise to live
/// (`keeper`), so that no drill is too long for it.
pub(super) const ENDS_AFTER: &str = "1h";

/// A shift that lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::platform::aws) struct Shift {
    pub(super) id: String,
    /// The ARN of what is shifted.
    pub(super) arn: String,
    /// The id of the zone.
    pub(super) away_from: String,
    pub(super) comment: String,
    /// Whether it is the one that counts, where AWS has one of its own too; a list does not tell.
    applied: bool,
}

impl Shift {
    /// Whether it is the one of this mark.
    pub(super) fn is_of(&self, mark: &str) -> bool {
        comment::mark(&self.comment).is_some_and(|carried| carried == mark)
    }

    /// Whose it is, in words that follow its name.
    pub(super) fn says(&self) -> String {
        match comment::run(&self.comment) {
            Some(run) => format!("of another drill ({}); `firedrill recover` undoes one that is dead", short(&run)),
            None => format!("of somebody else (away from {}: {:?})", self.away_from, short(&self.comment)),
        }
    }
}

/// What can be shifted, as it is now.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Resource {
    /// Whether users are sent into each of its zones, by the zone's id.
    pub(super) weights: BTreeMap<String, bool>,
    pub(super) shifts: Vec<Shift>,
    /// The zones that AWS itself shifts it away from.
    pub(super) automatic: Vec<String>,
}

impl Resource {
    /// Whether the shift of this mark is the one that counts, and sends nobody into the zone.
    pub(super) fn is_away(&self, zone: &str, mark: &str) -> bool {
        self.weights.get(zone) == Some(&false) && self.shifts.iter().any(|shift| shift.is_of(mark) && shift.applied)
    }
}

/// Reads one. `Gone` when it cannot be shifted at all.
pub(super) async fn get(place: &Place, arn: &str) -> Result<Resource, Trouble> {
    let ask = place.shifts.get_managed_resource().resource_identifier(arn);
    let found = place.calls.call(GET, || ask.clone().send()).await?;
    let shifts = found.zonal_shifts.into_iter().map(|shift| Shift {
        applied: shift.applied_status == AppliedStatus::Applied,
        id: shift.zonal_shift_id,
        arn: shift.resource_identifier,
        away_from: shift.away_from,
        comment: shift.comment,
    });
    Ok(Resource {
        weights: found.applied_weights.into_iter().map(|(zone, weight)| (zone, weight > 0.0)).collect(),
        shifts: shifts.collect(),
        automatic: found.autoshifts.unwrap_or_default().into_iter().map(|shift| shift.away_from).collect(),
    })
}

/// The shifts that last: of one resource, or of all.
pub(super) async fn active(place: &Place, arn: Option<&str>) -> Result<Vec<Shift>, Trouble> {
    let limit = if arn.is_some() { LIMIT } else { LOOK_LIMIT };
    let mut all = Vec::new();
    let mut token: Option<String> = None;
    for _ in 0..MOST_PAGES {
        let ask = place.shifts.list_zonal_shifts().status(ZonalShiftStatus::Active);
        let ask = ask.set_resource_identifier(arn.map(str::to_owned)).set_next_token(token);
        let page = place.calls.call_within(limit, LIST, || ask.clone().send()).await?;
        let found = page.items.unwrap_or_default().into_iter().filter(|shift| shift.status == ZonalShiftStatus::Active);
        all.extend(found.map(|shift| Shift {
            id: shift.zonal_shift_id,
            arn: shift.resource_identifier,
            away_from: shift.away_from,
            comment: shift.comment,
            applied: true,
        }));
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            break;
        }
    }
    Ok(all)
}

/// Starts one. After a lost answer the resource itself tells what became of it.
///
/// # Errors
/// `Conflict` when it has another one.
pub(super) async fn start(place: &Place, arn: &str, zone: &str, mark: &str, run: &str) -> Result<(), Trouble> {
    let ask = place.shifts.start_zonal_shift().resource_identifier(arn).away_from(zone);
    let ask = ask.expires_in(ENDS_AFTER).comment(comment::write(mark, run));
    let mut lost = None;
    for _ in 0..TRIES {
        match place.calls.call(START, || ask.clone().send()).await {
            Ok(_) => return Ok(()),
            Err(trouble @ (Trouble::Lost(_) | Trouble::Failed(_))) => lost = Some(trouble),
            // An earlier try may have been done after all.
            Err(trouble @ Trouble::Conflict(_)) if lost.is_some() => lost = Some(trouble),
            Err(trouble) => return Err(trouble),
        }
        if active(place, Some(arn)).await?.iter().any(|shift| shift.is_of(mark)) {
            return Ok(());
        }
    }
    Err(lost.unwrap_or_else(|| Trouble::Failed(format!("no zonal shift of {arn} was started"))))
}

/// Has it last as long again, and says anew until when the run lives.
pub(super) async fn prolong(place: &Place, id: &str, mark: &str, run: &str) -> Result<(), Trouble> {
    let ask = place.shifts.update_zonal_shift().zonal_shift_id(id).expires_in(ENDS_AFTER).comment(comment::write(mark, run));
    place.calls.call(UPDATE, || ask.clone().send()).await.map(drop)
}

/// Ends it. One that has ended already is as good.
pub(super) async fn cancel(place: &Place, id: &str) -> Result<(), Trouble> {
    let ask = place.shifts.cancel_zonal_shift().zonal_shift_id(id);
    match place.calls.call(CANCEL, || ask.clone().send()).await {
        // Who asked looks whether it lasts still.
        Ok(_) | Err(Trouble::Gone(_) | Trouble::Conflict(_) | Trouble::Lost(_) | Trouble::Failed(_)) => Ok(()),
        Err(trouble) => Err(trouble),
    }
}
