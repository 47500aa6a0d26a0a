//! Probes of other protocols than plain HTTP: names, connections that stay open, and a monitoring system's own numbers.

use std::net::{IpAddr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    probe::{NameModels, ServedBy, Text, TlsSettings},
    steady_state::Op,
};

/// A question to a name server. It is asked once, over UDP (over TCP when the answer is cut short), and nothing is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DnsProbe {
    /// The name, taken as it is written: no search domain is added.
    pub name: String,
    /// What is asked for.
    pub record: DnsRecord,
    /// The name server; the first of the system's when absent.
    pub server: Option<SocketAddr>,
    /// What the answer must be.
    pub expect: DnsExpect,
}

/// Types of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the names say it")]
pub enum DnsRecord {
    #[default]
    A,
    Aaaa,
    Cname,
    Srv,
    Txt,
    Mx,
    Ns,
    Soa,
    Ptr,
    Caa,
}

impl DnsRecord {
    /// Every type.
    pub const ALL: [Self; 10] =
        [Self::A, Self::Aaaa, Self::Cname, Self::Srv, Self::Txt, Self::Mx, Self::Ns, Self::Soa, Self::Ptr, Self::Caa];

    /// The name in files and on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Cname => "CNAME",
            Self::Srv => "SRV",
            Self::Txt => "TXT",
            Self::Mx => "MX",
            Self::Ns => "NS",
            Self::Soa => "SOA",
            Self::Ptr => "PTR",
            Self::Caa => "CAA",
        }
    }
}

/// Expectations on an answer. Without any, there must be at least one record of the type.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DnsExpect {
    /// Exactly these addresses, in any order.
    pub addresses: Vec<IpAddr>,
    /// No other addresses than these.
    pub among: Vec<IpAddr>,
    /// At least so many records.
    pub at_least: Option<u64>,
    /// One of the records holds this text, written as in a zone file.
    pub contains: Option<String>,
    /// There must be no such record.
    pub none: bool,
}

/// A message on a connection that stays open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebSocketProbe {
    /// `ws://` or `wss://`.
    pub url: String,
    /// How many connections are kept; by the rate when absent.
    pub sockets: Option<u32>,
    /// What a request does on its connection.
    pub exchange: WebSocketExchange,
    /// Headers of the request that opens a connection.
    pub headers: Vec<(String, Text)>,
    /// The `Origin` header.
    pub origin: Option<String>,
    /// The largest message that is taken, in bytes; a larger one is a failure.
    pub message_limit: u64,
    /// Which headers of the answer that opens a connection name the instance and the zone that it goes to.
    pub served_by: Option<ServedBy>,
    /// How the host name becomes an address.
    pub names: NameModels,
    /// The name server (`ip:port`) that is asked in place of the system's.
    pub resolver: Option<SocketAddr>,
    /// TLS settings.
    pub tls: TlsSettings,
}

/// What a request does on a connection that is open.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WebSocketExchange {
    /// Sends a text that no other request sends, and waits for a message that holds it.
    #[default]
    Echo,
    /// Sends a ping, and waits for its pong.
    Ping,
    /// Sends nothing, and waits for the next message that holds this text.
    Message(String),
}

/// An instant query against a threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PrometheusProbe {
    /// The server: `http://` or `https://`, without `/api/v1/query`.
    pub url: String,
    /// The query, in the server's own language.
    pub query: String,
    /// How each value is compared.
    pub op: Op,
    /// With what.
    pub bound: f64,
    /// Whether an answer without a series is a success.
    pub empty_passes: bool,
    /// Headers beside Host, Connection and User-Agent.
    pub headers: Vec<(String, Text)>,
    /// TLS settings.
    pub tls: TlsSettings,
}
