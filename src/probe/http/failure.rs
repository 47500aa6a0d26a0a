//! The class of an HTTP request that failed, from what the library says and what the socket saw.

use rustix::io::Errno;

use crate::{model::sample::SampleOutcome, probe::http::wire::Notes};

/// Classifies a failure after the request was handed to the connection. `head` says whether the answer's head had been read.
pub fn classify(error: &hyper::Error, notes: &Notes, reused: bool, head: bool) -> SampleOutcome {
    if error.is_parse_too_large() || notes.flooded.get() {
        return SampleOutcome::TooLarge;
    }
    if error.is_parse() {
        return SampleOutcome::BadHttp;
    }
    let silent = notes.received.get() == 0;
    let closed = if reused { SampleOutcome::EofReused } else { SampleOutcome::EofNew };
    match (notes.read_error.get(), notes.write_error.get()) {
        (Some(Errno::CONNRESET), _) | (_, Some(Errno::CONNRESET)) => return SampleOutcome::Reset,
        // The keep-alive or the retransmissions of the kernel gave up.
        (Some(Errno::TIMEDOUT), _) => return SampleOutcome::ResponseTimeout,
        (Some(Errno::HOSTUNREACH | Errno::NETUNREACH), _) => return SampleOutcome::Unreachable,
        // Written to a connection that the other side had closed.
        (_, Some(Errno::PIPE)) if silent && reused => return closed,
        (_, Some(_)) if silent => return SampleOutcome::SendFailed,
        _ => {}
    }
    if notes.eof.get() {
        return match (silent, head || notes.like_http.get()) {
            (true, _) => closed,
            (false, true) => SampleOutcome::Truncated,
            (false, false) => SampleOutcome::BadHttp,
        };
    }
    if notes.read_error.get().is_some() {
        return SampleOutcome::Reset;
    }
    if silent && !head { SampleOutcome::SendFailed } else { SampleOutcome::BadHttp }
}
