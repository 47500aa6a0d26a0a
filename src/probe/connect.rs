//! Making a TCP connection, and saying exactly why it was not made.

use std::{io, net::SocketAddr, rc::Rc};

use rustix::io::Errno;
use tokio::net::TcpStream;

use crate::{
    model::sample::SampleOutcome,
    probe::{
        address::{Destination, NoAddress, forbidden_words},
        limits::Held,
        pacer::Shared,
        stage::{Stage, Trace},
    },
};

/// A connection, and the descriptor it is counted as.
#[derive(Debug)]
pub struct Connected {
    /// The stream.
    pub stream: TcpStream,
    /// Given back when the connection is closed.
    pub held: Held,
}

/// Draws an address and connects to it.
pub async fn connect(shared: &Rc<Shared>, to: &Destination, bits: u64, trace: &mut Trace) -> Result<Connected, SampleOutcome> {
    let address = locate(shared, to, bits, trace).await?;
    connect_to(shared, address, trace).await
}

/// Draws an address.
pub async fn locate(shared: &Rc<Shared>, to: &Destination, bits: u64, trace: &mut Trace) -> Result<SocketAddr, SampleOutcome> {
    // A question of one's own takes a socket for each family of addresses.
    let sockets = (shared.descriptors.take(), to.asks_each_time().then(|| shared.descriptors.take()));
    if matches!(sockets, (None, _) | (_, Some(None))) {
        return Err(SampleOutcome::NotSent);
    }
    trace.stage = Stage::Resolving;
    match to.address(bits).await {
        Ok(address) => Ok(address),
        Err(NoAddress::Failed) => Err(SampleOutcome::DnsFailed),
        Err(NoAddress::Late) => Err(SampleOutcome::DnsTimeout),
        Err(NoAddress::Forbidden(address)) => {
            shared.doubt(trace.due.probe, &format!("the name resolved to an address that is refused: {}", forbidden_words(address)));
            Err(SampleOutcome::NotSent)
        }
    }
}

/// Connects to an address.
pub async fn connect_to(shared: &Rc<Shared>, address: SocketAddr, trace: &mut Trace) -> Result<Connected, SampleOutcome> {
    let Some(held) = shared.descriptors.take() else {
        return Err(SampleOutcome::NotSent);
    };
    trace.stage = Stage::Connecting;
    trace.address = shared.names.borrow_mut().address(address);
    let stream = TcpStream::connect(address).await.map_err(|error| connect_failure(&error))?;
    if is_self(&stream, address) {
        return Err(SampleOutcome::Refused);
    }
    // Best effort: without it the answer only comes later, which is measured.
    let _ = stream.set_nodelay(true);
    Ok(Connected { stream, held })
}

/// A port in the ephemeral range that nobody listens on can be drawn as our own source port: the kernel then connects the socket to
/// itself. That is no server's answer.
fn is_self(stream: &TcpStream, peer: SocketAddr) -> bool {
    peer.ip().is_loopback() && stream.local_addr().is_ok_and(|local| local == peer)
}

/// The class of a failed connect.
pub fn connect_failure(error: &io::Error) -> SampleOutcome {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::CONNREFUSED) => SampleOutcome::Refused,
        Some(Errno::TIMEDOUT) => SampleOutcome::ConnectTimeout,
        Some(Errno::CONNRESET | Errno::CONNABORTED) => SampleOutcome::Reset,
        Some(Errno::MFILE | Errno::NFILE | Errno::ADDRNOTAVAIL | Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM | Errno::ADDRINUSE) => {
            SampleOutcome::NotSent
        }
        _ => SampleOutcome::Unreachable,
    }
}

/// For a door that must be closed: what a request's outcome means then.
pub fn closed_door(outcome: SampleOutcome) -> SampleOutcome {
    match outcome {
        SampleOutcome::Refused | SampleOutcome::Unreachable | SampleOutcome::ConnectTimeout => SampleOutcome::Ok,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_class() {
        let class = |errno: Errno| connect_failure(&errno.into());
        assert_eq!(class(Errno::CONNREFUSED), SampleOutcome::Refused);
        assert_eq!(class(Errno::HOSTUNREACH), SampleOutcome::Unreachable);
        assert_eq!(class(Errno::NETUNREACH), SampleOutcome::Unreachable);
        assert_eq!(class(Errno::TIMEDOUT), SampleOutcome::ConnectTimeout);
        assert_eq!(class(Errno::MFILE), SampleOutcome::NotSent);
        assert_eq!(class(Errno::ADDRNOTAVAIL), SampleOutcome::NotSent);
    }

    #[test]
    fn a_closed_door_is_what_was_asked_for() {
        assert_eq!(closed_door(SampleOutcome::Refused), SampleOutcome::Ok);
        assert_eq!(closed_door(SampleOutcome::ConnectTimeout), SampleOutcome::Ok);
        for other in [SampleOutcome::Expectation, SampleOutcome::NotSent, SampleOutcome::DnsFailed] {
            assert_eq!(closed_door(other), other);
        }
    }
}
