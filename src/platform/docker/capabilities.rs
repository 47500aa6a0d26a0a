//! What these engines can do, known from where they are: no engine is asked.

use super::{
    deed::{CAN, Reach},
    endpoint::Endpoint,
};
use crate::model::{capabilities::Capabilities, fault::FaultKind};

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
    Capabilities { platform: "docker", faults, why_not, foreign: false }
}
