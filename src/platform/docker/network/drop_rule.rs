//! A partition by rules: every packet of the container, in and out, vanishes (both sides wait for their own timeouts) or is refused (both
//! sides are told at once). One chain of our own with a name that nobody else has; undone by its name alone. Loopback stays: the
//! container's health check and the engine's name server at 127.0.0.11 still answer.

use super::netns::NetNs;
use crate::{model::fault::PartitionMode, platform::PlatformError};

/// Both families: a container with IPv6 would otherwise still be reached.
const TOOLS: [&str; 2] = ["iptables", "ip6tables"];
/// The hooks of the container's own traffic, and how each of them leaves out loopback.
const HOOKS: [(&str, &str); 2] = [("INPUT", "-i"), ("OUTPUT", "-o")];

/// What all our chains' names begin with.
const PREFIX: &str = "FIREDRILL-";

/// The chain's name for an act: a chain's name may have 28 letters.
pub fn chain(holder: &str) -> String {
    format!("{PREFIX}{holder:.16}")
}

/// The rules inside the chain, as the tool prints them after `-A CHAIN`. A refusal is a packet itself and passes our own chain on its way
/// out: what says no must come through, and with IPv6 what finds a neighbour at all.
fn rules(mode: PartitionMode, tool: &str) -> &'static [&'static str] {
    match (mode, tool) {
        (PartitionMode::Hang, _) => &["-j DROP"],
        (PartitionMode::Refuse, "ip6tables") => &[
            "-p tcp -m tcp --tcp-flags RST RST -j RETURN",
            "-p ipv6-icmp -m icmp6 --icmpv6-type 1/4 -j RETURN",
            "-p ipv6-icmp -m icmp6 --icmpv6-type 135 -j RETURN",
            "-p ipv6-icmp -m icmp6 --icmpv6-type 136 -j RETURN",
            "-p tcp -j REJECT --reject-with tcp-reset",
            "-j REJECT --reject-with icmp6-port-unreachable",
        ],
        (PartitionMode::Refuse, _) => &[
            "-p tcp -m tcp --tcp-flags RST RST -j RETURN",
            "-p icmp -m icmp --icmp-type 3/3 -j RETURN",
            "-p tcp -j REJECT --reject-with tcp-reset",
            "-j REJECT --reject-with icmp-port-unreachable",
        ],
    }
}

/// Drops or refuses everything from now on. Done twice it changes nothing.
///
/// # Errors
/// When a rule cannot be set; what was set is taken away again.
pub async fn set(net: &NetNs, chain: &str, mode: PartitionMode) -> Result<(), PlatformError> {
    for tool in TOOLS {
        if let Err(error) = set_one(net, tool, chain, mode).await {
            clear(net, chain).await?;
            return Err(error);
        }
    }
    Ok(())
}

async fn set_one(net: &NetNs, tool: &str, chain: &str, mode: PartitionMode) -> Result<(), PlatformError> {
    if exists(net, tool, chain).await? {
        net.run(&[tool, "-w", "-F", chain]).await?;
    } else {
        net.run(&[tool, "-w", "-N", chain]).await?;
    }
    for rule in rules(mode, tool) {
        let words: Vec<&str> = [tool, "-w", "-A", chain].into_iter().chain(rule.split(' ')).collect();
        net.run(&words).await?;
    }
    for (hook, way) in HOOKS {
        if net.run(&[tool, "-w", "-C", hook, "!", way, "lo", "-j", chain]).await.is_err() {
            net.run(&[tool, "-w", "-I", hook, "1", "!", way, "lo", "-j", chain]).await?;
        }
    }
    Ok(())
}

/// Takes the rules away. Answers whether there were any.
///
/// # Errors
/// When a rule is still there.
pub async fn clear(net: &NetNs, chain: &str) -> Result<bool, PlatformError> {
    let mut found = false;
    for tool in TOOLS {
        if !exists(net, tool, chain).await? {
            continue;
        }
        found = true;
        for (hook, way) in HOOKS {
            // More than one if somebody restored saved rules: all of them go.
            while net.run(&[tool, "-w", "-C", hook, "!", way, "lo", "-j", chain]).await.is_ok() {
                net.run(&[tool, "-w", "-D", hook, "!", way, "lo", "-j", chain]).await?;
            }
        }
        net.run(&[tool, "-w", "-F", chain]).await?;
        net.run(&[tool, "-w", "-X", chain]).await?;
    }
    Ok(found)
}

/// Whether both hooks of both families drop, or refuse.
///
/// # Errors
/// When the rules cannot be read.
pub async fn is_set(net: &NetNs, chain: &str, mode: PartitionMode) -> Result<bool, PlatformError> {
    for tool in TOOLS {
        let found = net.run(&[tool, "-w", "-S"]).await?;
        let has = |rule: String| found.lines().any(|line| line == rule);
        let hooked = HOOKS.iter().all(|(hook, way)| has(format!("-A {hook} ! {way} lo -j {chain}")));
        if !hooked || !rules(mode, tool).iter().all(|rule| has(format!("-A {chain} {rule}"))) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Chains of ours that are there, whoever made them.
///
/// # Errors
/// When the rules cannot be read.
pub async fn chains(net: &NetNs) -> Result<Vec<String>, PlatformError> {
    let rules = net.run(&["iptables", "-w", "-S"]).await?;
    Ok(rules.lines().filter_map(|line| line.strip_prefix("-N ")).filter(|name| name.starts_with(PREFIX)).map(str::to_owned).collect())
}

async fn exists(net: &NetNs, tool: &str, chain: &str) -> Result<bool, PlatformError> {
    let rules = net.run(&[tool, "-w", "-S"]).await?;
    let line = format!("-N {chain}");
    Ok(rules.lines().any(|found| found == line))
}

#[cfg(test)]
mod tests {
    use super::{super::netns::tests::Lonely, *};

    async fn all(net: &NetNs) -> String {
        net.run(&["iptables", "-w", "-S"]).await.unwrap() + &net.run(&["ip6tables", "-w", "-S"]).await.unwrap()
    }

    #[tokio::test]
    async fn rules_are_set_once_and_go_without_a_trace() {
        for mode in [PartitionMode::Hang, PartitionMode::Refuse] {
            set_once_and_gone(mode).await;
        }
    }

    async fn set_once_and_gone(mode: PartitionMode) {
        let lonely = Lonely::start();
        let net = &lonely.net;
        net.run(&["iptables", "-w", "-A", "INPUT", "-p", "tcp", "--dport", "81", "-j", "REJECT"]).await.unwrap();
        let before = all(net).await;
        let name = chain("1.1-20261121-a-very-long-holder");
        assert!(name.len() <= 28, "{name}");
        assert!(!clear(net, &name).await.unwrap(), "nothing was there");
        assert!(!is_set(net, &name, mode).await.unwrap());

        set(net, &name, mode).await.unwrap();
        assert!(is_set(net, &name, mode).await.unwrap());
        let once = all(net).await;
        set(net, &name, mode).await.unwrap();
        assert_eq!(all(net).await, once, "set twice is set once");
        assert_eq!(chains(net).await.unwrap(), std::slice::from_ref(&name));
        // Half of it gone is not a partition.
        net.run(&["ip6tables", "-w", "-D", "OUTPUT", "!", "-o", "lo", "-j", &name]).await.unwrap();
        assert!(!is_set(net, &name, mode).await.unwrap());

        assert!(clear(net, &name).await.unwrap());
        assert_eq!(all(net).await, before);
        assert!(!clear(net, &name).await.unwrap());
    }
}
