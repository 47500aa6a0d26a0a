//! A WebSocket that sends back what it gets.

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        handshake::derive_accept_key,
        protocol::{Role, WebSocketConfig},
    },
};

use futures_util::{SinkExt, StreamExt};

/// The largest message that comes back.
const LARGEST: usize = 64 * 1024;

/// The answer that opens a WebSocket, when the headers ask for one.
pub fn opened<B: Default>(headers: &HeaderMap) -> Option<Response<B>> {
    let wanted = headers.get(header::UPGRADE).is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|_| wanted)?;
    let accepted = HeaderValue::try_from(derive_accept_key(key.as_bytes())).ok()?;
    let mut response = Response::new(B::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accepted);
    Some(response)
}

/// Sends back every message until the other side ends.
pub async fn echo(upgrade: OnUpgrade) {
    let Ok(upgraded) = upgrade.await else { return };
    let config = WebSocketConfig::default().read_buffer_size(4096).max_message_size(Some(LARGEST)).max_frame_size(Some(LARGEST));
    let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
    while let Some(Ok(message)) = socket.next().await {
        // Pings are answered, and a close is completed, by the library.
        if matches!(message, Message::Text(_) | Message::Binary(_)) && socket.send(message).await.is_err() {
            return;
        }
    }
}
