//! What lies in a subnet beside the victims: a cut takes it along.

use std::collections::{BTreeMap, BTreeSet};

use crate::platform::{
    PlatformError,
    aws::{
        connection::Place,
        reach::Reach,
        read::{self, filter},
        trouble::{Trouble, short},
        world::Phase,
    },
};

/// Words about the interfaces of a subnet that are no instance's: ` (this also cuts off 2 interfaces: nat_gateway, load_balancer)`.
/// Nothing where there are none, or where these credentials may not ask.
pub(super) async fn says(reach: &Reach, place: &Place, subnet: &str) -> Result<String, PlatformError> {
    let mut known = reach.neighbours.lock().await;
    if let Some(known) = known.get(subnet) {
        return Ok(known.clone());
    }
    let says = match read::interfaces(place, subnet).await {
        Ok(others) => words(&others),
        Err(Trouble::Denied { .. }) => String::new(),
        Err(trouble) => return Err(trouble.into()),
    };
    known.insert(subnet.to_owned(), says.clone());
    Ok(says)
}

fn words(others: &BTreeMap<String, usize>) -> String {
    if others.is_empty() {
        return String::new();
    }
    let list: Vec<String> = others.iter().take(6).map(|(kind, n)| format!("{n} {}", short(kind))).collect();
    format!(" (the cut also takes what else has an interface there: {})", list.join(", "))
}

/// Refuses when an instance that is no victim lies in one of the subnets.
pub(super) async fn only_victims(place: &Place, subnets: &[&str], victims: &BTreeSet<&str>) -> Result<(), Trouble> {
    let found = read::machines(place, vec![filter("subnet-id", subnets.iter().copied())]).await?;
    let others: Vec<&str> = found
        .values()
        .filter(|machine| matches!(machine.state, Phase::Running | Phase::Pending) && !victims.contains(machine.id.as_str()))
        .map(|machine| machine.id.as_str())
        .collect();
    if others.is_empty() {
        return Ok(());
    }
    let shown = others.iter().take(6).copied().collect::<Vec<_>>().join(", ");
    let more = if others.len() > 6 { format!(" and {} more", others.len() - 6) } else { String::new() };
    Err(Trouble::Refused(format!(
        "{} would be cut off whole, and {shown}{more} in it {} no target of this step",
        subnets.join(" and "),
        if others.len() == 1 { "is" } else { "are" }
    )))
}
