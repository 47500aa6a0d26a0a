//! `limit`, `slow` and `loss`: a queueing discipline at the root of each of the container's interfaces. It shapes what the container
//! sends; what it receives is as before.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::netns::NetNs;
use crate::{
    model::{fault::Fault, quantity::Share},
    platform::{PlatformError, docker::mark::Mark},
};

/// Whether a discipline's handle is one of ours, whichever act's. The kernel itself counts upwards from 8001.
fn ours(handle: &str) -> bool {
    handle.len() == 5 && handle.starts_with('f')
}

/// The handle that marks a discipline as an act's own: one of 4095, so that no act takes away what another one set. All of the act's mark
/// does not fit into it.
pub fn handle(mark: Mark) -> String {
    format!("f{:03x}:", mark.number())
}

/// Kinds that the kernel gives an interface by itself, and gives again when another is taken away.
const DEFAULTS: [&str; 5] = ["noqueue", "pfifo_fast", "fq_codel", "fq", "mq"];

/// A discipline as `tc -j qdisc show` prints it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Qdisc {
    /// `tbf`, `netem`, `noqueue`.
    pub kind: String,
    /// Its handle: `f017:`, `0:`.
    pub handle: String,
    /// The interface.
    pub dev: String,
    /// Whether it stands at the root.
    #[serde(default)]
    pub root: bool,
    /// What it is told to do.
    #[serde(default)]
    pub options: Value,
}

/// The words of `tc` after `root handle H` for a fault; `None` for faults that are no shaping.
pub fn words(fault: &Fault) -> Option<Vec<String>> {
    let micros = |d: Duration| format!("{}us", d.as_micros());
    let all = |words: &[&str]| words.iter().map(|&w| w.to_owned()).collect();
    match fault {
        Fault::Limit { rate } => {
            // A bucket of 10 ms of the rate, never below a full frame: with less, the rate would not be reached.
            let burst = (rate / 100).max(4096).to_string();
            let bits = format!("{}bit", rate.saturating_mul(8));
            Some(all(&["tbf", "rate", &bits, "burst", &burst, "latency", "400ms"]))
        }
        Fault::Slow { latency, jitter } if jitter.is_zero() => Some(all(&["netem", "limit", "100000", "delay", &micros(*latency)])),
        // `netem` spreads to both sides of its delay; a fault's latency is the least, with up to `jitter` more.
        Fault::Slow { latency, jitter } => {
            let (middle, half) = (micros(*latency + *jitter / 2), micros(*jitter / 2));
            Some(all(&["netem", "limit", "100000", "delay", &middle, &half]))
        }
        Fault::Loss { share } => Some(all(&["netem", "limit", "100000", "loss", &format!("{}%", share.0 * 100.0)])),
        _ => None,
    }
}

/// The disciplines at the roots of all interfaces but loopback.
///
/// # Errors
/// When they cannot be read.
pub async fn roots(net: &NetNs) -> Result<Vec<Qdisc>, PlatformError> {
    let text = net.run(&["tc", "-j", "qdisc", "show"]).await?;
    let all: Vec<Qdisc> =
        serde_json::from_str(&text).map_err(|error| PlatformError::Failed(format!("`tc` wrote something unreadable: {error}")))?;
    Ok(all.into_iter().filter(|qdisc| qdisc.root && qdisc.dev != "lo").collect())
}

/// Which fault the disciplines of a handle are; only its kind can be told. One that is half undone counts as the simplest.
pub fn kind_of(roots: &[Qdisc], handle: &str) -> Fault {
    match roots.iter().find(|root| root.handle == handle) {
        Some(root) if root.kind == "netem" && root.options.get("delay").is_some() => {
            Fault::Slow { latency: Duration::ZERO, jitter: Duration::ZERO }
        }
        Some(root) if root.kind == "netem" => Fault::Loss { share: Share(0.0) },
        _ => Fault::Limit { rate: 0 },
    }
}

/// Why an interface cannot be shaped: somebody shapes it already, and what they set could not be put back as it was.
pub fn taken(roots: &[Qdisc]) -> Option<String> {
    let other = roots.iter().find(|qdisc| !DEFAULTS.contains(&qdisc.kind.as_str()))?;
    let (whose, lost) = if ours(&other.handle) {
        // One whose run is gone is found and undone before (`orphans`), unless no chain could stand beside it.
        ("by another fault of firedrill", "; if that one's run is lost, a restart of the container takes it away")
    } else {
        ("by somebody else", "")
    };
    Some(format!("{} is shaped already ({}, {whose}): one shaping at a time can be put back as it was{lost}", other.dev, other.kind))
}

/// Shapes every interface. Done twice it changes nothing.
///
/// # Errors
/// When one cannot be shaped; those that were are put back.
pub async fn set(net: &NetNs, handle: &str, fault: &Fault) -> Result<(), PlatformError> {
    let Some(words) = words(fault) else { return Err(PlatformError::Failed(format!("{} is no shaping", fault.kind()))) };
    let roots = roots(net).await?;
    if roots.is_empty() {
        return Err(PlatformError::Refused("it has no network interface to shape".to_owned()));
    }
    for root in &roots {
        let head = ["tc", "qdisc", "replace", "dev", root.dev.as_str(), "root", "handle", handle];
        let all: Vec<&str> = head.into_iter().chain(words.iter().map(String::as_str)).collect();
        if let Err(error) = net.change(&all, "").await {
            clear(net, handle).await?;
            return Err(error);
        }
    }
    Ok(())
}

/// Takes our shaping away; the kernel puts its default back. Answers whether there was any.
///
/// # Errors
/// When one is still there.
pub async fn clear(net: &NetNs, handle: &str) -> Result<bool, PlatformError> {
    let ours: Vec<Qdisc> = roots(net).await?.into_iter().filter(|qdisc| qdisc.handle == handle).collect();
    for root in &ours {
        net.change(&["tc", "qdisc", "del", "dev", &root.dev, "root", "handle", handle], "").await?;
    }
    Ok(!ours.is_empty())
}

/// Whether every interface carries the fault's discipline of ours.
///
/// # Errors
/// When they cannot be read.
pub async fn is_set(net: &NetNs, handle: &str, fault: &Fault) -> Result<bool, PlatformError> {
    let Some(words) = words(fault) else { return Ok(false) };
    let roots = roots(net).await?;
    Ok(!roots.is_empty() && roots.iter().all(|root| root.handle == handle && root.kind == words[0]))
}

#[cfg(test)]
mod tests {
    use super::{super::netns::tests::Lonely, *};
    use crate::platform::docker::mark;

    #[test]
    fn faults_become_words_of_tc() {
        let said = |fault| words(&fault).unwrap().join(" ");
        assert_eq!(said(Fault::Limit { rate: 1_000_000 }), "tbf rate 8000000bit burst 10000 latency 400ms");
        assert_eq!(said(Fault::Limit { rate: 10_000 }), "tbf rate 80000bit burst 4096 latency 400ms");
        let latency = Duration::from_millis(100);
        assert_eq!(said(Fault::Slow { latency, jitter: Duration::ZERO }), "netem limit 100000 delay 100000us");
        assert_eq!(said(Fault::Slow { latency, jitter: Duration::from_millis(20) }), "netem limit 100000 delay 110000us 10000us");
        assert_eq!(said(Fault::Loss { share: Share(0.125) }), "netem limit 100000 loss 12.5%");
        assert_eq!(words(&Fault::Pause), None);
    }

    #[test]
    fn a_discipline_tells_which_fault_it_is() {
        let text = r#"[{"kind":"netem","handle":"f001:","dev":"a","root":true,"options":{"limit":100000,"delay":{"delay":0.1}}},
            {"kind":"netem","handle":"f002:","dev":"b","root":true,"options":{"limit":100000,"loss-random":{"loss":0.1}}},
            {"kind":"tbf","handle":"f003:","dev":"c","root":true}]"#;
        let roots: Vec<Qdisc> = serde_json::from_str(text).unwrap();
        let kinds = ["f001:", "f002:", "f003:", "f004:"].map(|handle| kind_of(&roots, handle).kind().name());
        assert_eq!(kinds, ["slow", "loss", "limit", "limit"]);
    }

    #[tokio::test]
    async fn a_limit_is_set_and_goes_and_a_foreign_one_stays() {
        let lonely = Lonely::start();
        let net = &lonely.net;
        let fault = Fault::Limit { rate: 100_000 };
        let handle = handle(mark::fresh().unwrap());
        let before = roots(net).await.unwrap();
        assert_eq!(taken(&before), None);
        assert!(!clear(net, &handle).await.unwrap());
        set(net, &handle, &fault).await.unwrap();
        set(net, &handle, &fault).await.unwrap();
        assert!(is_set(net, &handle, &fault).await.unwrap());
        assert!(taken(&roots(net).await.unwrap()).unwrap().contains("another fault of firedrill"));
        assert!(clear(net, &handle).await.unwrap());
        assert!(!is_set(net, &handle, &fault).await.unwrap());
        let kinds = |all: Vec<Qdisc>| all.into_iter().map(|q| (q.dev, q.kind)).collect::<Vec<_>>();
        assert_eq!(kinds(roots(net).await.unwrap()), kinds(before));

        net.run(&["tc", "qdisc", "add", "dev", "fd0", "root", "tbf", "rate", "1mbit", "burst", "32kbit", "latency", "1s"]).await.unwrap();
        assert!(taken(&roots(net).await.unwrap()).unwrap().contains("somebody else"));
        assert!(!clear(net, &handle).await.unwrap(), "what is not ours stays");
        assert!(roots(net).await.unwrap().iter().any(|q| q.dev == "fd0" && q.kind == "tbf"));
    }
}
