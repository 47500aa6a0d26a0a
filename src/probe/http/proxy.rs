//! A tunnel through an HTTP proxy, for `https` targets.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{model::sample::SampleOutcome, probe::stage::Trace};

/// The largest answer of a proxy.
const LARGEST: usize = 8 * 1024;

/// The request for a tunnel.
pub fn tunnel_request(authority: &str) -> Vec<u8> {
    format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n").into_bytes()
}

/// Asks for a tunnel. A proxy that says no is a failure of class `status`, with its status code.
pub async fn open_tunnel(stream: &mut TcpStream, request: &[u8], trace: &mut Trace) -> Result<(), SampleOutcome> {
    stream.write_all(request).await.map_err(|_| SampleOutcome::SendFailed)?;
    let mut head = Vec::with_capacity(256);
    // The host says nothing before we do, so there is nothing behind the head that could be read by mistake.
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > LARGEST {
            return Err(SampleOutcome::TooLarge);
        }
        match stream.read_buf(&mut head).await {
            Ok(0) if head.is_empty() => return Err(SampleOutcome::EofNew),
            Ok(0) => return Err(SampleOutcome::Truncated),
            Ok(_) => {}
            Err(_) => return Err(SampleOutcome::Reset),
        }
        if !b"HTTP/1.".iter().zip(&head).all(|(a, b)| a == b) {
            return Err(SampleOutcome::BadHttp);
        }
    }
    let status =
        std::str::from_utf8(&head).ok().and_then(|text| text.split(' ').nth(1)).and_then(|code| code.get(..3)?.parse::<u16>().ok());
    match status {
        Some(200..=299) => Ok(()),
        Some(status) => {
            trace.status = status;
            Err(SampleOutcome::Status)
        }
        None => Err(SampleOutcome::BadHttp),
    }
}
