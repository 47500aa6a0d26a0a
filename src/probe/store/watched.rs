//! A stream that notes how it ended: a database's client says that "the connection was closed", and not by whom or how.
//!
//! It is also the bound on what a server may say: the clients collect an answer of any length, and read for as long as something comes. So
//! a stream gives no more than an answer may have, counted anew whenever an answer was taken, and no more in a second than the pacing
//! thread can spare; what comes beyond that has to wait in the network.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use rustix::io::Errno;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Sleep,
};

use crate::{
    clock,
    model::{sample::SampleOutcome, time::Mono},
};

const OPEN: u8 = 0;
const EOF: u8 = 1;
const RESET: u8 = 2;
const BROKEN: u8 = 3;
const FLOODED: u8 = 4;

/// The most of an answer, unless more was asked for.
const LARGEST: u64 = 256 << 10;
/// The most that is read of one connection in a second.
const BYTES_A_SECOND: u64 = 8 << 20;

/// What happened on a stream.
#[derive(Debug, Default)]
pub struct Notes {
    ended: AtomicU8,
    /// Something was written that was not: the request did not leave.
    unsent: AtomicBool,
    /// Bytes since the last answer was taken.
    received: AtomicU64,
    /// The most that these may be, when that is more than [`LARGEST`].
    most: AtomicU64,
}

impl Notes {
    /// Whether it can carry a request.
    pub fn is_open(&self) -> bool {
        self.ended.load(Ordering::Relaxed) == OPEN && !self.unsent.load(Ordering::Relaxed)
    }

    /// The class of a request that failed with the stream; `None` when the stream is well.
    pub fn outcome(&self, reused: bool) -> Option<SampleOutcome> {
        match self.ended.load(Ordering::Relaxed) {
            RESET => Some(SampleOutcome::Reset),
            EOF if reused => Some(SampleOutcome::EofReused),
            EOF => Some(SampleOutcome::EofNew),
            BROKEN => Some(SampleOutcome::Unreachable),
            FLOODED => Some(SampleOutcome::TooLarge),
            _ if self.unsent.load(Ordering::Relaxed) => Some(SampleOutcome::SendFailed),
            _ => None,
        }
    }

    /// An answer that is asked for on this stream may have so many bytes.
    pub fn expects(&self, bytes: u64) {
        self.most.fetch_max(bytes, Ordering::Relaxed);
    }

    /// An answer was taken: what comes now belongs to the next.
    pub fn answered(&self) {
        self.received.store(0, Ordering::Relaxed);
    }

    fn end(&self, how: u8) {
        // The first word counts: a stream that was reset is at its end too.
        let _ = self.ended.compare_exchange(OPEN, how, Ordering::Relaxed, Ordering::Relaxed);
    }

    fn failed(&self, error: &io::Error) {
        self.end(match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::CONNRESET | Errno::PIPE | Errno::CONNABORTED) => RESET,
            _ => BROKEN,
        });
    }
}

/// The stream.
#[derive(Debug)]
pub struct Watched {
    stream: TcpStream,
    notes: Arc<Notes>,
    /// The second that is counted, and what was read in it.
    since: Mono,
    read: u64,
    /// Nothing is read until then.
    pause: Option<Pin<Box<Sleep>>>,
}

impl Watched {
    /// Watches a stream.
    pub fn new(stream: TcpStream) -> (Self, Arc<Notes>) {
        let notes = Arc::new(Notes::default());
        (Self { stream, notes: notes.clone(), since: clock::now(), read: 0, pause: None }, notes)
    }

    /// Counts what was read; after too much of it there is a pause, or the end.
    fn count(&mut self, bytes: u64) -> io::Result<()> {
        let most = self.notes.most.load(Ordering::Relaxed).max(LARGEST);
        if self.notes.received.fetch_add(bytes, Ordering::Relaxed) + bytes > most {
            self.notes.end(FLOODED);
            return Err(io::Error::other("the server's answer has no end"));
        }
        let second = Duration::from_secs(1);
        let past = clock::now().since(self.since);
        if past >= second {
            (self.since, self.read) = (clock::now(), 0);
        }
        self.read += bytes;
        if self.read > BYTES_A_SECOND {
            self.pause = Some(Box::pin(tokio::time::sleep(second.saturating_sub(past))));
        }
        Ok(())
    }
}

impl Drop for Watched {
    /// A client may let go of a stream that is still well: a server that dies in order says so in its last message, and the client reads no
    /// further. Nothing can be sent on it all the same, and to a request it is the closing.
    fn drop(&mut self) {
        self.notes.end(EOF);
    }
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        let (before, room) = (buf.filled().len(), buf.remaining() > 0);
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        match &read {
            Poll::Ready(Ok(())) if room && buf.filled().len() == before => self.notes.end(EOF),
            Poll::Ready(Ok(())) => self.count((buf.filled().len() - before) as u64)?,
            Poll::Ready(Err(error)) => self.notes.failed(error),
            Poll::Pending => {}
        }
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        if let Poll::Ready(Err(error)) = &written {
            self.notes.failed(error);
            self.notes.unsent.store(true, Ordering::Relaxed);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stream_that_its_client_let_go_of_carries_nothing() {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (stream, notes) = Watched::new(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap());
        assert!(notes.is_open() && notes.outcome(true).is_none());
        drop(stream);
        assert!(!notes.is_open());
        assert_eq!(notes.outcome(true), Some(SampleOutcome::EofReused));
    }
}
