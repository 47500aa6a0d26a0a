//! A container's places on its networks: read from what the engine tells of it, and put into the words in which the engine is asked for one.

use std::collections::BTreeMap;

use bollard::models::{ContainerInspectResponse, EndpointIpamConfig, EndpointSettings};

use crate::platform::docker::{container::state, undo::Place};

fn endpoints(now: &ContainerInspectResponse) -> impl Iterator<Item = (&String, &EndpointSettings)> {
    now.network_settings.as_ref().and_then(|settings| settings.networks.as_ref()).into_iter().flatten()
}

fn given(text: Option<&String>) -> Option<&String> {
    text.filter(|text| !text.is_empty())
}

/// The networks that a container is on now, by id. What an engine failed to connect it to stands there too, without an id.
pub fn networks(now: &ContainerInspectResponse) -> BTreeMap<String, Place> {
    endpoints(now)
        .filter_map(|(name, endpoint)| {
            let id = given(endpoint.network_id.as_ref())?.clone();
            Some((id, Place { name: name.clone(), endpoint: endpoint.clone() }))
        })
        .collect()
}

/// Its place on a network that it was on, or on another that has this one's name by now.
pub fn at<'n>(now: &'n ContainerInspectResponse, network: &str, was: &Place) -> Option<&'n EndpointSettings> {
    // One that does not run is on a network by name alone, until it is started.
    let waits = !state::running(now);
    let on = |(name, endpoint): &(&String, &EndpointSettings)| match given(endpoint.network_id.as_ref()) {
        Some(id) => id == network || *name == &was.name,
        None => waits && *name == &was.name,
    };
    endpoints(now).find(on).map(|(_, endpoint)| endpoint)
}

/// Its addresses, in words; nothing while it has none.
pub fn address(endpoint: &EndpointSettings) -> String {
    let all = [&endpoint.ip_address, &endpoint.global_ipv6_address];
    all.into_iter().filter_map(|text| given(text.as_ref())).map(String::as_str).collect::<Vec<_>>().join(" and ")
}

/// What the engine is asked for: everything that was chosen, and if `tied` also the addresses that the engine itself had given.
pub fn request(was: &EndpointSettings, tied: bool) -> EndpointSettings {
    let mut ipam = was.ipam_config.clone().unwrap_or_default();
    if tied {
        ipam.ipv4_address = given(ipam.ipv4_address.as_ref()).or(given(was.ip_address.as_ref())).cloned();
        ipam.ipv6_address = given(ipam.ipv6_address.as_ref()).or(given(was.global_ipv6_address.as_ref())).cloned();
    }
    EndpointSettings {
        ipam_config: (ipam != EndpointIpamConfig::default()).then_some(ipam),
        links: was.links.clone(),
        aliases: was.aliases.clone(),
        driver_opts: was.driver_opts.clone(),
        gw_priority: was.gw_priority,
        mac_address: own_mac(was),
        ..EndpointSettings::default()
    }
}

/// The MAC, unless the engine made it from the address: at another address it would be that of whoever has this one next.
fn own_mac(was: &EndpointSettings) -> Option<String> {
    let mac = given(was.mac_address.as_ref())?;
    let made = was.ip_address.as_deref().and_then(|ip| ip.parse::<std::net::Ipv4Addr>().ok()).map(|ip| {
        let [a, b, c, d] = ip.octets();
        format!("02:42:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
    });
    (made.as_ref() != Some(&mac.to_lowercase())).then(|| mac.clone())
}

/// In what a place that a container has again is not the one that it had; for a container that does not run, as far as is known.
pub fn difference(was: &Place, now: &EndpointSettings) -> Option<String> {
    let mut words = Vec::new();
    let (then, here) = (address(&was.endpoint), address(now));
    if !here.is_empty() && !then.is_empty() && then != here {
        words.push(format!("{} gave it the address {here} instead of {then}, as after any start of it", was.name));
    }
    let have = now.aliases.as_deref().unwrap_or_default();
    let lost: Vec<&str> = was.endpoint.aliases.iter().flatten().filter(|alias| !have.contains(*alias)).map(String::as_str).collect();
    if !lost.is_empty() {
        words.push(format!("on {} it has not got the name {}", was.name, lost.join(" and ")));
    }
    (!words.is_empty()).then(|| words.join("; "))
}

/// Where its ports are published, by port: `8080/tcp` at `127.0.0.1:32768`.
pub fn published(now: &ContainerInspectResponse) -> BTreeMap<String, Vec<String>> {
    let ports = now.network_settings.as_ref().and_then(|settings| settings.ports.as_ref());
    let at = |ip: &Option<String>, port: &Option<String>| {
        format!("{}:{}", ip.as_deref().unwrap_or_default(), port.as_deref().unwrap_or_default())
    };
    ports
        .into_iter()
        .flatten()
        .filter_map(|(port, bindings)| {
            let mut all: Vec<String> = bindings.as_ref()?.iter().map(|one| at(&one.host_ip, &one.host_port)).collect();
            all.sort();
            Some((port.clone(), all))
        })
        .collect()
}

/// Those of its published ports whose number the engine chose: at each connection it chooses another.
pub fn unnumbered(now: &ContainerInspectResponse) -> Vec<String> {
    let asked = now.host_config.as_ref().and_then(|host| host.port_bindings.as_ref());
    let numbered = |port: &String, number: &str| {
        let bindings = asked.and_then(|asked| asked.get(port)).and_then(Option::as_ref).into_iter().flatten();
        bindings.filter_map(|one| one.host_port.as_deref()).any(|asked| asked == number)
    };
    let free =
        |(port, at): &(String, Vec<String>)| at.iter().filter_map(|at| at.rsplit_once(':')).any(|(_, number)| !numbered(port, number));
    published(now).into_iter().filter(free).map(|(port, _)| port).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn was(ip: &str, mac: &str) -> EndpointSettings {
        EndpointSettings {
            ip_address: Some(ip.to_owned()),
            mac_address: Some(mac.to_owned()),
            aliases: Some(vec!["web".to_owned()]),
            ..EndpointSettings::default()
        }
    }

    #[test]
    fn only_what_was_chosen_is_asked_for_unless_it_is_tied() {
        let dynamic = was("10.1.2.3", "02:42:0A:01:02:03");
        let asked = request(&dynamic, false);
        assert_eq!((asked.ipam_config, asked.mac_address), (None, None), "the engine makes both");
        assert_eq!(asked.aliases.as_deref(), Some(&["web".to_owned()][..]));
        let tied = request(&dynamic, true).ipam_config.unwrap();
        assert_eq!((tied.ipv4_address.as_deref(), tied.ipv6_address), (Some("10.1.2.3"), None));

        let own = was("10.1.2.3", "02:42:de:ad:be:ef");
        assert_eq!(request(&own, false).mac_address.as_deref(), Some("02:42:de:ad:be:ef"));
        let chosen = EndpointIpamConfig { ipv4_address: Some("10.1.2.9".to_owned()), ..EndpointIpamConfig::default() };
        let fixed = EndpointSettings { ipam_config: Some(chosen.clone()), ..own };
        assert_eq!(request(&fixed, false).ipam_config, Some(chosen));
    }

    #[test]
    fn what_is_not_as_it_was_is_said() {
        let place = Place { name: "front".to_owned(), endpoint: was("10.1.2.3", "") };
        assert_eq!(difference(&place, &place.endpoint), None);
        let says = difference(&place, &EndpointSettings { aliases: None, ..was("10.1.2.4", "") }).unwrap();
        assert!(says.contains("10.1.2.4 instead of 10.1.2.3") && says.contains("not got the name web"), "{says}");
        // One that does not run has no address yet.
        assert_eq!(difference(&place, &was("", "")), None);
    }
}
