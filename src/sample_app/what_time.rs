//! "What time is it?": a stateless site of one page. Each server knows the time.
//!
//! * `/` says `It is HH:MM:SS o'clock`. It takes `work` time in one of `concurrency` slots; requests beyond them queue, so that too
//!   little capacity shows as latency. `fail` is the share that is answered with 500, as a bad version would.
//! * `/health` answers 200 without a slot: an overloaded server is slow, not dead.
//! * `Upgrade: echo`, on any path, switches to a connection on which every byte comes back; `Upgrade: websocket` to a WebSocket on
//!   which every message comes back.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use jiff::tz::TimeZone;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    server::{self, App, RunError, ServerOptions, page},
    websocket,
};
use crate::{
    clock,
    model::quantity::{self, Share},
};

/// How a server behaves. Also the flags of the verb `what-time`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// What every server has.
    #[command(flatten)]
    pub server: ServerOptions,
    /// The time that one request takes
    #[arg(long, value_name = "DURATION", default_value = "0ms", value_parser = quantity::duration)]
    pub work: Duration,
    /// The share of requests that are answered with an error 500: a bad version
    #[arg(long, value_name = "SHARE", default_value = "0%", value_parser = quantity::share)]
    pub fail: Share,
    /// Requests that are worked on at once; more of them queue
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    pub concurrency: u32,
}

/// Runs a server until SIGTERM or SIGINT.
pub fn run(options: &Options) -> Result<(), RunError> {
    server::run(&options.server, async || Ok(Site::new(options)))
}

/// Serves on this listener until told to stop and the requests in flight have finished.
pub async fn serve(listener: TcpListener, options: &Options, stop: CancellationToken) -> Result<(), RunError> {
    server::serve(listener, &options.server, Site::new(options), stop).await
}

struct Site {
    work: Duration,
    fail: Share,
    /// Requests for `/` that have begun.
    started: AtomicU64,
    slots: Semaphore,
    here: TimeZone,
    /// Upgraded connections. Nothing waits for them: they may live as long as the process.
    echoes: TaskTracker,
}

impl App for Site {
    const NAME: &'static str = "what-time";

    async fn answer(&self, mut request: Request<Incoming>) -> Response<Full<Bytes>> {
        let wants_echo = request.headers().get(header::UPGRADE).is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"echo"));
        if let Some(opened) = websocket::opened(request.headers()) {
            self.echoes.spawn(websocket::echo(hyper::upgrade::on(&mut request)));
            return opened;
        }
        if wants_echo {
            self.echoes.spawn(echo(hyper::upgrade::on(&mut request)));
            let mut switching = page(StatusCode::SWITCHING_PROTOCOLS, String::new());
            switching.headers_mut().remove(header::CONTENT_TYPE);
            switching.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            switching.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("echo"));
            return switching;
        }
        if *request.method() != Method::GET && *request.method() != Method::HEAD {
            return page(StatusCode::METHOD_NOT_ALLOWED, "Only GET and HEAD are known here\n");
        }
        match request.uri().path() {
            "/" => {
                let fails = self.fails();
                self.work().await;
                if fails {
                    page(StatusCode::INTERNAL_SERVER_ERROR, "This version does not know the time\n")
                } else {
                    page(StatusCode::OK, self.time())
                }
            }
            "/health" => page(StatusCode::OK, "ok\n"),
            _ => page(StatusCode::NOT_FOUND, "There is no such page\n"),
        }
    }
}

impl Site {
    fn new(options: &Options) -> Self {
        Self {
            work: options.work,
            fail: options.fail,
            started: AtomicU64::new(0),
            slots: Semaphore::new(options.concurrency as usize),
            here: TimeZone::system(),
            echoes: TaskTracker::new(),
        }
    }

    /// Whether the next request is one of those that fail: as many of each hundred as the share says, evenly spread.
    fn fails(&self) -> bool {
        let n = self.started.fetch_add(1, Ordering::Relaxed) as f64;
        ((n + 1.0) * self.fail.0).floor() > (n * self.fail.0).floor()
    }

    async fn work(&self) {
        // The semaphore is never closed; without a slot there would be no work to wait for.
        if let Ok(_slot) = self.slots.acquire().await
            && !self.work.is_zero()
        {
            tokio::time::sleep(self.work).await;
        }
    }

    fn time(&self) -> String {
        let now = jiff::Timestamp::from_nanosecond(i128::from(clock::wall().0)).unwrap_or_default();
        let t = self.here.to_datetime(now).time();
        format!("It is {:02}:{:02}:{:02} o'clock\n", t.hour(), t.minute(), t.second())
    }
}

async fn echo(upgrade: OnUpgrade) {
    let Ok(upgraded) = upgrade.await else { return };
    let mut connection = TokioIo::new(upgraded);
    let mut piece = [0; 4096];
    while let Ok(n @ 1..) = connection.read(&mut piece).await {
        if connection.write_all(&piece[..n]).await.is_err() || connection.flush().await.is_err() {
            return;
        }
    }
    // The other side has ended: so do we, in order.
    drop(connection.shutdown().await);
}
