//! What is there, in few calls: instances and the named groups at once, then what the balancers say, one call a target group.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use aws_sdk_ec2::types::Filter;
use futures_util::future::{try_join, try_join_all};

use super::{
    connection::{Connection, Place},
    glance::{self, Hints},
    own,
    read::{self, FILTER_VALUES, filter},
    service::{Named, service_of, service_of_store},
    store::{Store, stores},
    trouble::Trouble,
    world::{AutoGroup, BEANSTALK_TAG, GROUP_TAG, Machine, Membership, Memberships, Phase, Pool, PoolTarget, World},
};
use crate::{
    clock,
    file::suggest::{listed, nearest},
    model::{
        aws::{AwsMembers, AwsSpec},
        ids::{InstanceId, Region, Scope, Service, Zone},
        instance::{Instance, InstanceState, Inventory, PROTECTED, PROTECTED_TAG},
        time::Mono,
    },
    platform::PlatformError,
};

/// Everything that was seen at one time.
#[derive(Debug)]
pub(super) struct Listed {
    /// When it was asked for.
    pub(super) asked: Mono,
    /// When everything was last asked for: this time, or before (`glance`).
    pub(super) whole: Mono,
    /// Each region as it was found.
    pub(super) worlds: BTreeMap<Region, World>,
    /// The targets of it, sorted by id.
    pub(super) instances: Vec<Arc<Instance>>,
    /// How many instances each service wants, where groups say so.
    pub(super) desired: BTreeMap<Service, u32>,
}

impl Listed {
    /// The targets.
    pub(super) fn targets(&self) -> impl Iterator<Item = &Instance> {
        self.instances.iter().map(AsRef::as_ref)
    }

    /// As the engine takes it.
    pub(super) fn inventory(&self, scope: Scope) -> Inventory {
        Inventory { scope, instances: self.instances.clone(), desired: self.desired.clone() }
    }

    /// A target.
    pub(super) fn instance(&self, id: &str) -> Option<&Arc<Instance>> {
        self.instances.binary_search_by(|instance| instance.id.as_str().cmp(id)).ok().map(|at| &self.instances[at])
    }

    /// An instance with its region's world.
    pub(super) fn machine(&self, region: &Region, id: &InstanceId) -> Option<(&World, &Machine)> {
        let world = self.worlds.get(region)?;
        world.machines.get(id.as_str()).map(|machine| (world, machine.as_ref()))
    }
}

/// Which incarnation an instance is: EC2 never gives an id twice.
pub(super) fn identity(id: &str) -> String {
    format!("instance:{id}")
}

/// Lists all regions of an environment. What is as an earlier look has it is that look's.
pub(super) async fn list(connection: &Connection, spec: &AwsSpec, before: Option<&Arc<Listed>>) -> Result<Listed, PlatformError> {
    let asked = clock::now();
    let worlds = try_join_all(connection.places.iter().map(|place| world(place, spec, before))).await?;
    let worlds: BTreeMap<Region, World> = connection.places.iter().map(|place| place.region.clone()).zip(worlds).collect();
    unknown_names(connection, spec, &worlds).await?;
    put_together(asked, asked, spec, worlds, before.map(AsRef::as_ref))
}

/// The same after an earlier look, of which only what may have changed is asked for anew where a region allows that (`glance`). None when
/// everything has to be asked for.
pub(super) async fn list_after(
    connection: &Connection,
    spec: &AwsSpec,
    before: &Listed,
    hints: &BTreeMap<Region, Hints>,
) -> Result<Option<Listed>, PlatformError> {
    let asked = clock::now();
    if asked.since(before.whole) >= glance::WHOLE_EVERY {
        return Ok(None);
    }
    let none = Hints::default();
    let looks = connection.places.iter().map(|place| async {
        let Some(known) = before.worlds.get(&place.region) else { return Ok(None) };
        glance::glance(place, spec, known, hints.get(&place.region).unwrap_or(&none)).await
    });
    let Some(worlds) = try_join_all(looks).await?.into_iter().collect::<Option<Vec<World>>>() else { return Ok(None) };
    let worlds = connection.places.iter().map(|place| place.region.clone()).zip(worlds).collect();
    put_together(asked, before.whole, spec, worlds, Some(before)).map(Some)
}

/// The targets of what was found.
fn put_together(
    asked: Mono,
    whole: Mono,
    spec: &AwsSpec,
    worlds: BTreeMap<Region, World>,
    before: Option<&Listed>,
) -> Result<Listed, PlatformError> {
    let (mut instances, mut wanted) = (Vec::new(), BTreeMap::new());
    for (region, world) in &worlds {
        let known = Before::of(before, region, world);
        let members = world.memberships();
        let mut serve = Serve::new();
        let registrations = registrations(world);
        let mut shared = Shared::new();
        for machine in world.machines.values() {
            let member = members.get(machine.id.as_str()).copied();
            let group = member.map(|(group, _)| group);
            if !narrowed(spec, group) {
                continue;
            }
            let Some(service) = service_of(spec, world, machine, group)? else { continue };
            if let Some(group) = group {
                let of = serve.entry(&group.name).or_default();
                if !of.contains(&service) {
                    of.insert(service.clone());
                }
            }
            let as_before = known.as_ref().and_then(|known| known.of_machine(machine, member));
            instances.push(as_before.unwrap_or_else(|| {
                let labels = labels(machine, &mut shared);
                let now = instance(spec, region, &registrations, machine, member, service, labels);
                // Thousands of them are there but once.
                let was = before.and_then(|before| before.instance(&machine.id)).filter(|was| ***was == now);
                was.map_or_else(|| Arc::new(now), Arc::clone)
            }));
        }
        for store in world.stores.values() {
            let Some(service) = service_of_store(spec, &store.kind) else { continue };
            instances.push(Arc::new(store.instance(region, service, store_kept_out(spec, store))));
        }
        for (service, desired) in desired(spec, world, &serve) {
            *wanted.entry(service).or_default() += desired;
        }
    }
    instances.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(Listed { asked, whole, worlds, instances, desired: wanted })
}

/// A region as it was seen before.
struct Before<'a> {
    listed: &'a Listed,
    world: &'a World,
    members: Memberships<'a>,
}

impl<'a> Before<'a> {
    /// None when what is said of instances by others than themselves and their groups has changed since.
    fn of(listed: Option<&'a Listed>, region: &Region, now: &World) -> Option<Self> {
        let listed = listed?;
        let world = listed.worlds.get(region).filter(|was| was.alike_around(now))?;
        Some(Self { listed, world, members: world.memberships() })
    }

    /// The target that a machine was, if neither it nor what its group says of it (now `member`) has changed since.
    fn of_machine(&self, machine: &Arc<Machine>, member: Option<Membership<'_>>) -> Option<Arc<Instance>> {
        let was = self.world.machines.get(&machine.id)?;
        let same = Arc::ptr_eq(was, machine)
            && match (self.members.get(machine.id.as_str()), member) {
                (Some((in_then, then)), Some((in_now, now))) => in_then.name == in_now.name && *then == now,
                (then, now) => then.is_none() && now.is_none(),
            };
        same.then(|| self.listed.instance(&machine.id).cloned()).flatten()
    }
}

/// Reads what a region shows of the environment.
async fn world(place: &Place, spec: &AwsSpec, before: Option<&Arc<Listed>>) -> Result<World, Trouble> {
    let named = Named::of(spec);
    let filters = filters(spec);
    let group_names: Vec<String> = named.groups.iter().cloned().collect();
    let (machines, mut groups) = if group_names.is_empty() {
        (read::machines_after(place, filters, before).await?, BTreeMap::new())
    } else {
        Box::pin(try_join(read::machines_after(place, filters, before), read::groups(place, &group_names))).await?
    };
    // The groups that the instances found are members of, and that nobody named.
    let further: BTreeSet<String> =
        machines.values().filter_map(|m| m.tags.get(GROUP_TAG)).filter(|name| !groups.contains_key(*name)).cloned().collect();
    if !further.is_empty() {
        groups.extend(read::groups(place, &further.into_iter().collect::<Vec<_>>()).await?);
    }
    let (pools, stores) = around(place, spec, &groups).await?;
    Ok(World { machines, groups, pools, stores, ended: BTreeSet::new() })
}

/// What is around the instances of a region: what the balancers say of their targets, and the managed stores.
pub(super) async fn around(
    place: &Place,
    spec: &AwsSpec,
    groups: &BTreeMap<String, AutoGroup>,
) -> Result<(BTreeMap<String, Pool>, BTreeMap<String, Store>), Trouble> {
    let named = Named::of(spec);
    let mut arns: BTreeSet<String> = groups.values().flat_map(|group| group.pools.iter().cloned()).collect();
    if !named.pools.is_empty() {
        let names: Vec<String> = named.pools.iter().cloned().collect();
        match read::pool_arns(place, &names).await {
            Ok(found) => arns.extend(found),
            // Said together with every other name that is not there.
            Err(Trouble::Gone(_)) => {}
            Err(trouble) => return Err(trouble),
        }
    }
    let pools = read::pools(place, &arns.into_iter().collect::<Vec<_>>()).await?;
    Ok((pools, stores(place, spec).await?))
}

/// What EC2 itself is to leave out: the less comes over the wire, the better.
pub(super) fn filters(spec: &AwsSpec) -> Vec<Filter> {
    let mut filters = vec![filter("instance-state-name", ["pending", "running", "stopping", "stopped", "shutting-down"])];
    filters.extend(fleet(spec));
    filters
}

/// What the environment means, in whatever state.
pub(super) fn fleet(spec: &AwsSpec) -> Vec<Filter> {
    let mut filters = Vec::new();
    if let Some(vpc) = &spec.vpc {
        filters.push(filter("vpc-id", [vpc]));
    }
    for (key, value) in &spec.tags {
        filters.push(filter(&format!("tag:{key}"), [value]));
    }
    let is_store = |m: &&AwsMembers| matches!(m, AwsMembers::Databases(_) | AwsMembers::Clusters(_) | AwsMembers::Caches(_));
    let members: Vec<&AwsMembers> = spec.services.values().filter(|m| !is_store(m)).collect();
    let all = |pick: fn(&AwsMembers) -> Option<Vec<String>>| -> Option<Vec<String>> {
        let picked: Option<Vec<Vec<String>>> = members.iter().map(|m| pick(m)).collect();
        picked.map(|lists| lists.concat()).filter(|list| !list.is_empty() && list.len() <= FILTER_VALUES)
    };
    let groups = |members: &AwsMembers| if let AwsMembers::Groups(names) = members { Some(names.clone()) } else { None };
    let beanstalk = |members: &AwsMembers| if let AwsMembers::Beanstalk(names) = members { Some(names.clone()) } else { None };
    let ids = |members: &AwsMembers| {
        if let AwsMembers::Ids(ids) = members { Some(ids.iter().map(ToString::to_string).collect()) } else { None }
    };
    if !spec.groups.is_empty() && spec.groups.len() <= FILTER_VALUES {
        filters.push(filter(&format!("tag:{GROUP_TAG}"), &spec.groups));
    } else if let Some(names) = all(groups) {
        filters.push(filter(&format!("tag:{GROUP_TAG}"), names));
    } else if let Some(names) = all(beanstalk) {
        filters.push(filter(&format!("tag:{BEANSTALK_TAG}"), names));
    } else if let Some(ids) = all(ids) {
        filters.push(filter("instance-id", ids));
    }
    filters
}

/// Whether the environment means the instance, of what it narrows by.
fn narrowed(spec: &AwsSpec, group: Option<&AutoGroup>) -> bool {
    spec.groups.is_empty() || group.is_some_and(|group| spec.groups.contains(&group.name))
}

/// A group or target group that no region has is a mistake, not an empty service.
async fn unknown_names(connection: &Connection, spec: &AwsSpec, worlds: &BTreeMap<Region, World>) -> Result<(), PlatformError> {
    let named = Named::of(spec);
    let groups: BTreeSet<&String> = worlds.values().flat_map(|world| world.groups.keys()).collect();
    let pools: BTreeSet<&String> = worlds.values().flat_map(|world| world.pools.values().map(|pool| &pool.name)).collect();
    let stores: BTreeSet<&str> = worlds.values().flat_map(|world| world.stores.values().map(|store| store.kind.name())).collect();
    let regions = listed(connection.places.iter().map(|place| place.region.as_str()), "and");
    if let Some(name) = named.groups.iter().find(|name| !groups.contains(name)) {
        let all = try_join_all(connection.places.iter().map(|place| read::groups(place, &[]))).await?;
        let there: BTreeSet<String> = all.into_iter().flat_map(BTreeMap::into_keys).collect();
        return Err(missing("Auto Scaling group", name, &connection.account, &regions, &there));
    }
    if let Some(name) = named.stores.iter().find(|name| !stores.contains(name.as_str())) {
        return Err(missing("managed store", name, &connection.account, &regions, &BTreeSet::new()));
    }
    if let Some(name) = named.pools.iter().find(|name| !pools.contains(name)) {
        let there: BTreeSet<String> = pools.into_iter().cloned().collect();
        return Err(missing("target group", name, &connection.account, &regions, &there));
    }
    Ok(())
}

fn missing(what: &str, name: &str, account: &str, regions: &str, there: &BTreeSet<String>) -> PlatformError {
    let names = || there.iter().map(String::as_str);
    let has = if there.is_empty() { String::new() } else { format!("; there are {}", listed(names(), "and")) };
    let near = nearest(name, names()).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    PlatformError::Unavailable(format!("the account {account} has no {what} `{name}` in {regions}{has}{near}"))
}

fn instance(
    spec: &AwsSpec,
    region: &Region,
    registrations: &Registrations<'_>,
    machine: &Machine,
    member: Option<Membership<'_>>,
    service: Service,
    labels: Arc<BTreeMap<String, String>>,
) -> Instance {
    let by = |name: &str| registrations.get(name).into_iter().flatten().copied();
    let targets: Vec<&PoolTarget> = by(&machine.id).chain(machine.address.iter().flat_map(|address| by(address))).collect();
    let port = targets.iter().find_map(|target| target.port);
    let name = machine.tags.get("Name").filter(|name| !name.is_empty());
    Instance {
        id: InstanceId(machine.id.clone()),
        // The members of a group share their `Name`.
        name: name.map_or_else(|| machine.id.clone(), |name| format!("{name} {}", machine.id)),
        service,
        zone: Zone(machine.zone.clone()),
        region: region.clone(),
        state: state(machine, member),
        healthy: healthy(machine, member, &targets),
        address: machine.address.as_ref().zip(port).map(|(address, port)| format!("{address}:{port}")),
        identity: identity(&machine.id),
        fingerprint: fingerprint(machine, member),
        managed: true,
        kept_out: kept_out(spec, machine, member),
        labels,
    }
}

/// Labels by what they are made of: the place of the tags in memory, which members of a group share, a VPC and a subnet.
type Shared<'a> = HashMap<(*const BTreeMap<String, String>, Option<&'a str>, Option<&'a str>), Arc<BTreeMap<String, String>>>;

/// An instance's tags, and what a selector may ask of its network.
fn labels<'a>(machine: &'a Machine, shared: &mut Shared<'a>) -> Arc<BTreeMap<String, String>> {
    let (vpc, subnet) = (machine.vpc.as_deref(), machine.subnet.as_deref());
    let made = shared.entry((Arc::as_ptr(&machine.tags), vpc, subnet)).or_insert_with(|| {
        let mut labels = machine.tags.as_ref().clone();
        labels
            .extend([("aws:vpc-id", vpc), ("aws:subnet-id", subnet)].into_iter().filter_map(|(k, v)| Some((k.to_owned(), v?.to_owned()))));
        Arc::new(labels)
    });
    Arc::clone(made)
}

/// What is registered at balancers, by the name that it has there: an instance's id, or its address.
type Registrations<'a> = BTreeMap<&'a str, Vec<&'a PoolTarget>>;

fn registrations(world: &World) -> Registrations<'_> {
    let mut all = Registrations::new();
    for target in world.pools.values().flat_map(|pool| &pool.targets) {
        all.entry(&target.id).or_default().push(target);
    }
    all
}

fn state(machine: &Machine, member: Option<Membership<'_>>) -> InstanceState {
    match machine.state {
        Phase::Pending => InstanceState::Starting,
        Phase::Running if member.is_some_and(|(_, m)| m.lifecycle.starts_with("Pending")) => InstanceState::Starting,
        Phase::Running => InstanceState::Running,
        Phase::Stopping | Phase::Stopped => InstanceState::Stopped,
        Phase::ShuttingDown | Phase::Terminated => InstanceState::Gone,
    }
}

/// Whether it serves, as its group and its balancers see it; none when nobody checks.
fn healthy(machine: &Machine, member: Option<Membership<'_>>, targets: &[&PoolTarget]) -> Option<bool> {
    if machine.state != Phase::Running {
        return None;
    }
    let by_group = member.map(|(_, member)| member.healthy && member.lifecycle == "InService");
    // A group that is behind a balancer expects its members to be registered there.
    let missing = member.is_some_and(|(group, _)| !group.pools.is_empty()) && targets.is_empty();
    let by_pools = targets.iter().filter_map(|target| target.healthy());
    let all: Vec<bool> = by_group.into_iter().chain(by_pools).chain(missing.then_some(false)).collect();
    if all.is_empty() { None } else { Some(all.into_iter().all(|healthy| healthy)) }
}

/// What it was launched from.
fn fingerprint(machine: &Machine, member: Option<Membership<'_>>) -> String {
    match member.map(|(_, member)| member.template.as_str()).filter(|template| !template.is_empty()) {
        Some(template) => format!("{} {template}", machine.image),
        None => machine.image.clone(),
    }
}

/// Why an instance may not be chosen.
pub(super) fn kept_out(spec: &AwsSpec, machine: &Machine, member: Option<Membership<'_>>) -> Option<String> {
    forbidden(spec, machine, member).or_else(|| leaving(member))
}

/// Why an instance is not chosen that its group is ending.
pub(super) fn leaving(member: Option<Membership<'_>>) -> Option<String> {
    let (group, member) = member?;
    member.leaving().then(|| format!("its Auto Scaling group {} is ending it", group.name))
}

/// Why an instance may never be touched.
pub(super) fn forbidden(spec: &AwsSpec, machine: &Machine, member: Option<Membership<'_>>) -> Option<String> {
    if own::instance().is_some_and(|own| own == machine.id) {
        return Some("firedrill runs on it".to_owned());
    }
    if let Some(tag) = spec.opt_in.as_ref().filter(|tag| machine.tags.get(&tag.key) != Some(&tag.value)) {
        return Some(format!("without the tag {tag}, which this environment asks for"));
    }
    let (group, member) = member?;
    if protected(&group.tags) {
        return Some(format!("its Auto Scaling group {} carries the tag {PROTECTED_TAG}=true", group.name));
    }
    member.protected.then(|| format!("protected from scale-in in its Auto Scaling group {}", group.name))
}

/// Why a managed store may never be chosen.
pub(super) fn store_kept_out(spec: &AwsSpec, store: &Store) -> Option<String> {
    let tag = spec.opt_in.as_ref().filter(|tag| store.tags.get(&tag.key) != Some(&tag.value))?;
    Some(format!("without the tag {tag}, which this environment asks for"))
}

/// Whether tags protect what carries them.
pub(super) fn protected(tags: &BTreeMap<String, String>) -> bool {
    [PROTECTED, PROTECTED_TAG].iter().any(|key| tags.get(*key).is_some_and(|value| value == "true"))
}

/// The services that the members of each group are of.
type Serve<'a> = BTreeMap<&'a str, BTreeSet<Service>>;

/// How many instances the services want: the sum over the groups whose members are all of one service.
fn desired(spec: &AwsSpec, world: &World, serve: &Serve<'_>) -> BTreeMap<Service, u32> {
    let mut all = BTreeMap::new();
    for group in world.groups.values() {
        let mut of: BTreeSet<&Service> = serve.get(group.name.as_str()).into_iter().flatten().collect();
        // A group that has lost all of its members still wants them.
        let named = spec.services.iter().find(|(_, m)| matches!(m, AwsMembers::Groups(names) if names.contains(&group.name)));
        let own = Service(group.name.clone());
        match named {
            Some((service, _)) => drop(of.insert(service)),
            None if of.is_empty() && spec.services.is_empty() && spec.service_tag.is_none() && !group.tags.contains_key(BEANSTALK_TAG) => {
                of.insert(&own);
            }
            None => {}
        }
        if let [service] = of.into_iter().collect::<Vec<_>>()[..] {
            *all.entry(service.clone()).or_default() += group.desired;
        }
    }
    all
}
