//! The network namespaces of containers: what chains of ours are in them. One program a namespace.

use std::{collections::BTreeMap, fs, os::unix::fs::MetadataExt};

use futures_util::{StreamExt, stream};

use super::{Left, residents::Residents};
use crate::platform::{
    PlatformError,
    docker::{
        host_process::HostProcess,
        mark::Mark,
        network::{
            chains::{self, Chain},
            machine,
            netns::NetNs,
            shaping,
        },
    },
};

/// What faults with such marks are in the namespaces of these containers, by their ids; so many namespaces are looked at together.
pub(super) async fn of(residents: &BTreeMap<String, Residents>, wanted: fn(Mark) -> bool, at_once: usize) -> Vec<(String, Left)> {
    if residents.is_empty() || machine::cannot_drop().await.is_some() {
        return Vec::new();
    }
    // One that several share is looked at once. What is the machine's own was never touched.
    let machines = ["self", "1"].map(namespace);
    let mut namespaces: BTreeMap<u64, (String, i32)> = BTreeMap::new();
    for (id, all) in residents {
        let (_, pid) = all.first;
        if let Some(one) = namespace(&pid.to_string()).filter(|one| !machines.contains(&Some(*one))) {
            namespaces.entry(one).or_insert_with(|| (id.clone(), pid));
        }
    }
    let looks = stream::iter(namespaces.into_values()).map(|(id, pid)| async move {
        // One that ends meanwhile leaves nothing behind.
        let left = look(&id, pid, wanted).await.unwrap_or_else(|error| {
            tracing::debug!("the network namespace of {id:.12} could not be looked at: {error}");
            Vec::new()
        });
        left.into_iter().map(|left| (id.clone(), left)).collect::<Vec<_>>()
    });
    looks.buffer_unordered(at_once).collect::<Vec<_>>().await.concat()
}

/// A network namespace by its number in the kernel.
fn namespace(process: &str) -> Option<u64> {
    Some(fs::metadata(format!("/proc/{process}/ns/net")).ok()?.ino())
}

async fn look(id: &str, pid: i32, wanted: fn(Mark) -> bool) -> Result<Vec<Left>, PlatformError> {
    let net = NetNs::of(&HostProcess::of_container(pid, id)?)?;
    let mut all = Vec::new();
    for Chain { name: chain, mark, cuts_off } in chains::all(&net).await? {
        match cuts_off {
            _ if !wanted(mark) => {}
            Some(mode) => all.push(Left::Cut { chain, mode }),
            None => {
                let handle = shaping::handle(mark);
                let fault = shaping::kind_of(&shaping::roots(&net).await?, &handle);
                all.push(Left::Shaped { chain, handle, fault });
            }
        }
    }
    Ok(all)
}
