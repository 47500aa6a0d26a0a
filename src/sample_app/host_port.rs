//! Where another part of a system is: `127.0.0.1:6379`, or a name, as containers know each other by.

use std::{fmt, net::SocketAddr, str::FromStr};

/// A host, by its address or name, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// Without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl FromStr for HostPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not HOST:PORT");
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || host.chars().any(|c| c.is_whitespace() || c == '/' || c == '@') {
            return Err(wrong());
        }
        Ok(Self { host: host.to_owned(), port: port.parse().map_err(|_| wrong())? })
    }
}

impl From<SocketAddr> for HostPort {
    fn from(address: SocketAddr) -> Self {
        Self { host: address.ip().to_string(), port: address.port() }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') { write!(f, "[{}]:{}", self.host, self.port) } else { write!(f, "{}:{}", self.host, self.port) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_read_and_written_alike() {
        for text in ["127.0.0.1:80", "redis:6379", "[::1]:5432"] {
            assert_eq!(text.parse::<HostPort>().unwrap().to_string(), text);
        }
        for wrong in ["redis", ":80", "redis:", "redis:99999", "a b:1", "user@host:1"] {
            assert!(wrong.parse::<HostPort>().is_err(), "{wrong}");
        }
    }
}
