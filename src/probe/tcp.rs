//! The `tcp` probe: one connection, and a word exchanged on it where the file asks for one.

use std::{io, rc::Rc, time::Duration};

use rustix::io::Errno;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    clock,
    model::{probe::TcpProbe, sample::SampleOutcome},
    probe::{
        address::{Host, Way},
        connect::connect,
        draw::{Purpose, draw, pick},
        pacer::Shared,
        stage::Trace,
        tasks::give_way,
    },
};

/// The most that is read in search of the expected text.
const LARGEST: usize = 64 * 1024;

/// A `tcp` probe.
pub struct TcpKind {
    ways: Vec<Way>,
    send: Option<Vec<u8>>,
    receive: Option<Vec<u8>>,
    unreachable: bool,
}

impl TcpKind {
    /// Words for the user when the address makes no sense.
    pub fn new(spec: &TcpProbe, timeout: Duration) -> Result<Self, String> {
        let bad = || format!("`{}` is not an address; write it like `db.example:5432` or `[::1]:5432`", spec.address);
        let (host, port) = spec.address.rsplit_once(':').ok_or_else(bad)?;
        let port: u16 = port.parse().ok().filter(|&port| port > 0).ok_or_else(bad)?;
        let bracketed = host.starts_with('[') && host.ends_with(']');
        if host.is_empty() || (host.contains(':') && !bracketed) {
            return Err(bad());
        }
        Ok(Self {
            ways: Way::all(Host { name: host, port, listed: &[], resolver: spec.resolver, limit: timeout }, &spec.names)?,
            send: spec.send.as_ref().map(|text| text.clone().into_bytes()),
            receive: spec.receive.as_ref().filter(|text| !text.is_empty()).map(|text| text.clone().into_bytes()),
            unreachable: spec.unreachable,
        })
    }

    /// Whether the probe expects a closed door.
    pub fn must_be_closed(&self) -> bool {
        self.unreachable
    }

    /// One connection.
    pub async fn attempt(&self, shared: &Rc<Shared>, trace: &mut Trace) -> SampleOutcome {
        let bits = |purpose| draw(shared.seed, trace.due.probe, trace.due.number, purpose);
        let (way, address) = (&self.ways[pick(bits(Purpose::Names), self.ways.len())], bits(Purpose::Address));
        trace.names = way.told;
        let mut connected = match connect(shared, &way.destination, address, trace).await {
            Ok(connected) => connected,
            Err(why) => return why,
        };
        trace.connected();
        if self.unreachable {
            return SampleOutcome::Expectation;
        }
        if let Some(text) = &self.send
            && let Err(error) = connected.stream.write_all(text).await
        {
            return if is_reset(&error) { SampleOutcome::Reset } else { SampleOutcome::SendFailed };
        }
        let Some(wanted) = &self.receive else {
            return SampleOutcome::Ok;
        };
        let mut got = Vec::new();
        // Where the text may begin that was not seen yet: what came before is not looked at again with each byte that comes.
        let mut looked = 0;
        loop {
            match connected.stream.read_buf(&mut got).await {
                Ok(0) if got.is_empty() => return SampleOutcome::EofNew,
                Ok(0) => return SampleOutcome::Expectation,
                Ok(_) => trace.first_byte(clock::now()),
                Err(error) if is_reset(&error) => return SampleOutcome::Reset,
                Err(_) => return SampleOutcome::ResponseTimeout,
            }
            trace.bytes = got.len() as u64;
            if got[looked..].windows(wanted.len()).any(|part| part == wanted) {
                return SampleOutcome::Ok;
            }
            looked = (got.len() + 1).saturating_sub(wanted.len());
            if got.len() > LARGEST {
                return SampleOutcome::TooLarge;
            }
            // Something else came: if nothing more does, that is what was wrong.
            trace.certain = Some(SampleOutcome::Expectation);
            give_way().await;
        }
    }
}

fn is_reset(error: &io::Error) -> bool {
    error.raw_os_error().map(Errno::from_raw_os_error) == Some(Errno::CONNRESET)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_a_host_and_a_port() {
        let new = |address: &str| {
            TcpKind::new(
                &TcpProbe { address: address.to_owned(), send: None, receive: None, unreachable: false, ..TcpProbe::default() },
                Duration::from_secs(1),
            )
        };
        assert!(new("[::1]:80").is_ok() && new("db.example:5432").is_ok() && new("127.0.0.1:1").is_ok());
        for bad in ["", "host", ":80", "host:", "host:0", "host:x", "::1:80", "host:99999"] {
            assert!(new(bad).is_err(), "{bad}");
        }
    }
}
