//! The side that asks: the verbs of other terminals, and the page.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
};

use super::{
    event::DayEvent,
    protocol::{Answer, Ask, LONGEST_LINE, Request},
    record::Day,
};

/// The limit of one request.
const LIMIT: Duration = Duration::from_secs(10);
/// The longest answer: the record of a long day.
const LONGEST_ANSWER: u64 = 64 << 20;

/// Asks a running day.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
    by: String,
}

impl Client {
    /// For the day at this socket ([`super::Seat::socket`]), in the name of whoever asks.
    pub fn new(socket: &Path, by: &str) -> Self {
        Self { socket: socket.to_owned(), by: by.to_owned() }
    }

    /// Asks one thing.
    ///
    /// # Errors
    /// When the day does not answer. That it refuses is an answer.
    pub async fn ask(&self, ask: Ask) -> io::Result<Answer> {
        let exchange = async {
            let mut from = self.send(ask).await?.take(LONGEST_ANSWER);
            let mut line = Vec::new();
            from.read_until(b'\n', &mut line).await?;
            if !line.ends_with(b"\n") {
                return Err(io::Error::other("the game day ended before it answered"));
            }
            Ok(serde_json::from_slice(&line)?)
        };
        tokio::time::timeout(LIMIT, exchange).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    /// The day's record.
    ///
    /// # Errors
    /// When the day does not answer.
    pub async fn status(&self) -> io::Result<Day> {
        match self.ask(Ask::Status).await? {
            Answer::Day { day } => Ok(*day),
            Answer::Refused { why } => Err(io::Error::other(why)),
            other => Err(io::Error::other(format!("the game day gave another answer than its status: {other:?}"))),
        }
    }

    /// The events after this number, and those that follow until the day ends.
    ///
    /// # Errors
    /// When the day does not answer.
    pub async fn watch(&self, after: u64) -> io::Result<Watch> {
        let opened = async {
            let mut from = self.send(Ask::Watch { after }).await?;
            let mut line = Vec::new();
            (&mut from).take(LONGEST_LINE).read_until(b'\n', &mut line).await?;
            match serde_json::from_slice(&line)? {
                Answer::Events => Ok(Watch { from }),
                Answer::Refused { why } => Err(io::Error::other(why)),
                other => Err(io::Error::other(format!("the game day gave another answer than its events: {other:?}"))),
            }
        };
        tokio::time::timeout(LIMIT, opened).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    async fn send(&self, ask: Ask) -> io::Result<BufReader<UnixStream>> {
        let mut stream = UnixStream::connect(&self.socket).await?;
        let mut line = serde_json::to_vec(&Request { by: self.by.clone(), ask })?;
        line.push(b'\n');
        // Who refuses a line that is too long does not read all of it; its answer says so.
        let sent = stream.write_all(&line).await;
        match sent {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(BufReader::new(stream)),
        }
    }
}

/// A stream of events.
#[derive(Debug)]
pub struct Watch {
    from: BufReader<UnixStream>,
}

impl Watch {
    /// The next event; none when the day is over, or its process gone.
    ///
    /// # Errors
    /// When the stream breaks off in the middle of one.
    pub async fn next(&mut self) -> io::Result<Option<DayEvent>> {
        let mut line = Vec::new();
        (&mut self.from).take(LONGEST_ANSWER).read_until(b'\n', &mut line).await?;
        if line.is_empty() { Ok(None) } else { Ok(Some(serde_json::from_slice(&line)?)) }
    }
}
