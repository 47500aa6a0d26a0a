//! Lists what each instance is built from, and which version it says it is. Done where nothing is measured by it: before the first act,
//! and once the faults and the recovery are over. It only reads.

use futures_util::{StreamExt, stream};

use super::{halt::Urgency, script::Script, version};
use crate::{
    event::EventKind,
    model::{
        built::{Built, Version},
        instance::Instance,
    },
};

/// Instances that are asked for their version at once.
const AT_ONCE: usize = 16;
/// Instances of all services that are asked.
const MOST_ASKED: usize = 1_000;

/// Tells what every instance is built from, unless the run is halted.
pub(crate) async fn tell(script: &Script<'_>) {
    let list = tokio::select! {
        biased;
        () = script.halt.reached(Urgency::Undo) => return,
        list = list(script) => list,
    };
    script.tell(match list {
        Ok(instances) => EventKind::Built { instances },
        Err(why) => EventKind::Warning { text: format!("what the instances are built from is not known: {why}") },
    });
}

async fn list(script: &Script<'_>) -> Result<Vec<Built>, String> {
    let inventory = script.platform.seen().await.map_err(|error| error.to_string())?;
    let mut asked = 0;
    let mut one = |instance: &Instance| {
        let built = Built::of(instance)?;
        let endpoint = script.experiment.versions.get(&built.service);
        asked += usize::from(endpoint.is_some());
        let too_many = asked > MOST_ASKED;
        let address = instance.address.clone();
        Some(async move {
            let version = match endpoint {
                None => None,
                Some(_) if too_many => Some(Version::Unknown { why: format!("only {MOST_ASKED} instances are asked") }),
                // In a box, which only who is asked has: of a thousand instances nobody may be.
                Some(endpoint) => Some(Box::pin(version::ask(address.as_deref(), endpoint)).await),
            };
            Built { version, ..built }
        })
    };
    let all: Vec<_> = inventory.each().filter_map(&mut one).collect();
    Ok(stream::iter(all).buffered(AT_ONCE).collect().await)
}
