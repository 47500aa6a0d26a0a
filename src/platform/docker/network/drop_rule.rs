//! A partition by rules: every packet of the container, in and out, vanishes (both sides wait for their own timeouts) or is refused (both
//! sides are told at once). One chain of our own with a name that nobody else has (`chains`); undone by its name alone. Loopback stays: the
//! container's health check and the engine's name server at 127.0.0.11 still answer.

use super::netns::NetNs;
use crate::{model::fault::Cut, platform::PlatformError};

/// Both families: a container with IPv6 would otherwise still be reached.
const TOOLS: [&str; 2] = ["iptables", "ip6tables"];
/// The hooks of the container's own traffic, and how each of them leaves out loopback.
const HOOKS: [(&str, &str); 2] = [("INPUT", "-i"), ("OUTPUT", "-o")];

/// The rules inside the chain, as the tool prints them after `-A CHAIN`. A refusal is a packet itself and passes our own chain on its way
/// out: what says no must come through, and with IPv6 what finds a neighbour at all.
fn rules(mode: Cut, tool: &str) -> &'static [&'static str] {
    match (mode, tool) {
        (Cut::Hang, _) => &["-j DROP"],
        (Cut::Refuse, "ip6tables") => &[
            "-p tcp -m tcp --tcp-flags RST RST -j RETURN",
            "-p ipv6-icmp -m icmp6 --icmpv6-type 1/4 -j RETURN",
            "-p ipv6-icmp -m icmp6 --icmpv6-type 135 -j RETURN",
            "-p ipv6-icmp -m icmp6 --icmpv6-type 136 -j RETURN",
            "-p tcp -j REJECT --reject-with tcp-reset",
            "-j REJECT --reject-with icmp6-port-unreachable",
        ],
        (Cut::Refuse, _) => &[
            "-p tcp -m tcp --tcp-flags RST RST -j RETURN",
            "-p icmp -m icmp --icmp-type 3/3 -j RETURN",
            "-p tcp -j REJECT --reject-with tcp-reset",
            "-j REJECT --reject-with icmp-port-unreachable",
        ],
    }
}

/// Drops or refuses everything from now on: all of a family's rules at one stroke. Done twice it changes nothing.
///
/// # Errors
/// When the rules cannot be set; what was set is taken away again.
pub async fn set(net: &NetNs, chain: &str, mode: Cut) -> Result<(), PlatformError> {
    if is_set(net, chain, mode).await? {
        return Ok(());
    }
    // Half of it, from a try that failed.
    clear(net, chain).await?;
    for tool in TOOLS {
        let mut all = vec![format!(":{chain} - [0:0]")];
        all.extend(rules(mode, tool).iter().map(|rule| format!("-A {chain} {rule}")));
        all.extend(HOOKS.iter().map(|hook| format!("-I {}", jump(*hook, chain))));
        if let Err(error) = at_once(net, tool, &all).await {
            clear(net, chain).await?;
            return Err(error);
        }
    }
    Ok(())
}

/// Takes the rules away, those that [`set`] made first last: whoever is interrupted leaves a chain where `chains` looks for it. Answers
/// whether there were any.
///
/// # Errors
/// When a rule is still there.
pub async fn clear(net: &NetNs, chain: &str) -> Result<bool, PlatformError> {
    let mut any = false;
    for tool in TOOLS.into_iter().rev() {
        let found = net.run(&[tool, "-w", "-S"]).await?;
        let declared = format!("-N {chain}");
        if !found.lines().any(|line| line == declared) {
            continue;
        }
        any = true;
        // More than one of a kind if somebody restored saved rules: all of them go.
        let jumps = HOOKS.map(|hook| format!("-A {}", jump(hook, chain)));
        let mut all: Vec<String> =
            found.lines().filter(|line| jumps.iter().any(|jump| jump == line)).map(|line| line.replacen("-A", "-D", 1)).collect();
        all.extend([format!("-F {chain}"), format!("-X {chain}")]);
        at_once(net, tool, &all).await?;
        if net.run(&[tool, "-w", "-S"]).await?.contains(chain) {
            return Err(PlatformError::Failed(format!("the chain {chain} is still among the rules of `{tool}`")));
        }
    }
    Ok(any)
}

/// A rule that leads into the chain, as the tool prints it after `-A`.
fn jump((hook, way): (&str, &str), chain: &str) -> String {
    format!("{hook} ! {way} lo -j {chain}")
}

/// Changes the rules of one family: all of it, or nothing.
async fn at_once(net: &NetNs, tool: &str, lines: &[String]) -> Result<(), PlatformError> {
    let input = format!("*filter\n{}\nCOMMIT\n", lines.join("\n"));
    net.change(&[&format!("{tool}-restore"), "-w", "--noflush"], &input).await.map(drop)
}

/// Whether both hooks of both families drop, or refuse.
///
/// # Errors
/// When the rules cannot be read.
pub async fn is_set(net: &NetNs, chain: &str, mode: Cut) -> Result<bool, PlatformError> {
    for tool in TOOLS {
        let found = net.run(&[tool, "-w", "-S"]).await?;
        let has = |rule: String| found.lines().any(|line| line == rule);
        let hooked = HOOKS.iter().all(|hook| has(format!("-A {}", jump(*hook, chain))));
        if !hooked || !rules(mode, tool).iter().all(|rule| has(format!("-A {chain} {rule}"))) {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{chains, netns::tests::Lonely},
        *,
    };
    use crate::platform::docker::mark;

    async fn all(net: &NetNs) -> String {
        net.run(&["iptables", "-w", "-S"]).await.unwrap() + &net.run(&["ip6tables", "-w", "-S"]).await.unwrap()
    }

    #[tokio::test]
    async fn rules_are_set_once_and_go_without_a_trace() {
        for mode in [Cut::Hang, Cut::Refuse] {
            set_once_and_gone(mode).await;
        }
    }

    async fn set_once_and_gone(mode: Cut) {
        let lonely = Lonely::start();
        let net = &lonely.net;
        net.run(&["iptables", "-w", "-A", "INPUT", "-p", "tcp", "--dport", "81", "-j", "REJECT"]).await.unwrap();
        let before = all(net).await;
        let name = chains::name(mark::fresh().unwrap());
        assert!(!clear(net, &name).await.unwrap(), "nothing was there");
        assert!(!is_set(net, &name, mode).await.unwrap());

        set(net, &name, mode).await.unwrap();
        assert!(is_set(net, &name, mode).await.unwrap());
        let once = all(net).await;
        set(net, &name, mode).await.unwrap();
        assert_eq!(all(net).await, once, "set twice is set once");
        let found = chains::all(net).await.unwrap();
        assert!(matches!(&found[..], [one] if one.name == name && one.cuts_off == Some(mode)), "{found:?}");
        // Half of it gone is not a partition.
        net.run(&["ip6tables", "-w", "-D", "OUTPUT", "!", "-o", "lo", "-j", &name]).await.unwrap();
        assert!(!is_set(net, &name, mode).await.unwrap());

        assert!(clear(net, &name).await.unwrap());
        assert_eq!(all(net).await, before);
        assert!(!clear(net, &name).await.unwrap());
    }
}
