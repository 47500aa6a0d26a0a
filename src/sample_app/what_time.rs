//! "What time is it?": a stateless site of one page. Each server knows the time.
//!
//! * `/` says `It is HH:MM:SS o'clock`, with `x-served-by`, `x-zone` and `x-version`. It takes `work` time in one of `concurrency`
//!   slots; requests beyond them queue, so that too little capacity shows as latency.
//! * `/version` says the version, and nothing else.
//! * `/health` answers 200 without a slot: an overloaded server is slow, not dead.
//! * `Upgrade: echo`, on any path, switches to a connection on which every byte comes back.
//! * SIGTERM and SIGINT: no more connections, requests in flight finish, then it ends. What is still open after `grace` is cut.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use jiff::tz::TimeZone;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{clock, model::quantity};

/// How a server behaves. Also the flags of the verb `what-time`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Where to listen, as ADDRESS:PORT; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// The name of this instance, for the header x-served-by
    #[arg(long, value_name = "ID", default_value = "what-time")]
    pub instance: String,
    /// The zone of this instance, for the header x-zone
    #[arg(long, value_name = "ZONE", default_value = "local")]
    pub zone: String,
    /// The version of the application, for the header x-version
    #[arg(id = "app-version", long = "app-version", value_name = "VERSION", default_value = "1")]
    pub version: String,
    /// The time before it listens
    #[arg(long, value_name = "DURATION", default_value = "0ms", value_parser = quantity::duration)]
    pub boot_delay: Duration,
    /// The time that one request takes
    #[arg(long, value_name = "DURATION", default_value = "0ms", value_parser = quantity::duration)]
    pub work: Duration,
    /// Requests that are worked on at once; more of them queue
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    pub concurrency: u32,
    /// The time that requests in flight have to finish after SIGTERM
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = quantity::duration)]
    pub grace: Duration,
}

/// Why a server could not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A name that does not fit into a header.
    #[error("the {what} {text:?} does not fit into a header")]
    Name {
        /// Of what.
        what: &'static str,
        /// The name.
        text: String,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// No runtime, or no signals.
    #[error("cannot start: {0}")]
    Start(#[from] io::Error),
}

/// Runs a server until SIGTERM or SIGINT. On one thread: many of these share a machine.
pub fn run(options: &Options) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let stop = CancellationToken::new();
        let stopped = async {
            tokio::select! { _ = terminate.recv() => {} _ = interrupt.recv() => {} }
            stop.cancel();
        };
        let served = async {
            if stop.run_until_cancelled(tokio::time::sleep(options.boot_delay)).await.is_none() {
                return Ok(()); // Ended while it booted.
            }
            let address = options.listen;
            let listener = TcpListener::bind(address).await.map_err(|source| RunError::Listen { address, source })?;
            println!("{} listens on http://{}", options.instance, listener.local_addr()?);
            serve(listener, options, stop.clone()).await
        };
        tokio::pin!(served);
        tokio::select! {
            ended = &mut served => ended,
            () = stopped => served.await,
        }
    })
}

/// Serves on this listener until told to stop and the requests in flight have finished. `listen` and `boot_delay` are not used.
pub async fn serve(listener: TcpListener, options: &Options, stop: CancellationToken) -> Result<(), RunError> {
    let name = |what, text: &str| HeaderValue::from_str(text).map_err(|_| RunError::Name { what, text: text.to_owned() });
    let site = Arc::new(Site {
        instance: name("instance", &options.instance)?,
        zone: name("zone", &options.zone)?,
        version: name("version", &options.version)?,
        work: options.work,
        slots: Semaphore::new(options.concurrency as usize),
        here: TimeZone::system(),
        echoes: TaskTracker::new(),
    });
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, _)) => drop(connections.spawn(converse(stream, site.clone(), stop.clone()))),
            // Too many open files, nearly always: it passes when connections end.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    drop(listener);
    connections.close();
    // Who does not finish in time is cut by the end of the process.
    drop(tokio::time::timeout(options.grace, connections.wait()).await);
    Ok(())
}

struct Site {
    instance: HeaderValue,
    zone: HeaderValue,
    version: HeaderValue,
    work: Duration,
    slots: Semaphore,
    here: TimeZone,
    /// Upgraded connections. Nothing waits for them: they may live as long as the process.
    echoes: TaskTracker,
}

async fn converse(stream: TcpStream, site: Arc<Site>, stop: CancellationToken) {
    if stream.set_nodelay(true).is_err() {
        return; // It has closed already.
    }
    let service = service_fn(|request| {
        let site = site.clone();
        async move { Ok::<_, Infallible>(site.answer(request).await) }
    });
    let connection = http1::Builder::new().header_read_timeout(None).serve_connection(TokioIo::new(stream), service).with_upgrades();
    tokio::pin!(connection);
    // What goes wrong on a connection concerns its client only.
    tokio::select! {
        _ = &mut connection => {}
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            drop(connection.await);
        }
    }
}

impl Site {
    async fn answer(&self, mut request: Request<Incoming>) -> Response<Full<Bytes>> {
        let wants_echo = request.headers().get(header::UPGRADE).is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"echo"));
        let mut response = if wants_echo {
            self.echoes.spawn(echo(hyper::upgrade::on(&mut request)));
            let mut switching = page(StatusCode::SWITCHING_PROTOCOLS, String::new());
            switching.headers_mut().remove(header::CONTENT_TYPE);
            switching.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            switching.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("echo"));
            switching
        } else if *request.method() != Method::GET && *request.method() != Method::HEAD {
            page(StatusCode::METHOD_NOT_ALLOWED, "Only GET and HEAD are known here\n".to_owned())
        } else {
            match request.uri().path() {
                "/" => {
                    self.work().await;
                    page(StatusCode::OK, self.time())
                }
                "/health" => page(StatusCode::OK, "ok\n".to_owned()),
                "/version" => page(StatusCode::OK, format!("{}\n", String::from_utf8_lossy(self.version.as_bytes()))),
                _ => page(StatusCode::NOT_FOUND, "There is no such page\n".to_owned()),
            }
        };
        let headers = response.headers_mut();
        headers.insert("x-served-by", self.instance.clone());
        headers.insert("x-zone", self.zone.clone());
        headers.insert("x-version", self.version.clone());
        response
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

fn page(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
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
