//! The other side of the control socket.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
    sync::mpsc,
};

use super::control::{Answer, Mark, Request, Status};
use crate::{model::observation::Observation, platform::PlatformError};

/// The limit of one request.
const LIMIT: Duration = Duration::from_secs(10);

/// Asks a supervisor.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// For the supervisor at this socket, which may not be there.
    pub fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// Where the supervisor listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Asks one thing.
    pub async fn ask(&self, request: &Request) -> Result<Answer, PlatformError> {
        tokio::time::timeout(LIMIT, self.exchange(request)).await.map_err(|_| PlatformError::Timeout(LIMIT))?
    }

    /// How the system is.
    pub async fn status(&self) -> Result<Status, PlatformError> {
        match self.ask(&Request::Status).await? {
            Answer::Status(status) => Ok(*status),
            other => Err(PlatformError::Failed(format!("the supervisor gave another answer than its status: {other:?}"))),
        }
    }

    /// The acts that are done and not undone.
    pub async fn marks(&self) -> Result<Vec<Mark>, PlatformError> {
        match self.ask(&Request::Marks).await? {
            Answer::Marks { marks } => Ok(marks),
            other => Err(PlatformError::Failed(format!("the supervisor gave another answer than its marks: {other:?}"))),
        }
    }

    /// Observations from now on, until the receiver is dropped. The stream ends when the system ends, and when this end reads too slowly
    /// for the supervisor: its last word says so. It never goes on after a hole.
    pub async fn watch(&self) -> Result<(mpsc::Receiver<Observation>, tokio::task::JoinSet<()>), PlatformError> {
        let mut lines = tokio::time::timeout(LIMIT, async {
            let mut lines = self.send(&Request::Watch).await?;
            let mut first = String::new();
            lines.read_line(&mut first).await.map_err(|e| self.gone(&e))?;
            Ok::<_, PlatformError>(lines)
        })
        .await
        .map_err(|_| PlatformError::Timeout(LIMIT))??;
        let (sender, receiver) = mpsc::channel(4096);
        let mut task = tokio::task::JoinSet::new();
        task.spawn(async move {
            let mut line = String::new();
            loop {
                line.clear();
                let read = tokio::select! {
                    read = lines.read_line(&mut line) => read,
                    () = sender.closed() => return,
                };
                if !matches!(read, Ok(1..)) {
                    return;
                }
                // A line that is not understood is an observation that is lost: the stream ends, which is how a loss is told.
                let Ok(observation) = serde_json::from_str(&line) else { return };
                if sender.send(observation).await.is_err() {
                    return;
                }
            }
        });
        Ok((receiver, task))
    }

    async fn exchange(&self, request: &Request) -> Result<Answer, PlatformError> {
        let mut lines = self.send(request).await?;
        let mut line = String::new();
        lines.read_line(&mut line).await.map_err(|e| self.gone(&e))?;
        if line.is_empty() {
            return Err(PlatformError::Failed("the supervisor closed the connection without an answer".to_owned()));
        }
        serde_json::from_str(&line).map_err(|e| PlatformError::Failed(format!("the supervisor's answer is not understood: {e}")))
    }

    async fn send(&self, request: &Request) -> Result<BufReader<UnixStream>, PlatformError> {
        let mut stream = UnixStream::connect(&self.socket).await.map_err(|e| self.gone(&e))?;
        let mut text = serde_json::to_vec(request).map_err(|e| PlatformError::Failed(e.to_string()))?;
        text.push(b'\n');
        stream.write_all(&text).await.map_err(|e| self.gone(&e))?;
        Ok(BufReader::new(stream))
    }

    fn gone(&self, error: &std::io::Error) -> PlatformError {
        PlatformError::Unavailable(format!("no supervisor answers at {}: {error}", self.socket.display()))
    }
}
