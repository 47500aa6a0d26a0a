//! A look at a large fleet while it is watched: only what may have changed is asked for anew. A whole list of a thousand instances is
//! three megabytes of XML and most of what a drill costs; of those that their group keeps as before, nothing new would be in it.
//!
//! What may have changed: members that are not known yet; instances that are starting or stopping; those that their group or their balancer
//! holds for worse than before; and what was acted on. Who has ended stays so. An instance that ends without any of these knowing is seen by the next whole look.
//! Nothing is *decided* on a glance: plans, caps and acts look at everything.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::{
    connection::Place,
    inventory::{around, fleet},
    read::{self, FILTER_VALUES},
    trouble::Trouble,
    world::{Machine, Machines, Member, Memberships, Phase, Pool, World},
};
use crate::model::aws::{AwsMembers, AwsSpec};

/// Fleets up to this are listed whole: that is one call as well, and cheap.
const LARGE: usize = FILTER_VALUES;
/// At least so often everything is listed while a run watches: how late it may be noticed that an instance ended which its group holds
/// for well. EC2's own checks take no less.
pub(super) const WHOLE_EVERY: Duration = Duration::from_secs(30);

/// What was found out about instances beside the looks: by the deeds, which look at their victims.
#[derive(Debug, Default)]
pub(super) struct Hints {
    /// Acted on: they may have changed, whatever their group says.
    pub(super) doubtful: BTreeSet<String>,
    /// Seen by id since the last look.
    pub(super) seen: Machines,
}

/// Looks; none when that would be no cheaper than, or not as good as, a whole list.
pub(super) async fn glance(place: &Place, spec: &AwsSpec, known: &World, hints: &Hints) -> Result<Option<World>, Trouble> {
    if known.machines.len() <= LARGE || !kept_by_groups(spec) {
        return Ok(None);
    }
    let names: Vec<String> = known.groups.keys().cloned().collect();
    let groups = read::groups(place, &names).await?;
    let (pools, stores) = around(place, spec, &groups).await?;
    let mut world = World { machines: known.machines.clone(), groups, pools, stores, ended: known.ended.clone() };
    for (id, machine) in &hints.seen {
        world.learn(id, Arc::clone(machine));
    }
    let asked = changed(known, &world, &hints.doubtful);
    if asked.len() * 2 > world.machines.len() {
        return Ok(None);
    }
    let mut found = read::machines_of(place, asked.iter().map(String::as_str), &fleet(spec)).await?;
    for id in &asked {
        match found.remove(id) {
            Some(machine) => world.learn(id, machine),
            // Not visible yet, or no longer.
            None => drop(world.machines.remove(id)),
        }
    }
    let World { ended, groups, .. } = &mut world;
    ended.retain(|id| groups.values().any(|group| group.members.contains_key(id)));
    Ok(Some(world))
}

/// Whether whoever belongs to the environment is a member of one of its groups: then the groups tell who is new.
fn kept_by_groups(spec: &AwsSpec) -> bool {
    let groups = |members: &AwsMembers| matches!(members, AwsMembers::Groups(_));
    !spec.groups.is_empty() || (!spec.services.is_empty() && spec.services.values().all(groups))
}

/// What the group of an instance says of it.
fn said<'a>(of: &Memberships<'a>, machine: &Machine) -> Option<&'a Member> {
    of.get(machine.id.as_str()).map(|(_, member)| *member)
}

/// The instances that may be otherwise than they are known to be.
fn changed(before: &World, now: &World, doubtful: &BTreeSet<String>) -> BTreeSet<String> {
    let serves = |member: &Member| member.healthy && member.lifecycle == "InService";
    let (then, at_present) = (before.memberships(), now.memberships());
    let mut ask: BTreeSet<String> = now
        .machines
        .values()
        .filter(|machine| !machine.state.ended())
        .filter(|machine| {
            let is = said(&at_present, machine);
            let worse = || !is.is_some_and(serves) && (is.is_none() || is != said(&then, machine));
            machine.state != Phase::Running || doubtful.contains(&machine.id) || worse()
        })
        .map(|machine| machine.id.clone())
        .collect();
    let members = now.groups.values().flat_map(|group| group.members.keys());
    ask.extend(members.filter(|id| !now.machines.contains_key(*id) && !now.ended.contains(*id)).cloned());
    let (was, is) = (targets(&before.pools), targets(&now.pools));
    let worse = was.iter().filter(|(target, state)| is.get(*target).is_none_or(|now| now != *state && *now != "healthy"));
    let up = |id: &str| now.machines.get(id).is_some_and(|machine| !machine.state.ended());
    ask.extend(worse.map(|((_, id), _)| *id).filter(|id| up(id)).map(str::to_owned));
    ask
}

/// What each balancer says of each of its targets.
fn targets(pools: &BTreeMap<String, Pool>) -> BTreeMap<(&str, &str), &str> {
    pools.values().flat_map(|pool| pool.targets.iter().map(|t| ((pool.arn.as_str(), t.id.as_str()), t.state.as_str()))).collect()
}

impl World {
    /// An instance was seen by its id.
    fn learn(&mut self, id: &str, machine: Arc<Machine>) {
        if machine.state == Phase::Terminated {
            self.machines.remove(id);
            self.ended.insert(id.to_owned());
        } else {
            self.machines.insert(id.to_owned(), machine);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::ids::Region,
        platform::aws::world::{AutoGroup, GROUP_TAG, PoolTarget},
    };

    fn machine(id: &str, state: Phase) -> (String, Arc<Machine>) {
        let tags = BTreeMap::from([(GROUP_TAG.to_owned(), "fleet".to_owned())]);
        let machine = Machine {
            id: id.to_owned(),
            state,
            because: String::new(),
            image: "ami-1".to_owned(),
            launched: 1,
            zone: "eu-west-1a".to_owned(),
            subnet: None,
            vpc: None,
            address: None,
            tags: Arc::new(tags),
        };
        (id.to_owned(), Arc::new(machine))
    }

    fn member(lifecycle: &str) -> Member {
        Member { lifecycle: lifecycle.to_owned(), healthy: true, protected: false, template: "1".to_owned() }
    }

    fn world(machines: &[(&str, Phase)], members: &[(&str, &str)], targets: &[(&str, &str)]) -> World {
        let group = AutoGroup {
            name: "fleet".to_owned(),
            region: Region("eu-west-1".to_owned()),
            min: 0,
            max: 9,
            desired: 3,
            zones: vec![],
            subnets: vec![],
            suspended: BTreeSet::new(),
            members: members.iter().map(|(id, lifecycle)| ((*id).to_owned(), Arc::new(member(lifecycle)))).collect(),
            pools: vec![],
            tags: BTreeMap::new(),
            status: None,
        };
        let target = |(id, state): &(&str, &str)| PoolTarget {
            id: (*id).to_owned(),
            port: Some(80),
            state: (*state).to_owned(),
            reason: String::new(),
        };
        let pool = Pool { arn: "arn".to_owned(), name: "pool".to_owned(), targets: targets.iter().map(target).collect() };
        World {
            machines: machines.iter().map(|(id, state)| machine(id, *state)).collect(),
            groups: BTreeMap::from([("fleet".to_owned(), group)]),
            pools: BTreeMap::from([("arn".to_owned(), pool)]),
            ..World::default()
        }
    }

    #[test]
    fn only_what_may_have_changed_is_asked_for() {
        let up = [("i-1", Phase::Running), ("i-2", Phase::Running), ("i-3", Phase::Running), ("i-4", Phase::Pending)];
        let before = world(
            &up,
            &[("i-1", "InService"), ("i-2", "InService"), ("i-3", "InService"), ("i-4", "Pending")],
            &[("i-1", "healthy"), ("i-2", "healthy"), ("i-3", "healthy")],
        );
        let ask = |now: &World, doubtful: &[&str]| {
            let doubtful = doubtful.iter().map(|id| (*id).to_owned()).collect();
            changed(&before, now, &doubtful).into_iter().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(ask(&before.clone(), &[]), "i-4", "who is not up yet");
        assert_eq!(ask(&before.clone(), &["i-2"]), "i-2 i-4", "who was acted on");
        let all = [("i-1", "InService"), ("i-2", "InService"), ("i-3", "InService"), ("i-4", "Pending")];
        let healthy = [("i-1", "healthy"), ("i-2", "healthy"), ("i-3", "healthy")];
        let left = world(&up, &all[1..], &healthy);
        assert_eq!(ask(&left, &[]), "i-1 i-4", "whom its group has no more");
        let ill = world(&up, &all, &[("i-1", "healthy"), ("i-2", "unhealthy"), ("i-3", "healthy")]);
        assert_eq!(ask(&ill, &[]), "i-2 i-4", "whom the balancer holds for ill");
        let ejected = world(&up, &all, &healthy[..2]);
        assert_eq!(ask(&ejected, &[]), "i-3 i-4", "who is no target any more");
        let ending = world(&up, &[all[0], all[1], ("i-3", "Terminating"), all[3]], &healthy);
        assert_eq!(ask(&ending, &[]), "i-3 i-4", "whom its group ends");
        let over = world(&[("i-1", Phase::ShuttingDown), up[1], up[2], up[3]], &all[1..], &healthy[1..]);
        assert_eq!(ask(&over, &["i-1"]), "i-4", "who is ending has ended");
        let mut better = before.clone();
        better.groups.get_mut("fleet").unwrap().members.insert("i-1".to_owned(), Arc::new(member("Pending")));
        better.pools.get_mut("arn").unwrap().targets[1].state = "initial".to_owned();
        assert_eq!(changed(&better, &before, &BTreeSet::new()).into_iter().collect::<Vec<_>>(), ["i-4"], "who serves now");
        let mut new = world(&up, &[&all[..], &[("i-5", "Pending"), ("i-0", "InService")]].concat(), &healthy);
        assert_eq!(ask(&new, &[]), "i-0 i-4 i-5", "who is new");
        new.ended.insert("i-0".to_owned());
        assert_eq!(ask(&new, &[]), "i-4 i-5", "who has ended does not come back, whatever the group says");
    }

    #[test]
    fn what_has_ended_is_known_for_good() {
        let mut world = world(&[("i-1", Phase::Running)], &[("i-1", "InService")], &[]);
        world.learn("i-1", machine("i-1", Phase::Terminated).1);
        assert!(world.machines.is_empty() && world.ended.contains("i-1"));
    }
}
