//! A new connection up to the point where it speaks to the host: name, TCP, a proxy's tunnel, TLS. Each step's failure has its class.

use std::{net::SocketAddr, rc::Rc};

use tokio_rustls::TlsConnector;

use crate::{
    model::sample::SampleOutcome,
    probe::{
        address::Destination,
        connect::{connect, connect_to},
        http::{proxy, wire::Socket},
        limits::Held,
        pacer::Shared,
        stage::{Stage, Trace},
    },
};

/// What a connection does before it speaks HTTP to the host.
pub struct Tls {
    /// The settings.
    pub connector: TlsConnector,
    /// Whom the certificate must name.
    pub server: rustls::pki_types::ServerName<'static>,
    /// Asks a proxy for a tunnel first.
    pub tunnel: Option<Vec<u8>>,
}

/// Connects to this address, or to one of the destination's that `bits` draw.
pub async fn dial(
    shared: &Rc<Shared>,
    to: &Destination,
    address: Option<SocketAddr>,
    bits: u64,
    tls: Option<&Tls>,
    trace: &mut Trace,
) -> Result<(Socket, Held), SampleOutcome> {
    let connected = match address {
        Some(address) => connect_to(shared, address, trace).await?,
        None => connect(shared, to, bits, trace).await?,
    };
    let socket = match tls {
        None => Socket::Plain(connected.stream),
        Some(tls) => {
            let mut stream = connected.stream;
            if let Some(tunnel) = &tls.tunnel {
                trace.stage = Stage::Waiting;
                proxy::open_tunnel(&mut stream, tunnel, trace).await?;
            }
            trace.stage = Stage::Securing;
            // Whatever ends a handshake, a bad certificate or a closed connection: the user sees that TLS failed.
            let secured = tls.connector.connect(tls.server.clone(), stream).await.map_err(|_| SampleOutcome::Tls)?;
            Socket::Tls(Box::new(secured))
        }
    };
    trace.connected();
    Ok((socket, connected.held))
}
