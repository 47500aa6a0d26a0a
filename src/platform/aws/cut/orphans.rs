//! Temporary network ACLs that were left behind: their tags alone tell what each subnet had.

use super::{
    Cut,
    acl::{self, WAS},
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
        let run = acl.tags.get(RUN).filter(|run| run.as_str() != "none").map(|run| RunId(run.clone()));
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
