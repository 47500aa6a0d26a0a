//! Asks one instance for its version, over HTTP at its own address. Everything is bounded: the time, the body, what is kept of it.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::JoinSet};

use crate::model::{
    built::{LONGEST_VERSION, Version, VersionEndpoint},
    quantity::show_duration,
};

/// The limit for an answer, from the connection to the last byte.
const LIMIT: Duration = Duration::from_secs(2);
/// Bytes of the body that are read.
const MOST_BYTES: usize = 64 * 1024;

/// What the instance at `address` (`host:port`) says.
pub(crate) async fn ask(address: Option<&str>, endpoint: &VersionEndpoint) -> Version {
    let Some(address) = address else { return Version::Unknown { why: "its platform knows no address of it".to_owned() } };
    let address = match (endpoint.port, address.rsplit_once(':')) {
        (Some(port), Some((host, _))) => format!("{host}:{port}"),
        _ => address.to_owned(),
    };
    let asked = tokio::time::timeout(LIMIT, fetch(&address, &endpoint.path)).await;
    let said = asked
        .unwrap_or_else(|_| Err(format!("no answer within {}", show_duration(LIMIT))))
        .and_then(|body| read(&body, endpoint.json.as_deref()));
    match said {
        Ok(text) => Version::Said(text),
        Err(why) => Version::Unknown { why: format!("its version could not be read at {address}{}: {why}", endpoint.path) },
    }
}

async fn fetch(address: &str, path: &str) -> Result<Bytes, String> {
    let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    // Ends with this function, whatever the other side does.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let request = Request::get(path)
        .header(header::HOST, address)
        .header(header::CONNECTION, "close")
        .header(header::USER_AGENT, concat!("firedrill/", env!("CARGO_PKG_VERSION")))
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
    if !answer.status().is_success() {
        return Err(format!("it answered {}", answer.status().as_u16()));
    }
    let body = Limited::new(answer.into_body(), MOST_BYTES).collect().await.map_err(|error| error.to_string())?;
    Ok(body.to_bytes())
}

/// The version in a body: all of it, or what stands at a JSON pointer.
fn read(body: &[u8], pointer: Option<&str>) -> Result<String, String> {
    let text = match pointer {
        None => String::from_utf8_lossy(body).into_owned(),
        Some(pointer) => {
            let json: serde_json::Value = serde_json::from_slice(body).map_err(|_| "the answer is not JSON".to_owned())?;
            match json.pointer(pointer) {
                Some(serde_json::Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
                None => return Err(format!("there is nothing at {pointer} in the answer")),
            }
        }
    };
    let text: String = text.trim().chars().take(LONGEST_VERSION).collect();
    if text.is_empty() { Err("the answer is empty".to_owned()) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_the_body_or_what_a_pointer_finds() {
        assert_eq!(read(b" 1.2.3\n", None), Ok("1.2.3".to_owned()));
        assert_eq!(read(br#"{"app":{"build":7}}"#, Some("/app/build")), Ok("7".to_owned()));
        assert_eq!(read(br#"{"v":"a"}"#, Some("/v")), Ok("a".to_owned()));
        assert!(read(b"{}", Some("/v")).unwrap_err().contains("nothing at /v"));
        assert!(read(b"<html>", Some("/v")).unwrap_err().contains("not JSON"));
        assert!(read(b" \n", None).unwrap_err().contains("empty"));
        assert_eq!(read("é".repeat(1_000).as_bytes(), None).unwrap().chars().count(), LONGEST_VERSION);
    }
}
