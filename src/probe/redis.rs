//! The `redis` probe: one command, and its reply.

use std::rc::Rc;

use redis::Cmd;

use crate::{
    model::{probe::Connections, sample::SampleOutcome, store::RedisProbe},
    probe::{
        pacer::Shared,
        stage::Trace,
        store::{
            LARGEST, judged, policy,
            redis::{Redis, Server, text},
        },
    },
};

/// A `redis` probe, ready to move to the pacing thread.
pub struct PreparedRedis {
    server: Server,
    spec: RedisProbe,
}

impl PreparedRedis {
    /// Words for the user when the server cannot be asked.
    pub fn new(spec: &RedisProbe) -> Result<Self, String> {
        Ok(Self { server: Server::new(&spec.url, &spec.tls)?, spec: spec.clone() })
    }

    /// On the pacing thread.
    pub fn into_kind(self, rate: f64) -> RedisKind {
        let mut command = Cmd::new();
        match self.spec.command.as_slice() {
            [] => {
                command.arg("PING");
            }
            words => {
                for word in words {
                    command.arg(word);
                }
            }
        }
        RedisKind { redis: Redis::new(self.server, rate), command, expect: self.spec.expect, connections: self.spec.connections }
    }
}

/// A `redis` probe on the pacing thread.
pub struct RedisKind {
    redis: Redis,
    command: Cmd,
    expect: Option<String>,
    connections: Connections,
}

impl RedisKind {
    /// How many connections it keeps.
    pub fn kept(&self) -> u64 {
        self.redis.size()
    }

    /// One command.
    pub async fn attempt(&self, shared: &Rc<Shared>, trace: &mut Trace) -> SampleOutcome {
        trace.policy = policy(self.connections, shared, trace);
        match self.redis.ask(shared, trace, LARGEST, &self.command).await {
            Ok(reply) => judged(self.expect.as_deref(), &text(&reply)),
            Err(failed) => failed,
        }
    }
}
