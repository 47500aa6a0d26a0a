//! One HTTP/1.1 connection: hyper's state machine, driven by whoever has the request, never by a task of its own.

use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;

use crate::{
    model::sample::NameIndex,
    probe::{
        http::wire::{Line, Notes, Socket, Wire},
        limits::Held,
    },
};

/// The body of a request.
pub type Body = Full<Bytes>;

/// The most that is read ahead of a request's own wishes: an answer's head that is larger is `too-large`.
pub const LARGEST_HEAD: usize = 64 * 1024;

/// hyper's side of a connection; it must be polled while a request is under way.
type Driver = Pin<Box<Connection<TokioIo<Wire>, Body>>>;

/// A connection, idle in the pool or carrying a request.
pub struct Link {
    /// Takes requests.
    pub sender: SendRequest<Body>,
    driver: Option<Driver>,
    line: Rc<Line>,
    /// The address it goes to.
    pub address: NameIndex,
    /// Whether it carried a request before.
    pub used: bool,
    /// Its place in the population of kept connections, if it is one.
    pub member: Option<Member>,
    _held: Held,
}

impl Link {
    /// Speaks HTTP over a socket.
    pub async fn new(socket: Socket, held: Held, address: NameIndex) -> hyper::Result<Self> {
        let line = Rc::new(Line { socket: RefCell::new(socket), notes: Notes::default() });
        let io = TokioIo::new(Wire(line.clone()));
        let (sender, driver) = Builder::new().max_buf_size(LARGEST_HEAD).handshake(io).await?;
        Ok(Self { sender, driver: Some(Box::pin(driver)), line, address, used: false, member: None, _held: held })
    }

    /// What happened on the socket.
    pub fn notes(&self) -> &Notes {
        &self.line.notes
    }

    /// Polls `wanted`, and the connection as long as that may bring it on. A connection that ended leaves its error with
    /// `wanted`.
    pub fn poll_with<T>(&mut self, cx: &mut Context<'_>, mut wanted: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        if let Poll::Ready(value) = wanted(cx) {
            return Poll::Ready(value);
        }
        if let Some(driver) = &mut self.driver
            && driver.as_mut().poll(cx).is_ready()
        {
            self.driver = None;
        }
        wanted(cx)
    }

    /// Whether it can carry another request: hyper has put the last one away, and both sides keep it.
    pub fn settle(&mut self, cx: &mut Context<'_>) -> bool {
        if let Some(driver) = &mut self.driver
            && driver.as_mut().poll(cx).is_ready()
        {
            self.driver = None;
        }
        self.driver.is_some() && !self.line.notes.eof.get() && matches!(self.sender.poll_ready(cx), Poll::Ready(Ok(())))
    }

    /// Whether it was closed while it was idle.
    pub fn is_stale(&self) -> bool {
        self.driver.is_none() || self.line.socket.borrow().is_stale()
    }
}

/// A place in a population of connections, given back when the connection is dropped.
#[derive(Debug)]
pub struct Member(Rc<Cell<usize>>);

impl Member {
    /// One more.
    pub fn join(count: &Rc<Cell<usize>>) -> Self {
        count.set(count.get() + 1);
        Self(count.clone())
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
