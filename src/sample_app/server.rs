//! What every sample application's process does: it boots, listens, answers, says who answered, and ends in good order.
//!
//! SIGTERM and SIGINT: no more connections, requests in flight finish, then it ends. What is still open after `grace` is cut. The last
//! line that it writes says how many requests it answered, so that a missing line tells of a process that was cut off.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::host_port::HostPort;
use crate::model::quantity;

/// The version that a server has which installs whatever there is.
const LATEST: &str = "latest";
/// So much of a package source's answer is read.
const LONGEST_ANSWER: u64 = 64 * 1024;

/// The flags that all sample applications share.
#[derive(Debug, Clone, clap::Args)]
pub struct ServerOptions {
    /// Where to listen, as ADDRESS:PORT; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// The name of this instance, for the header x-served-by; the program's name when left out
    #[arg(long, value_name = "ID")]
    pub instance: Option<String>,
    /// The zone of this instance, for the header x-zone
    #[arg(long, value_name = "ZONE", default_value = "local")]
    pub zone: String,
    /// The version of the application, for the header x-version and the page /version; `latest` is whatever the package source has
    #[arg(id = "app-version", long = "app-version", value_name = "VERSION", default_value = "1")]
    pub version: String,
    /// The time before it listens
    #[arg(long, value_name = "DURATION", default_value = "0ms", value_parser = quantity::duration)]
    pub boot_delay: Duration,
    /// Where something is to be fetched before it listens, as HOST:PORT: a package source. Several are tried in turn until one is there
    #[arg(long, value_name = "ADDRESS")]
    pub bootstrap_from: Vec<HostPort>,
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
    /// Something that the application needs is not there.
    #[error("{0}")]
    Needs(String),
    /// No runtime, or no signals.
    #[error("cannot start: {0}")]
    Start(#[from] io::Error),
}

/// An application: what it answers.
pub trait App: Send + Sync + 'static {
    /// What it is called where no instance is named.
    const NAME: &'static str;

    /// Answers a request. Who answered is put in by the server.
    fn answer(&self, request: Request<Incoming>) -> impl Future<Output = Response<Full<Bytes>>> + Send;
}

/// Runs an application until SIGTERM or SIGINT. On one thread: many of these share a machine. It is made when it has booted.
pub fn run<A: App>(options: &ServerOptions, make: impl AsyncFnOnce() -> Result<A, RunError>) -> Result<(), RunError> {
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
            let boots = async {
                tokio::time::sleep(options.boot_delay).await;
                if options.bootstrap_from.is_empty() { None } else { Some(installed_from(&options.bootstrap_from).await) }
            };
            let Some(installed) = stop.run_until_cancelled(boots).await else {
                return Ok(()); // Ended while it booted.
            };
            let mut options = options.clone();
            if let Some(version) = installed.filter(|_| options.version == LATEST) {
                options.version = version;
            }
            let app = make().await?;
            let address = options.listen;
            let listener = TcpListener::bind(address).await.map_err(|source| RunError::Listen { address, source })?;
            println!("{} listens on http://{}", name::<A>(&options), listener.local_addr()?);
            serve(listener, &options, app, stop.clone()).await
        };
        tokio::pin!(served);
        tokio::select! {
            ended = &mut served => ended,
            () = stopped => served.await,
        }
    })
}

/// Serves on this listener until told to stop and the requests in flight have finished. `listen` and the booting are not used.
pub async fn serve<A: App>(listener: TcpListener, options: &ServerOptions, app: A, stop: CancellationToken) -> Result<(), RunError> {
    let header = |what, text: &str| HeaderValue::from_str(text).map_err(|_| RunError::Name { what, text: text.to_owned() });
    let server = Arc::new(Server {
        app,
        instance: header("instance", name::<A>(options))?,
        zone: header("zone", &options.zone)?,
        version: header("version", &options.version)?,
        answered: AtomicU64::new(0),
    });
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, _)) => drop(connections.spawn(converse(stream, server.clone(), stop.clone()))),
            // Too many open files, nearly always: it passes when connections end.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    drop(listener);
    connections.close();
    // Who does not finish in time is cut by the end of the process.
    let all = tokio::time::timeout(options.grace, connections.wait()).await.is_ok();
    let answered = server.answered.load(Ordering::Relaxed);
    let rest = if all { "all answered" } else { "and some were cut" };
    println!("{} ended after {answered} requests, {rest}", name::<A>(options));
    Ok(())
}

fn name<A: App>(options: &ServerOptions) -> &str {
    options.instance.as_deref().unwrap_or(A::NAME)
}

struct Server<A> {
    app: A,
    instance: HeaderValue,
    zone: HeaderValue,
    version: HeaderValue,
    answered: AtomicU64,
}

async fn converse<A: App>(stream: TcpStream, server: Arc<Server<A>>, stop: CancellationToken) {
    if stream.set_nodelay(true).is_err() {
        return; // It has closed already.
    }
    let service = service_fn(|request| {
        let server = server.clone();
        async move {
            let mut response = if request.uri().path() == "/version" {
                page(StatusCode::OK, server.version.as_bytes().to_vec())
            } else {
                server.app.answer(request).await
            };
            let headers = response.headers_mut();
            headers.insert("x-served-by", server.instance.clone());
            headers.insert("x-zone", server.zone.clone());
            headers.insert("x-version", server.version.clone());
            server.answered.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Infallible>(response)
        }
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

/// An answer of text.
pub fn page(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

/// A request's body up to a bound; none when it is larger, or broke off.
pub async fn body(request: Request<Incoming>, largest: usize) -> Option<Bytes> {
    Limited::new(request.into_body(), largest).collect().await.ok().map(http_body_util::Collected::to_bytes)
}

/// Returns once a source of packages has answered, with the version that it has.
async fn installed_from(sources: &[HostPort]) -> String {
    for source in sources.iter().cycle() {
        let fetch = async {
            let mut stream = TcpStream::connect((source.host.as_str(), source.port)).await?;
            stream.write_all(format!("GET / HTTP/1.1\r\nhost: {source}\r\nconnection: close\r\n\r\n").as_bytes()).await?;
            let mut answer = Vec::new();
            stream.take(LONGEST_ANSWER).read_to_end(&mut answer).await?;
            Ok::<_, io::Error>(version_in(&String::from_utf8_lossy(&answer)))
        };
        if let Ok(Ok(Some(version))) = tokio::time::timeout(Duration::from_secs(2), fetch).await {
            return version;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    String::new()
}

/// The version that a good answer of a package source names.
fn version_in(answer: &str) -> Option<String> {
    let (head, _) = answer.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    lines.next()?.split(' ').nth(1).filter(|status| *status == "200")?;
    let mut fields = lines.filter_map(|line| line.split_once(':'));
    fields.find(|(name, _)| name.eq_ignore_ascii_case("x-version")).map(|(_, version)| version.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_source_says_which_version_it_has() {
        assert_eq!(version_in("HTTP/1.1 200 OK\r\nX-Version: 7\r\n\r\nhello"), Some("7".to_owned()));
        assert_eq!(version_in("HTTP/1.1 503 Unavailable\r\nx-version: 7\r\n\r\n"), None);
        assert_eq!(version_in("HTTP/1.1 200 OK\r\nx-version: 7\r\n"), None, "cut off");
    }
}
