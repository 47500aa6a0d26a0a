//! The supervisor's side of the control socket.

use std::{io, os::unix::fs::PermissionsExt, path::Path};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::{mpsc, oneshot},
    task::JoinSet,
};

use super::{
    control::{Answer, Request},
    supervisor::{self, Message},
};

/// The longest request.
const LONGEST: u64 = 64 * 1024;

/// Listens at this path, for this user only.
pub fn listen(path: &Path) -> io::Result<UnixListener> {
    // The folder is 0700, so nobody else can connect before the mode is set.
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves clients for ever.
pub async fn serve(listener: UnixListener, outbox: mpsc::UnboundedSender<Message>) {
    let mut clients = JoinSet::new();
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            clients.spawn(client(stream, outbox.clone()));
        } else {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        while clients.try_join_next().is_some() {}
    }
}

async fn client(stream: UnixStream, outbox: mpsc::UnboundedSender<Message>) {
    let allowed = rustix::net::sockopt::socket_peercred(&stream).is_ok_and(|peer| {
        let user = rustix::process::geteuid();
        peer.uid == user || peer.uid.is_root()
    });
    let (input, mut output) = stream.into_split();
    let mut line = String::new();
    let read = BufReader::new(input.take(LONGEST)).read_line(&mut line).await;
    if !allowed || read.is_err() {
        return;
    }
    let answer = match serde_json::from_str::<Request>(&line) {
        Ok(Request::Watch) => return watch(output, &outbox).await,
        Ok(request) => {
            let (reply, answer) = oneshot::channel();
            let _ = outbox.send(Message::Asked { request, reply });
            answer.await.unwrap_or_else(|_| Answer::Refused { why: "the system is ending".to_owned() })
        }
        Err(e) => Answer::Refused { why: format!("not a request: {e}") },
    };
    let mut text = serde_json::to_vec(&answer).unwrap_or_default();
    text.push(b'\n');
    // A client that hung up does not want the answer.
    let _ = output.write_all(&text).await;
}

/// Until the watcher hangs up, falls behind, or the system ends.
async fn watch(mut output: tokio::net::unix::OwnedWriteHalf, outbox: &mpsc::UnboundedSender<Message>) {
    let (sender, mut observations) = supervisor::watch();
    let _ = outbox.send(Message::Watch { sender });
    // An empty line: from here on nothing is missed.
    let mut line = Vec::new();
    loop {
        line.push(b'\n');
        if output.write_all(&line).await.is_err() {
            return;
        }
        let Some(observation) = observations.recv().await else { return };
        line = serde_json::to_vec(&observation).unwrap_or_default();
    }
}
