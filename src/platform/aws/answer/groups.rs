//! A page of `DescribeAutoScalingGroups`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use aws_sdk_ec2::error::BoxError;

use super::{
    super::world::{AutoGroup, Member},
    known::Known,
    walk::{Node, Shape},
};
use crate::model::ids::Region;

/// What a page said.
#[derive(Debug, Clone)]
pub(in super::super) struct Groups {
    pub(in super::super) all: Vec<AutoGroup>,
    /// Where the next page begins; none on the last one.
    pub(in super::super) next: Option<String>,
    /// The one that is being told.
    group: AutoGroup,
    member: Told,
    tag: (String, String),
    /// The member that was told last.
    last: Option<Arc<Named>>,
    /// What was told before with the same bytes.
    pub(in super::super) known: Known<Arc<Named>>,
}

/// A member with its id.
pub(in super::super) type Named = (String, Arc<Member>);

/// What is told of a member.
#[derive(Debug, Clone, Default, PartialEq)]
struct Told {
    id: String,
    lifecycle: String,
    unhealthy: bool,
    protected: bool,
    template: Option<String>,
    template_id: Option<String>,
    template_name: Option<String>,
    version: String,
    configuration: Option<String>,
}

/// What is read of it.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum What {
    Next,
    Group,
    Name,
    Min,
    Max,
    Desired,
    Zone,
    Subnets,
    Suspended,
    Pool,
    Status,
    Tag,
    Key,
    Value,
    Member,
    Id,
    Lifecycle,
    Health,
    Protected,
    Template,
    TemplateId,
    TemplateName,
    Version,
    Configuration,
}

const GROUP: &[Node<What>] = &[
    Node::text("AutoScalingGroupName", What::Name),
    Node::text("MinSize", What::Min),
    Node::text("MaxSize", What::Max),
    Node::text("DesiredCapacity", What::Desired),
    Node::way("AvailabilityZones", &[Node::text("member", What::Zone)]),
    Node::text("VPCZoneIdentifier", What::Subnets),
    Node::way("SuspendedProcesses", &[Node::way("member", &[Node::text("ProcessName", What::Suspended)])]),
    Node::way("TargetGroupARNs", &[Node::text("member", What::Pool)]),
    Node::text("Status", What::Status),
    Node::way("Tags", &[Node::item("member", What::Tag, TAG)]),
    Node::way("Instances", &[Node::kept("member", What::Member, MEMBER)]),
];
const TAG: &[Node<What>] = &[Node::text("Key", What::Key), Node::text("Value", What::Value)];
const MEMBER: &[Node<What>] = &[
    Node::text("InstanceId", What::Id),
    Node::text("LifecycleState", What::Lifecycle),
    Node::text("HealthStatus", What::Health),
    Node::text("ProtectedFromScaleIn", What::Protected),
    Node::item("LaunchTemplate", What::Template, TEMPLATE),
    Node::text("LaunchConfigurationName", What::Configuration),
];
const TEMPLATE: &[Node<What>] = &[
    Node::text("LaunchTemplateId", What::TemplateId),
    Node::text("LaunchTemplateName", What::TemplateName),
    Node::text("Version", What::Version),
];
const RESULT: &[Node<What>] =
    &[Node::way("AutoScalingGroups", &[Node::item("member", What::Group, GROUP)]), Node::text("NextToken", What::Next)];

impl Groups {
    /// Nothing yet, of this region. `known` is what the last list said of members.
    pub(in super::super) fn of(region: &Region, known: Known<Arc<Named>>) -> Self {
        Self {
            all: Vec::new(),
            next: None,
            group: nothing(region.clone()),
            member: Told::default(),
            tag: Default::default(),
            last: None,
            known,
        }
    }

    fn joins(&mut self, member: &Named) {
        self.group.members.insert(member.0.clone(), Arc::clone(&member.1));
    }
}

fn nothing(region: Region) -> AutoGroup {
    AutoGroup {
        name: String::new(),
        region,
        min: 0,
        max: 0,
        desired: 0,
        zones: Vec::new(),
        subnets: Vec::new(),
        suspended: BTreeSet::new(),
        members: BTreeMap::new(),
        pools: Vec::new(),
        tags: BTreeMap::new(),
        status: None,
    }
}

impl Told {
    fn member(self) -> Named {
        let member = Member {
            lifecycle: self.lifecycle,
            healthy: !self.unhealthy,
            protected: self.protected,
            template: self.template.or(self.configuration).unwrap_or_default(),
        };
        (self.id, Arc::new(member))
    }
}

impl Shape for Groups {
    type What = What;

    const CALL: &'static str = "DescribeAutoScalingGroups";
    const ROOT: &'static Node<What> =
        &Node::way("DescribeAutoScalingGroupsResponse", &[Node::way("DescribeAutoScalingGroupsResult", RESULT)]);
    const EMPTY: &'static [u8] =
        b"<DescribeAutoScalingGroupsResponse><DescribeAutoScalingGroupsResult/></DescribeAutoScalingGroupsResponse>";

    fn text(&mut self, what: What, text: &str) -> Result<(), BoxError> {
        let number = || text.trim().parse().map_err(|_| format!("`{text}` where a group's size should be"));
        let (group, member) = (&mut self.group, &mut self.member);
        match what {
            What::Next => self.next = Some(text.to_owned()).filter(|token| !token.is_empty()),
            What::Name => text.clone_into(&mut group.name),
            What::Min => group.min = number()?,
            What::Max => group.max = number()?,
            What::Desired => group.desired = number()?,
            What::Zone => group.zones.push(text.to_owned()),
            What::Subnets => {
                group.subnets = text.split(',').map(str::trim).filter(|subnet| !subnet.is_empty()).map(str::to_owned).collect();
            }
            What::Suspended => drop(group.suspended.insert(text.to_owned())),
            What::Pool => group.pools.push(text.to_owned()),
            What::Status => group.status = Some(text.to_owned()).filter(|status| !status.is_empty()),
            What::Key => text.clone_into(&mut self.tag.0),
            What::Value => text.clone_into(&mut self.tag.1),
            What::Id => text.clone_into(&mut member.id),
            What::Lifecycle => text.clone_into(&mut member.lifecycle),
            What::Health => member.unhealthy = text.eq_ignore_ascii_case("unhealthy"),
            What::Protected => member.protected = text.trim().eq_ignore_ascii_case("true"),
            What::TemplateId => member.template_id = Some(text.to_owned()),
            What::TemplateName => member.template_name = Some(text.to_owned()),
            What::Version => text.clone_into(&mut member.version),
            What::Configuration => member.configuration = Some(text.to_owned()),
            What::Group | What::Tag | What::Member | What::Template => {}
        }
        Ok(())
    }

    fn item(&mut self, what: What) {
        match what {
            What::Tag => {
                let (key, value) = std::mem::take(&mut self.tag);
                self.group.tags.extend(Some((key, value)).filter(|(key, _)| !key.is_empty()));
            }
            What::Template => {
                let member = &mut self.member;
                let id = member.template_id.take().or(member.template_name.take()).unwrap_or_default();
                member.template = Some(format!("{id}:{}", std::mem::take(&mut member.version)));
            }
            What::Member => {
                let member = Some(std::mem::take(&mut self.member).member()).filter(|(id, _)| !id.is_empty());
                self.last = member.map(Arc::new);
                if let Some(member) = self.last.clone() {
                    self.joins(&member);
                }
            }
            What::Group => {
                let next = nothing(self.group.region.clone());
                let group = std::mem::replace(&mut self.group, next);
                self.all.extend(Some(group).filter(|group| !group.name.is_empty()));
            }
            _ => {}
        }
    }

    fn known(&mut self, rest: &[u8]) -> Option<usize> {
        let (length, member) = self.known.same(rest)?;
        self.joins(&member);
        Some(length)
    }

    fn bytes(&mut self, bytes: Option<&[u8]>) {
        if let Some(member) = self.last.take() {
            self.known.learn(bytes, Arc::clone(&member), |was| was.0 == member.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::walk::tests, *};

    const LIST: &str = r#"<DescribeAutoScalingGroupsResponse xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/">
  <DescribeAutoScalingGroupsResult>
    <AutoScalingGroups>
      <member>
        <AutoScalingGroupName>shop &amp; co</AutoScalingGroupName>
        <LaunchTemplate><LaunchTemplateId>lt-9</LaunchTemplateId><Version>9</Version></LaunchTemplate>
        <MinSize>1</MinSize><MaxSize>9</MaxSize><DesiredCapacity>3</DesiredCapacity>
        <AvailabilityZones><member>eu-west-1a</member><member>eu-west-1b</member></AvailabilityZones>
        <VPCZoneIdentifier>subnet-1, subnet-2</VPCZoneIdentifier>
        <TargetGroupARNs><member>arn:1</member></TargetGroupARNs>
        <SuspendedProcesses><member><ProcessName>Launch</ProcessName><SuspensionReason>us</SuspensionReason></member></SuspendedProcesses>
        <Instances>
          <member>
            <InstanceId>i-1</InstanceId><LifecycleState>InService</LifecycleState><HealthStatus>Healthy</HealthStatus>
            <ProtectedFromScaleIn>false</ProtectedFromScaleIn>
            <LaunchTemplate><LaunchTemplateName>shop</LaunchTemplateName><Version>2</Version><LaunchTemplateId>lt-1</LaunchTemplateId></LaunchTemplate>
          </member>
          <member>
            <InstanceId>i-2</InstanceId><LifecycleState>Pending:Wait</LifecycleState><HealthStatus>Unhealthy</HealthStatus>
            <ProtectedFromScaleIn>true</ProtectedFromScaleIn><LaunchConfigurationName>old</LaunchConfigurationName>
          </member>
          <member><InstanceId>i-3</InstanceId></member>
        </Instances>
        <Tags><member><Key>firedrill:allowed</Key><Value>true</Value><PropagateAtLaunch>true</PropagateAtLaunch></member></Tags>
      </member>
      <member>
        <AutoScalingGroupName>ending</AutoScalingGroupName><MinSize>0</MinSize><Status>Delete in progress</Status><Instances/>
      </member>
    </AutoScalingGroups>
    <NextToken>further</NextToken>
  </DescribeAutoScalingGroupsResult>
  <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>
</DescribeAutoScalingGroupsResponse>
"#;

    fn read(list: &str) -> Result<Groups, String> {
        tests::read(Groups::of(&Region("eu-west-1".to_owned()), Known::default()), list, 64)
    }

    #[test]
    fn a_list_is_read() {
        let told = read(LIST).unwrap();
        let member = |lifecycle: &str, healthy, protected, template: &str| Member {
            lifecycle: lifecycle.to_owned(),
            healthy,
            protected,
            template: template.to_owned(),
        };
        let members = [
            ("i-1", member("InService", true, false, "lt-1:2")),
            ("i-2", member("Pending:Wait", false, true, "old")),
            ("i-3", member("", true, false, "")),
        ];
        let nothing = nothing(Region("eu-west-1".to_owned()));
        let shop = AutoGroup {
            name: "shop & co".to_owned(),
            min: 1,
            max: 9,
            desired: 3,
            zones: ["eu-west-1a", "eu-west-1b"].map(str::to_owned).into(),
            subnets: ["subnet-1", "subnet-2"].map(str::to_owned).into(),
            suspended: BTreeSet::from(["Launch".to_owned()]),
            members: members.map(|(id, member)| (id.to_owned(), Arc::new(member))).into(),
            pools: vec!["arn:1".to_owned()],
            tags: BTreeMap::from([("firedrill:allowed".to_owned(), "true".to_owned())]),
            ..nothing.clone()
        };
        let ending = AutoGroup { name: "ending".to_owned(), status: Some("Delete in progress".to_owned()), ..nothing.clone() };
        assert_eq!((told.all, told.next.as_deref()), (vec![shop, ending], Some("further")));
    }

    #[test]
    fn what_is_no_list_or_not_all_of_one_is_an_error() {
        for end in 0..LIST.len() - 2 {
            assert!(read(&LIST[..end]).is_err(), "{end}");
        }
        assert!(read(&LIST.replace(">9</MaxSize>", ">many</MaxSize>")).unwrap_err().contains("`many`"));
    }
}
