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
    /// `redis://[user@]host[:port][/db]`; with a password only by reference.
    pub url: Text,
    /// The command and its arguments; `PING` when empty.
    pub command: Vec<String>,
    /// What the reply must be, as text; any reply that is no error when absent.
    pub expect: Option<String>,
    /// Which connections are used.
    pub connections: Connections,
}

/// One statement to a Postgres server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PostgresProbe {
    /// `postgres://user@host[,host...][:port]/database`; with a password only by reference.
    pub url: Text,
    /// The statement.
    pub query: String,
    /// What the first column of the first row must be, as text; any answer that is no error when absent.
    pub expect: Option<String>,
    /// Which connections are used.
    pub connections: Connections,
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
}

/// Where a ledger's values go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LedgerStore {
    /// An application.
    Http(Box<HttpLedger>),
    /// A hash whose fields are the values, each counted up by its write.
    Redis {
        /// As of a `redis` probe.
        url: Text,
        /// Where reads go, when that is another server.
        read_from: Option<Text>,
        /// The hash's key.
        key: String,
    },
    /// A table with one text column `value`.
    Postgres {
        /// As of a `postgres` probe.
        url: Text,
        /// Where reads go, when that is another server.
        read_from: Option<Text>,
        /// The table; made when it is not there.
        table: String,
    },
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
