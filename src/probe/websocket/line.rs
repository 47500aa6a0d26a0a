//! A connection that is open: a task of its own writes what requests want to say and reads whatever comes, so that an end is noticed
//! when it happens. It takes no more of the pacing thread than a share, however much a server sends.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::{Sink, Stream};
use rustix::io::Errno;
use tokio::sync::{
    Notify,
    mpsc::{Receiver, Sender, channel},
    oneshot,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Error, Message},
};

use crate::{
    clock,
    model::{
        protocol::WebSocketExchange,
        sample::{NameIndex, SampleOutcome},
        time::Mono,
    },
    probe::{
        http::wire::{Notes, Wire},
        websocket::token::Tokens,
    },
};

/// What waits to be written; a request beyond that waits for room.
const ORDERS: usize = 256;
/// The most that is read of one connection in a second; what a server sends beyond that has to wait in the network.
const MESSAGES_A_SECOND: u32 = 5_000;
const BYTES_A_SECOND: usize = 8 << 20;
/// Bytes that may come between two messages, beside what a message may have.
const BETWEEN: u64 = 64 << 10;

/// What a request waits for; the number is the request's.
#[derive(Debug, Clone, Copy)]
pub enum Wanted {
    /// A message that holds its text.
    Echo(u32),
    /// The pong to its ping.
    Pong(u32),
    /// The next message that fits.
    Message(u32),
}

/// What a request got.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    /// When it arrived.
    pub at: Mono,
    /// How long it was.
    pub bytes: u64,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The other side closed it, in good order or not.
    Closed,
    /// In another way.
    As(SampleOutcome),
}

impl End {
    /// What an error, and what the socket saw, come to.
    pub fn of(error: &Error, notes: &Notes) -> Self {
        match (notes.read_error.get(), notes.write_error.get()) {
            (Some(Errno::CONNRESET), _) | (_, Some(Errno::CONNRESET)) => return Self::As(SampleOutcome::Reset),
            (Some(Errno::TIMEDOUT), _) => return Self::As(SampleOutcome::ResponseTimeout),
            (Some(Errno::HOSTUNREACH | Errno::NETUNREACH), _) => return Self::As(SampleOutcome::Unreachable),
            (_, Some(Errno::PIPE)) => return Self::Closed,
            _ => {}
        }
        match error {
            _ if notes.flooded.get() => Self::As(SampleOutcome::TooLarge),
            _ if notes.eof.get() => Self::Closed,
            Error::ConnectionClosed | Error::AlreadyClosed => Self::Closed,
            Error::Capacity(_) | Error::AttackAttempt => Self::As(SampleOutcome::TooLarge),
            Error::Io(_) | Error::WriteBufferFull(_) => Self::As(SampleOutcome::SendFailed),
            _ => Self::As(SampleOutcome::BadHttp),
        }
    }

    /// What a request has become whose connection ended so.
    pub fn outcome(self, reused: bool) -> SampleOutcome {
        match self {
            Self::Closed if reused => SampleOutcome::EofReused,
            Self::Closed => SampleOutcome::EofNew,
            Self::As(outcome) => outcome,
        }
    }

    /// The same before the connection was open: an answer that was begun was cut short.
    pub fn while_opening(self, notes: &Notes) -> SampleOutcome {
        match self {
            Self::Closed if notes.received.get() > 0 => SampleOutcome::Truncated,
            other => other.outcome(false),
        }
    }
}

type Waiting = oneshot::Sender<Result<Answer, End>>;

/// Where a connection goes.
#[derive(Debug, Clone, Copy)]
pub struct Served {
    /// The address.
    pub address: NameIndex,
    /// The instance.
    pub backend: NameIndex,
    /// The zone.
    pub zone: NameIndex,
}

/// A connection that is open, for those who use it.
pub struct Line {
    /// Where it goes.
    pub served: Served,
    tokens: Tokens,
    exchange: WebSocketExchange,
    orders: Sender<Message>,
    waiting: RefCell<HashMap<u32, Waiting>>,
    used: Cell<bool>,
    ended: Cell<Option<End>>,
    /// How many messages came.
    heard: Cell<u64>,
    given_up: Notify,
}

impl Line {
    /// A connection on which nothing was said yet, and what is to be written on it.
    pub fn new(served: Served, tokens: Tokens, exchange: WebSocketExchange) -> (Rc<Self>, Receiver<Message>) {
        let (orders, to_write) = channel(ORDERS);
        let line = Self {
            served,
            tokens,
            exchange,
            orders,
            waiting: RefCell::default(),
            used: Cell::new(false),
            ended: Cell::new(None),
            heard: Cell::new(0),
            given_up: Notify::new(),
        };
        (Rc::new(line), to_write)
    }

    /// Whether an earlier request used it; from now on one has.
    pub fn was_used(&self) -> bool {
        self.used.replace(true)
    }

    /// Says what is to be said, and waits for what is wanted.
    ///
    /// A request that meets its deadline here, while nothing at all arrived, gives the connection up: a client with a heartbeat does so,
    /// and without it a connection whose other side is gone without a word would stay for a quarter of an hour.
    pub async fn exchange(self: &Rc<Self>, wanted: Wanted) -> Result<Answer, End> {
        let (number, message) = match wanted {
            Wanted::Echo(number) => (number, Some(Message::text(self.tokens.of(number)))),
            Wanted::Pong(number) => (number, Some(Message::Ping(self.tokens.of(number).into()))),
            Wanted::Message(number) => (number, None),
        };
        if let Some(end) = self.ended.get() {
            return Err(end);
        }
        let (tell, told) = oneshot::channel();
        self.waiting.borrow_mut().insert(number, tell);
        let mut patience = Patience { line: self, number, heard: self.heard.get(), over: false };
        if let Some(message) = message
            && self.orders.send(message).await.is_err()
        {
            patience.over = true;
            return Err(self.ended.get().unwrap_or(End::Closed));
        }
        let told = told.await;
        patience.over = true;
        told.unwrap_or(Err(End::Closed))
    }

    /// The connection has ended: everybody who waits hears of it, and nobody else begins.
    pub fn tell_all(&self, end: End) {
        self.ended.set(Some(end));
        for (_, waiting) in self.waiting.borrow_mut().drain() {
            let _ = waiting.send(Err(end));
        }
    }

    fn tell(&self, number: u32, bytes: usize) {
        if let Some(waiting) = self.waiting.borrow_mut().remove(&number) {
            let _ = waiting.send(Ok(Answer { at: clock::now(), bytes: bytes as u64 }));
        }
    }

    /// A message has come: an answer, or something that the server says by itself.
    fn hear(&self, message: &Message) {
        self.heard.set(self.heard.get() + 1);
        let text = match message {
            Message::Text(text) => std::borrow::Cow::Borrowed(text.as_str()),
            Message::Binary(bytes) => String::from_utf8_lossy(bytes),
            Message::Pong(bytes) if self.exchange == WebSocketExchange::Ping => String::from_utf8_lossy(bytes),
            _ => return,
        };
        match &self.exchange {
            WebSocketExchange::Message(part) => {
                if text.contains(part.as_str()) {
                    let all: Vec<u32> = self.waiting.borrow().keys().copied().collect();
                    for number in all {
                        self.tell(number, message.len());
                    }
                }
            }
            WebSocketExchange::Ping if !matches!(message, Message::Pong(_)) => {}
            WebSocketExchange::Echo | WebSocketExchange::Ping => {
                for number in self.tokens.within(&text) {
                    self.tell(number, message.len());
                }
            }
        }
    }
}

/// A request that waits.
struct Patience<'a> {
    line: &'a Line,
    number: u32,
    heard: u64,
    over: bool,
}

impl Drop for Patience<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.line.waiting.borrow_mut().remove(&self.number);
            if self.line.heard.get() == self.heard {
                self.line.given_up.notify_one();
            }
        }
    }
}

/// How much a server may still say in this second.
struct Allowance {
    since: Mono,
    messages: u32,
    bytes: usize,
}

impl Allowance {
    fn new() -> Self {
        Self { since: clock::now(), messages: MESSAGES_A_SECOND, bytes: BYTES_A_SECOND }
    }

    /// Takes a message off; says how long to read nothing when that was the last for this second.
    fn take(&mut self, bytes: usize) -> Option<Duration> {
        let second = Duration::from_secs(1);
        let past = clock::now().since(self.since);
        if past >= second {
            *self = Self::new();
        }
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
        (self.messages == 0 || self.bytes == 0).then(|| second.saturating_sub(past))
    }
}

/// Carries a connection until it ends.
///
/// `limit` is the most bytes of a message. The library counts what a message holds, and not the frames that hold nothing: what comes until a
/// message is whole is bounded beside it.
pub async fn drive(line: &Line, mut stream: WebSocketStream<Wire>, notes: &Notes, limit: u64, mut orders: Receiver<Message>) -> End {
    let mut allowance = Allowance::new();
    notes.most.set(Some(limit.saturating_mul(2).saturating_add(BETWEEN)));
    loop {
        notes.clear();
        let next = tokio::select! {
            next = std::future::poll_fn(|cx| turn(&mut stream, &mut orders, cx)) => next,
            () = line.given_up.notified() => return End::As(SampleOutcome::ResponseTimeout),
        };
        match next {
            Ok(Some(Message::Close(_))) => {
                // The library has an answer to that ready: it is sent if there is room for it.
                let mut stream = Pin::new(&mut stream);
                let _ = std::future::poll_fn(|cx| Poll::Ready(stream.as_mut().poll_flush(cx))).await;
                return End::Closed;
            }
            Ok(None) => return End::Closed,
            Ok(Some(message)) => {
                line.hear(&message);
                if let Some(pause) = allowance.take(message.len()) {
                    tokio::time::sleep(pause).await;
                }
            }
            Err(error) => return End::of(&error, notes),
        }
        // However much there is, requests of others go on in between.
        tokio::task::coop::consume_budget().await;
    }
}

/// Writes what can be written, and reads a message.
fn turn(stream: &mut WebSocketStream<Wire>, orders: &mut Receiver<Message>, cx: &mut Context<'_>) -> Poll<Result<Option<Message>, Error>> {
    let mut stream = Pin::new(stream);
    // Nothing more is taken while an earlier message waits for room on the way.
    while stream.as_mut().poll_ready(cx)?.is_ready() {
        match orders.poll_recv(cx) {
            Poll::Ready(Some(message)) => stream.as_mut().start_send(message)?,
            Poll::Ready(None) | Poll::Pending => break,
        }
    }
    let _ = stream.as_mut().poll_flush(cx)?;
    match ready!(stream.poll_next(cx)) {
        Some(Ok(message)) => Poll::Ready(Ok(Some(message))),
        Some(Err(error)) => Poll::Ready(Err(error)),
        None => Poll::Ready(Ok(None)),
    }
}
