//! A sample: what became of one due request. 48 bytes, so that ten minutes at 1,000/s are 29 MB on disk.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::probe::NameModel;

/// The closed, numbered list of what can become of a request. The numbers are part of the spill file's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum SampleOutcome {
    /// As expected.
    Ok = 0,
    /// As expected, but slower than the probe's own slow bound. Counts as available.
    OkSlow = 1,
    /// The name does not resolve.
    DnsFailed = 2,
    /// The deadline passed while resolving.
    DnsTimeout = 3,
    /// The connection was refused.
    Refused = 4,
    /// No route to the address.
    Unreachable = 5,
    /// The deadline passed while connecting.
    ConnectTimeout = 6,
    /// The TLS handshake failed.
    Tls = 7,
    /// The connection was reset after it was made.
    Reset = 8,
    /// The other side closed a new connection without an answer.
    EofNew = 9,
    /// The other side closed a reused connection without an answer. Browsers retry it in silence; we never do.
    EofReused = 10,
    /// The request could not be written.
    SendFailed = 11,
    /// The deadline passed while waiting for the answer or its body.
    ResponseTimeout = 12,
    /// The body ended before its announced length.
    Truncated = 13,
    /// The body is larger than the probe's bound.
    TooLarge = 14,
    /// The answer is not HTTP.
    BadHttp = 15,
    /// Another status than expected.
    Status = 16,
    /// Another header, body or exit status than expected.
    Expectation = 17,
    /// A cart or a session is gone.
    StateLost = 18,
    /// An old value was read.
    Stale = 19,
    /// We could not send it (no descriptor, no port, too many in flight). Says something about us.
    NotSent = 20,
}

impl SampleOutcome {
    /// Every outcome, in the order of its number.
    pub const ALL: [Self; 21] = [
        Self::Ok,
        Self::OkSlow,
        Self::DnsFailed,
        Self::DnsTimeout,
        Self::Refused,
        Self::Unreachable,
        Self::ConnectTimeout,
        Self::Tls,
        Self::Reset,
        Self::EofNew,
        Self::EofReused,
        Self::SendFailed,
        Self::ResponseTimeout,
        Self::Truncated,
        Self::TooLarge,
        Self::BadHttp,
        Self::Status,
        Self::Expectation,
        Self::StateLost,
        Self::Stale,
        Self::NotSent,
    ];

    /// Whether the user got what was asked for.
    pub fn is_ok(self) -> bool {
        matches!(self, Self::Ok | Self::OkSlow)
    }

    /// The number in the spill file.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The outcome of a number.
    pub fn from_number(n: u8) -> Option<Self> {
        Self::ALL.get(usize::from(n)).copied()
    }

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::OkSlow => "ok-slow",
            Self::DnsFailed => "dns-failed",
            Self::DnsTimeout => "dns-timeout",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::ConnectTimeout => "connect-timeout",
            Self::Tls => "tls",
            Self::Reset => "reset",
            Self::EofNew => "eof-new",
            Self::EofReused => "eof-reused",
            Self::SendFailed => "send-failed",
            Self::ResponseTimeout => "response-timeout",
            Self::Truncated => "truncated",
            Self::TooLarge => "too-large",
            Self::BadHttp => "bad-http",
            Self::Status => "status",
            Self::Expectation => "expectation",
            Self::StateLost => "state-lost",
            Self::Stale => "stale",
            Self::NotSent => "not-sent",
        }
    }
}

/// Which kind of connection carried the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Policy {
    /// A new connection.
    New = 0,
    /// One that was (or would have been) already there.
    KeepAlive = 1,
    /// The probe has no choice (tcp, command).
    None = 2,
}

impl Policy {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::KeepAlive => "keep-alive",
            Self::None => "-",
        }
    }
}

/// An index into the run's table of names (backends, zones, addresses); 0 is "not known".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct NameIndex(pub u16);

/// Micro-seconds after the due time for a stage that was never reached.
pub const NEVER: u32 = u32::MAX;

/// A request that we sent more than this after it was due says something about us: it is `late`.
pub const LATE_US: u32 = 10_000;

/// What became of one due request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// The probe, by its place in the experiment.
    pub probe: u16,
    /// The route (a step of a journey); 0 for a plain probe.
    pub route: u16,
    /// The request's number `k`, from 0: due at `start + k / rate`.
    pub number: u32,
    /// When it was due, nanoseconds since the prober's start.
    pub due_ns: u64,
    /// Sent (begun), microseconds after due: the schedule error. For a request that we held up later, by standing still
    /// ourselves while it was in flight, the time of that where it is longer.
    pub sent_us: u32,
    /// Connected, microseconds after due, or `NEVER`.
    pub connected_us: u32,
    /// First byte of the answer, microseconds after due, or `NEVER`.
    pub first_byte_us: u32,
    /// Done, microseconds after due: the latency.
    pub done_us: u32,
    /// Bytes of the body.
    pub bytes: u32,
    /// The status code; 0 for none.
    pub status: u16,
    /// What became of it.
    pub outcome: SampleOutcome,
    /// What a retry on a new connection gave, for a request that failed on a reused one that had been closed.
    pub retried: Option<SampleOutcome>,
    /// The connection policy drawn for it.
    pub policy: Policy,
    /// How its user looks names up, where the probe has users of several kinds.
    pub names: Option<NameModel>,
    /// Which instance answered.
    pub backend: NameIndex,
    /// Which zone answered.
    pub zone: NameIndex,
    /// Which address it was sent to.
    pub address: NameIndex,
}

/// The size of an encoded sample.
pub const SAMPLE_BYTES: usize = 48;

impl Sample {
    /// Whether it was sent so late that it is counted apart.
    pub fn late(&self) -> bool {
        self.sent_us > LATE_US && self.outcome != SampleOutcome::NotSent
    }

    /// Encodes it, little endian. The first byte of an encoded sample is never zero, so a hole in the spill file is seen.
    pub fn encode(&self) -> [u8; SAMPLE_BYTES] {
        let mut out = [0_u8; SAMPLE_BYTES];
        out[0] = 1;
        out[1] = self.outcome.number();
        out[2] = self.retried.map_or(u8::MAX, SampleOutcome::number);
        // The policy in the two lowest bits, then the name model: a sample without one looks as it did before there were any.
        out[3] = self.policy as u8 | self.names.map_or(0, |model| (model as u8 + 1) << 2);
        out[4..6].copy_from_slice(&self.probe.to_le_bytes());
        out[6..8].copy_from_slice(&self.route.to_le_bytes());
        out[8..12].copy_from_slice(&self.number.to_le_bytes());
        out[12..20].copy_from_slice(&self.due_ns.to_le_bytes());
        out[20..24].copy_from_slice(&self.sent_us.to_le_bytes());
        out[24..28].copy_from_slice(&self.connected_us.to_le_bytes());
        out[28..32].copy_from_slice(&self.first_byte_us.to_le_bytes());
        out[32..36].copy_from_slice(&self.done_us.to_le_bytes());
        out[36..40].copy_from_slice(&self.bytes.to_le_bytes());
        out[40..42].copy_from_slice(&self.status.to_le_bytes());
        out[42..44].copy_from_slice(&self.backend.0.to_le_bytes());
        out[44..46].copy_from_slice(&self.zone.0.to_le_bytes());
        out[46..48].copy_from_slice(&self.address.0.to_le_bytes());
        out
    }

    /// Decodes it; `None` for a hole or for numbers that this version does not know.
    pub fn decode(raw: &[u8; SAMPLE_BYTES]) -> Option<Self> {
        let u16_at = |i: usize| u16::from_le_bytes([raw[i], raw[i + 1]]);
        let u32_at = |i: usize| u32::from_le_bytes([raw[i], raw[i + 1], raw[i + 2], raw[i + 3]]);
        if raw[0] != 1 {
            return None;
        }
        let mut due = [0_u8; 8];
        due.copy_from_slice(&raw[12..20]);
        Some(Self {
            outcome: SampleOutcome::from_number(raw[1])?,
            retried: if raw[2] == u8::MAX { None } else { Some(SampleOutcome::from_number(raw[2])?) },
            policy: match raw[3] & 0b11 {
                0 => Policy::New,
                1 => Policy::KeepAlive,
                2 => Policy::None,
                _ => return None,
            },
            names: match raw[3] >> 2 {
                0 => None,
                number => Some(*NameModel::ALL.get(usize::from(number) - 1)?),
            },
            probe: u16_at(4),
            route: u16_at(6),
            number: u32_at(8),
            due_ns: u64::from_le_bytes(due),
            sent_us: u32_at(20),
            connected_us: u32_at(24),
            first_byte_us: u32_at(28),
            done_us: u32_at(32),
            bytes: u32_at(36),
            status: u16_at(40),
            backend: NameIndex(u16_at(42)),
            zone: NameIndex(u16_at(44)),
            address: NameIndex(u16_at(46)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_survives_its_encoding() {
        let sample = Sample {
            probe: 3,
            route: 1,
            number: 4_000_000_000,
            due_ns: 123_456_789_012,
            sent_us: 12,
            connected_us: 80,
            first_byte_us: NEVER,
            done_us: 1_000_000,
            bytes: 65_536,
            status: 503,
            outcome: SampleOutcome::EofReused,
            retried: Some(SampleOutcome::Ok),
            policy: Policy::KeepAlive,
            names: None,
            backend: NameIndex(7),
            zone: NameIndex(2),
            address: NameIndex(0),
        };
        assert_eq!(Sample::decode(&sample.encode()), Some(sample));
        for model in NameModel::ALL {
            for policy in [Policy::New, Policy::KeepAlive, Policy::None] {
                let sample = Sample { names: Some(model), policy, ..sample };
                assert_eq!(Sample::decode(&sample.encode()), Some(sample));
            }
        }
        assert_eq!(sample.encode()[3], 1, "as it was before there were name models");
        let mut unknown = sample.encode();
        unknown[3] = 5 << 2;
        assert_eq!(Sample::decode(&unknown), None);
        assert_eq!(Sample::decode(&[0; SAMPLE_BYTES]), None);
    }

    #[test]
    fn outcome_numbers_are_their_places() {
        for (place, outcome) in SampleOutcome::ALL.iter().enumerate() {
            assert_eq!(usize::from(outcome.number()), place);
        }
    }
}
