//! The account: credentials, regions, and a client for each service in each region.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock, atomic::AtomicBool},
    time::Duration,
};

use aws_config::{Region as SdkRegion, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_sts::config::SharedCredentialsProvider;

use super::{
    answer::{Kept, Named},
    batch::Batch,
    calls::{Action, Calls, Count, TRY_LIMIT},
    names::Names,
    web,
    world::Machine,
};
use crate::{
    model::{aws::AwsSpec, ids::Region},
    platform::PlatformError,
};

/// How long a connection may take to be made.
const CONNECT_LIMIT: Duration = Duration::from_secs(4);

/// How long the first call may take with all its tries: a region that is not there has no address, and never will have.
const FIRST_CALL_LIMIT: Duration = Duration::from_secs(8);

const WHO: Action = Action::read("sts:GetCallerIdentity");

/// An account, as far as one environment goes.
#[derive(Debug)]
pub(super) struct Connection {
    /// The number of the account that answers.
    pub(super) account: String,
    /// The regions, in the file's order.
    pub(super) places: Vec<Arc<Place>>,
    /// Route 53, which is one for all regions.
    pub(super) names: Names,
}

/// A service's client, made when it is first needed.
pub(super) type Client<T> = LazyLock<T, Box<dyn FnOnce() -> T + Send>>;

/// One region of it.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) region: Region,
    pub(super) ec2: Client<aws_sdk_ec2::Client>,
    pub(super) scaling: Client<aws_sdk_autoscaling::Client>,
    pub(super) balancing: Client<aws_sdk_elasticloadbalancingv2::Client>,
    pub(super) rds: Client<aws_sdk_rds::Client>,
    pub(super) elasticache: Client<aws_sdk_elasticache::Client>,
    pub(super) shifts: Client<aws_sdk_arczonalshift::Client>,
    /// Zonal shifts cannot be asked for from here: found out once.
    pub(super) no_shifts: AtomicBool,
    pub(super) commands: Client<aws_sdk_ssm::Client>,
    pub(super) alarms: Client<aws_sdk_cloudwatch::Client>,
    /// Those to `alarms`: a guard does not wait behind a look at a large account, nor for EC2's patience.
    pub(super) alarm_calls: Calls,
    pub(super) calls: Calls,
    /// Instances that are to be started again, together.
    pub(super) starts: Batch,
    /// What the last lists said of instances and of members of groups.
    pub(super) instances: Kept<Arc<Machine>>,
    pub(super) members: Kept<Arc<Named>>,
}

impl Connection {
    /// Finds credentials and asks whose they are: one call.
    ///
    /// # Errors
    /// Without credentials or a region, when AWS does not accept them, or when it is another account than the file says.
    pub(super) async fn open(spec: &AwsSpec) -> Result<Self, PlatformError> {
        let config = configuration(spec).await?;
        let regions: Vec<Region> = match (&spec.regions[..], config.region()) {
            ([], Some(region)) => vec![Region(region.to_string())],
            ([], None) => {
                return Err(PlatformError::Unavailable(
                    "no region: the environment has no `region:`, and neither AWS_REGION nor the profile names one".to_owned(),
                ));
            }
            (named, _) => named.to_vec(),
        };
        let places: Vec<Arc<Place>> = regions.iter().map(|region| Arc::new(place(&config, region))).collect();
        let Some(first) = places.first() else {
            return Err(PlatformError::Unavailable("no region".to_owned()));
        };
        let sts = aws_sdk_sts::Client::from_conf(
            aws_sdk_sts::config::Builder::from(&config).region(SdkRegion::new(first.region.0.clone())).build(),
        );
        let who = first.calls.call_within(FIRST_CALL_LIMIT, WHO, || sts.get_caller_identity().send()).await?;
        let account = who.account().unwrap_or_default().to_owned();
        if let Some(expected) = spec.account.as_ref().filter(|expected| **expected != account) {
            return Err(PlatformError::Unavailable(format!(
                "these credentials are those of the account {account}, and the environment says `account: {expected}`: nothing was listed"
            )));
        }
        if let Some(region) = spec.health_checks.keys().find(|region| places.iter().all(|place| place.region != **region)) {
            let here: Vec<&str> = places.iter().map(|place| place.region.as_str()).collect();
            return Err(PlatformError::Unavailable(format!(
                "the environment names a health check for {region}, and is in {}",
                here.join(", ")
            )));
        }
        let names = names(&config, &first.region);
        Ok(Self { account, places, names })
    }

    /// A region by its name.
    pub(super) fn place(&self, region: &Region) -> Result<&Arc<Place>, PlatformError> {
        self.places.iter().find(|place| place.region == *region).ok_or_else(|| {
            let here: Vec<&str> = self.places.iter().map(|place| place.region.as_str()).collect();
            PlatformError::Refused(format!("it was done in the region {region}, and this environment is in {}", here.join(", ")))
        })
    }

    /// How often each action was called, in all regions.
    pub(super) fn counts(&self) -> BTreeMap<&'static str, Count> {
        let mut all: BTreeMap<&'static str, Count> = BTreeMap::new();
        let places = self.places.iter().flat_map(|place| place.calls.counts().into_iter().chain(place.alarm_calls.counts()));
        for (action, count) in places.chain(self.names.calls.counts()) {
            let sum = all.entry(action).or_default();
            sum.requests += count.requests;
            sum.throttled += count.throttled;
            sum.failed += count.failed;
        }
        all
    }
}

/// The SDK's configuration. Its own retries are off: ours know which call may be done twice.
async fn configuration(spec: &AwsSpec) -> Result<SdkConfig, PlatformError> {
    let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT_LIMIT).operation_attempt_timeout(TRY_LIMIT).build();
    let mut loader = web::defaults().retry_config(RetryConfig::disabled()).timeout_config(timeouts);
    if let Some(profile) = &spec.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(endpoint) = &spec.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    if let Some(region) = spec.regions.first() {
        loader = loader.region(SdkRegion::new(region.0.clone()));
    }
    let config = loader.load().await;
    let Some(role) = &spec.role else { return Ok(config) };
    let mut assumed = aws_config::sts::AssumeRoleProvider::builder(&role.arn).session_name("firedrill").configure(&config);
    if let Some(id) = &role.external_id {
        assumed = assumed.external_id(id);
    }
    let provider = SharedCredentialsProvider::new(assumed.build().await);
    Ok(config.to_builder().credentials_provider(provider).build())
}

fn place(config: &SdkConfig, region: &Region) -> Place {
    // Those that a drill does not ask are never made: each reads a list of all of AWS's endpoints.
    macro_rules! client {
        ($sdk:ident) => {{
            let (config, region) = (config.clone(), SdkRegion::new(region.0.clone()));
            Client::new(Box::new(move || $sdk::Client::from_conf($sdk::config::Builder::from(&config).region(region).build())))
        }};
    }
    Place {
        region: region.clone(),
        ec2: client!(aws_sdk_ec2),
        scaling: client!(aws_sdk_autoscaling),
        balancing: client!(aws_sdk_elasticloadbalancingv2),
        rds: client!(aws_sdk_rds),
        elasticache: client!(aws_sdk_elasticache),
        no_shifts: AtomicBool::new(false),
        shifts: client!(aws_sdk_arczonalshift),
        commands: client!(aws_sdk_ssm),
        alarms: client!(aws_sdk_cloudwatch),
        alarm_calls: Calls::guard(region.as_str()),
        calls: Calls::new(region.as_str()),
        starts: Batch::default(),
        instances: Kept::default(),
        members: Kept::default(),
    }
}

/// Any region of the account leads to its one Route 53.
fn names(config: &SdkConfig, region: &Region) -> Names {
    let there = SdkRegion::new(region.0.clone());
    Names {
        client: aws_sdk_route53::Client::from_conf(aws_sdk_route53::config::Builder::from(config).region(there).build()),
        calls: Calls::slow("Route 53"),
    }
}
