//! Redis: its own client's protocol over a connection of ours.

use std::rc::Rc;

use redis::{AsyncConnectionConfig, Client, Cmd, RedisConnectionInfo, RedisError, RedisResult, Value, aio::MultiplexedConnection};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use crate::{
    model::{
        probe::{NameModel, Text, TlsSettings},
        sample::{Policy, SampleOutcome},
    },
    probe::{
        address::Destination,
        connect::connect,
        draw::{Purpose, draw},
        http::tls::connector,
        pacer::Shared,
        secret::resolve,
        stage::{Stage, Trace},
        store::{
            keep::{Keep, Live},
            tls::server_name,
            watched::{LARGEST, Notes, Watched},
        },
    },
};

/// A server, before its connections are there.
pub struct Server {
    destination: Destination,
    settings: RedisConnectionInfo,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Server {
    /// Words for the user when the URL cannot be used. A URL that may hold a password is never repeated.
    pub fn new(url: &Text, tls: &TlsSettings) -> Result<Self, String> {
        let text = resolve(url, "the URL of Redis")?;
        // Its client knows TLS only with a stack of its own.
        let (text, secure) = match text.trim().strip_prefix("rediss://") {
            Some(rest) => (format!("redis://{rest}"), true),
            None => (text.trim().to_owned(), false),
        };
        if text.ends_with("#insecure") {
            return Err("the URL of Redis ends with `#insecure`: say `tls: { insecure: true }` instead".to_owned());
        }
        if !secure && *tls != TlsSettings::default() {
            return Err("there are `tls` settings, and the URL of Redis is not a `rediss://` one".to_owned());
        }
        let client = Client::open(text)
            .map_err(|_| "the URL of Redis cannot be read; write it like `redis://host:6379/0`, or `rediss://` for TLS".to_owned())?;
        let info = client.get_connection_info();
        let redis::ConnectionAddr::Tcp(host, port) = info.addr() else {
            return Err("Redis is reached over TCP: `redis://host:port`, or `rediss://host:port` for TLS".to_owned());
        };
        // Its own greeting (CLIENT SETINFO) costs a round trip that no request asked for.
        let settings = info.redis_settings().clone().set_skip_set_lib_name();
        let tls = if secure { Some((connector(tls, None)?, server_name(host)?)) } else { None };
        Ok(Self { destination: Destination::new(host, *port, &[], NameModel::EachConnection)?, settings, tls })
    }

    /// Makes the client on a stream. With a password or a database it speaks once before it is ready: an error there is the server's answer.
    async fn greet(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        notes: &Notes,
    ) -> Result<MultiplexedConnection, SampleOutcome> {
        // Deadlines are the request's own.
        let config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
        let made = MultiplexedConnection::new_with_config(&self.settings, stream, config).await;
        let (client, driver) = made.map_err(|error| classify(&error, notes, false))?;
        // It ends with the client.
        drop(tokio::task::spawn_local(driver));
        Ok(client)
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

    /// One command, on a connection as `trace.policy` says; the answer has at most so many bytes.
    pub async fn ask(&self, shared: &Rc<Shared>, trace: &mut Trace, most: u64, command: &Cmd) -> Result<Value, SampleOutcome> {
        self.on(shared, trace, most, async |mut client| client.send_packed_command(command).await).await
    }

    /// Whatever is asked on one connection; the answers have at most so many bytes together.
    pub async fn on(
        &self,
        shared: &Rc<Shared>,
        trace: &mut Trace,
        most: u64,
        ask: impl AsyncFnOnce(MultiplexedConnection) -> RedisResult<Value>,
    ) -> Result<Value, SampleOutcome> {
        let bits = |purpose| draw(shared.seed, trace.due.probe, trace.due.number, purpose);
        let (address, connection) = (bits(Purpose::Address), bits(Purpose::Connection));
        if trace.policy != Policy::KeepAlive {
            let live = self.open(shared, address, trace).await?;
            return send(&live, false, trace, most, ask).await;
        }
        let (taken, reused) = self.keep.get(connection, async || self.open(shared, address, trace).await).await?;
        trace.address = taken.live().address;
        let answer = send(taken.live(), reused, trace, most, ask).await;
        taken.finish();
        answer
    }

    async fn open(&self, shared: &Rc<Shared>, bits: u64, trace: &mut Trace) -> Result<Live<MultiplexedConnection>, SampleOutcome> {
        let connected = connect(shared, &self.server.destination, bits, trace).await?;
        let (stream, notes) = Watched::new(connected.stream);
        let client = if let Some((connector, name)) = &self.server.tls {
            trace.stage = Stage::Securing;
            let secured = connector.connect(name.clone(), stream).await.map_err(|_| SampleOutcome::Tls)?;
            trace.stage = Stage::Waiting;
            self.server.greet(secured, &notes).await?
        } else {
            trace.stage = Stage::Waiting;
            self.server.greet(stream, &notes).await?
        };
        trace.connected();
        Ok(Live::new(client, notes, trace.address, connected.held))
    }
}

async fn send(
    live: &Live<MultiplexedConnection>,
    reused: bool,
    trace: &mut Trace,
    most: u64,
    ask: impl AsyncFnOnce(MultiplexedConnection) -> RedisResult<Value>,
) -> Result<Value, SampleOutcome> {
    trace.stage = Stage::Waiting;
    trace.reused = reused;
    live.notes.allow(most);
    let answer = ask(live.client.clone()).await;
    live.notes.allow(LARGEST);
    trace.first_byte(crate::clock::now());
    match answer {
        Ok(Value::ServerError(_)) => Err(SampleOutcome::Expectation),
        Ok(value) => Ok(value),
        Err(error) => Err(classify(&error, &live.notes, reused)),
    }
}

fn classify(error: &RedisError, notes: &Notes, reused: bool) -> SampleOutcome {
    if error.is_io_error() || error.is_connection_dropped() {
        // The client's own word on a stream that it gave up.
        return notes.outcome(reused).unwrap_or(if reused { SampleOutcome::EofReused } else { SampleOutcome::EofNew });
    }
    // An answer that it does not take, and then it lets go of a stream that was well.
    SampleOutcome::Expectation
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

#[cfg(test)]
mod tests {
    use super::*;

    fn new(text: &str) -> Result<Server, String> {
        Server::new(&Text::Plain(text.to_owned()), &TlsSettings::default())
    }

    #[test]
    fn a_url_says_where_who_and_whether_in_the_clear() {
        let server = new("redis://app:p%40ss@127.0.0.1:7000/3").unwrap();
        assert_eq!((server.settings.username(), server.settings.password(), server.settings.db()), (Some("app"), Some("p@ss"), 3));
        assert!(server.tls.is_none() && new("rediss://cache.example:6380").unwrap().tls.is_some());
        assert!(new("rediss://[::1]").unwrap().tls.is_some());
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        let bad = [
            "127.0.0.1:6379",
            "http://x/",
            "redis://u:hunter2@h:x/",
            "redis://u:hunter2@h/db",
            "redis+unix:///x?pass=hunter2",
            "rediss://u:hunter2@h/#insecure",
            "redis://u:hunter2@169.254.169.254/",
        ];
        for bad in bad {
            let error = new(bad).err().unwrap_or_else(|| panic!("{bad} was taken"));
            assert!(!error.contains("hunter2"), "{error}");
        }
        let settings = TlsSettings { insecure: true, ..TlsSettings::default() };
        let in_the_clear = Server::new(&Text::Plain("redis://h".to_owned()), &settings);
        assert!(in_the_clear.err().unwrap().contains("rediss://"));
    }
}
