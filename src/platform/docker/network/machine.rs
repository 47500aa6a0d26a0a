//! What this machine can do inside a container's network namespace, found out without touching any container: a namespace of our
//! own is made, tried and thrown away.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use crate::{model::fault::FaultKind, platform::docker::host_tool};

/// What was found to be there: it is tried once, not once for each of a hundred containers.
static FOUND: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Why a drop rule cannot be set from here; `None` when it can.
pub async fn cannot_drop() -> Option<String> {
    tried("iptables", &["iptables", "-w", "-N", "FIREDRILL-trial"]).await
}

/// Why bandwidth cannot be limited from here; `None` when it can.
pub async fn cannot_limit() -> Option<String> {
    tried(
        "the `tbf` discipline (kernel module sch_tbf)",
        &["tc", "qdisc", "add", "dev", "lo", "root", "tbf", "rate", "1mbit", "burst", "4096", "latency", "1s"],
    )
    .await
}

/// Why packets cannot be delayed or lost from here; `None` when they can.
pub async fn cannot_delay() -> Option<String> {
    tried("the `netem` discipline (kernel module sch_netem)", &["tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"]).await
}

/// Why a fault on the network cannot be done from this machine; `None` when it can, and for faults that need nothing of it. A
/// partition is one that hangs.
pub async fn cannot(kind: FaultKind) -> Option<String> {
    match kind {
        FaultKind::Partition => cannot_drop().await,
        FaultKind::Limit => cannot_limit().await,
        FaultKind::Slow | FaultKind::Loss => cannot_delay().await,
        _ => None,
    }
}

async fn tried(needed: &str, words: &[&str]) -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("it enters the container's network namespace from this machine, which needs root".to_owned());
    }
    let known = || FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    if known().contains(needed) {
        return None;
    }
    let all: Vec<&str> = ["unshare", "--net", "--"].into_iter().chain(words.iter().copied()).collect();
    let Err(error) = host_tool::run(&all).await else {
        known().insert(needed.to_owned());
        return None;
    };
    let said = error.to_string();
    let said = said.strip_prefix(&format!("`{}`: ", all.join(" "))).unwrap_or(&said).to_owned();
    Some(format!("this machine has not got {needed}: {said}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_not_there_is_named() {
        let why = tried("the moon", &["tc", "qdisc", "add", "dev", "lo", "root", "moon"]).await.expect("no such discipline");
        assert!(why.starts_with("this machine has not got the moon: "), "{why}");
        assert!(!why.contains("unshare"), "{why}");
        assert_eq!(cannot_limit().await, None);
        assert_eq!(cannot_drop().await, None);
    }
}
