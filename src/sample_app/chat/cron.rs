//! Cron: a job that posts the time every now and then, as a user of its own. Its page says whether the last one was done.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};
use http_body_util::Full;

use crate::{
    clock,
    model::time::Mono,
    sample_app::{client, server::page},
};

/// From one job to the next.
const EVERY: Duration = Duration::from_millis(500);
/// When the last one that was done is older, jobs are not done.
const LATE: Duration = Duration::from_secs(2);

/// The service.
#[derive(Debug)]
pub struct Cron {
    /// When the last job was done, on the monotonic clock in nanoseconds; 0 before the first one.
    done: Arc<AtomicU64>,
}

impl Cron {
    /// Begins; the chat is at this address.
    pub fn start(chat: String) -> Self {
        let done = Arc::new(AtomicU64::new(0));
        let note = done.clone();
        tokio_util::task::TaskTracker::new().spawn(async move {
            loop {
                match job(&chat).await {
                    Ok(()) => note.store(clock::now().0, Ordering::Relaxed),
                    Err(why) => eprintln!("the job is not done: {why}"),
                }
                tokio::time::sleep(EVERY).await;
            }
        });
        Self { done }
    }

    /// `GET /cron`.
    pub fn answer(&self) -> Response<Full<Bytes>> {
        let done = self.done.load(Ordering::Relaxed);
        if done > 0 && clock::now().since(Mono(done)) <= LATE {
            page(StatusCode::OK, "The last job was done in time\n")
        } else {
            page(StatusCode::SERVICE_UNAVAILABLE, "Jobs are not done\n")
        }
    }
}

async fn job(chat: &str) -> Result<(), String> {
    let within = Duration::from_secs(1);
    let (_, said) = client::ask(chat, client::request(Method::POST, "/tokens", "name=cron"), within).await?;
    let said: serde_json::Value = serde_json::from_slice(&said).map_err(|error| format!("no token: {error}"))?;
    let mut post = client::request(Method::POST, "/messages", "another hour has passed");
    let token = format!("Bearer {}", said["token"].as_str().unwrap_or_default());
    post.headers_mut().insert(header::AUTHORIZATION, HeaderValue::from_str(&token).map_err(|error| error.to_string())?);
    match client::ask(chat, post, within).await? {
        (StatusCode::CREATED, _) => Ok(()),
        (status, _) => Err(format!("the chat says {status}")),
    }
}
