//! Temporary network ACLs that were left behind: their tags alone tell what each subnet had. And those of runs that are at work just now.

use std::collections::BTreeMap;

use super::{
    Cut,
    acl::{self, Acl, WAS},
};
use crate::{
    model::{
        act::{Act, Group, Prepared, Target},
        fault::{Fault, PartitionMode},
        ids::{ActId, RunId},
    },
    platform::{
        Orphan,
        aws::{
            connection::Place,
            mark::{self, MARK, RUN},
            trouble::Trouble,
            undo::Before,
        },
    },
};

/// What was left behind in a region, as a journal would have told it.
pub(in crate::platform::aws) async fn left_behind(account: &str, place: &Place) -> Result<Vec<Orphan>, Trouble> {
    let mut all = Vec::new();
    for acl in acl::matching(place, "tag-key", MARK).await? {
        let Some(marked) = acl.tags.get(MARK).filter(|marked| mark::left_behind(marked, &acl.tags)) else { continue };
        let run = run_of(&acl);
        let subnets = acl.tags.iter().filter_map(|(key, was)| Some((key.strip_prefix(WAS)?, was)));
        for (subnet, was) in subnets {
            let cut = Cut { vpc: acl.vpc.clone(), subnet: subnet.to_owned(), acl: was.clone(), mark: marked.clone() };
            let says = format!("give {subnet} its network ACL {was} back");
            let target = Target::Group(Group { services: Vec::new(), zone: None, region: Some(place.region.clone()) });
            let undo = Before::Reached(cut).into_undo(account, &place.region, says);
            let act = Act { id: ActId { step: 0, act: 0 }, fault: Fault::Partition { mode: PartitionMode::Hang }, target };
            all.push(Orphan { run: run.clone(), prepared: Prepared { act, undo } });
        }
    }
    Ok(all)
}

/// The subnets of a region that runs of other processes cut off just now, each with the run, if it said which.
pub(in crate::platform::aws) async fn of_others(place: &Place) -> Result<BTreeMap<String, Option<RunId>>, Trouble> {
    let found = acl::matching(place, "tag-key", MARK).await?;
    let at_work = found.iter().filter(|acl| acl.tags.get(MARK).is_some_and(|marked| mark::of_another(marked, &acl.tags)));
    Ok(at_work.flat_map(|acl| acl.subnets.keys().map(|subnet| (subnet.clone(), run_of(acl)))).collect())
}

/// The run that made a temporary ACL, if it said which.
fn run_of(acl: &Acl) -> Option<RunId> {
    acl.tags.get(RUN).filter(|run| run.as_str() != "none").map(|run| RunId(run.clone()))
}
