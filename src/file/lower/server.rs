//! The addresses of stores, which may hold a password and then come from the environment or a file.

use std::str::FromStr;

use tokio_postgres::{
    Config,
    config::{Host, SslMode},
};

use super::{http, url};
use crate::{
    file::{
        diagnostic::Sink,
        escape::quote,
        read::{self, Fields},
        yaml::Node,
    },
    model::{
        probe::{Text, TlsSettings},
        store::known_sslmode,
    },
};

const REDIS_LIKE: &str = "`redis://host:6379`, or `{ env: NAME }` for one with a password";
const REDIS_SCHEMES: &str = "`redis://host:6379`, or `rediss://` for TLS";
const POSTGRES_LIKE: &str = "`postgres://user@host:5432/database`, or `{ env: NAME }` for one with a password";

/// The address of a Redis.
pub fn redis_server(node: &Node, sink: &mut Sink) -> Option<Text> {
    let text = http::text_or_secret(node, read::line, sink)?;
    let Text::Plain(plain) = &text else { return Some(text) };
    let Some((scheme, rest)) = plain.split_once("://") else {
        sink.error(node.span, format!("{} is not a URL", quote(plain))).expected(REDIS_LIKE);
        return None;
    };
    refuse_password(rest, node, sink)?;
    if !["redis", "rediss"].contains(&scheme) {
        sink.error(node.span, format!("{} is not a scheme that this probe can use", quote(scheme))).expected(REDIS_SCHEMES);
        return None;
    }
    if rest.contains('#') {
        // Its own client's way to leave certificates unverified.
        sink.error(node.span, "the URL has a fragment (`#…`), which means nothing here")
            .expected("`tls: { insecure: true }` where that is meant");
        return None;
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    check_host(authority.rsplit_once('@').map_or(authority, |(_, host)| host), plain, REDIS_LIKE, node, sink)?;
    let database = path.split('?').next().unwrap_or_default();
    if !database.is_empty() && database.parse::<u32>().is_err() {
        sink.error(node.span, format!("{} is not a database of Redis", quote(database))).expected("a number, as in `redis://host:6379/0`");
        return None;
    }
    Some(text)
}

/// The address of a Postgres: a URL, or `host=... user=...`, with one host or several.
pub fn postgres_server(node: &Node, sink: &mut Sink) -> Option<Text> {
    let text = http::text_or_secret(node, read::line, sink)?;
    let Text::Plain(plain) = &text else { return Some(text) };
    refuse_password(plain.split_once("://").map_or(plain.as_str(), |(_, rest)| rest), node, sink)?;
    match plain.split_once("://") {
        Some(("postgres" | "postgresql", rest)) => {
            let authority = rest.split(['/', '?']).next().unwrap_or_default();
            for host in authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts).split(',') {
                check_host(host, plain, POSTGRES_LIKE, node, sink)?;
            }
        }
        Some((scheme, _)) => {
            sink.error(node.span, format!("{} is not a scheme that this probe can use", quote(scheme))).expected(POSTGRES_LIKE);
            return None;
        }
        None if !plain.contains('=') => {
            sink.error(node.span, format!("{} is not a URL", quote(plain))).expected(POSTGRES_LIKE);
            return None;
        }
        None => {}
    }
    for setting in ["sslrootcert", "sslcert", "sslkey"] {
        if plain.contains(&format!("{setting}=")) {
            sink.error(node.span, format!("`{setting}` is not said here")).expected("`tls: { ca: FILE, certificate: FILE, key: FILE }`");
            return None;
        }
    }
    let config = match known_sslmode(plain).map(|text| Config::from_str(&text)) {
        Ok(Ok(config)) => config,
        Ok(Err(error)) => {
            // Its words name a setting, and no value: a password was refused above.
            sink.error(node.span, format!("this is not the address of a Postgres: {error}")).expected(POSTGRES_LIKE);
            return None;
        }
        Err(mode) => {
            sink.error(node.span, format!("{} is not an `sslmode` that this probe can use", quote(&mode)))
                .expected("`disable`, or `require`, with which certificates are verified, as with `verify-full`");
            return None;
        }
    };
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        sink.error(node.span, format!("{} names no host", quote(plain))).expected(POSTGRES_LIKE);
        return None;
    }
    let fine = config.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => url::check_host(name.trim_start_matches('[').trim_end_matches(']'), node.span, sink),
        Host::Unix(_) => {
            sink.error(node.span, "the address is a socket's path: probes go over TCP, as users do").expected(POSTGRES_LIKE);
            false
        }
    }) && config.get_hostaddrs().iter().all(|ip| url::check_ip(&ip.to_string(), node.span, sink));
    fine.then_some(text)
}

/// A password never stands in a file.
fn refuse_password(rest: &str, node: &Node, sink: &mut Sink) -> Option<()> {
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let user = authority.rsplit_once('@').map(|(user, _)| user);
    if user.is_some_and(|user| user.contains(':')) || rest.replace(' ', "").contains("password=") {
        sink.source().hide(node.span);
        sink.error(node.span, "the URL holds a password, and secrets are never written in a file")
            .expected("`{ env: NAME }` or `{ file: PATH }` for the whole URL");
        return None;
    }
    Some(())
}

/// A host of a URL, with a port or without.
fn check_host(host: &str, whole: &str, like: &str, node: &Node, sink: &mut Sink) -> Option<()> {
    if host.is_empty() {
        sink.error(node.span, format!("{} names no host", quote(whole))).expected(like);
        return None;
    }
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    };
    if port.is_some_and(|port| port.parse::<u16>().ok().is_none_or(|port| port == 0)) {
        sink.error(node.span, format!("{} is not a port", quote(port.unwrap_or_default()))).expected("a number from 1 to 65535");
        return None;
    }
    url::check_address(&format!("{name}:{}", port.unwrap_or("1")), node.span, sink).then_some(())
}

/// TLS settings beside these URLs of a Redis: they mean nothing where no URL says that there is TLS.
pub fn redis_tls<'t>(fields: &Fields<'_>, urls: impl Iterator<Item = &'t Text>, sink: &mut Sink) -> TlsSettings {
    tls_beside(fields, urls, |url| url.starts_with("rediss://"), "a `rediss://` URL, or no `tls`", sink)
}

/// TLS settings beside these addresses of a Postgres.
pub fn postgres_tls<'t>(fields: &Fields<'_>, urls: impl Iterator<Item = &'t Text>, sink: &mut Sink) -> TlsSettings {
    let secure = |url: &str| {
        let config = known_sslmode(url).ok().and_then(|text| Config::from_str(&text).ok());
        config.is_some_and(|config| config.get_ssl_mode() == SslMode::Require)
    };
    tls_beside(fields, urls, secure, "`sslmode=require` in the URL, or no `tls`", sink)
}

fn tls_beside<'t>(
    fields: &Fields<'_>,
    mut urls: impl Iterator<Item = &'t Text>,
    secure: impl Fn(&str) -> bool,
    expected: &str,
    sink: &mut Sink,
) -> TlsSettings {
    // What a secret says is found out at the start.
    let in_the_clear = urls.any(|url| matches!(url, Text::Plain(url) if !secure(url)));
    if let (true, Some(entry)) = (in_the_clear, fields.entry("tls")) {
        sink.error(entry.key_span, "`tls` has no meaning for a URL without TLS").expected(expected);
    }
    fields.get("tls", sink, http::tls).unwrap_or_default()
}
