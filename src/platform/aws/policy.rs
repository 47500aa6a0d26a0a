//! The least policy of IAM that an experiment needs in its environment: what it reads, what it does, how it undoes that; nothing else.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{mark::MARK, service::Named};
use crate::model::{
    aws::{AwsMembers, AwsSpec},
    experiment::{Experiment, FaultStep, Step},
    fault::{Fault, Mechanism, PartitionMode},
    ids::Region,
    instance::{PROTECTED, PROTECTED_TAG},
    selector::Pick,
};

/// The policy as a document of IAM.
pub fn policy(experiment: &Experiment, spec: &AwsSpec) -> Value {
    let needs = Needs::of(experiment);
    let mut statements = vec![reads(&needs, spec)];
    if !needs.instances.is_empty() {
        let condition = tagged(spec, "aws:ResourceTag");
        statements.push(statement("ActOnInstances", &needs.instances, &json!("arn:*:ec2:*:*:instance/*"), condition, spec));
    }
    if needs.targets {
        let actions = set(&["elasticloadbalancing:DeregisterTargets", "elasticloadbalancing:RegisterTargets"]);
        statements.push(statement("ActOnTargets", &actions, &pools(spec), Map::new(), spec));
    }
    if needs.groups || needs.remove || needs.replace {
        let mut actions = set(&[]);
        if needs.groups || needs.remove {
            actions.extend(["autoscaling:CreateOrUpdateTags", "autoscaling:DeleteTags"]);
        }
        if needs.groups {
            actions.extend(["autoscaling:UpdateAutoScalingGroup", "autoscaling:SuspendProcesses", "autoscaling:ResumeProcesses"]);
        }
        if needs.remove {
            actions.insert("autoscaling:SetDesiredCapacity");
        }
        if needs.remove || needs.replace {
            actions.insert("autoscaling:TerminateInstanceInAutoScalingGroup");
        }
        let condition = if confined(spec) { not_protected("autoscaling:ResourceTag") } else { tagged(spec, "autoscaling:ResourceTag") };
        statements.push(statement("HoldGroupsBack", &actions, &groups(spec), condition, spec));
    }
    if needs.run {
        let condition = tagged(spec, "ssm:resourceTag");
        statements.push(statement("RunOnInstances", &set(&["ssm:SendCommand"]), &json!("arn:*:ec2:*:*:instance/*"), condition, spec));
        let document = json!("arn:*:ssm:*:*:document/AWS-RunShellScript");
        statements.push(statement("RunShellScript", &set(&["ssm:SendCommand"]), &document, Map::new(), spec));
    }
    if needs.failover {
        statements.extend(failover(spec));
    }
    if needs.cut {
        statements.extend(cut(spec));
    }
    statements.extend(health_checks(&needs, spec));
    if needs.shift {
        // The service goes by tags and by its own key, not by the resource of a statement.
        let actions = set(&["arc-zonal-shift:CancelZonalShift", "arc-zonal-shift:StartZonalShift", "arc-zonal-shift:UpdateZonalShift"]);
        statements.push(statement("ShiftUsers", &actions, &json!("*"), tagged(spec, "elasticloadbalancing:ResourceTag"), spec));
    }
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// What an experiment does.
#[derive(Debug, Default)]
struct Needs {
    /// Actions on instances.
    instances: BTreeSet<&'static str>,
    kill: bool,
    groups: bool,
    /// Instances are ended with their places in their groups.
    remove: bool,
    /// Instances are ended through their groups, which replace them.
    replace: bool,
    failover: bool,
    run: bool,
    cut: bool,
    /// Users are moved away from a zone.
    shift: bool,
    targets: bool,
    /// Regions that are lost whole; none of them named means any.
    regions: Option<BTreeSet<Region>>,
}

impl Needs {
    fn of(experiment: &Experiment) -> Self {
        let mut needs = Self::default();
        for step in &experiment.method {
            match step {
                Step::Faults(faults) => faults.iter().for_each(|step| {
                    needs.fault(&step.fault);
                    needs.region(step);
                }),
                Step::Phoenix(_) => needs.fault(&Fault::Kill { signal: None }),
                _ => {}
            }
        }
        needs
    }

    /// The regions whose health checks fail.
    fn region(&mut self, step: &FaultStep) {
        if !matches!(step.fault, Fault::RegionOutage { .. }) || !step.target.services.is_empty() {
            return;
        }
        match (&step.target.region, &mut self.regions) {
            (Some(Pick::Named(named)), None) => self.regions = Some(named.iter().cloned().collect()),
            (Some(Pick::Named(named)), Some(regions)) if !regions.is_empty() => regions.extend(named.iter().cloned()),
            (Some(Pick::Named(_)), Some(_)) => {}
            _ => self.regions = Some(BTreeSet::new()),
        }
    }

    fn fault(&mut self, fault: &Fault) {
        match fault {
            Fault::Kill { .. } => {
                self.kill = true;
                self.instances.insert("ec2:TerminateInstances");
            }
            Fault::Stop { .. } => self.instances.extend(["ec2:StopInstances", "ec2:StartInstances"]),
            Fault::Restart { .. } => drop(self.instances.insert("ec2:RebootInstances")),
            Fault::Remove { decrement } => *(if *decrement { &mut self.remove } else { &mut self.replace }) = true,
            Fault::Deregister => self.targets = true,
            Fault::Partition { mode: PartitionMode::Hang } => self.cut = true,
            Fault::SuspendReplacement => self.groups = true,
            Fault::Failover => self.failover = true,
            Fault::Run { .. } => self.run = true,
            Fault::ZoneOutage { mechanism: Mechanism::Shift } => self.shift = true,
            Fault::ZoneOutage { mechanism } | Fault::RegionOutage { mechanism } => {
                self.groups = true;
                self.fault(&Mechanism::on_each(*mechanism));
            }
            _ => {}
        }
    }
}

fn set(actions: &[&'static str]) -> BTreeSet<&'static str> {
    actions.iter().copied().collect()
}

/// What is read: AWS knows no narrower resource than `*` for these.
fn reads(needs: &Needs, spec: &AwsSpec) -> Value {
    let mut actions = set(&[
        "autoscaling:DescribeAutoScalingGroups",
        "autoscaling:DescribeInstanceRefreshes",
        "autoscaling:DescribeScalingActivities",
        "ec2:DescribeInstances",
        // What another run left behind or is at work on: a shift tells by its comment.
        "arc-zonal-shift:ListZonalShifts",
        // What another run cuts off counts for the caps.
        "ec2:DescribeNetworkAcls",
        "elasticloadbalancing:DescribeTargetGroupAttributes",
        "elasticloadbalancing:DescribeTargetHealth",
    ]);
    if needs.shift {
        actions.extend(["arc-zonal-shift:GetManagedResource", "ec2:DescribeAvailabilityZones", "elasticloadbalancing:DescribeTags"]);
    }
    if needs.shift || !Named::of(spec).pools.is_empty() {
        actions.insert("elasticloadbalancing:DescribeTargetGroups");
    }
    if needs.kill {
        actions.insert("ec2:DescribeInstanceAttribute");
    }
    if !spec.abort_alarms.is_empty() {
        actions.insert("cloudwatch:DescribeAlarms");
    }
    if needs.run {
        actions.extend(["ssm:DescribeInstanceInformation", "ssm:GetCommandInvocation"]);
    }
    if needs.groups {
        actions.insert("ec2:DescribeSubnets");
    }
    for members in spec.services.values() {
        match members {
            AwsMembers::Databases(_) => drop(actions.insert("rds:DescribeDBInstances")),
            AwsMembers::Clusters(_) => actions.extend(["rds:DescribeDBClusters", "rds:DescribeDBInstances"]),
            AwsMembers::Caches(_) => actions.extend(["elasticache:DescribeReplicationGroups", "elasticache:ListTagsForResource"]),
            _ => {}
        }
    }
    if needs.cut {
        actions.insert("ec2:DescribeNetworkInterfaces");
    }
    statement("Look", &actions, &json!("*"), Map::new(), spec)
}

/// A temporary ACL is made with our mark, and only what carries it is deleted.
fn cut(spec: &AwsSpec) -> Vec<Value> {
    let acl = json!("arn:*:ec2:*:*:network-acl/*");
    let marked = |key: &str| Map::from_iter([("Null".to_owned(), json!({ format!("{key}/{MARK}"): "false" }))]);
    let by_create = Map::from_iter([("StringEquals".to_owned(), json!({ "ec2:CreateAction": "CreateNetworkAcl" }))]);
    vec![
        statement("MakeTemporaryAcl", &set(&["ec2:CreateNetworkAcl"]), &acl, marked("aws:RequestTag"), spec),
        statement("MakeTemporaryAclInVpc", &set(&["ec2:CreateNetworkAcl"]), &vpcs(spec), Map::new(), spec),
        statement("TagTemporaryAcl", &set(&["ec2:CreateTags"]), &acl, by_create, spec),
        statement("RenewTagsOfTemporaryAcl", &set(&["ec2:CreateTags"]), &acl, marked("aws:ResourceTag"), spec),
        statement(
            "SwapAcl",
            &set(&["ec2:ReplaceNetworkAclAssociation"]),
            &json!(["arn:*:ec2:*:*:network-acl/*", "arn:*:ec2:*:*:subnet/*"]),
            Map::new(),
            spec,
        ),
        statement("DeleteTemporaryAcl", &set(&["ec2:DeleteNetworkAcl"]), &acl, marked("aws:ResourceTag"), spec),
    ]
}

/// The health checks of the regions that are lost, each by its name. Route 53 is in no region, and judges no tags.
fn health_checks(needs: &Needs, spec: &AwsSpec) -> Option<Value> {
    let lost = needs.regions.as_ref()?;
    let of = spec.health_checks.iter().filter(|(region, _)| lost.is_empty() || lost.contains(*region));
    let resources: Vec<String> = of.map(|(region, id)| format!("arn:{}:route53:::healthcheck/{id}", partition(region))).collect();
    let actions =
        ["ChangeTagsForResource", "GetHealthCheck", "ListTagsForResource", "UpdateHealthCheck"].map(|name| format!("route53:{name}"));
    (!resources.is_empty()).then(|| json!({ "Sid": "FailHealthChecks", "Effect": "Allow", "Action": actions, "Resource": resources }))
}

/// The part of AWS that a region belongs to.
fn partition(region: &Region) -> &'static str {
    match region.as_str() {
        china if china.starts_with("cn-") => "aws-cn",
        government if government.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

/// The stores that the environment names, each by its own call.
fn failover(spec: &AwsSpec) -> Vec<Value> {
    let mut statements = Vec::new();
    for members in spec.services.values() {
        let (sid, action, names, arn) = match members {
            AwsMembers::Databases(names) => ("FailOverDatabases", "rds:RebootDBInstance", names, "arn:*:rds:*:*:db:"),
            AwsMembers::Clusters(names) => ("FailOverClusters", "rds:FailoverDBCluster", names, "arn:*:rds:*:*:cluster:"),
            AwsMembers::Caches(names) => ("FailOverCaches", "elasticache:TestFailover", names, "arn:*:elasticache:*:*:replicationgroup:"),
            _ => continue,
        };
        let resources: Vec<String> = names.iter().map(|name| format!("{arn}{name}")).collect();
        let sid = format!("{sid}{}", statements.len() + 1);
        statements.push(statement(&sid, &set(&[action]), &json!(resources), not_protected("aws:ResourceTag"), spec));
    }
    statements
}

fn vpcs(spec: &AwsSpec) -> Value {
    json!(format!("arn:*:ec2:*:*:vpc/{}", spec.vpc.as_deref().unwrap_or("*")))
}

fn groups(spec: &AwsSpec) -> Value {
    let named = Named::of(spec).groups;
    if !confined(spec) {
        return json!("arn:*:autoscaling:*:*:autoScalingGroup:*:autoScalingGroupName/*");
    }
    json!(named.iter().map(|name| format!("arn:*:autoscaling:*:*:autoScalingGroup:*:autoScalingGroupName/{name}")).collect::<Vec<_>>())
}

/// Whether all that the environment means are named groups.
fn confined(spec: &AwsSpec) -> bool {
    !spec.groups.is_empty() || (!spec.services.is_empty() && spec.services.values().all(|m| matches!(m, AwsMembers::Groups(_))))
}

fn pools(spec: &AwsSpec) -> Value {
    let named = Named::of(spec).pools;
    let all_named = !spec.services.is_empty() && spec.services.values().all(|m| matches!(m, AwsMembers::TargetGroups(_)));
    if !all_named {
        return json!("arn:*:elasticloadbalancing:*:*:targetgroup/*/*");
    }
    json!(named.iter().map(|name| format!("arn:*:elasticloadbalancing:*:*:targetgroup/{name}/*")).collect::<Vec<_>>())
}

/// Only what carries the opt-in tag, and nothing that is protected.
fn tagged(spec: &AwsSpec, key: &str) -> Map<String, Value> {
    let mut condition = not_protected(key);
    let mut equals: BTreeMap<String, &str> = BTreeMap::new();
    if let Some(tag) = &spec.opt_in {
        equals.insert(format!("{key}/{}", tag.key), &tag.value);
    }
    if key == "aws:ResourceTag" {
        equals.extend(spec.tags.iter().map(|(tag, value)| (format!("{key}/{tag}"), value.as_str())));
    }
    if !equals.is_empty() {
        condition.insert("StringEquals".to_owned(), json!(equals));
    }
    condition
}

/// A tag that is not there is not equal.
fn not_protected(key: &str) -> Map<String, Value> {
    let never: BTreeMap<String, &str> = [PROTECTED, PROTECTED_TAG].iter().map(|tag| (format!("{key}/{tag}"), "true")).collect();
    Map::from_iter([("StringNotEquals".to_owned(), json!(never))])
}

fn statement(sid: &str, actions: &BTreeSet<&'static str>, resource: &Value, condition: Map<String, Value>, spec: &AwsSpec) -> Value {
    let mut condition = condition;
    if !spec.regions.is_empty() {
        let regions: Vec<&str> = spec.regions.iter().map(crate::model::ids::Region::as_str).collect();
        let equals = condition.entry("StringEquals").or_insert_with(|| json!({}));
        if let Some(equals) = equals.as_object_mut() {
            equals.insert("aws:RequestedRegion".to_owned(), json!(regions));
        }
    }
    let mut statement = json!({ "Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource });
    if !condition.is_empty() {
        statement["Condition"] = Value::Object(condition);
    }
    statement
}
