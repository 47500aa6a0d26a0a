//! Probes that speak to a store: Redis, Postgres, and the ledger, which keeps the books of what was acknowledged.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::probe::{Connections, HttpExpect, ServedBy, Text, TlsSettings};

/// The table and the key that a ledger writes to, unless told.
pub const LEDGER: &str = "firedrill_ledger";

/// One command to a Redis server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RedisProbe {
    /// `redis://[user@]host[:port][/db]`, or `rediss://` for TLS; with a password only by reference.
    pub url: Text,
    /// The command and its arguments; `PING` when empty.
    pub command: Vec<String>,
    /// What the reply must be, as text; any reply that is no error when absent.
    pub expect: Option<String>,
    /// Which connections are used.
    pub connections: Connections,
    /// TLS settings, for `rediss://`.
    #[serde(default)]
    pub tls: TlsSettings,
}

/// One statement to a Postgres server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PostgresProbe {
    /// `postgres://user@host[:port][,host[:port]...]/database`; with a password only by reference.
    pub url: Text,
    /// The statement.
    pub query: String,
    /// What the first column of the first row must be, as text; any answer that is no error when absent.
    pub expect: Option<String>,
    /// Which connections are used.
    pub connections: Connections,
    /// TLS settings, for `sslmode=require`.
    #[serde(default)]
    pub tls: TlsSettings,
}

/// Unique writes, and whether each acknowledged one is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LedgerProbe {
    /// How long an acknowledged write may take to be seen, as where a worker does what was only taken in: a reading before that finds
    /// nothing missing, and the last readings wait for it. Zero: at once.
    #[serde(default)]
    pub settles_within: Duration,
    /// Where values are written, and read back.
    pub store: LedgerStore,
    /// Whether the values stay in the store when the run is over.
    #[serde(default)]
    pub keep: bool,
}

/// Where a ledger's values go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LedgerStore {
    /// An application.
    Http(Box<HttpLedger>),
    /// Redis.
    Redis(RedisLedger),
    /// Postgres.
    Postgres(PostgresLedger),
}

impl LedgerStore {
    /// Its TLS settings.
    pub fn tls(&self) -> &TlsSettings {
        match self {
            Self::Http(http) => &http.tls,
            Self::Redis(redis) => &redis.tls,
            Self::Postgres(postgres) => &postgres.tls,
        }
    }
}

/// Values in Redis: fields of a hash, each counted up by its write, or what commands of one's own make of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RedisLedger {
    /// As of a `redis` probe.
    pub url: Text,
    /// Where reads go, when that is another server.
    pub read_from: Option<Text>,
    /// The hash's key.
    pub key: String,
    /// Commands in place of those on the hash. `${value}` in them is the value.
    #[serde(default)]
    pub own: Option<Own<Vec<String>>>,
    /// TLS settings, for `rediss://`.
    #[serde(default)]
    pub tls: TlsSettings,
}

/// Values in Postgres: rows of a table with a text column `value`, or what statements of one's own make of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PostgresLedger {
    /// As of a `postgres` probe.
    pub url: Text,
    /// Where reads go, when that is another server.
    pub read_from: Option<Text>,
    /// The table; made when it is not there.
    pub table: String,
    /// Statements in place of those on the table. `$1` in them is the value; in `list`, what all values of the run begin with.
    #[serde(default)]
    pub own: Option<Own<String>>,
    /// TLS settings, for `sslmode=require`.
    #[serde(default)]
    pub tls: TlsSettings,
}

/// What is said to a store in place of our own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Own<T> {
    /// Writes a value.
    pub write: T,
    /// Reads it: nothing, zero or false says that it is not there.
    pub read: T,
    /// Gives all values; without it each is read by itself at the end.
    pub list: Option<T>,
}

/// An application's own requests for writing and reading a value. Texts are templates, in which `${value}` is the value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HttpLedger {
    /// Writes it: an answer as expected is the acknowledgement.
    pub write: LedgerCall,
    /// Reads it back: an answer as expected says that it is there, another one with a status below 500 that it is not.
    pub read: LedgerCall,
    /// Reads all values at once.
    pub list: Option<LedgerList>,
    /// Which connections are used.
    pub connections: Connections,
    /// Which response headers name the instance and the zone that answered.
    pub served_by: Option<ServedBy>,
    /// TLS settings.
    pub tls: TlsSettings,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LedgerCall {
    /// The method.
    pub method: String,
    /// A template whose scheme, host and port are fixed.
    pub url: String,
    /// Headers. Plain values are templates.
    pub headers: Vec<(String, Text)>,
    /// The body, a template.
    pub body: Option<String>,
    /// The body's content type, where it is known.
    pub content_type: Option<String>,
    /// What an answer must be. Its texts are templates, but for the regular expression.
    pub expect: HttpExpect,
}

/// The request for all values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LedgerList {
    /// The URL, got.
    pub url: String,
    /// Headers.
    pub headers: Vec<(String, Text)>,
    /// The JSON pointer of the array of values; without it the body is one value a line.
    pub json: Option<String>,
}

/// An address of Postgres with its `sslmode` in the words that its client knows: TLS is verified whenever there is any, as `libpq` calls
/// `verify-full`. Else the mode that cannot be had: with one that is content with less, a drill would not know what it measured.
pub fn known_sslmode(address: &str) -> Result<String, String> {
    const KEY: &str = "sslmode=";
    let Some(at) = address.find(KEY) else { return Ok(address.to_owned()) };
    let (before, rest) = address.split_at(at + KEY.len());
    let mode = rest.split(['&', ' ']).next().unwrap_or_default();
    let known = match mode {
        "disable" => "disable",
        "require" | "verify-ca" | "verify-full" => "require",
        _ => return Err(mode.to_owned()),
    };
    Ok(format!("{before}{known}{}", &rest[mode.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mode_is_verified_or_none_or_refused() {
        let known = |text: &str| known_sslmode(text);
        assert_eq!(known("postgres://db/x").as_deref(), Ok("postgres://db/x"));
        assert_eq!(known("postgres://db/x?sslmode=verify-full&a=b").as_deref(), Ok("postgres://db/x?sslmode=require&a=b"));
        assert_eq!(known("host=db sslmode=disable user=x").as_deref(), Ok("host=db sslmode=disable user=x"));
        assert_eq!(known("postgres://db/x?sslmode=prefer").unwrap_err(), "prefer");
        assert_eq!(known("host=db sslmode='require'").unwrap_err(), "'require'");
    }
}
