//! What a region shows, in our own words: machines, the groups that keep them, the balancers' target groups. Only what a drill needs.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, hash_map::Entry},
    sync::Arc,
};

use super::store::Store;
use crate::model::ids::Region;

/// The tag that EC2 puts on the members of an Auto Scaling group.
pub(super) const GROUP_TAG: &str = "aws:autoscaling:groupName";
/// The tag of an Elastic Beanstalk environment's instances.
pub(super) const BEANSTALK_TAG: &str = "elasticbeanstalk:environment-name";

/// Instances by id. Shared among looks and whoever looked: most stay as they are.
pub(super) type Machines = BTreeMap<String, Arc<Machine>>;

/// One look at a region.
#[derive(Debug, Clone, Default)]
pub(super) struct World {
    /// Its instances.
    pub(super) machines: Machines,
    /// Auto Scaling groups by name.
    pub(super) groups: BTreeMap<String, AutoGroup>,
    /// Target groups by ARN.
    pub(super) pools: BTreeMap<String, Pool>,
    /// Managed stores by the id that they have as targets.
    pub(super) stores: BTreeMap<String, Store>,
    /// Who was seen to have ended while a group still lists it: EC2 never gives an id twice.
    pub(super) ended: BTreeSet<String>,
}

/// An EC2 instance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Machine {
    pub(super) id: String,
    pub(super) state: Phase,
    /// Why and when its state changed last, in EC2's words: `User initiated (2026-11-27 16:01:02 GMT)`.
    pub(super) because: String,
    pub(super) image: String,
    /// Nanoseconds since 1970; another start is another time.
    pub(super) launched: i128,
    pub(super) zone: String,
    pub(super) subnet: Option<String>,
    pub(super) vpc: Option<String>,
    pub(super) address: Option<String>,
    pub(super) tags: Arc<BTreeMap<String, String>>,
}

/// Where an instance is in its life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Phase {
    Pending,
    Running,
    Stopping,
    /// An unknown state counts as this: not running.
    #[default]
    Stopped,
    ShuttingDown,
    Terminated,
}

impl Phase {
    /// EC2's word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::ShuttingDown => "shutting-down",
            Self::Terminated => "terminated",
        }
    }

    /// From EC2's word; an unknown one counts as not running.
    pub(super) fn read(word: &str) -> Self {
        match word {
            "pending" => Self::Pending,
            "running" => Self::Running,
            "stopping" => Self::Stopping,
            "shutting-down" => Self::ShuttingDown,
            "terminated" => Self::Terminated,
            _ => Self::Stopped,
        }
    }

    /// Whether it is over for good.
    pub(super) fn ended(self) -> bool {
        matches!(self, Self::ShuttingDown | Self::Terminated)
    }
}

/// An Auto Scaling group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AutoGroup {
    pub(super) name: String,
    pub(super) region: Region,
    pub(super) min: u32,
    pub(super) max: u32,
    pub(super) desired: u32,
    /// Its zones, as AWS lists them.
    pub(super) zones: Vec<String>,
    /// Its subnets in AWS's order; none for a group that only names zones.
    pub(super) subnets: Vec<String>,
    /// The processes that are suspended.
    pub(super) suspended: BTreeSet<String>,
    /// Its members by instance id. Shared among looks.
    pub(super) members: BTreeMap<String, Arc<Member>>,
    /// The ARNs of its target groups.
    pub(super) pools: Vec<String>,
    pub(super) tags: BTreeMap<String, String>,
    /// Set while it is being deleted.
    pub(super) status: Option<String>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    /// `InService`, `Pending:Wait`, `Terminating`, …
    pub(super) lifecycle: String,
    /// Whether the group holds it for healthy.
    pub(super) healthy: bool,
    pub(super) protected: bool,
    /// What it was launched from: launch template and version, or launch configuration.
    pub(super) template: String,
}

/// A group with what it says of one of its members.
pub(super) type Membership<'a> = (&'a AutoGroup, &'a Member);

/// All of a world's, by the member's id.
pub(super) type Memberships<'a> = HashMap<&'a str, Membership<'a>>;

impl AutoGroup {
    fn membership(&self, id: &str) -> Option<Membership<'_>> {
        self.members.get(id).map(|member| (self, member.as_ref()))
    }
}

impl Member {
    /// Whether its group is ending it.
    pub(super) fn leaving(&self) -> bool {
        self.lifecycle.starts_with("Terminat") || self.lifecycle.starts_with("Detach")
    }
}

/// A target group with what its balancer says of its targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pool {
    pub(super) arn: String,
    pub(super) name: String,
    pub(super) targets: Vec<PoolTarget>,
}

/// One registration: an instance may be registered with several ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PoolTarget {
    /// The instance, or an address.
    pub(super) id: String,
    pub(super) port: Option<u16>,
    /// `healthy`, `unhealthy`, `initial`, `draining`, `unused`, `unavailable`.
    pub(super) state: String,
    pub(super) reason: String,
}

impl PoolTarget {
    /// What the balancer's check says; none when it does not check.
    pub(super) fn healthy(&self) -> Option<bool> {
        match self.state.as_str() {
            "healthy" => Some(true),
            "unavailable" => None,
            _ => Some(false),
        }
    }
}

impl World {
    /// Whether what groups and balancers say of instances from outside of their members' lists is the same in both.
    pub(super) fn alike_around(&self, other: &Self) -> bool {
        let groups = |world: &Self| world.groups.values().map(|g| (g.name.clone(), g.tags.clone(), g.pools.clone())).collect::<Vec<_>>();
        self.pools == other.pools && groups(self) == groups(other)
    }

    /// Who is a member of which group: for whoever asks of each of thousands.
    pub(super) fn memberships(&self) -> Memberships<'_> {
        let members = |group: &'_ AutoGroup| group.members.len();
        let mut all = Memberships::with_capacity(self.groups.values().map(members).sum());
        let by_tag =
            |id: &str, group: &AutoGroup| self.machines.get(id).is_some_and(|machine| machine.tags.get(GROUP_TAG) == Some(&group.name));
        for group in self.groups.values() {
            for (id, member) in &group.members {
                match all.entry(id) {
                    Entry::Vacant(vacant) => {
                        vacant.insert((group, member.as_ref()));
                    }
                    // It goes over from one to the other while they are listed.
                    Entry::Occupied(mut other) if by_tag(id, group) => {
                        other.insert((group, member.as_ref()));
                    }
                    Entry::Occupied(_) => {}
                }
            }
        }
        all
    }

    /// The group that an instance is a member of.
    pub(super) fn group_of(&self, machine: &Machine) -> Option<Membership<'_>> {
        let by_tag = machine.tags.get(GROUP_TAG).and_then(|name| self.groups.get(name));
        by_tag.into_iter().chain(self.groups.values()).find_map(|group| group.membership(&machine.id))
    }

    /// The same of one that is known by its id only.
    pub(super) fn group_of_id(&self, id: &str) -> Option<Membership<'_>> {
        self.groups.values().find_map(|group| group.membership(id))
    }
}

/// The name in a target group's ARN.
pub(super) fn pool_name(arn: &str) -> &str {
    let parts = arn.rsplit_once(":targetgroup/").map_or(arn, |(_, rest)| rest);
    parts.split('/').next().unwrap_or(arn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_listed_by_two_groups_is_a_member_of_the_one_that_its_tag_names() {
        let member = Member { lifecycle: "InService".to_owned(), healthy: true, protected: false, template: String::new() };
        let group = |name: &str| AutoGroup {
            name: name.to_owned(),
            region: Region("eu-west-1".to_owned()),
            min: 0,
            max: 1,
            desired: 1,
            zones: vec![],
            subnets: vec![],
            suspended: BTreeSet::new(),
            members: ["i-1", "i-2"].map(|id| (id.to_owned(), Arc::new(member.clone()))).into(),
            pools: vec![],
            tags: BTreeMap::new(),
            status: None,
        };
        let machine = |id: &str, group: &str| {
            let tags = BTreeMap::from([(GROUP_TAG.to_owned(), group.to_owned())]);
            (id.to_owned(), Arc::new(Machine { id: id.to_owned(), tags: Arc::new(tags), ..Machine::default() }))
        };
        let world = World {
            machines: [machine("i-1", "a"), machine("i-2", "b")].into(),
            groups: ["a", "b"].map(|name| (name.to_owned(), group(name))).into(),
            ..World::default()
        };
        let members = world.memberships();
        for machine in world.machines.values() {
            assert_eq!(members.get(machine.id.as_str()).copied(), world.group_of(machine), "{}", machine.id);
        }
        assert_eq!((members["i-1"].0.name.as_str(), members["i-2"].0.name.as_str()), ("a", "b"));
    }

    #[test]
    fn a_target_groups_name_is_in_its_arn() {
        assert_eq!(pool_name("arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/shop/0123456789abcdef"), "shop");
        assert_eq!(pool_name("shop"), "shop");
    }
}
