//! What the examples need of etcd, through the JSON gateway that every member has: values under a lease, all values below a prefix, and
//! a word when one of them changes.
//!
//! A member that does not answer is left for the next one; so one dead member of three costs a moment, and two cost everything that
//! needs a majority.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use http::Method;
use http_body_util::BodyExt as _;
use serde_json::{Value as Json, json};

use super::client;

/// How long a member may take for an answer.
const WITHIN: Duration = Duration::from_millis(800);
/// The longest line of a watch; what is longer says nothing that is needed.
const LINE: usize = 1 << 20;

/// A cluster, by the addresses of its members.
#[derive(Debug)]
pub struct Etcd {
    members: Vec<String>,
    /// The member that answered last.
    current: AtomicUsize,
}

/// What a cluster holds below a prefix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// Keys (whole) and values, by key.
    pub values: Vec<(String, String)>,
    /// The cluster's revision then.
    pub revision: i64,
}

impl Etcd {
    /// A cluster with these members (`HOST:PORT`).
    pub fn new(members: &[String]) -> Self {
        Self { members: members.to_vec(), current: AtomicUsize::new(0) }
    }

    /// A lease of so many seconds; its id.
    ///
    /// # Errors
    /// In words: no member granted one.
    pub async fn grant(&self, seconds: u64) -> Result<String, String> {
        let answer = self.call("/v3/lease/grant", &json!({ "TTL": seconds.to_string() })).await?;
        answer["ID"].as_str().map(str::to_owned).ok_or_else(|| "etcd granted a lease without an id".to_owned())
    }

    /// Renews a lease; whether it was still there.
    ///
    /// # Errors
    /// In words: nobody can say.
    pub async fn keep_alive(&self, lease: &str) -> Result<bool, String> {
        let answer = self.call("/v3/lease/keepalive", &json!({ "ID": lease })).await?;
        Ok(answer["result"]["TTL"].as_str().is_some_and(|ttl| ttl != "0"))
    }

    /// Keeps a value; for as long as a lease lives, if one is given.
    ///
    /// # Errors
    /// In words: no majority did it.
    pub async fn put(&self, key: &str, value: &str, lease: Option<&str>) -> Result<(), String> {
        let coded = json!({ "key": BASE64.encode(key), "value": BASE64.encode(value), "lease": lease.unwrap_or("0") });
        self.call("/v3/kv/put", &coded).await.map(drop)
    }

    /// Removes a value.
    ///
    /// # Errors
    /// In words: no majority did it.
    pub async fn delete(&self, key: &str) -> Result<(), String> {
        self.call("/v3/kv/deleterange", &json!({ "key": BASE64.encode(key) })).await.map(drop)
    }

    /// What a majority holds below a prefix.
    ///
    /// # Errors
    /// In words: no majority answers.
    pub async fn held(&self, prefix: &str) -> Result<Held, String> {
        let answer = self.call("/v3/kv/range", &json!({ "key": BASE64.encode(prefix), "range_end": end(prefix) })).await?;
        let text = |coded: &Json| {
            let bytes = BASE64.decode(coded.as_str().unwrap_or_default()).ok()?;
            String::from_utf8(bytes).ok()
        };
        let pairs = answer["kvs"].as_array().map(Vec::as_slice).unwrap_or_default();
        let values = pairs.iter().filter_map(|pair| Some((text(&pair["key"])?, text(&pair["value"])?))).collect();
        let revision = answer["header"]["revision"].as_str().and_then(|text| text.parse().ok()).unwrap_or_default();
        Ok(Held { values, revision })
    }

    /// Returns when something below a prefix has changed after a revision, and in any case after a while.
    pub async fn changed(&self, prefix: &str, after: i64, within: Duration) {
        // Whatever goes wrong is seen by who looks next.
        let _ = tokio::time::timeout(within, self.watch(prefix, after)).await;
    }

    async fn watch(&self, prefix: &str, after: i64) -> Result<(), String> {
        let create = json!({ "create_request": {
            "key": BASE64.encode(prefix),
            "range_end": end(prefix),
            "start_revision": (after + 1).to_string(),
        } });
        let at = &self.members[self.current.load(Ordering::Relaxed) % self.members.len()];
        let mut body = client::open(at, client::request(Method::POST, "/v3/watch", create.to_string())).await?.into_body();
        let mut line = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| error.to_string())?;
            for byte in frame.data_ref().map(AsRef::as_ref).unwrap_or_default() {
                if *byte != b'\n' {
                    line.push(*byte);
                } else if tells_events(&line) {
                    return Ok(());
                } else {
                    line.clear();
                }
            }
            if line.len() > LINE {
                return Ok(());
            }
        }
        // The member ended the watch. Not at once again: it may have ended itself.
        tokio::time::sleep(Duration::from_millis(100)).await;
        Ok(())
    }

    /// Asks one member after another, beginning with the one that answered last.
    async fn call(&self, path: &str, body: &Json) -> Result<Json, String> {
        let first = self.current.load(Ordering::Relaxed);
        let mut why = "there is no etcd to ask".to_owned();
        for turn in 0..self.members.len() {
            let place = (first + turn) % self.members.len();
            let request = client::request(Method::POST, path, body.to_string());
            match client::ask(&self.members[place], request, WITHIN).await {
                Ok((status, answer)) if status.is_success() => {
                    self.current.store(place, Ordering::Relaxed);
                    return serde_json::from_slice(&answer).map_err(|error| format!("etcd's answer is not JSON: {error}"));
                }
                Ok((status, answer)) => why = format!("etcd says {status}: {}", String::from_utf8_lossy(&answer).trim()),
                Err(no_answer) => why = format!("etcd does not answer: {no_answer}"),
            }
        }
        Err(why)
    }
}

/// The first key behind all that begin with a prefix (of ASCII), as the gateway wants it.
fn end(prefix: &str) -> String {
    let mut end = prefix.as_bytes().to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    BASE64.encode(&end)
}

fn tells_events(line: &[u8]) -> bool {
    serde_json::from_slice::<Json>(line).is_ok_and(|told| told["result"]["events"].is_array())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_speaks_of_events_only_after_it_was_made() {
        assert!(!tells_events(br#"{"result":{"header":{"revision":"7"},"created":true}}"#));
        assert!(tells_events(br#"{"result":{"events":[{"type":"DELETE","kv":{"key":"L2E="}}]}}"#));
        assert!(!tells_events(b"not JSON"));
    }

    #[test]
    fn a_prefix_ends_before_its_next_sibling() {
        assert_eq!(end("/a/"), BASE64.encode(b"/a0"));
    }
}
