//! The calls that read stores: one for each kind that the environment names.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;

use super::{Kind, Store};
use crate::{
    model::aws::{AwsMembers, AwsSpec},
    platform::aws::{calls::Action, connection::Place, trouble::Trouble},
};

const DATABASES: Action = Action::read("rds:DescribeDBInstances");
const CLUSTERS: Action = Action::read("rds:DescribeDBClusters");
const CACHES: Action = Action::read("elasticache:DescribeReplicationGroups");
const TAGS: Action = Action::read("elasticache:ListTagsForResource");

/// The stores of a region that the environment names, by their ids. One that is not there is not among them.
pub(in crate::platform::aws) async fn stores(place: &Place, spec: &AwsSpec) -> Result<BTreeMap<String, Store>, Trouble> {
    let mut wanted: Vec<Kind> = Vec::new();
    for members in spec.services.values() {
        match members {
            AwsMembers::Databases(names) => wanted.extend(names.iter().cloned().map(Kind::Database)),
            AwsMembers::Clusters(names) => wanted.extend(names.iter().cloned().map(Kind::Cluster)),
            AwsMembers::Caches(names) => {
                wanted.extend(names.iter().map(|name| Kind::Cache { group: name.clone(), shard: String::new() }));
            }
            _ => {}
        }
    }
    let found = try_join_all(wanted.iter().map(|kind| one(place, kind))).await?;
    Ok(found.into_iter().flatten().map(|store| (store.kind.id(), store)).collect())
}

/// What AWS tells of one: a replication group is a store for each of its shards.
pub(super) async fn one(place: &Place, kind: &Kind) -> Result<Vec<Store>, Trouble> {
    let found = match kind {
        Kind::Database(name) => database(place, name).await,
        Kind::Cluster(name) => Box::pin(cluster(place, name)).await,
        Kind::Cache { group, .. } => cache(place, group).await,
    };
    match found {
        Err(Trouble::Gone(_)) => Ok(Vec::new()),
        other => other,
    }
}

fn tags_of(tags: Option<Vec<aws_sdk_rds::types::Tag>>) -> BTreeMap<String, String> {
    tags.unwrap_or_default().into_iter().filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default()))).collect()
}

async fn database(place: &Place, name: &str) -> Result<Vec<Store>, Trouble> {
    let ask = place.rds.describe_db_instances().db_instance_identifier(name);
    let answer = place.calls.call(DATABASES, || ask.clone().send()).await?;
    let found = answer.db_instances.unwrap_or_default().into_iter().map(|found| {
        let zone = found.availability_zone.unwrap_or_default();
        let alone = if let Some(cluster) = &found.db_cluster_identifier {
            Some(format!("it is a member of the cluster {cluster}, which fails over as a whole"))
        } else {
            (!found.multi_az.unwrap_or_default()).then(|| "it has no standby in another zone (Multi-AZ)".to_owned())
        };
        Store {
            kind: Kind::Database(name.to_owned()),
            status: found.db_instance_status.unwrap_or_default(),
            primary: zone.clone(),
            zone,
            alone,
            engine: format!("{} {}", found.engine.unwrap_or_default(), found.engine_version.unwrap_or_default()),
            tags: tags_of(found.tag_list),
        }
    });
    Ok(found.collect())
}

async fn cluster(place: &Place, name: &str) -> Result<Vec<Store>, Trouble> {
    let ask = place.rds.describe_db_clusters().db_cluster_identifier(name);
    let answer = place.calls.call(CLUSTERS, || ask.clone().send()).await?;
    let mut all = Vec::new();
    for found in answer.db_clusters.unwrap_or_default() {
        let members = found.db_cluster_members.unwrap_or_default();
        let writer = members.iter().find(|member| member.is_cluster_writer.unwrap_or_default());
        let writer = writer.and_then(|member| member.db_instance_identifier.clone()).unwrap_or_default();
        let zone = match writer.as_str() {
            "" => String::new(),
            writer => database(place, writer).await?.pop().map(|store| store.zone).unwrap_or_default(),
        };
        all.push(Store {
            kind: Kind::Cluster(name.to_owned()),
            status: found.status.unwrap_or_default(),
            primary: writer,
            zone,
            alone: (members.len() < 2).then(|| "it has no other member".to_owned()),
            engine: format!("{} {}", found.engine.unwrap_or_default(), found.engine_version.unwrap_or_default()),
            tags: tags_of(found.tag_list),
        });
    }
    Ok(all)
}

async fn cache(place: &Place, name: &str) -> Result<Vec<Store>, Trouble> {
    let ask = place.elasticache.describe_replication_groups().replication_group_id(name);
    let answer = place.calls.call(CACHES, || ask.clone().send()).await?;
    let mut all = Vec::new();
    for found in answer.replication_groups.unwrap_or_default() {
        let status = found.status.unwrap_or_default();
        let automatic = found.automatic_failover.as_ref().is_some_and(|word| word.as_str() == "enabled");
        let tags = match &found.arn {
            Some(arn) => tags(place, arn).await?,
            None => BTreeMap::new(),
        };
        for shard in found.node_groups.unwrap_or_default() {
            let members = shard.node_group_members.unwrap_or_default();
            let primary = members.iter().find(|member| member.current_role.as_deref() == Some("primary"));
            let alone = if members.len() < 2 {
                Some("it has no replica".to_owned())
            } else {
                (!automatic).then(|| "its automatic failover is off".to_owned())
            };
            all.push(Store {
                kind: Kind::Cache { group: name.to_owned(), shard: shard.node_group_id.unwrap_or_default() },
                status: if status == "available" { shard.status.unwrap_or_else(|| status.clone()) } else { status.clone() },
                primary: primary.and_then(|member| member.cache_cluster_id.clone()).unwrap_or_default(),
                zone: primary.and_then(|member| member.preferred_availability_zone.clone()).unwrap_or_default(),
                alone,
                engine: found.engine.clone().unwrap_or_else(|| "redis".to_owned()),
                tags: tags.clone(),
            });
        }
    }
    Ok(all)
}

async fn tags(place: &Place, arn: &str) -> Result<BTreeMap<String, String>, Trouble> {
    let ask = place.elasticache.list_tags_for_resource().resource_name(arn);
    let answer = place.calls.call(TAGS, || ask.clone().send()).await?;
    Ok(answer.tag_list.unwrap_or_default().into_iter().filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default()))).collect())
}
