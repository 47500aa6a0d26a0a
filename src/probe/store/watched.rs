//! A stream that notes how it ended: a database's client says that "the connection was closed", and not by whom or how. It also ends by
//! itself where a server sends without end, which such a client would gather, and gives no more of it in a second than the pacing thread can
//! spare: such a client reads for as long as something comes. The rest waits in the network.

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
const TOO_LARGE: u8 = 4;

/// The most that a server may send from one answer to the next: many small ones, after it was held up, or one large one.
pub const LARGEST: u64 = 16 << 20;
/// The most of an answer that holds everything.
pub const LARGEST_LIST: u64 = 256 << 20;
/// The most of a greeting, before anything is asked. Far less than what is paced: on its way it may be another thread's.
const GREETING: u64 = 1 << 20;
/// The most that is read of one connection in a second.
const BYTES_A_SECOND: u64 = 8 << 20;

/// What happened on a stream.
#[derive(Debug, Default)]
pub struct Notes {
    ended: AtomicU8,
    /// Something was written that was not: the request did not leave.
    unsent: AtomicBool,
    /// The TLS handshake is done.
    secured: AtomicBool,
    /// How much more may come.
    room: AtomicU64,
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
            TOO_LARGE => Some(SampleOutcome::TooLarge),
            _ if self.unsent.load(Ordering::Relaxed) => Some(SampleOutcome::SendFailed),
            _ => None,
        }
    }

    /// A request begins or is answered: so much may come until the next is. Several may be under way, and answers come in turn.
    pub fn allow(&self, most: u64) {
        self.room.fetch_max(most, Ordering::Relaxed);
    }

    /// So much came; whether that is too much.
    fn came(&self, bytes: u64) -> bool {
        let room = self.room.load(Ordering::Relaxed);
        self.room.store(room.saturating_sub(bytes), Ordering::Relaxed);
        bytes > room
    }

    /// The TLS handshake is done.
    pub fn secured(&self) {
        self.secured.store(true, Ordering::Relaxed);
    }

    /// Whether it is.
    pub fn is_secured(&self) -> bool {
        self.secured.load(Ordering::Relaxed)
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
        notes.allow(GREETING);
        (Self { stream, notes: notes.clone(), since: clock::now(), read: 0, pause: None }, notes)
    }

    /// So much was read; after too much of it in one second there is a pause.
    fn pace(&mut self, bytes: u64) {
        let second = Duration::from_secs(1);
        let past = clock::now().since(self.since);
        if past >= second {
            (self.since, self.read) = (clock::now(), 0);
        }
        self.read += bytes;
        if self.read > BYTES_A_SECOND {
            self.pause = Some(Box::pin(tokio::time::sleep(second.saturating_sub(past))));
        }
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
            Poll::Ready(Err(error)) => self.notes.failed(error),
            Poll::Ready(Ok(())) => {
                let bytes = (buf.filled().len() - before) as u64;
                if self.notes.came(bytes) {
                    self.notes.end(TOO_LARGE);
                    return Poll::Ready(Err(io::Error::other("it sends too much")));
                }
                self.pace(bytes);
            }
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

    #[test]
    fn what_comes_between_two_answers_has_a_bound() {
        let notes = Notes::default();
        notes.allow(100);
        assert!(!notes.came(60) && !notes.came(40));
        notes.allow(100);
        assert!(!notes.came(60) && notes.came(41));
    }
}
