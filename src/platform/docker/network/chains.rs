//! Chains of rules of our own in a container's network namespace. Their names carry the mark of an act.
//!
//! * A chain with rules, into which packets are led, is a partition (`drop_rule`).
//! * A chain without rules does nothing. It stands beside a shaping (`shaping`), whose own handle is too short to tell whose it is.

use super::netns::NetNs;
use crate::{
    model::fault::Cut,
    platform::{PlatformError, docker::mark::Mark},
};

/// What all our chains' names begin with. With a mark that makes 28 letters, the most that a chain's name may have.
const PREFIX: &str = "FIREDRILL-";

/// The name of an act's chain.
pub fn name(mark: Mark) -> String {
    format!("{PREFIX}{mark}")
}

/// A chain of ours that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Its name.
    pub name: String,
    /// The mark in it.
    pub mark: Mark,
    /// What its rules do; none without rules.
    pub cuts_off: Option<Cut>,
}

/// Every chain of ours that is there, whoever made it.
///
/// `iptables-save` reads what there is. `iptables -S` may first make the table that it is asked for, and this is run in namespaces that
/// nobody chose. The other family is not read: a partition's chain is made in this one first and taken from it last.
///
/// # Errors
/// When the rules cannot be read.
pub async fn all(net: &NetNs) -> Result<Vec<Chain>, PlatformError> {
    Ok(read(&net.run(&["iptables-save"]).await?))
}

fn read(saved: &str) -> Vec<Chain> {
    let filter = saved.lines().skip_while(|line| *line != "*filter").skip(1).take_while(|line| *line != "COMMIT");
    let mut all: Vec<Chain> = Vec::new();
    for line in filter {
        if let Some((name, _)) = line.strip_prefix(':').and_then(|rest| rest.split_once(' ')) {
            // One with another ending is somebody else's.
            let mark = name.strip_prefix(PREFIX).and_then(Mark::read);
            all.extend(mark.map(|mark| Chain { name: name.to_owned(), mark, cuts_off: None }));
        } else if let Some((name, rule)) = line.strip_prefix("-A ").and_then(|rest| rest.split_once(' '))
            && let Some(chain) = all.iter_mut().find(|chain| chain.name == name)
        {
            chain.cuts_off = Some(if rule == "-j DROP" { Cut::Hang } else { Cut::Refuse });
        }
    }
    all
}

/// Makes a chain without rules. Done twice it changes nothing.
///
/// # Errors
/// When it cannot be made.
pub async fn stand(net: &NetNs, name: &str) -> Result<(), PlatformError> {
    let made = net.change(&["iptables", "-w", "-N", name], "").await;
    if made.is_err() && is_there(net, name).await? { Ok(()) } else { made.map(drop) }
}

/// Takes a chain without rules away. Answers whether it was there.
///
/// # Errors
/// When it is still there, or no answer came.
pub async fn take_away(net: &NetNs, name: &str) -> Result<bool, PlatformError> {
    match is_there(net, name).await {
        Ok(true) => net.change(&["iptables", "-w", "-X", name], "").await.map(|_| true),
        Err(timeout @ PlatformError::Timeout(_)) => Err(timeout),
        // Where chains cannot be read at all, none was made.
        Ok(false) | Err(_) => Ok(false),
    }
}

async fn is_there(net: &NetNs, name: &str) -> Result<bool, PlatformError> {
    let declared = format!("-N {name}");
    Ok(net.run(&["iptables", "-w", "-S"]).await?.lines().any(|line| line == declared))
}

#[cfg(test)]
mod tests {
    use super::{super::netns::tests::Lonely, *};
    use crate::platform::docker::mark;

    #[test]
    fn our_chains_are_found_and_no_others() {
        let [hangs, refuses, nothing] = [(); 3].map(|()| name(mark::fresh().unwrap()));
        assert_eq!(hangs.len(), 28);
        let saved = format!(
            "# Generated\n*nat\n:{nothing} - [0:0]\nCOMMIT\n*filter\n:INPUT ACCEPT [0:0]\n:FIREDRILL-xyz - [0:0]\n:{hangs} - [0:0]\n\
             :{refuses} - [0:0]\n:{nothing} - [0:0]\n-A INPUT ! -i lo -j {hangs}\n-A FIREDRILL-xyz -j DROP\n-A {hangs} -j DROP\n\
             -A {refuses} -p tcp -m tcp --tcp-flags RST RST -j RETURN\n-A {refuses} -p tcp -j REJECT --reject-with tcp-reset\nCOMMIT\n"
        );
        let found: Vec<_> = read(&saved).into_iter().map(|chain| (chain.name, chain.cuts_off)).collect();
        assert_eq!(found, [(hangs, Some(Cut::Hang)), (refuses, Some(Cut::Refuse)), (nothing, None)]);
        assert_eq!(read("# nothing\n"), []);
    }

    #[tokio::test]
    async fn a_chain_without_rules_stands_and_goes() {
        let lonely = Lonely::start();
        let net = &lonely.net;
        let mark = mark::fresh().unwrap();
        let own = name(mark);
        assert!(!take_away(net, &own).await.unwrap());
        stand(net, &own).await.unwrap();
        stand(net, &own).await.unwrap();
        net.run(&["iptables", "-w", "-N", "FIREDRILL-xyz"]).await.unwrap();
        assert_eq!(all(net).await.unwrap(), [Chain { name: own.clone(), mark, cuts_off: None }]);
        assert!(take_away(net, &own).await.unwrap());
        assert!(!take_away(net, &own).await.unwrap());
        assert_eq!(all(net).await.unwrap(), []);
    }
}
