//! What these engines can do, known from where they are: no engine is asked.

use super::{
    deed::{CAN, Reach},
    endpoint::Endpoint,
    network::{machine, partition::cannot_hang},
};
use crate::model::{
    capabilities::Capabilities,
    fault::{FaultKind, PartitionMode},
};

/// What the platform can do on these engines.
pub fn capabilities(endpoints: &[Endpoint]) -> Capabilities {
    let far: Vec<String> = endpoints.iter().filter(|e| !e.is_local()).map(|e| e.address.to_string()).collect();
    let (mut faults, mut why_not) = (Vec::new(), std::collections::BTreeMap::new());
    for kind in FaultKind::ALL {
        match CAN.iter().find(|(k, _)| *k == kind).map(|(_, reach)| reach) {
            Some(Reach::ThisMachine) if !far.is_empty() => {
                let why = format!(
                    "on Docker, `{kind}` works on the processes and the network of the engine's machine itself: it needs an engine on \
                     this machine, and {} is not",
                    far.join(", ")
                );
                why_not.insert(kind, why);
            }
            Some(_) => faults.push(kind),
            None => {
                if kind == FaultKind::Failover {
                    why_not.insert(kind, "containers have no managed standby; `kill` the primary".to_owned());
                }
            }
        }
    }
    let no_hang = (!far.is_empty()).then(|| (PartitionMode::Hang, cannot_hang(&far.join(", "))));
    let no_mode = no_hang.into_iter().collect();
    Capabilities { platform: "docker", faults, why_not, no_mode, keeps_place: false, shifts: false, foreign: false }
}

/// Takes back what this machine has not got the means for, of the faults that an experiment asks for. Tries them out, in network
/// namespaces of its own. Where the engines are elsewhere, nothing of this machine is needed.
pub async fn as_this_machine_can(capabilities: &mut Capabilities, asked: impl IntoIterator<Item = FaultKind>) {
    for kind in asked {
        // A partition that cannot hang has its reason already.
        let open = capabilities.can(kind) && !(kind == FaultKind::Partition && capabilities.no_mode.contains_key(&PartitionMode::Hang));
        if !open {
            continue;
        }
        if let Some(why) = machine::cannot(kind).await {
            if kind == FaultKind::Partition {
                let why = format!("{why}; `mode: refuse` and `mode: disconnect` work through the engine");
                capabilities.no_mode.insert(PartitionMode::Hang, why);
            } else {
                capabilities.cannot(kind, why);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::environment::DockerSpec,
        platform::docker::endpoint::{Surroundings, endpoints},
    };

    fn at(address: &str) -> Capabilities {
        let var = |name: &str| (name == "DOCKER_HOST").then(|| address.to_owned());
        capabilities(&endpoints(&DockerSpec::default(), &Surroundings { var: &var }).unwrap())
    }

    #[tokio::test]
    async fn a_far_engine_refuses_connections_but_hangs_none() {
        let mut far = at("tcp://10.1.2.3:2375");
        assert!(far.can(FaultKind::Partition) && far.can(FaultKind::Stress) && far.can(FaultKind::Run));
        assert_eq!(far.no_mode.keys().collect::<Vec<_>>(), [&PartitionMode::Hang]);
        let why = &far.no_mode[&PartitionMode::Hang];
        assert!(why.contains("10.1.2.3") && why.contains("`mode: refuse`") && why.contains("`mode: disconnect`"), "{why}");
        for kind in [FaultKind::Crash, FaultKind::Limit, FaultKind::Slow, FaultKind::Loss] {
            assert!(!far.can(kind) && far.why_not[&kind].contains("10.1.2.3"), "{kind}");
        }
        let before = far.clone();
        as_this_machine_can(&mut far, FaultKind::ALL).await;
        assert_eq!(far, before, "nothing of this machine is needed");
    }

    #[tokio::test]
    async fn what_this_machine_has_not_got_is_refused_with_its_name() {
        let mut near = at("unix:///run/docker.sock");
        assert!(near.no_mode.is_empty());
        as_this_machine_can(&mut near, [FaultKind::Slow, FaultKind::Limit, FaultKind::Kill]).await;
        assert!(near.can(FaultKind::Kill));
        // Whatever this kernel has: what is taken back says why, and what is not asked for is not tried.
        for (kind, cannot) in [(FaultKind::Slow, machine::cannot_delay().await), (FaultKind::Limit, machine::cannot_limit().await)] {
            assert_eq!(near.can(kind), cannot.is_none());
            assert_eq!(near.why_not.get(&kind), cannot.as_ref());
        }
        assert!(near.can(FaultKind::Loss), "not asked for");
    }
}
