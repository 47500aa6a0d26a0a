//! The `postgres` probe: one statement, and the first column of its first row.

use std::rc::Rc;

use tokio_postgres::SimpleQueryMessage;

use crate::{
    model::{probe::Connections, sample::SampleOutcome, store::PostgresProbe},
    probe::{
        pacer::Shared,
        stage::Trace,
        store::{
            LARGEST, judged, policy,
            postgres::{Postgres, Servers},
        },
    },
};

/// A `postgres` probe, ready to move to the pacing thread.
pub struct PreparedPostgres {
    servers: Servers,
    spec: PostgresProbe,
}

impl PreparedPostgres {
    /// Words for the user when the server cannot be asked.
    pub fn new(spec: &PostgresProbe) -> Result<Self, String> {
        Ok(Self { servers: Servers::new(&spec.url, &spec.tls)?, spec: spec.clone() })
    }

    /// On the pacing thread.
    pub fn into_kind(self, rate: f64) -> PostgresKind {
        PostgresKind { postgres: Postgres::new(self.servers, rate), spec: self.spec }
    }
}

/// A `postgres` probe on the pacing thread.
pub struct PostgresKind {
    postgres: Postgres,
    spec: PostgresProbe,
}

impl PostgresKind {
    /// How many connections it keeps.
    pub fn kept(&self) -> u64 {
        self.postgres.size()
    }

    /// One statement. By the simple protocol: its answers are text, whatever the column's type.
    pub async fn attempt(&self, shared: &Rc<Shared>, trace: &mut Trace) -> SampleOutcome {
        trace.policy = policy(self.connections(), shared, trace);
        let answered = self.postgres.on(shared, trace, LARGEST, async |client| client.simple_query(&self.spec.query).await).await;
        match answered {
            Ok(messages) => {
                let first = messages.iter().find_map(|message| match message {
                    SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
                    _ => None,
                });
                judged(self.spec.expect.as_deref(), &first.unwrap_or_default())
            }
            Err(failed) => failed,
        }
    }

    fn connections(&self) -> Connections {
        self.spec.connections
    }
}
