//! How far one request has come: what a sample is made of, kept where a passed deadline cannot take it away.

use crate::{
    clock,
    model::{
        probe::NameModel,
        sample::{NEVER, NameIndex, Policy, Sample, SampleOutcome},
        time::Mono,
    },
    probe::schedule::Due,
};

/// What the request is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// An address.
    Resolving,
    /// A TCP connection.
    Connecting,
    /// The TLS handshake.
    Securing,
    /// The answer, all of it.
    Waiting,
}

impl Stage {
    /// What the request has become when its deadline passes here.
    pub fn at_deadline(self) -> SampleOutcome {
        match self {
            Self::Resolving => SampleOutcome::DnsTimeout,
            Self::Connecting => SampleOutcome::ConnectTimeout,
            Self::Securing => SampleOutcome::Tls,
            Self::Waiting => SampleOutcome::ResponseTimeout,
        }
    }
}

/// One request under way.
#[derive(Debug, Clone)]
pub struct Trace {
    /// Which request.
    pub due: Due,
    /// When it was due.
    pub due_at: Mono,
    /// What it waits for.
    pub stage: Stage,
    /// Whether it went out on a connection that had carried another before.
    pub reused: bool,
    /// What is already certain, whatever becomes of the rest: a wrong status.
    pub certain: Option<SampleOutcome>,
    /// See `Sample`.
    pub sent_us: u32,
    /// See `Sample`.
    pub connected_us: u32,
    /// See `Sample`.
    pub first_byte_us: u32,
    /// See `Sample`.
    pub bytes: u64,
    /// See `Sample`.
    pub status: u16,
    /// See `Sample`.
    pub route: u16,
    /// See `Sample`.
    pub policy: Policy,
    /// See `Sample`.
    pub names: Option<NameModel>,
    /// See `Sample`.
    pub backend: NameIndex,
    /// See `Sample`.
    pub zone: NameIndex,
    /// See `Sample`.
    pub address: NameIndex,
}

impl Trace {
    /// A request that is begun now.
    pub fn begin(due: Due, origin: Mono) -> Self {
        let due_at = Mono(origin.0 + due.at_ns);
        Self {
            due,
            due_at,
            stage: Stage::Resolving,
            reused: false,
            certain: None,
            sent_us: micros(due_at, clock::now()),
            connected_us: NEVER,
            first_byte_us: NEVER,
            bytes: 0,
            status: 0,
            route: 0,
            policy: Policy::None,
            names: None,
            backend: NameIndex(0),
            zone: NameIndex(0),
            address: NameIndex(0),
        }
    }

    /// The same request once more, of which nothing is known yet.
    pub fn for_retry(&self) -> Self {
        Self {
            stage: Stage::Resolving,
            reused: false,
            certain: None,
            connected_us: NEVER,
            first_byte_us: NEVER,
            bytes: 0,
            status: 0,
            ..self.clone()
        }
    }

    /// The connection is made.
    pub fn connected(&mut self) {
        self.connected_us = micros(self.due_at, clock::now());
        self.stage = Stage::Waiting;
    }

    /// The answer began to arrive at this moment.
    pub fn first_byte(&mut self, at: Mono) {
        if self.first_byte_us == NEVER {
            self.first_byte_us = micros(self.due_at, at);
        }
    }

    /// What it has become when the deadline passes now.
    pub fn at_deadline(&self) -> SampleOutcome {
        self.certain.unwrap_or(self.stage.at_deadline())
    }

    /// The request is over.
    pub fn end(&self, outcome: SampleOutcome) -> Sample {
        Sample {
            probe: self.due.probe,
            route: self.route,
            number: self.due.number,
            due_ns: self.due.at_ns,
            sent_us: self.sent_us,
            connected_us: self.connected_us,
            first_byte_us: self.first_byte_us,
            done_us: micros(self.due_at, clock::now()),
            bytes: u32::try_from(self.bytes).unwrap_or(u32::MAX),
            status: self.status,
            outcome,
            retried: None,
            policy: self.policy,
            names: self.names,
            backend: self.backend,
            zone: self.zone,
            address: self.address,
        }
    }
}

/// Microseconds from the due time to `at`, below `NEVER`.
fn micros(due: Mono, at: Mono) -> u32 {
    u32::try_from(at.since(due).as_micros()).unwrap_or(NEVER).min(NEVER - 1)
}
