//! The kinds of probe behind one door: made ready at launch, then one request after the other.

use std::{rc::Rc, time::Duration};

use crate::{
    model::{
        probe::{ProbeKind, ProbeSpec},
        sample::{NEVER, Sample, SampleOutcome},
        state::StateFindings,
        time::nanos,
    },
    probe::{
        command::CommandKind,
        connect::closed_door,
        dns::DnsKind,
        http::{HttpKind, PreparedHttp},
        journey::{JourneyKind, PreparedJourney},
        ledger::{self, LedgerKind, PreparedLedger},
        pacer::{Shared, most_in_flight},
        postgres::{PostgresKind, PreparedPostgres},
        prometheus,
        redis::{PreparedRedis, RedisKind},
        schedule::Due,
        stage::Trace,
        tcp::TcpKind,
        websocket::{PreparedWebSocket, WebSocketKind},
    },
};

/// A probe whose names, secrets and keys were looked up; may still move to the pacing thread.
pub struct Prepared {
    name: String,
    kind: PreparedKind,
    rate: f64,
    timeout: Duration,
    slow: Option<Duration>,
}

enum PreparedKind {
    Http(Box<PreparedHttp>),
    Journey(Box<PreparedJourney>),
    Tcp(TcpKind),
    Command(CommandKind),
    Dns(DnsKind),
    WebSocket(Box<PreparedWebSocket>),
    Redis(Box<PreparedRedis>),
    Postgres(Box<PreparedPostgres>),
    Ledger(Box<PreparedLedger>),
}

impl Prepared {
    /// Makes a probe ready; words for the user when it cannot be.
    pub fn new(spec: &ProbeSpec) -> Result<Self, String> {
        if spec.timeout.is_zero() {
            return Err("its timeout is zero".to_owned());
        }
        let kind = match &spec.kind {
            ProbeKind::Http(http) => PreparedKind::Http(Box::new(PreparedHttp::new(http, spec.rate.0, spec.timeout)?)),
            ProbeKind::Journey(journey) => {
                PreparedKind::Journey(Box::new(PreparedJourney::new(spec.name.as_str(), journey, spec.timeout)?))
            }
            ProbeKind::Tcp(tcp) => PreparedKind::Tcp(TcpKind::new(tcp, spec.timeout)?),
            ProbeKind::Command(command) => PreparedKind::Command(CommandKind::new(command)?),
            ProbeKind::Dns(dns) => PreparedKind::Dns(DnsKind::new(dns, spec.timeout)?),
            ProbeKind::WebSocket(socket) => PreparedKind::WebSocket(Box::new(PreparedWebSocket::new(socket, spec.rate.0, spec.timeout)?)),
            ProbeKind::Redis(redis) => PreparedKind::Redis(Box::new(PreparedRedis::new(redis)?)),
            ProbeKind::Postgres(postgres) => PreparedKind::Postgres(Box::new(PreparedPostgres::new(postgres)?)),
            ProbeKind::Ledger(ledger) => PreparedKind::Ledger(Box::new(PreparedLedger::new(ledger, spec.rate.0, spec.timeout)?)),
            ProbeKind::Prometheus(query) => PreparedKind::Http(Box::new(prometheus::prepared(query, spec.rate.0, spec.timeout)?)),
        };
        Ok(Self { name: spec.name.to_string(), kind, rate: spec.rate.0, timeout: spec.timeout, slow: spec.slow })
    }

    /// What the probe is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Requests a second.
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// Whether a request starts a program.
    pub fn starts_programs(&self) -> bool {
        matches!(self.kind, PreparedKind::Command(_))
    }

    /// The probe on the pacing thread.
    pub fn into_kind(self) -> Kind {
        let doing = match self.kind {
            PreparedKind::Http(http) => Doing::Http(Box::new(http.into_kind())),
            PreparedKind::Journey(journey) => Doing::Journey(Box::new(journey.into_kind())),
            PreparedKind::Tcp(tcp) => Doing::Tcp(tcp),
            PreparedKind::Command(command) => Doing::Command(command),
            PreparedKind::Dns(dns) => Doing::Dns(dns),
            PreparedKind::WebSocket(socket) => Doing::WebSocket(socket.into_kind()),
            PreparedKind::Redis(redis) => Doing::Redis(Box::new(redis.into_kind(self.rate))),
            PreparedKind::Postgres(postgres) => Doing::Postgres(Box::new(postgres.into_kind(self.rate))),
            PreparedKind::Ledger(ledger) => Doing::Ledger(Box::new(ledger.into_kind(self.rate))),
        };
        Kind { doing, rate: self.rate, timeout: self.timeout, slow: self.slow }
    }
}

/// A probe on the pacing thread.
pub struct Kind {
    doing: Doing,
    rate: f64,
    timeout: Duration,
    slow: Option<Duration>,
}

enum Doing {
    Http(Box<HttpKind>),
    Journey(Box<JourneyKind>),
    Tcp(TcpKind),
    Command(CommandKind),
    Dns(DnsKind),
    WebSocket(WebSocketKind),
    Redis(Box<RedisKind>),
    Postgres(Box<PostgresKind>),
    Ledger(Box<LedgerKind>),
}

impl Kind {
    /// What is due before any request: a crowd's users, each at a time of its own. Nanoseconds after the origin, and what the kind knows
    /// the turn by.
    pub fn first_turns(&self) -> Vec<(u64, u32)> {
        match &self.doing {
            Doing::Journey(journey) => journey.first_turns(),
            _ => Vec::new(),
        }
    }

    /// What is due when the run has ended: each user comes once more, each write is read once more. Asked once; from `now_ns` on.
    pub fn last_turns(&self, now_ns: u64) -> Vec<(u64, u32)> {
        match &self.doing {
            Doing::Journey(journey) => journey.last_turns(now_ns),
            Doing::Ledger(ledger) => ledger.last_turns(now_ns),
            _ => Vec::new(),
        }
    }

    /// What is due when the last round is over: what was made for the run is put away. Asked once; from `now_ns` on.
    pub fn closing_turns(&self, now_ns: u64) -> Vec<(u64, u32)> {
        if let Doing::Ledger(ledger) = &self.doing { ledger.closing_turns(now_ns) } else { Vec::new() }
    }

    /// How long after the end the last round may still find what it waits for.
    pub fn settles_within(&self) -> Duration {
        if let Doing::Ledger(ledger) = &self.doing { ledger.settles_within() } else { Duration::ZERO }
    }

    /// A request that was due was not sent: too many are in flight. A kind whose users come back plans their next turn.
    pub fn skipped(&self, shared: &Shared, due: Due) {
        match &self.doing {
            Doing::Journey(journey) => journey.skipped(shared, due),
            Doing::Ledger(_) => ledger::skipped(shared, due),
            _ => {}
        }
    }

    /// What the probe found out about state. Asked when the last request is over.
    pub fn state(&self) -> Option<StateFindings> {
        match &self.doing {
            Doing::Journey(journey) => Some(journey.state()),
            Doing::WebSocket(socket) => Some(socket.state()),
            Doing::Ledger(ledger) => Some(ledger.state()),
            _ => None,
        }
    }

    /// See `pacer::most_in_flight`.
    pub fn most_in_flight(&self) -> u64 {
        match &self.doing {
            Doing::Journey(journey) => journey.most_in_flight(self.rate, self.timeout),
            // Its readings come beside its writes.
            Doing::Ledger(_) => most_in_flight(2.0 * self.rate, self.timeout),
            _ => most_in_flight(self.rate, self.timeout),
        }
    }

    /// How many descriptors it may hold at once.
    pub fn descriptors(&self) -> u64 {
        let kept = match &self.doing {
            Doing::WebSocket(socket) => socket.kept(),
            Doing::Redis(redis) => redis.kept(),
            Doing::Postgres(postgres) => postgres.kept(),
            Doing::Ledger(ledger) => ledger.kept(),
            _ => 0,
        };
        self.most_in_flight() + kept
    }

    async fn attempt(&self, shared: &Rc<Shared>, trace: &mut Trace) -> SampleOutcome {
        match &self.doing {
            Doing::Http(http) => http.attempt(shared, trace).await,
            Doing::Journey(journey) => journey.attempt(shared, trace).await,
            Doing::Tcp(tcp) => tcp.attempt(shared, trace).await,
            Doing::Command(command) => command.attempt(shared, trace).await,
            Doing::Dns(dns) => dns.attempt(shared, trace).await,
            Doing::WebSocket(socket) => socket.attempt(shared, trace).await,
            Doing::Redis(redis) => redis.attempt(shared, trace).await,
            Doing::Postgres(postgres) => postgres.attempt(shared, trace).await,
            Doing::Ledger(ledger) => ledger.attempt(shared, trace).await,
        }
    }

    /// What a request has become whose deadline has passed.
    fn at_deadline(&self, trace: &Trace) -> SampleOutcome {
        if let Doing::Journey(journey) = &self.doing { journey.at_deadline(trace) } else { trace.at_deadline() }
    }

    /// What the probe's own bounds make of an outcome.
    fn judge(&self, outcome: SampleOutcome, done_us: u32) -> SampleOutcome {
        let closed = match &self.doing {
            Doing::Http(http) => http.must_be_closed(),
            Doing::Tcp(tcp) => tcp.must_be_closed(),
            _ => false,
        };
        let outcome = if closed { closed_door(outcome) } else { outcome };
        let slow = self.slow.is_some_and(|slow| u64::from(done_us) * 1000 > nanos(slow));
        if outcome == SampleOutcome::Ok && slow && !closed { SampleOutcome::OkSlow } else { outcome }
    }
}

/// One request, from its due time to its sample. The deadline is over everything and counts from the due time.
pub async fn request(shared: Rc<Shared>, kind: Rc<Kind>, due: Due) -> Sample {
    let mut trace = Trace::begin(due, shared.origin);
    let limit = if let Doing::Ledger(_) = &kind.doing { ledger::limit(due) } else { None };
    let deadline = shared.instant(trace.due_at.plus(limit.unwrap_or(kind.timeout)));
    let outcome = match tokio::time::timeout_at(deadline, kind.attempt(&shared, &mut trace)).await {
        Ok(outcome) => outcome,
        Err(_) => kind.at_deadline(&trace),
    };
    let mut sample = trace.end(outcome);
    sample.outcome = kind.judge(outcome, sample.done_us);
    if let Doing::Journey(journey) = &kind.doing {
        journey.over(&shared, &trace, sample.outcome);
    }
    if let Doing::Http(http) = &kind.doing
        && would_retry(&trace, outcome)
    {
        let mut again = trace.for_retry();
        let retried = match tokio::time::timeout_at(deadline, http.retry(&shared, &mut again)).await {
            Ok(outcome) => outcome,
            Err(_) => again.at_deadline(),
        };
        let done = again.end(retried);
        sample.retried = Some(kind.judge(retried, done.done_us));
    }
    sample
}

/// Whether a browser would try again in silence: a connection that had served before was closed without a byte of an answer.
fn would_retry(trace: &Trace, outcome: SampleOutcome) -> bool {
    let closed = matches!(outcome, SampleOutcome::EofReused | SampleOutcome::Reset | SampleOutcome::SendFailed);
    trace.reused && closed && trace.first_byte_us == NEVER
}
