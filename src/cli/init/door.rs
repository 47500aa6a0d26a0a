//! Who answers at a port: one request, and a short wait.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// How long a door is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// What answers at a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    /// HTTP, with this status for `/`.
    Http(u16),
    /// Something that takes connections.
    Tcp,
}

/// Knocks; `None` where nobody opens.
pub(super) async fn knock(address: &str) -> Option<Door> {
    let mut stream = timeout(PATIENCE, TcpStream::connect(address)).await.ok()?.ok()?;
    let answer = timeout(PATIENCE, async {
        let request = format!("GET / HTTP/1.1\r\nhost: {address}\r\nuser-agent: firedrill-init\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.ok()?;
        std::str::from_utf8(&head).ok()?.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()
    });
    Some(answer.await.ok().flatten().map_or(Door::Tcp, Door::Http))
}
