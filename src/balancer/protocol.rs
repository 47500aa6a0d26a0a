//! What the balancer's process and its supervisor say to each other: JSON lines. The first line on the process's stdin is a
//! `Config`, each further line a `Command`; on its stdout each line is a `Report`. The end of stdin ends the process.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::model::{
    fault::Cut,
    ids::{InstanceId, Service, Zone},
    quantity::Share,
    time::Mono,
};

/// What a balancer is started with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Its name in `system.yaml`.
    pub name: String,
    /// Where it listens; port 0 takes a free one, and `Report::Listening` says which.
    pub listen: SocketAddr,
    /// The backends of the start; more may come with `Action::Add`.
    pub backends: Vec<Backend>,
    /// How requests are shared among the backends' services; evenly among all backends when empty.
    #[serde(default)]
    pub shares: BTreeMap<Service, u32>,
    /// How each backend's health is checked.
    pub check: Check,
    /// The name of the cookie that keeps a client at its backend; none is plain round robin.
    pub sticky: Option<String>,
    /// The limit for a connection to a backend: longer is a 504.
    #[serde(rename = "connect_timeout_ms", with = "millis")]
    pub connect_timeout: Duration,
    /// The limit from the request to the head of its answer: longer is a 504.
    #[serde(rename = "response_timeout_ms", with = "millis")]
    pub response_timeout: Duration,
}

/// A server behind the balancer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backend {
    /// Unique among the balancer's backends.
    pub id: InstanceId,
    /// Its service, which shares are given to.
    pub service: Service,
    /// Its zone, for the header `x-zone`.
    pub zone: Zone,
    /// Where it listens.
    pub address: SocketAddr,
}

/// A health check. A backend gets no requests before its first `rise` good checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// What a check does.
    pub kind: CheckKind,
    /// From the start of one check to the start of the next; a check that takes longer delays the next.
    #[serde(rename = "every_ms", with = "millis")]
    pub every: Duration,
    /// A check that takes longer has failed.
    #[serde(rename = "timeout_ms", with = "millis")]
    pub timeout: Duration,
    /// Good checks in a row that admit a backend.
    pub rise: u32,
    /// Bad checks in a row that eject a backend.
    pub fall: u32,
}

/// What a health check does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckKind {
    /// GET on the path, over a new connection; 2xx and 3xx are good.
    Http {
        /// The path, from `/`.
        path: String,
    },
    /// A connection is made and closed.
    Tcp,
}

/// One line to the balancer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// Comes back in the answer.
    pub seq: u64,
    /// What to do.
    #[serde(flatten)]
    pub action: Action,
}

/// What the balancer is told to do. What the faults do is explained in `balancer::faults`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Action {
    /// A backend more.
    Add {
        /// It.
        backend: Backend,
    },
    /// New requests to the backend stop at once, those in flight finish. Answered when no new request can reach it.
    Remove {
        /// Which.
        id: InstanceId,
    },
    /// The backend gets no new requests, or does again. Those in flight finish; its health is still checked.
    Drain {
        /// Which.
        id: InstanceId,
        /// Whether it drains.
        draining: bool,
    },
    /// Requests are shared among services in this way from now on.
    Share {
        /// The share of each; a service that is not named gets none. Evenly among all backends when empty.
        shares: BTreeMap<Service, u32>,
    },
    /// The backend is cut off. A second partition replaces the first.
    Partition {
        /// Which.
        id: InstanceId,
        /// How it feels.
        mode: Cut,
    },
    /// The backend's answers are delayed. A second one replaces the first.
    Slow {
        /// Which.
        id: InstanceId,
        /// Added to each answer.
        #[serde(rename = "latency_ms", with = "millis")]
        latency: Duration,
        /// Up to this much more, uniformly.
        #[serde(rename = "jitter_ms", with = "millis")]
        jitter: Duration,
    },
    /// Requests to the backend are lost. A second one replaces the first.
    Loss {
        /// Which.
        id: InstanceId,
        /// The share that is lost.
        share: Share,
    },
    /// A fault ends; ending one that is not there is done already.
    Heal {
        /// Which.
        id: InstanceId,
        /// The fault.
        what: Healed,
    },
}

/// The fault that `Action::Heal` ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Healed {
    /// `Action::Partition`.
    Partition,
    /// `Action::Slow`.
    Slow,
    /// `Action::Loss`.
    Loss,
}

/// One line from the balancer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "kebab-case")]
pub enum Report {
    /// Connections are accepted from now on. The first report, unless it is `Failed`.
    Listening {
        /// Where.
        address: SocketAddr,
    },
    /// A backend gets no new requests: it failed `fall` checks in a row.
    Ejected {
        /// Which.
        id: InstanceId,
        /// When.
        at: Mono,
        /// What the last check saw.
        why: String,
    },
    /// A backend gets requests: it passed `rise` checks in a row.
    Admitted {
        /// Which.
        id: InstanceId,
        /// When.
        at: Mono,
    },
    /// A command was carried out.
    Done {
        /// Which.
        seq: u64,
    },
    /// A command was not carried out; nothing changed.
    Refused {
        /// Which.
        seq: u64,
        /// Why.
        why: String,
    },
    /// The balancer cannot go on and ends. The last report.
    Failed {
        /// Why.
        why: String,
    },
}

/// Durations as milliseconds with fractions: readable in a line, exact to the nanosecond for anything shorter than a month.
mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(d: &Duration, out: S) -> Result<S::Ok, S::Error> {
        if d.subsec_nanos().is_multiple_of(1_000_000) {
            out.serialize_u64(u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
        } else {
            out.serialize_f64(d.as_secs_f64() * 1e3)
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Duration, D::Error> {
        let number = f64::deserialize(input)?;
        let rounded = Duration::try_from_secs_f64((number * 1e6).round() / 1e9);
        rounded.map_err(|_| D::Error::custom(format!("{number} is not a number of milliseconds")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_look_as_documented_and_come_back() {
        let command = Command {
            seq: 7,
            action: Action::Slow { id: "web-a-1".into(), latency: Duration::from_millis(200), jitter: Duration::from_micros(1_500) },
        };
        let line = serde_json::to_string(&command).unwrap();
        assert_eq!(line, r#"{"seq":7,"command":"slow","id":"web-a-1","latency_ms":200,"jitter_ms":1.5}"#);
        assert_eq!(serde_json::from_str::<Command>(&line).unwrap(), command);

        let report = Report::Admitted { id: "web-a-1".into(), at: Mono(12) };
        let line = serde_json::to_string(&report).unwrap();
        assert_eq!(line, r#"{"report":"admitted","id":"web-a-1","at":12}"#);
        assert_eq!(serde_json::from_str::<Report>(&line).unwrap(), report);
    }

    #[test]
    fn a_config_comes_back() {
        let config = Config {
            name: "edge".into(),
            listen: "127.0.0.1:0".parse().unwrap(),
            backends: vec![Backend {
                id: "web-a-1".into(),
                service: "web".into(),
                zone: "a".into(),
                address: "127.0.0.1:9".parse().unwrap(),
            }],
            check: Check {
                kind: CheckKind::Http { path: "/health".into() },
                every: Duration::from_millis(100),
                timeout: Duration::from_nanos(1_234_567),
                rise: 2,
                fall: 3,
            },
            shares: BTreeMap::new(),
            sticky: Some("SERVERID".into()),
            connect_timeout: Duration::from_millis(500),
            response_timeout: Duration::from_secs(30),
        };
        let line = serde_json::to_string(&config).unwrap();
        assert!(line.contains(r#""kind":{"http":{"path":"/health"}},"every_ms":100,"timeout_ms":1.234567"#), "{line}");
        assert_eq!(serde_json::from_str::<Config>(&line).unwrap(), config);
    }

    #[test]
    fn a_duration_below_zero_is_an_error_not_a_panic() {
        let line = r#"{"seq":1,"command":"slow","id":"w","latency_ms":-1,"jitter_ms":0}"#;
        let error = serde_json::from_str::<Command>(line).unwrap_err().to_string();
        assert!(error.contains("-1 is not a number of milliseconds"), "{error}");
    }
}
