//! Addresses that probes may be sent to: checked by their text here, and after resolution by the prober.

use std::net::IpAddr;

use crate::file::{
    diagnostic::Sink,
    escape::quote,
    source::{Source, Span},
};

/// Reports a URL that is not one a probe may use. Gives its scheme.
pub fn check_url(text: &str, span: Span, sink: &mut Sink) -> Option<&'static str> {
    check_url_of(text, span, &["http", "https"], sink)
}

/// Reports a URL that is not one of these schemes, the plain one first, that a probe may use. Gives its scheme.
pub fn check_url_of(text: &str, span: Span, schemes: &[&'static str], sink: &mut Sink) -> Option<&'static str> {
    let expected = format!("a URL like `{}://127.0.0.1:8080/path`", schemes.first().unwrap_or(&"http"));
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
    if authority.contains('@') {
        sink.source().hide(span);
        sink.error(span, "the URL holds a user name or password")
            .expected("the URL without it, and `headers: { authorization: { env: NAME } }`");
        return None;
    }
    let Some((scheme, _)) = text.split_once("://") else {
        sink.error(span, format!("{} is not a URL", quote(text))).expected(expected);
        return None;
    };
    let written = scheme.to_ascii_lowercase();
    let Some(scheme) = schemes.iter().copied().find(|scheme| *scheme == written) else {
        let usable = schemes.iter().map(|scheme| format!("`{scheme}://`")).collect::<Vec<_>>().join(" or ");
        sink.error(span, format!("{} is not a scheme that a probe can use", quote(&written))).expected(usable);
        return None;
    };
    if text.contains('#') {
        sink.error(span, "the URL has a fragment (`#…`), which is never sent").expected("the URL without it");
        return None;
    }
    if text.parse::<http::Uri>().is_err() {
        sink.error(span, format!("{} is not a URL", quote(text))).expected(format!("{expected}; spaces and other signs written as `%20`"));
        return None;
    }
    let (host, port) = split_port(authority);
    if port.is_some_and(|p| p.parse::<u16>().ok().is_none_or(|p| p == 0)) {
        sink.error(span, format!("{} is not a port", quote(port.unwrap_or("")))).expected("a number from 1 to 65535");
        return None;
    }
    check_host(host, span, sink).then_some(scheme)
}

/// Why a URL is not one that a probe may use.
pub fn why_not(text: &str) -> Option<String> {
    let mut sink = Sink::new(&Source::new("url", text));
    check_url(text, Span::default(), &mut sink);
    sink.finish().iter().next().map(|diagnostic| diagnostic.message.clone())
}

/// Reports a `host:port` that cannot be one.
pub fn check_address(text: &str, span: Span, sink: &mut Sink) -> bool {
    const EXPECTED: &str = "`host:port`, like `127.0.0.1:5432` or `[::1]:5432`";
    if text.contains('@') {
        sink.source().hide(span);
        sink.error(span, "the address holds a user name or password, and secrets are never written in a file").expected(EXPECTED);
        return false;
    }
    if text.contains("://") || text.contains('/') {
        sink.error(span, format!("{} is a URL, not an address", quote(text))).expected(EXPECTED);
        return false;
    }
    let (host, port) = split_port(text);
    let Some(port) = port else {
        sink.error(span, format!("{} has no port", quote(text))).expected(EXPECTED);
        return false;
    };
    if port.parse::<u16>().ok().is_none_or(|p| p == 0) || port.starts_with('+') {
        sink.error(span, format!("{} is not a port", quote(port))).expected("a number from 1 to 65535");
        return false;
    }
    check_host(host, span, sink)
}

/// Reports an `ip` or `ip:port` that cannot be one.
pub fn check_ip(text: &str, span: Span, sink: &mut Sink) -> bool {
    let ip = text.parse::<IpAddr>().ok().or_else(|| text.parse::<std::net::SocketAddr>().ok().filter(|a| a.port() > 0).map(|a| a.ip()));
    let Some(ip) = ip else {
        sink.error(span, format!("{} is not an IP address", quote(text))).expected("`127.0.1.1`, `127.0.1.1:8080`, `::1` or `[::1]:8080`");
        return false;
    };
    refuse_metadata(ip, span, sink)
}

fn split_port(authority: &str) -> (&str, Option<&str>) {
    if authority.starts_with('[') {
        return match authority.split_once(']') {
            Some((host, rest)) => (&host[1..], rest.strip_prefix(':')),
            None => (authority, None),
        };
    }
    authority.rsplit_once(':').map_or((authority, None), |(host, port)| (host, Some(port)))
}

/// Reports a host that cannot be one.
pub fn check_host(host: &str, span: Span, sink: &mut Sink) -> bool {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return refuse_metadata(ip, span, sink);
    }
    // `2852039166` and `0xa9.254.1` are addresses to some resolvers: nobody writes them in good faith.
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or("");
    let numeric = last.chars().all(|c| c.is_ascii_digit()) || last.to_ascii_lowercase().starts_with("0x");
    let label = |l: &str| (1..=63).contains(&l.len()) && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if host.is_empty() || numeric || host.len() > 253 || !host.trim_end_matches('.').split('.').all(label) {
        let what = if host.is_empty() { "the host is missing".to_owned() } else { format!("{} is not a host", quote(host)) };
        sink.error(span, what).expected("a host name or an IP address");
        return false;
    }
    if host.trim_end_matches('.').eq_ignore_ascii_case("metadata.google.internal") {
        return metadata(host, span, sink);
    }
    true
}

fn refuse_metadata(ip: IpAddr, span: Span, sink: &mut Sink) -> bool {
    if is_metadata(ip) { metadata(&ip.to_string(), span, sink) } else { true }
}

/// Link-local addresses, where clouds serve credentials.
pub fn is_metadata(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local() || ip.segments() == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254],
    }
}

fn metadata(host: &str, span: Span, sink: &mut Sink) -> bool {
    sink.error(span, format!("{} serves a machine's credentials; probes are never sent there", quote(host)))
        .expected("the address of the system under test");
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> bool {
        check_url(text, Span::default(), &mut Sink::new(&Source::new("t", ""))).is_some()
    }

    #[test]
    fn only_urls_of_systems_pass() {
        for fine in ["http://127.0.0.1:8080/", "https://a-b.example/x?y=1", "http://[::1]:80/", "http://localhost"] {
            assert!(url(fine), "{fine}");
        }
        for bad in [
            "ftp://x/",
            "127.0.0.1",
            "http://",
            "http://:80/",
            "http://u:p@x/",
            "http://x:0/",
            "http://x:99999/",
            "http://x y/",
            "http://169.254.169.254/",
            "http://[fd00:ec2::254]/",
            "http://[::ffff:169.254.169.254]/",
            "http://2852039166/",
            "http://0xa9fea9fe/",
            "file:///etc/passwd",
            "http://x/#a",
            "http://metadata.google.internal/",
            "http://a..b/",
        ] {
            assert!(!url(bad), "{bad}");
        }
    }
}
