//! Clients' connections.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use http::HeaderValue;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use super::{forward::forward, server::Shared};

/// The pause after a failed accept: nearly always too many open files, which passes when connections end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Accepts for ever.
pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => shared.tasks.spawn(serve(stream, peer, shared.clone())),
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn serve(stream: TcpStream, peer: SocketAddr, shared: Arc<Shared>) {
    if stream.set_nodelay(true).is_err() {
        return; // It has closed already.
    }
    let Ok(peer) = HeaderValue::try_from(peer.ip().to_string()) else { return };
    let service = service_fn(|request| {
        let (shared, peer) = (shared.clone(), peer.clone());
        async move { Ok::<_, Infallible>(forward(&shared, &peer, request).await) }
    });
    // No limit on the time between requests: a visitor who waits a minute must not meet a closing connection of ours.
    // When the client goes away, hyper drops the running request, and with it the backend's connection.
    let connection = http1::Builder::new().header_read_timeout(None).serve_connection(TokioIo::new(stream), service);
    // A client that breaks off or does not speak HTTP concerns itself only.
    drop(connection.with_upgrades().await);
}
