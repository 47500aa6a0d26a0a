//! The socket under an HTTP connection, which notes what really happened on it: an HTTP library's error does not say whether the
//! other side closed, reset, or never answered a byte.
//!
//! It is also where a server that sends without end is stopped. A library reads on as long as something comes, and some of what comes is
//! never an answer (`100 Continue`, for ever): so the socket gives a share at a time, and no more in all than the answer may have.

use std::{
    cell::{Cell, RefCell},
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use rustix::{io::Errno, net::RecvFlags};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

use crate::{clock, model::time::Mono};

/// What is read in one go; then the pacing thread looks at the clock, and at the other requests.
const SHARE: usize = 64 * 1024;

/// What happened on the socket since the present request began.
#[derive(Debug, Default)]
pub struct Notes {
    /// Bytes that arrived.
    pub received: Cell<u64>,
    /// When the first of them arrived.
    pub first_byte: Cell<Option<Mono>>,
    /// Whether they begin as an HTTP answer does, as far as they go.
    pub like_http: Cell<bool>,
    /// Bytes that were written.
    pub written: Cell<u64>,
    /// The other side closed.
    pub eof: Cell<bool>,
    /// Bytes that may arrive; none is no bound.
    pub most: Cell<Option<u64>>,
    /// More than that arrived.
    pub flooded: Cell<bool>,
    /// Bytes of the present share.
    share: Cell<usize>,
    /// How reading failed.
    pub read_error: Cell<Option<Errno>>,
    /// How writing failed.
    pub write_error: Cell<Option<Errno>>,
}

impl Notes {
    /// A new request begins.
    pub fn clear(&self) {
        self.received.set(0);
        self.first_byte.set(None);
        self.like_http.set(true);
        self.written.set(0);
        // `eof` and the errors stay: a connection that ended does not begin again.
    }

    fn arrived(&self, bytes: &[u8]) {
        const START: &[u8] = b"HTTP/1.";
        if self.received.get() == 0 {
            self.first_byte.set(Some(clock::now()));
        }
        let place = self.received.get() as usize;
        if place < START.len() {
            let rest = &START[place..];
            let n = rest.len().min(bytes.len());
            self.like_http.set(self.like_http.get() && rest[..n] == bytes[..n]);
        }
        self.received.set(self.received.get() + bytes.len() as u64);
        self.share.set(self.share.get() + bytes.len());
        self.flooded.set(self.most.get().is_some_and(|most| self.received.get() > most));
    }

    fn failed(error: &io::Error) -> Errno {
        error.raw_os_error().map_or(Errno::IO, Errno::from_raw_os_error)
    }
}

/// A connection in the clear or under TLS.
pub enum Socket {
    /// In the clear.
    Plain(TcpStream),
    /// Under TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Socket {
    /// Whether the other side already closed an idle connection, or sent what nobody asked for: a browser would know, and not
    /// use it again. Asks the kernel itself, since the runtime hears of it only between turns.
    pub fn is_stale(&self) -> bool {
        let (stream, tls) = match self {
            Self::Plain(stream) => (stream, false),
            Self::Tls(stream) => (stream.get_ref().0, true),
        };
        let mut byte = [0_u8; 1];
        match rustix::net::recv(stream, &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT) {
            // Under TLS there may be records that carry no answer, such as session tickets.
            Ok((_, n)) => n == 0 || !tls,
            Err(error) => error != Errno::AGAIN,
        }
    }
}

/// A socket with its notes.
pub struct Line {
    /// The socket.
    pub socket: RefCell<Socket>,
    /// Its notes.
    pub notes: Notes,
}

/// The end of the line that the HTTP library holds. The other is kept beside it, to look at the line while it is idle.
pub struct Wire(pub Rc<Line>);

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let notes = &self.0.notes;
        if notes.flooded.get() {
            return Poll::Ready(Err(io::Error::other("more came than an answer may have")));
        }
        if notes.share.get() >= SHARE {
            notes.share.set(0);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let room = buf.remaining() > 0;
        let read = match &mut *self.0.socket.borrow_mut() {
            Socket::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Socket::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
        };
        match &read {
            Poll::Ready(Ok(())) if buf.filled().len() > before => self.0.notes.arrived(&buf.filled()[before..]),
            Poll::Ready(Ok(())) if room => self.0.notes.eof.set(true),
            // A TLS peer that closes without saying so.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => self.0.notes.eof.set(true),
            Poll::Ready(Err(error)) => self.0.notes.read_error.set(Some(Notes::failed(error))),
            Poll::Ready(Ok(())) => {}
            Poll::Pending => self.0.notes.share.set(0),
        }
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = match &mut *self.0.socket.borrow_mut() {
            Socket::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Socket::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, buf),
        };
        match &written {
            Poll::Ready(Ok(n)) => self.0.notes.written.set(self.0.notes.written.get() + *n as u64),
            Poll::Ready(Err(error)) => self.0.notes.write_error.set(Some(Notes::failed(error))),
            Poll::Pending => {}
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = match &mut *self.0.socket.borrow_mut() {
            Socket::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Socket::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        };
        if let Poll::Ready(Err(error)) = &flushed {
            self.0.notes.write_error.set(Some(Notes::failed(error)));
        }
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self.0.socket.borrow_mut() {
            Socket::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }
}
