//! Messages: what was said. To say something and to read it a token is needed. What was said is put into the queue for the push service,
//! and is kept whether or not there is a queue.

use std::{
    io,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::{Value as Json, json};

use super::{
    queue::Sender,
    store::Store,
    tokens::{Judge, bearer},
};
use crate::sample_app::server::{body, page};

/// The longest message, in bytes.
const LONGEST: usize = 500;
/// So many are read at once.
const SHOWN: usize = 20;

/// The service.
#[derive(Debug)]
pub struct Messages {
    said: Store,
    judge: Judge,
    queue: Option<Sender>,
    /// What begins the ids that this instance gives.
    instance: String,
    next: AtomicU64,
}

impl Messages {
    /// Opens the store.
    pub fn open(folder: &Path, judge: Judge, queue: Option<Sender>, instance: &str) -> io::Result<Self> {
        // An instance that begins again does not give ids again.
        let instance = format!("{instance}-{:x}", rand::random::<u32>());
        Ok(Self { said: Store::open(folder, "messages")?, judge, queue, instance, next: AtomicU64::new(0) })
    }

    /// `POST /messages` says the body, `GET /messages` gives the last twenty.
    pub async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let name = match self.judge.owner(bearer(request.headers())).await {
            Ok(name) => name,
            Err(refused) => return refused,
        };
        let broken = |error: io::Error| page(StatusCode::INTERNAL_SERVER_ERROR, format!("The store says: {error}\n"));
        match *request.method() {
            Method::GET => match self.said.last(SHOWN) {
                Ok(lines) => {
                    let messages: Vec<Json> = lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
                    page(StatusCode::OK, json!({ "messages": messages }).to_string())
                }
                Err(error) => broken(error),
            },
            Method::POST => {
                let Some(text) = body(request, LONGEST).await else {
                    return page(StatusCode::PAYLOAD_TOO_LARGE, "A message has at most 500 bytes\n");
                };
                let id = format!("{}-{}", self.instance, self.next.fetch_add(1, Ordering::Relaxed));
                let message = json!({ "id": id, "from": name, "text": String::from_utf8_lossy(&text) }).to_string();
                if let Err(error) = self.said.add(&message) {
                    return broken(error);
                }
                if let Some(queue) = &self.queue {
                    queue.send(message);
                }
                page(StatusCode::CREATED, json!({ "id": id }).to_string())
            }
            _ => page(StatusCode::METHOD_NOT_ALLOWED, "GET and POST are known here\n"),
        }
    }
}
