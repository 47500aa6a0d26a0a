//! The contract of `trait Platform`, on real processes.

use std::time::Duration;

use firedrill::model::{
    fault::{Fault, PartitionMode},
    quantity,
};

use super::{
    conformance::conforms,
    local_rig::{Rig, SITE},
};

#[tokio::test]
async fn the_local_platform_keeps_the_contract() {
    let (_rig, platform) = Rig::up(SITE).await;
    let grace = Duration::from_secs(2);
    let faults = [
        Fault::Kill { signal: None },
        Fault::Kill { signal: Some("TERM".to_owned()) },
        Fault::Stop { grace },
        Fault::Pause,
        Fault::Partition { mode: PartitionMode::Hang },
        Fault::Partition { mode: PartitionMode::Refuse },
        Fault::Slow { latency: Duration::from_millis(200), jitter: Duration::ZERO },
        Fault::Loss { share: quantity::share("50%").unwrap() },
        Fault::SuspendReplacement,
        Fault::ZONE_OUTAGE,
        Fault::REGION_OUTAGE,
    ];
    for (number, fault) in faults.iter().enumerate() {
        conforms(&platform, number as u32 * 10 + 1, fault).await;
    }
}
