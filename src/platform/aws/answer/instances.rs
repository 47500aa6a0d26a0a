//! A page of `DescribeInstances`.

use std::{collections::BTreeMap, sync::Arc};

use aws_sdk_ec2::error::BoxError;
use jiff::Timestamp;

use super::{
    super::{
        inventory::Listed,
        world::{Machine, Phase},
    },
    known::Known,
    walk::{Node, Shape},
};
use crate::model::ids::Region;

/// What a page said.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Instances {
    pub(in super::super) machines: Vec<Arc<Machine>>,
    /// Where the next page begins; none on the last one.
    pub(in super::super) next: Option<String>,
    /// The one that is being told, and its tags.
    machine: Machine,
    tag: (String, String),
    tags: BTreeMap<String, String>,
    /// The one that was told last.
    last: Option<Arc<Machine>>,
    /// An earlier look, and the region of it.
    before: Option<(Arc<Listed>, Region)>,
    /// What was told before with the same bytes.
    pub(in super::super) known: Known<Arc<Machine>>,
}

impl Instances {
    /// Nothing yet. Of an instance that is as this look has it, that look's is taken: so thousands of them are there but once, and whoever
    /// compares looks sees it at once. `known` is what the last list said.
    pub(in super::super) fn after(before: Option<(Arc<Listed>, Region)>, known: Known<Arc<Machine>>) -> Self {
        Self { before, known, ..Self::default() }
    }

    /// The earlier look's, if that is alike.
    fn shared(&self, machine: Arc<Machine>) -> Arc<Machine> {
        let before = || {
            let (before, region) = self.before.as_ref()?;
            before.worlds.get(region)?.machines.get(&machine.id)
        };
        match before() {
            Some(known) if Arc::ptr_eq(known, &machine) || **known == *machine => Arc::clone(known),
            _ => machine,
        }
    }

    /// Members of a group have the same tags, mostly: those are there but once.
    fn shared_tags(&self, tags: BTreeMap<String, String>) -> Arc<BTreeMap<String, String>> {
        match self.machines.last() {
            Some(before) if *before.tags == tags => Arc::clone(&before.tags),
            _ => Arc::new(tags),
        }
    }
}

/// What is read of it.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum What {
    Next,
    Machine,
    Id,
    Image,
    State,
    Launched,
    Zone,
    Address,
    Reason,
    Subnet,
    Vpc,
    Tag,
    Key,
    Value,
}

const MACHINE: &[Node<What>] = &[
    Node::text("instanceId", What::Id),
    Node::text("imageId", What::Image),
    Node::way("instanceState", &[Node::text("name", What::State)]),
    Node::text("launchTime", What::Launched),
    Node::way("placement", &[Node::text("availabilityZone", What::Zone)]),
    Node::text("privateIpAddress", What::Address),
    Node::text("reason", What::Reason),
    Node::text("subnetId", What::Subnet),
    Node::text("vpcId", What::Vpc),
    Node::way("tagSet", &[Node::item("item", What::Tag, TAG)]),
];
const TAG: &[Node<What>] = &[Node::text("key", What::Key), Node::text("value", What::Value)];
const RESERVATION: &[Node<What>] = &[Node::way("instancesSet", &[Node::kept("item", What::Machine, MACHINE)])];

impl Shape for Instances {
    type What = What;

    const CALL: &'static str = "DescribeInstances";
    const ROOT: &'static Node<What> = &Node::way(
        "DescribeInstancesResponse",
        &[Node::way("reservationSet", &[Node::way("item", RESERVATION)]), Node::text("nextToken", What::Next)],
    );
    const EMPTY: &'static [u8] = b"<DescribeInstancesResponse></DescribeInstancesResponse>";

    fn text(&mut self, what: What, text: &str) -> Result<(), BoxError> {
        let machine = &mut self.machine;
        match what {
            What::Next => self.next = Some(text.to_owned()).filter(|token| !token.is_empty()),
            What::Id => text.clone_into(&mut machine.id),
            What::Image => text.clone_into(&mut machine.image),
            What::State => machine.state = Phase::read(text),
            What::Launched => machine.launched = text.parse::<Timestamp>().map_or(0, Timestamp::as_nanosecond),
            What::Zone => text.clone_into(&mut machine.zone),
            What::Address => machine.address = Some(text.to_owned()),
            What::Reason => text.clone_into(&mut machine.because),
            What::Subnet => machine.subnet = Some(text.to_owned()),
            What::Vpc => machine.vpc = Some(text.to_owned()),
            What::Key => text.clone_into(&mut self.tag.0),
            What::Value => text.clone_into(&mut self.tag.1),
            What::Machine | What::Tag => {}
        }
        Ok(())
    }

    fn item(&mut self, what: What) {
        match what {
            What::Tag => {
                let (key, value) = std::mem::take(&mut self.tag);
                self.tags.insert(key, value);
            }
            What::Machine => {
                let tags = std::mem::take(&mut self.tags);
                let told = Some(std::mem::take(&mut self.machine)).filter(|machine| !machine.id.is_empty());
                self.last = told.map(|told| {
                    let tags = self.shared_tags(tags);
                    self.shared(Arc::new(Machine { tags, ..told }))
                });
                self.machines.extend(self.last.clone());
            }
            _ => {}
        }
    }

    fn known(&mut self, rest: &[u8]) -> Option<usize> {
        let (length, machine) = self.known.same(rest)?;
        let machine = self.shared(machine);
        self.machines.push(machine);
        Some(length)
    }

    fn bytes(&mut self, bytes: Option<&[u8]>) {
        if let Some(machine) = self.last.take() {
            self.known.learn(bytes, Arc::clone(&machine), |was| was.id == machine.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{super::world::World, known::Kept, walk::tests},
        *,
    };
    use crate::model::time::Mono;

    const LIST: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
  <requestId>fdcdcab1-ae5c-489e-9c33-4637c5dda355</requestId>
  <reservationSet>
    <item>
      <reservationId>r-1</reservationId>
      <groupSet/>
      <instancesSet>
        <item>
          <instanceId>i-1</instanceId>
          <imageId>ami-1</imageId>
          <instanceState><code>16</code><name>running</name></instanceState>
          <privateIpAddress>10.0.0.1</privateIpAddress>
          <reason/>
          <launchTime>2026-11-27T10:00:01.500Z</launchTime>
          <placement><availabilityZone>eu-west-1a</availabilityZone><tenancy>default</tenancy></placement>
          <subnetId>subnet-1</subnetId>
          <vpcId>vpc-1</vpcId>
          <networkInterfaceSet>
            <item><subnetId>subnet-9</subnetId><attachment><instanceId>i-9</instanceId></attachment></item>
          </networkInterfaceSet>
          <tagSet>
            <item><key>Name</key><value>cart &amp; &lt;shop&gt; &#65;</value></item>
            <item><key>empty</key><value/></item>
          </tagSet>
        </item>
        <item>
          <instanceId>i-2</instanceId>
          <instanceState><code>48</code><name>terminated</name></instanceState>
          <reason>User initiated (2026-11-27 16:01:02 GMT)</reason>
        </item>
      </instancesSet>
    </item>
    <item>
      <instancesSet><item><instanceId>i-3</instanceId></item></instancesSet>
    </item>
  </reservationSet>
  <nextToken>further</nextToken>
</DescribeInstancesResponse>
"#;

    fn read(list: &str) -> Result<Instances, String> {
        tests::read(Instances::default(), list, 64)
    }

    #[test]
    fn a_list_is_read() {
        let told = read(LIST).unwrap();
        let one = Machine {
            id: "i-1".to_owned(),
            state: Phase::Running,
            because: String::new(),
            image: "ami-1".to_owned(),
            launched: 1_795_773_601_500_000_000,
            zone: "eu-west-1a".to_owned(),
            subnet: Some("subnet-1".to_owned()),
            vpc: Some("vpc-1".to_owned()),
            address: Some("10.0.0.1".to_owned()),
            tags: [("Name", "cart & <shop> A"), ("empty", "")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into_iter()
                .collect::<BTreeMap<_, _>>()
                .into(),
        };
        let two = Machine {
            id: "i-2".to_owned(),
            state: Phase::Terminated,
            because: "User initiated (2026-11-27 16:01:02 GMT)".to_owned(),
            ..Machine::default()
        };
        let three = Machine { id: "i-3".to_owned(), ..Machine::default() };
        assert_eq!(told.machines, [one.clone(), two.clone(), three].map(Arc::new));
        assert_eq!(told.next.as_deref(), Some("further"));
        assert_eq!(Machine::default().state, Phase::Stopped, "who says nothing does not run");
    }

    #[test]
    fn what_is_as_before_is_what_was_before() {
        let region = Region("eu-west-1".to_owned());
        let before = |list: &str| {
            let machines = read(list).unwrap().machines.into_iter().map(|machine| (machine.id.clone(), machine)).collect();
            let worlds = BTreeMap::from([(region.clone(), World { machines, ..World::default() })]);
            Arc::new(Listed { asked: Mono(0), whole: Mono(0), worlds, instances: vec![], desired: BTreeMap::new() })
        };
        let shared = |list: &str| {
            let before = before(list);
            let told =
                tests::read(Instances::after(Some((Arc::clone(&before), region.clone())), Known::default()), LIST, 64).unwrap().machines;
            assert_eq!(told, read(LIST).unwrap().machines);
            let was = |machine: &&Arc<Machine>| before.worlds[&region].machines.values().any(|was| Arc::ptr_eq(was, machine));
            told.iter().filter(was).map(|machine| machine.id.clone()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(shared(LIST), "i-1 i-2 i-3");
        assert_eq!(shared(&LIST.replace("User initiated", "Server initiated")), "i-1 i-3");
        assert_eq!(shared(&LIST.replace("<value/>", "<value>full</value>").replace("i-3", "i-4")), "i-2");
    }

    #[test]
    fn what_is_told_with_the_same_bytes_is_not_read_again() {
        let kept = Kept::default();
        let read = |list: &str, size: usize| {
            let told = tests::read(Instances::after(None, Known::after(kept.get())), list, size).unwrap();
            kept.put(told.known);
            told.machines
        };
        let same = |list: &str, size: usize| {
            let before = read(LIST, LIST.len());
            let now = read(list, size);
            assert_eq!(now, self::read(list).unwrap().machines, "{size}");
            let was = |machine: &&Arc<Machine>| before.iter().any(|was| Arc::ptr_eq(was, machine));
            now.iter().filter(was).map(|machine| machine.id.clone()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(same(LIST, LIST.len()), "i-1 i-2 i-3");
        assert_eq!(same(&LIST.replace("10.0.0.1", "10.0.0.2"), LIST.len()), "i-2 i-3");
        assert_eq!(same(&LIST.replace("<instanceId>i-2</instanceId>", ""), LIST.len()), "i-1", "who has no id is nobody");
        let without = LIST.replace("<instancesSet><item><instanceId>i-3</instanceId></item></instancesSet>", "");
        assert_eq!(same(&without, LIST.len()), "i-1 i-2");
        assert_eq!(same(&LIST.replace("i-2</", "i-4</"), LIST.len()), "i-1", "who comes in another's place, and after whom we are lost");
        for size in 1..LIST.len() {
            same(LIST, size);
        }
    }

    #[test]
    fn what_is_no_list_or_not_all_of_one_is_an_error() {
        for end in (0..LIST.len() - 2).filter(|end| LIST.is_char_boundary(*end)) {
            assert!(read(&LIST[..end]).is_err(), "{end}");
        }
        assert_eq!(read("<html>proxy</html>").unwrap_err(), "this is no answer to DescribeInstances");
        assert!(read(&LIST.replace("</vpcId>", "</vpc>")).is_err());
    }
}
