//! Push: open WebSockets on which everybody with a token hears what is said, as soon as it comes out of the queue.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};

use super::tokens::{Judge, bearer};
use crate::sample_app::{server::page, websocket::opened};

/// A listener that takes longer than this for a message is cut off.
const WITHIN: Duration = Duration::from_secs(5);

/// The service.
#[derive(Debug)]
pub struct Push {
    said: broadcast::Sender<String>,
    judge: Judge,
}

impl Push {
    /// Tells its listeners what is sent here.
    pub fn new(said: broadcast::Sender<String>, judge: Judge) -> Self {
        Self { said, judge }
    }

    /// `GET /push` opens a WebSocket.
    pub async fn answer(&self, mut request: Request<Incoming>) -> Response<Full<Bytes>> {
        let Some(opened) = opened(request.headers()) else {
            return page(StatusCode::UPGRADE_REQUIRED, "A WebSocket is to be opened here\n");
        };
        if let Err(refused) = self.judge.owner(bearer(request.headers())).await {
            return refused;
        }
        tokio_util::task::TaskTracker::new().spawn(tell(hyper::upgrade::on(&mut request), self.said.subscribe()));
        opened
    }
}

async fn tell(upgrade: OnUpgrade, mut said: broadcast::Receiver<String>) {
    let Ok(upgraded) = upgrade.await else { return };
    let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
    loop {
        tokio::select! {
            heard = socket.next() => match heard {
                // Pings are answered by the socket itself, once it is written to.
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => if socket.flush().await.is_err() { return },
            },
            message = said.recv() => match message {
                Ok(text) => {
                    let sent = tokio::time::timeout(WITHIN, socket.send(Message::text(text))).await;
                    if !matches!(sent, Ok(Ok(()))) { return }
                }
                // Too slow for what is said: it goes on with what is said now.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
        }
    }
}
