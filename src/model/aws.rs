//! The settings of an environment on AWS: whose account, which regions, which instances, and what may be touched there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ids::{InstanceId, Region, Service};

/// The tag that allows a drill, unless an environment names another one or none.
pub const ALLOWED_TAG: &str = "firedrill:allowed";

/// Which instances are the system, and who asks. Every field narrows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwsSpec {
    /// The regions; none means the one that the AWS command line would use.
    pub regions: Vec<Region>,
    /// Where an emulator of AWS listens; none is AWS itself.
    pub endpoint: Option<String>,
    /// A profile of `~/.aws/config`; none means the usual chain of credentials.
    pub profile: Option<String>,
    /// A role that is assumed with those credentials.
    pub role: Option<AwsRole>,
    /// The account that must answer: another one is refused before anything is listed.
    pub account: Option<String>,
    /// Only instances of this VPC.
    pub vpc: Option<String>,
    /// Only instances with these tags.
    pub tags: BTreeMap<String, String>,
    /// Only instances of these Auto Scaling groups.
    pub groups: Vec<String>,
    /// What the services are made of. When it names any, an instance that belongs to none is no target.
    pub services: BTreeMap<Service, AwsMembers>,
    /// The tag that names an instance's service, where `services` names none.
    pub service_tag: Option<String>,
    /// The health checks of Route 53 that stand for regions: one fails while its region is lost.
    #[serde(default)]
    pub health_checks: BTreeMap<Region, String>,
    /// `CloudWatch` alarms: one that rings ends a run, and keeps another from beginning.
    pub abort_alarms: Vec<String>,
    /// The tag that an instance must carry before it may be chosen; none when the environment asks for none.
    pub opt_in: Option<Tag>,
}

impl Default for AwsSpec {
    fn default() -> Self {
        Self {
            regions: Vec::new(),
            endpoint: None,
            profile: None,
            role: None,
            account: None,
            vpc: None,
            tags: BTreeMap::new(),
            groups: Vec::new(),
            services: BTreeMap::new(),
            service_tag: None,
            health_checks: BTreeMap::new(),
            abort_alarms: Vec::new(),
            opt_in: Some(Tag { key: ALLOWED_TAG.to_owned(), value: "true".to_owned() }),
        }
    }
}

/// A role to assume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwsRole {
    /// Its ARN.
    pub arn: String,
    /// What its trust policy asks for.
    pub external_id: Option<String>,
}

/// What a service is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AwsMembers {
    /// The instances of these Auto Scaling groups.
    Groups(Vec<String>),
    /// The instances that are registered in these target groups.
    TargetGroups(Vec<String>),
    /// The instances of these Elastic Beanstalk environments.
    Beanstalk(Vec<String>),
    /// The instances with all of these tags.
    Tags(BTreeMap<String, String>),
    /// The instances of this VPC.
    Vpc(String),
    /// These databases of RDS.
    Databases(Vec<String>),
    /// These clusters of RDS (Aurora, Multi-AZ).
    Clusters(Vec<String>),
    /// These replication groups of `ElastiCache`.
    Caches(Vec<String>),
    /// These instances.
    Ids(Vec<InstanceId>),
}

/// A tag with its value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tag {
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
}

impl std::fmt::Display for Tag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}={}", self.key, self.value)
    }
}
