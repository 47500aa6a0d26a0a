//! What the platform can do, known without asking AWS.

use std::collections::BTreeMap;

use crate::model::{
    capabilities::Capabilities,
    fault::{FaultKind, PartitionMode},
};

/// What it can do.
const CAN: [FaultKind; 11] = [
    FaultKind::Kill,
    FaultKind::Stop,
    FaultKind::Restart,
    FaultKind::Remove,
    FaultKind::Deregister,
    FaultKind::Partition,
    FaultKind::ZoneOutage,
    FaultKind::RegionOutage,
    FaultKind::SuspendReplacement,
    FaultKind::Failover,
    FaultKind::Run,
];

/// What the platform can do on AWS.
pub fn capabilities() -> Capabilities {
    let acl = "on AWS a partition is a network ACL that denies everything: packets vanish, nothing is refused and no name goes away";
    let inside = "it needs something on the instance itself, which the API of EC2 does not reach: `run` may do it";
    Capabilities {
        platform: "aws",
        faults: CAN.to_vec(),
        why_not: BTreeMap::from([
            (FaultKind::Pause, "EC2 cannot freeze an instance; to make connections hang, use `partition`".to_owned()),
            (FaultKind::Crash, format!("`crash`: {inside}")),
            (FaultKind::Slow, format!("`slow`: {inside}")),
            (FaultKind::Loss, format!("`loss`: {inside}")),
            (FaultKind::Limit, format!("`limit`: {inside}")),
            (FaultKind::Stress, format!("`stress`: {inside}")),
        ]),
        no_mode: BTreeMap::from([(PartitionMode::Refuse, acl.to_owned()), (PartitionMode::Disconnect, acl.to_owned())]),
        keeps_place: true,
        shifts: true,
        foreign: false,
    }
}
