//! TLS to a store: rustls with this tool's own settings, always verified unless the probe says `insecure`. Redis speaks it from the first
//! byte; a Postgres server is asked in the clear first, by its client's protocol.
//!
//! The stream that takes notes lies below: how a connection ended is what the network says of it.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};
use tokio_rustls::{TlsConnector, client};

use super::watched::{Notes, Watched};

/// The name in a server's certificate; words for the user when the host cannot be one.
pub fn server_name(host: &str) -> Result<ServerName<'static>, String> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(host.to_owned()).map_err(|_| format!("`{host}` cannot be the name of a TLS server"))
}

/// How a connection to a Postgres server is secured; not at all where there is no connector.
pub struct Secure {
    /// With whom.
    pub with: Option<(TlsConnector, ServerName<'static>)>,
    /// Told when the handshake is done.
    pub notes: Arc<Notes>,
}

/// A secured connection.
pub struct Secured(Box<client::TlsStream<Watched>>);

impl TlsConnect<Watched> for Secure {
    type Stream = Secured;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Secured>> + Send>>;

    fn connect(self, stream: Watched) -> Self::Future {
        Box::pin(async move {
            let Some((connector, name)) = self.with else { return Err(io::ErrorKind::Unsupported.into()) };
            let secured = connector.connect(name, stream).await?;
            self.notes.secured();
            Ok(Secured(Box::new(secured)))
        })
    }
}

impl TlsStream for Secured {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Secured {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Secured {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_shutdown(cx)
    }
}
