//! Network ACLs, as far as a cut needs them.

use std::{collections::BTreeMap, time::Duration};

use aws_sdk_ec2::types::{ResourceType, RuleAction, Tag, TagSpecification};
use sha2::{Digest, Sha256};

use super::Cut;
use crate::{
    clock,
    platform::{
        PlatformError,
        aws::{
            calls::Action,
            connection::Place,
            mark::{self, MARK, RUN, UNTIL},
            reach::Reach,
            read::filter,
            trouble::Trouble,
        },
    },
};

const DESCRIBE: Action = Action::read("ec2:DescribeNetworkAcls");
/// With a token, a second order makes no second ACL.
const CREATE: Action = Action::write("ec2:CreateNetworkAcl");
/// A second order does not find the association of the first any more.
const REPLACE: Action = Action::write_once("ec2:ReplaceNetworkAclAssociation");
const DELETE: Action = Action::write_once("ec2:DeleteNetworkAcl");
const TAG: Action = Action::write("ec2:CreateTags");

/// The tag in which the temporary ACL keeps what a subnet had: this and the subnet's id.
pub(super) const WAS: &str = "firedrill:was:";
/// How many subnets one temporary ACL may tell of: a resource has 50 tags at most.
pub(super) const MOST_SUBNETS: usize = 40;
/// What was just made, or given to a subnet, may not be visible everywhere for so long.
pub(super) const VISIBLE_WITHIN: Duration = Duration::from_secs(15);
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(300);
/// The most pages that are read.
const MOST_PAGES: usize = 20;

/// A network ACL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::platform::aws) struct Acl {
    pub(super) id: String,
    pub(super) vpc: String,
    /// Its subnets, each with the id of the association.
    pub(super) subnets: BTreeMap<String, String>,
    /// Whether a rule of it allows anything.
    allows: bool,
    pub(super) tags: BTreeMap<String, String>,
}

/// A subnet, as its ACL tells.
pub(super) struct Subnet<'a> {
    pub(super) acl: &'a Acl,
    pub(super) association: &'a str,
}

impl<'a> Subnet<'a> {
    /// Finds it.
    pub(super) fn of(acls: &'a [Acl], subnet: &str) -> Option<Self> {
        acls.iter().find_map(|acl| acl.subnets.get(subnet).map(|association| Self { acl, association }))
    }
}

impl Acl {
    /// Whether it is the temporary one of this mark.
    pub(super) fn is_of(&self, mark: &str) -> bool {
        self.tags.get(MARK).is_some_and(|carried| carried == mark)
    }

    /// The run whose temporary ACL this is, if it is not the one with this mark.
    pub(super) fn held_by_another(&self, mark: &str) -> Option<&str> {
        let carried = self.tags.get(MARK).filter(|carried| *carried != mark)?;
        Some(self.tags.get(RUN).unwrap_or(carried))
    }

    /// Whether nothing passes.
    pub(super) fn denies_all(&self) -> bool {
        !self.allows
    }
}

/// All network ACLs of a VPC.
pub(in crate::platform::aws) async fn of_vpc(place: &Place, vpc: &str) -> Result<Vec<Acl>, Trouble> {
    matching(place, "vpc-id", vpc).await
}

/// Those that a filter lets through.
pub(super) async fn matching(place: &Place, name: &str, value: &str) -> Result<Vec<Acl>, Trouble> {
    let mut all = Vec::new();
    let mut token: Option<String> = None;
    for _ in 0..MOST_PAGES {
        let ask = place.ec2.describe_network_acls().filters(filter(name, [value])).set_next_token(token);
        let page = place.calls.call(DESCRIBE, || ask.clone().send()).await?;
        all.extend(page.network_acls.unwrap_or_default().into_iter().filter_map(acl));
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            break;
        }
    }
    Ok(all)
}

fn acl(found: aws_sdk_ec2::types::NetworkAcl) -> Option<Acl> {
    let associations = found.associations.unwrap_or_default().into_iter();
    Some(Acl {
        id: found.network_acl_id?,
        vpc: found.vpc_id.unwrap_or_default(),
        subnets: associations.filter_map(|a| Some((a.subnet_id?, a.network_acl_association_id?))).collect(),
        allows: found.entries.unwrap_or_default().iter().any(|entry| entry.rule_action == Some(RuleAction::Allow)),
        tags: found.tags.unwrap_or_default().into_iter().filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default()))).collect(),
    })
}

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build()
}

fn specification(mark: &str, run: &str, cuts: &[&Cut]) -> TagSpecification {
    let mut tags = vec![tag("Name", "firedrill: cut off, temporary"), tag(RUN, run), tag(MARK, mark), tag(UNTIL, &mark::until())];
    tags.extend(cuts.iter().map(|cut| tag(&format!("{WAS}{}", cut.subnet), &cut.acl)));
    TagSpecification::builder().resource_type(ResourceType::NetworkAcl).set_tags(Some(tags)).build()
}

/// Asks whether a cut would be permitted: the ACL, and the swap. Does neither.
pub(super) async fn permitted(reach: &Reach, place: &Place, cut: &Cut, association: &str) -> Result<(), PlatformError> {
    reach
        .permitted(CREATE.name, place, || async {
            let ask = place.ec2.create_network_acl().vpc_id(&cut.vpc).tag_specifications(specification(&cut.mark, "none", &[cut]));
            let ask = ask.dry_run(true);
            place.calls.call(CREATE.dry(), || ask.clone().send()).await.map(drop)
        })
        .await?;
    reach
        .permitted(REPLACE.name, place, || async {
            let ask = place.ec2.replace_network_acl_association().association_id(association).network_acl_id(&cut.acl).dry_run(true);
            place.calls.call(REPLACE.dry(), || ask.clone().send()).await.map(drop)
        })
        .await
}

/// Makes the temporary ACL: a new one denies everything. From its first moment it tells what each subnet had.
pub(super) async fn make(place: &Place, vpc: &str, mark: &str, run: &str, cuts: &[&Cut]) -> Result<String, Trouble> {
    let specification = specification(mark, run, cuts);
    // The same order of the same act has the same token.
    let parts: Vec<&str> = [mark, run, vpc].into_iter().chain(cuts.iter().map(|cut| cut.subnet.as_str())).collect();
    let digest = Sha256::digest(parts.join(" "));
    let token = digest.first_chunk::<16>().map_or_else(String::new, |bytes| format!("{:032x}", u128::from_be_bytes(*bytes)));
    let ask = place.ec2.create_network_acl().vpc_id(vpc).tag_specifications(specification).client_token(token);
    let made = place.calls.call(CREATE, || ask.clone().send()).await?;
    let made = made.network_acl.and_then(acl).ok_or_else(|| Trouble::Failed("CreateNetworkAcl told no id".to_owned()))?;
    if !made.denies_all() {
        return Err(Trouble::Failed(format!("the new network ACL {} allows something", made.id)));
    }
    Ok(made.id)
}

/// Gives a subnet another ACL, from the one that it has. After a lost answer the subnet itself tells what became of it.
pub(super) async fn associate(place: &Place, subnet: &str, from: &str, to: &str) -> Result<(), Trouble> {
    let give_up = clock::now().plus(VISIBLE_WITHIN);
    loop {
        let acls = matching(place, "association.subnet-id", subnet).await?;
        let Some(now) = Subnet::of(&acls, subnet) else { return Err(Trouble::Gone(format!("the subnet {subnet} is gone"))) };
        if now.acl.id == to {
            return Ok(());
        }
        if now.acl.id != from {
            return Err(Trouble::Refused(format!("{subnet} has the network ACL {} now, and had {from} a moment ago", now.acl.id)));
        }
        let ask = place.ec2.replace_network_acl_association().association_id(now.association).network_acl_id(to);
        match place.calls.call(REPLACE, || ask.clone().send()).await {
            Ok(_) => return Ok(()),
            // Done by a call whose answer was lost, the association is another one now, or the new ACL is not visible yet: look again.
            Err(Trouble::Gone(_) | Trouble::Lost(_) | Trouble::Failed(_)) if clock::now() < give_up => {}
            Err(trouble) => return Err(trouble),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Deletes the temporary ACLs of a mark that no subnet has any more; whether there were any.
pub(super) async fn clean_up(place: &Place, acls: &[Acl], mark: &str) -> Result<bool, Trouble> {
    let mut any = false;
    for acl in acls.iter().filter(|acl| acl.is_of(mark) && acl.subnets.is_empty()) {
        let ask = place.ec2.delete_network_acl().network_acl_id(&acl.id);
        match place.calls.call(DELETE, || ask.clone().send()).await {
            Ok(_) => any = true,
            Err(Trouble::Gone(_)) => {}
            // A subnet has it still, whatever is shown: that one is cut off. `Conflict` is worth another try.
            Err(trouble @ (Trouble::Lost(_) | Trouble::Failed(_))) => {
                if matching(place, "network-acl-id", &acl.id).await?.is_empty() {
                    any = true;
                } else {
                    return Err(trouble);
                }
            }
            Err(trouble) => return Err(trouble),
        }
    }
    Ok(any)
}

/// Says anew until when the run lives.
pub(in crate::platform::aws) async fn renew(place: &Place, acl: &str) -> Result<(), Trouble> {
    let ask = place.ec2.create_tags().resources(acl).tags(tag(UNTIL, &mark::until()));
    place.calls.call(TAG, || ask.clone().send()).await.map(drop)
}
