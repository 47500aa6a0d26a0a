//! Redis: its own client's protocol over a connection of ours.

use std::rc::Rc;

use redis::{AsyncConnectionConfig, Client, Cmd, RedisConnectionInfo, RedisError, Value, aio::MultiplexedConnection};

use crate::{
    model::{
        probe::{NameModel, Text},
        sample::{Policy, SampleOutcome},
    },
    probe::{
        address::Destination,
        connect::connect,
        draw::{Purpose, draw},
        pacer::Shared,
        secret::resolve,
        stage::{Stage, Trace},
        store::{
            keep::{Keep, Live},
            watched::Watched,
        },
    },
};

/// A server, before its connections are there.
pub struct Server {
    destination: Destination,
    settings: RedisConnectionInfo,
}

impl Server {
    /// Words for the user when the URL cannot be used. A URL that may hold a password is never repeated.
    pub fn new(url: &Text) -> Result<Self, String> {
        let text = resolve(url, "the URL of Redis")?;
        let client = Client::open(text).map_err(|_| "the URL of Redis cannot be read; write it like `redis://host:6379/0`".to_owned())?;
        let info = client.get_connection_info();
        let redis::ConnectionAddr::Tcp(host, port) = info.addr() else {
            return Err("Redis is reached over TCP without TLS here: `redis://host:port`".to_owned());
        };
        // Its own greeting (CLIENT SETINFO) costs a round trip that no request asked for.
        let settings = info.redis_settings().clone().set_skip_set_lib_name();
        Ok(Self { destination: Destination::new(host, *port, &[], NameModel::EachConnection)?, settings })
    }
}

/// A server and the connections that are kept to it.
pub struct Redis {
    server: Server,
    keep: Keep<MultiplexedConnection>,
}

impl Redis {
    /// For so many requests a second.
    pub fn new(server: Server, rate: f64) -> Self {
        Self { server, keep: Keep::new(rate) }
    }

    /// How many connections it may hold.
    pub fn size(&self) -> u64 {
        self.keep.size()
    }

    /// One command, on a connection as `trace.policy` says.
    pub async fn ask(&self, shared: &Rc<Shared>, trace: &mut Trace, command: &Cmd) -> Result<Value, SampleOutcome> {
        self.ask_for(0, shared, trace, command).await
    }

    /// The same, for an answer of up to so many bytes.
    pub async fn ask_for(&self, most: u64, shared: &Rc<Shared>, trace: &mut Trace, command: &Cmd) -> Result<Value, SampleOutcome> {
        let bits = |purpose| draw(shared.seed, trace.due.probe, trace.due.number, purpose);
        let (address, connection) = (bits(Purpose::Address), bits(Purpose::Connection));
        if trace.policy != Policy::KeepAlive {
            let live = self.open(shared, address, trace).await?;
            live.notes.expects(most);
            return send(&live, false, trace, command).await;
        }
        let (taken, reused) = self.keep.get(connection, async || self.open(shared, address, trace).await).await?;
        trace.address = taken.live().address;
        taken.live().notes.expects(most);
        let answer = send(taken.live(), reused, trace, command).await;
        taken.finish();
        answer
    }

    async fn open(&self, shared: &Rc<Shared>, bits: u64, trace: &mut Trace) -> Result<Live<MultiplexedConnection>, SampleOutcome> {
        let connected = connect(shared, &self.server.destination, bits, trace).await?;
        let (stream, notes) = Watched::new(connected.stream);
        trace.stage = Stage::Waiting;
        // With a password or a database it speaks once before it is ready: an error there is the server's answer.
        // Deadlines are the request's own.
        let config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
        let made = MultiplexedConnection::new_with_config(&self.server.settings, stream, config).await;
        let (client, driver) = made.map_err(|_| notes.outcome(false).unwrap_or(SampleOutcome::Expectation))?;
        // It ends with the client.
        drop(tokio::task::spawn_local(driver));
        trace.connected();
        Ok(Live::new(client, notes, trace.address, connected.held))
    }
}

async fn send(live: &Live<MultiplexedConnection>, reused: bool, trace: &mut Trace, command: &Cmd) -> Result<Value, SampleOutcome> {
    trace.stage = Stage::Waiting;
    trace.reused = reused;
    let mut client = live.client.clone();
    let answer = client.send_packed_command(command).await;
    live.notes.answered();
    trace.first_byte(crate::clock::now());
    match answer {
        Ok(Value::ServerError(_)) => Err(SampleOutcome::Expectation),
        Ok(value) => Ok(value),
        Err(error) => Err(classify(&error, live, reused)),
    }
}

fn classify(error: &RedisError, live: &Live<MultiplexedConnection>, reused: bool) -> SampleOutcome {
    let ended = live.notes.outcome(reused);
    if error.is_io_error() || error.is_connection_dropped() {
        // The client's own word on a stream that it gave up.
        return ended.unwrap_or(if reused { SampleOutcome::EofReused } else { SampleOutcome::EofNew });
    }
    ended.unwrap_or(SampleOutcome::Expectation)
}

/// A reply as text: what an expectation is held against.
pub fn text(value: &Value) -> String {
    match value {
        Value::Nil => "nil".to_owned(),
        Value::Int(n) => n.to_string(),
        Value::Okay => "OK".to_owned(),
        Value::SimpleString(text) => text.clone(),
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::Double(n) => n.to_string(),
        Value::Boolean(yes) => yes.to_string(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
        other => format!("{other:?}"),
    }
}
