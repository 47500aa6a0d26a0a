//! What a probe asks for; how it is asked is `crate::probe`.

use std::{collections::BTreeMap, fmt, net::SocketAddr, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ids::{ProbeName, Service},
    journey::{JourneyProbe, Users},
    protocol::{DnsProbe, PrometheusProbe, WebSocketProbe},
    quantity::Rate,
    store::{LedgerProbe, PostgresProbe, RedisProbe},
};

/// A probe of the experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProbeSpec {
    /// Its name.
    pub name: ProbeName,
    /// What a request is.
    pub kind: ProbeKind,
    /// Requests per second, open loop. Of a kind whose users come back: the mean.
    pub rate: Rate,
    /// The deadline of a request over everything, counted from its due time.
    pub timeout: Duration,
    /// A success slower than this is `ok-slow`.
    pub slow: Option<Duration>,
    /// The service that answers it, where the file says so: then the report can name who depends on whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
}

/// What a request is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ProbeKind {
    /// One HTTP/1.1 request.
    Http(Box<HttpProbe>),
    /// One step of one user.
    Journey(Box<JourneyProbe>),
    /// One TCP connection.
    Tcp(TcpProbe),
    /// One run of a program.
    Command(CommandProbe),
    /// One question to a name server.
    Dns(DnsProbe),
    /// One message on a connection that stays open.
    #[serde(rename = "websocket")]
    WebSocket(Box<WebSocketProbe>),
    /// One instant query.
    Prometheus(Box<PrometheusProbe>),
    /// One command to a Redis server.
    Redis(RedisProbe),
    /// One statement to a Postgres server.
    Postgres(PostgresProbe),
    /// Unique writes, each read back.
    Ledger(Box<LedgerProbe>),
}

impl ProbeKind {
    /// The key in the file.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Journey(_) => "journey",
            Self::Tcp(_) => "tcp",
            Self::Command(_) => "command",
            Self::Dns(_) => "dns",
            Self::WebSocket(_) => "websocket",
            Self::Prometheus(_) => "prometheus",
            Self::Redis(_) => "redis",
            Self::Postgres(_) => "postgres",
            Self::Ledger(_) => "ledger",
        }
    }

    /// The rate at which requests begin by themselves; `None` for a kind all of whose requests are asked for by its users' own time.
    pub fn regular(&self, rate: Rate) -> Option<Rate> {
        match self {
            Self::Journey(journey) => match journey.users {
                Users::Crowd(_) => None,
                Users::Arriving(rate) => Some(rate),
            },
            _ => Some(rate),
        }
    }

    /// Whether a request is due at each slot of the rate and at no other time. Otherwise the rate is a mean.
    pub fn is_even(&self) -> bool {
        !matches!(self, Self::Journey(_) | Self::Ledger(_))
    }

    /// What each route of `Sample::route` is called, from 1 on.
    pub fn routes(&self) -> Vec<String> {
        match self {
            Self::Ledger(_) => ["write", "read", "list", "remove"].map(str::to_owned).to_vec(),
            Self::Journey(journey) => journey.steps.iter().map(|step| step.name.clone()).collect(),
            _ => Vec::new(),
        }
    }

    /// Its TLS settings, if it has any.
    pub fn tls(&self) -> Option<&TlsSettings> {
        match self {
            Self::Http(http) => Some(&http.tls),
            Self::Journey(journey) => Some(&journey.tls),
            Self::WebSocket(socket) => Some(&socket.tls),
            Self::Prometheus(prometheus) => Some(&prometheus.tls),
            Self::Redis(redis) => Some(&redis.tls),
            Self::Postgres(postgres) => Some(&postgres.tls),
            Self::Ledger(ledger) => Some(ledger.store.tls()),
            _ => None,
        }
    }

    /// The headers that it sends, if it sends any of its own. A journey's are its steps'.
    pub fn headers(&self) -> &[(String, Text)] {
        match self {
            Self::Http(http) => &http.headers,
            Self::WebSocket(socket) => &socket.headers,
            Self::Prometheus(prometheus) => &prometheus.headers,
            _ => &[],
        }
    }
}

/// An HTTP request with expectations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HttpProbe {
    /// `http://` or `https://`, variables already put in.
    pub url: String,
    /// `GET` unless told.
    pub method: String,
    /// Headers beside Host, Connection and User-Agent.
    pub headers: Vec<(String, Text)>,
    /// The request's body.
    pub body: Option<Text>,
    /// Which connections are used.
    pub connections: Connections,
    /// How the host name becomes an address.
    pub names: NameModels,
    /// The name server (`ip:port`) that is asked in place of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolver: Option<SocketAddr>,
    /// Addresses (`ip` or `ip:port`) used in place of resolving the host's name, like A records.
    pub addresses: Vec<String>,
    /// What an answer must be.
    pub expect: HttpExpect,
    /// Bytes of the body that are read; more is a failure.
    pub body_limit: u64,
    /// Which response headers name the instance and the zone that answered.
    pub served_by: Option<ServedBy>,
    /// The request header that carries each request's number, so that it is found again in the logs of the system.
    #[serde(default)]
    pub number_header: Option<String>,
    /// TLS settings.
    pub tls: TlsSettings,
    /// `http://host:port` of a proxy.
    pub proxy: Option<String>,
}

/// Expectations on an HTTP answer. All must hold.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HttpExpect {
    /// Accepted status codes; 200 to 299 when empty.
    pub status: Vec<u16>,
    /// Headers that must be there with this value.
    pub headers: BTreeMap<String, String>,
    /// Text that the body must contain.
    pub body_contains: Option<String>,
    /// Regular expression that the body must match.
    pub body_matches: Option<String>,
    /// JSON pointer (RFC 6901) to value, compared as JSON.
    pub json: BTreeMap<String, serde_json::Value>,
    /// The door must be closed: only `refused`, `unreachable` or `connect-timeout` is a success.
    pub unreachable: bool,
}

/// Which connections requests use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Connections {
    /// A new connection for each request: a new visitor.
    New,
    /// A connection that is already there: a browser that came before.
    KeepAlive,
    /// Drawn per request by a seeded hash of its number, reported apart.
    #[default]
    Both,
}

/// How a name becomes an address: what kind of client a user has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum NameModel {
    /// Resolved for each new connection; one address of the answer is drawn per request.
    #[default]
    EachConnection = 0,
    /// Resolved, and kept as long as the record's time to live says. The probe's users share what was looked up, as the programs of a
    /// machine do.
    Ttl = 1,
    /// Resolved once for ever; each request is drawn as one of the users who cached one of the addresses.
    Pinned = 2,
    /// Each address by itself: a request is drawn for one of the addresses that the name has now.
    EachAddress = 3,
}

impl NameModel {
    /// Every model, in the order of its number.
    pub const ALL: [Self; 4] = [Self::EachConnection, Self::Ttl, Self::Pinned, Self::EachAddress];

    /// The name in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::EachConnection => "each-connection",
            Self::Ttl => "ttl",
            Self::Pinned => "pinned",
            Self::EachAddress => "each-address",
        }
    }

    /// The user who has such a client, for a sentence.
    pub fn user(self) -> &'static str {
        match self {
            Self::EachConnection => "a new visitor",
            Self::Ttl => "one who keeps an address as long as its record allows",
            Self::Pinned => "one who kept a looked-up address",
            Self::EachAddress => "one of the users of each address",
        }
    }
}

/// One model, or several among which each request is drawn, reported apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum NameModels {
    /// All users are alike.
    One(NameModel),
    /// Drawn per request by a seeded hash of its number. At least one, none twice.
    Several(Vec<NameModel>),
}

impl NameModels {
    /// The models; at least one.
    pub fn list(&self) -> &[NameModel] {
        match self {
            Self::One(model) => std::slice::from_ref(model),
            Self::Several(models) if models.is_empty() => &[NameModel::EachConnection],
            Self::Several(models) => models,
        }
    }

    /// Whether nothing was said.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// Whether this is one of them.
    pub fn has(&self, model: NameModel) -> bool {
        self.list().contains(&model)
    }
}

impl Default for NameModels {
    fn default() -> Self {
        Self::One(NameModel::default())
    }
}

impl From<NameModel> for NameModels {
    fn from(model: NameModel) -> Self {
        Self::One(model)
    }
}

/// How an answer is attributed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServedBy {
    /// The response header that names the instance.
    pub header: Option<String>,
    /// The response header that names the zone.
    pub zone_header: Option<String>,
}

/// TLS settings of a probe. Verification is on unless `insecure`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TlsSettings {
    /// PEM file with the authorities to trust in place of the system's.
    pub ca: Option<String>,
    /// PEM file with the client's certificate chain.
    pub certificate: Option<String>,
    /// PEM file with the client's key.
    pub key: Option<String>,
    /// No verification; said loudly in the report.
    pub insecure: bool,
}

/// A TCP connection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TcpProbe {
    /// `host:port`.
    pub address: String,
    /// How the host name becomes an address.
    #[serde(default, skip_serializing_if = "NameModels::is_usual")]
    pub names: NameModels,
    /// The name server (`ip:port`) that is asked in place of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolver: Option<SocketAddr>,
    /// Sent after connecting, if any.
    pub send: Option<String>,
    /// Must be received after that, if any.
    pub receive: Option<String>,
    /// The door must be closed.
    pub unreachable: bool,
}

/// A program whose exit status says ok or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CommandProbe {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Exit statuses that count as success; 0 when empty.
    pub status: Vec<i32>,
}

/// Text, or where a secret is to be found. A secret's value is never part of the model.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Text {
    /// Plain text.
    Plain(String),
    /// The value of an environment variable.
    Env(String),
    /// The content of a file, without its last newline.
    File(String),
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(text) => write!(f, "{text:?}"),
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{path}"),
        }
    }
}
