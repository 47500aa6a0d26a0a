//! What a config must hold before anything is started.

use std::{collections::BTreeSet, time::Duration};

use super::protocol::{Check, CheckKind, Config};

/// A backend that cannot be added, with what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct BadBackend(pub(super) String);

/// The first thing that is wrong with a config.
pub(super) fn check(config: &Config) -> Result<(), String> {
    let mut ids = BTreeSet::new();
    if let Some(twice) = config.backends.iter().find(|b| !ids.insert(&b.id)) {
        return Err(format!("two backends have the id `{}`", twice.id));
    }
    if let Some(name) = &config.sticky
        && (name.is_empty() || !name.bytes().all(is_token))
    {
        return Err(format!("{name:?} is not a cookie's name: letters, digits, `-`, `_` and `.` are expected"));
    }
    positive("connect timeout", config.connect_timeout)?;
    positive("response timeout", config.response_timeout)?;
    check_of(&config.check)
}

fn check_of(check: &Check) -> Result<(), String> {
    positive("time between health checks", check.every)?;
    positive("health check's timeout", check.timeout)?;
    if check.rise == 0 || check.fall == 0 {
        return Err(format!("rise ({}) and fall ({}) of the health check must be at least 1", check.rise, check.fall));
    }
    if let CheckKind::Http { path } = &check.kind
        && (!path.starts_with('/') || path.parse::<http::uri::PathAndQuery>().is_err())
    {
        return Err(format!("{path:?} is not a path for a health check: something like `/health` is expected"));
    }
    Ok(())
}

fn positive(what: &str, d: Duration) -> Result<(), String> {
    if d.is_zero() { Err(format!("the {what} must be above zero")) } else { Ok(()) }
}

/// What RFC 9110 allows in a token.
fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::balancer::protocol::Backend;

    type Spoil = fn(&mut Config);

    fn good() -> Config {
        Config {
            name: "edge".into(),
            listen: "127.0.0.1:0".parse().unwrap(),
            backends: vec![Backend { id: "a".into(), service: "web".into(), zone: "z".into(), address: "127.0.0.1:1".parse().unwrap() }],
            check: Check {
                kind: CheckKind::Http { path: "/health".into() },
                every: Duration::from_millis(100),
                timeout: Duration::from_millis(300),
                rise: 2,
                fall: 2,
            },
            shares: BTreeMap::new(),
            sticky: None,
            connect_timeout: Duration::from_millis(500),
            response_timeout: Duration::from_secs(30),
        }
    }

    #[test]
    fn each_wrong_thing_is_named() {
        assert_eq!(check(&good()), Ok(()));
        let cases: [(Spoil, &str); 7] = [
            (|c| c.backends.push(c.backends[0].clone()), "two backends have the id `a`"),
            (|c| c.sticky = Some("a b".into()), "not a cookie's name"),
            (|c| c.connect_timeout = Duration::ZERO, "the connect timeout must be above zero"),
            (|c| c.response_timeout = Duration::ZERO, "the response timeout must be above zero"),
            (|c| c.check.every = Duration::ZERO, "the time between health checks must be above zero"),
            (|c| c.check.fall = 0, "rise (2) and fall (0) of the health check must be at least 1"),
            (|c| c.check.kind = CheckKind::Http { path: "health".into() }, "\"health\" is not a path"),
        ];
        for (spoil, expected) in cases {
            let mut config = good();
            spoil(&mut config);
            let why = check(&config).expect_err(expected);
            assert!(why.contains(expected), "{why}");
        }
    }
}
