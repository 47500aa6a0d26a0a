//! What a run on AWS has for itself. Named Auto Scaling groups are a part of their region: others may be drilled at the same time. Every other
//! choice of instances may overlap with any, and counts as the whole region.

use std::collections::BTreeSet;

use super::connection::Connection;
use crate::model::{
    aws::{AwsMembers, AwsSpec},
    claim::Claim,
    ids::Scope,
};

/// The scope of an environment: its account, its regions, and what it narrows to there.
pub(super) fn scope(connection: &Connection, spec: &AwsSpec) -> Scope {
    let mut regions: Vec<&str> = connection.places.iter().map(|place| place.region.as_str()).collect();
    regions.sort_unstable();
    let what = match groups(spec) {
        Some(groups) => format!("groups {}", groups.into_iter().collect::<Vec<_>>().join("+")),
        None => match &spec.vpc {
            Some(vpc) => format!("vpc {vpc}"),
            None => "whole".to_owned(),
        },
    };
    Scope(format!("aws/{}/{}/{what}", connection.account, regions.join("+")))
}

/// The claims of a run.
pub(super) fn claims(connection: &Connection, spec: &AwsSpec) -> Vec<Claim> {
    let mut all = vec![Claim::whole(scope(connection, spec))];
    for place in &connection.places {
        let region = format!("aws/{}/{}", connection.account, place.region);
        match groups(spec) {
            Some(groups) => {
                all.extend(groups.into_iter().map(|group| Claim::whole(format!("{region}/group {group}"))));
                all.push(Claim::part(region));
            }
            None => all.push(Claim::whole(region)),
        }
    }
    all.sort();
    all.dedup();
    all
}

/// The groups that an environment is confined to, if it is.
fn groups(spec: &AwsSpec) -> Option<BTreeSet<&str>> {
    if !spec.groups.is_empty() {
        return Some(spec.groups.iter().map(String::as_str).collect());
    }
    let each = spec.services.values().map(|members| match members {
        AwsMembers::Groups(names) => Some(names),
        _ => None,
    });
    let all: Option<Vec<&Vec<String>>> = each.collect();
    all.filter(|all| !all.is_empty()).map(|all| all.into_iter().flatten().map(String::as_str).collect())
}
