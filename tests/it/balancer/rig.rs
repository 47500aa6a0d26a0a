//! Servers, clients, and a balancer between them. Everything ends with the test's runtime.

use std::collections::BTreeMap;
use std::{
    convert::Infallible,
    future::pending,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use firedrill::balancer::{
    protocol::{Action, Backend, Check, CheckKind, Config, Report},
    server::Balancer,
};
use futures_util::stream;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    client::conn::http1 as client,
    server::conn::http1 as server,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
    time::timeout,
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

/// No wait in these tests is longer; reaching it is a failure.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The megabyte that `/big` and `/sized` answer.
pub fn megabyte() -> Vec<u8> {
    (0..1_048_576_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// What a server has seen and how it behaves.
pub struct State {
    pub id: &'static str,
    /// Connections that brought a request other than a health check.
    pub connections: AtomicUsize,
    /// Requests other than health checks.
    pub requests: AtomicUsize,
    pub checks: AtomicUsize,
    pub healthy: AtomicBool,
    /// Every other check is bad.
    pub flapping: AtomicBool,
    /// Requests to `/hang` that were dropped.
    pub cancelled: AtomicUsize,
    /// One permit lets one `/wait` go.
    pub gate: Semaphore,
}

pub struct Server {
    pub state: Arc<State>,
    pub address: SocketAddr,
    stop: DropGuard,
}

impl Server {
    pub async fn start(id: &'static str) -> Self {
        Self::start_at(id, "127.0.0.1:0".parse().unwrap()).await
    }

    pub async fn start_at(id: &'static str, address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            id,
            connections: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
            checks: AtomicUsize::new(0),
            healthy: AtomicBool::new(true),
            flapping: AtomicBool::new(false),
            cancelled: AtomicUsize::new(0),
            gate: Semaphore::new(0),
        });
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let (shared, stopping, spawner) = (state.clone(), stop.clone(), tasks.clone());
        tasks.spawn(stop.clone().run_until_cancelled_owned(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                spawner.spawn(stopping.clone().run_until_cancelled_owned(serve(stream, shared.clone())));
            }
        }));
        Self { state, address, stop: stop.drop_guard() }
    }

    pub fn backend(&self) -> Backend {
        Backend {
            id: self.state.id.into(),
            service: "web".into(),
            zone: format!("zone-of-{}", self.state.id).into(),
            address: self.address,
        }
    }

    /// The listener and all connections close, as when a process is killed. Gives the address back once it is free.
    pub async fn die(self) -> SocketAddr {
        drop(self.stop);
        while TcpStream::connect(self.address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.address
    }

    pub fn requests(&self) -> usize {
        self.state.requests.load(SeqCst)
    }
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    let fresh = AtomicBool::new(true);
    let service = service_fn(|request: Request<Incoming>| {
        if request.uri().path() != "/health" {
            state.requests.fetch_add(1, SeqCst);
            if fresh.swap(false, SeqCst) {
                state.connections.fetch_add(1, SeqCst);
            }
        }
        let state = state.clone();
        async move { Ok::<_, Infallible>(answer(request, state).await) }
    });
    let _ = server::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await;
}

fn full(text: impl Into<Bytes>) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
    Response::new(Full::new(text.into()).boxed_unsync())
}

fn with_status(status: u16) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
    let mut response = full("");
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

struct CountDrop(Arc<State>);
impl Drop for CountDrop {
    fn drop(&mut self) {
        self.0.cancelled.fetch_add(1, SeqCst);
    }
}

async fn answer(mut request: Request<Incoming>, state: Arc<State>) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
    if request.headers().contains_key(header::UPGRADE) {
        let upgrade = hyper::upgrade::on(&mut request);
        TaskTracker::new().spawn(async move {
            let mut io = TokioIo::new(upgrade.await.unwrap());
            io.write_all(b"welcome").await.unwrap();
            let mut piece = [0; 512];
            while let Ok(n @ 1..) = io.read(&mut piece).await {
                io.write_all(&piece[..n]).await.unwrap();
            }
        });
        let mut response = with_status(101);
        response.headers_mut().insert(header::UPGRADE, "echo".parse().unwrap());
        response.headers_mut().insert(header::CONNECTION, "upgrade".parse().unwrap());
        return response;
    }
    match request.uri().path() {
        "/health" => {
            let bad_turn = state.checks.fetch_add(1, SeqCst) % 2 == 1 && state.flapping.load(SeqCst);
            with_status(if state.healthy.load(SeqCst) && !bad_turn { 200 } else { 500 })
        }
        "/big" => {
            let pieces: Vec<_> = megabyte().chunks(10_000).map(|c| Ok(Frame::data(Bytes::copy_from_slice(c)))).collect();
            Response::new(BodyExt::boxed_unsync(StreamBody::new(stream::iter(pieces))))
        }
        "/halves" => {
            let halves = stream::unfold(0, move |sent| {
                let state = state.clone();
                async move {
                    if sent == 1 {
                        state.gate.acquire().await.unwrap().forget();
                    }
                    (sent < 2).then(|| (Ok(Frame::data(Bytes::from_static(b"half"))), sent + 1))
                }
            });
            Response::new(BodyExt::boxed_unsync(StreamBody::new(halves)))
        }
        "/sized" => full(megabyte()),
        "/empty" => with_status(204),
        "/same" => with_status(304),
        "/body" => {
            let framing = format!(
                "length={:?} coding={:?}",
                request.headers().get(header::CONTENT_LENGTH).map(|v| v.to_str().unwrap().to_owned()),
                request.headers().get(header::TRANSFER_ENCODING).map(|v| v.to_str().unwrap().to_owned())
            );
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let mut response = full(body);
            response.headers_mut().insert("x-framing", framing.parse().unwrap());
            response
        }
        "/headers" => full(format!("{:?}", request.headers())),
        "/named" => {
            let mut response = full("");
            response.headers_mut().insert("x-served-by", "own-name".parse().unwrap());
            response
        }
        "/close" => {
            let mut response = full("last");
            response.headers_mut().insert(header::CONNECTION, "close".parse().unwrap());
            response
        }
        "/hang" => {
            let _dropped = CountDrop(state);
            pending().await
        }
        "/wait" => {
            state.gate.acquire().await.unwrap().forget();
            full("waited")
        }
        _ => full(state.id),
    }
}

/// A balancer with its reports.
pub struct Rig {
    pub balancer: Balancer,
    reports: mpsc::UnboundedReceiver<Report>,
}

pub fn config(servers: &[&Server]) -> Config {
    Config {
        name: "edge".into(),
        listen: "127.0.0.1:0".parse().unwrap(),
        backends: servers.iter().map(|s| s.backend()).collect(),
        check: Check {
            kind: CheckKind::Http { path: "/health".into() },
            every: Duration::from_millis(20),
            timeout: Duration::from_secs(3),
            rise: 1,
            fall: 2,
        },
        shares: BTreeMap::new(),
        sticky: None,
        connect_timeout: Duration::from_secs(5),
        response_timeout: Duration::from_secs(5),
    }
}

/// No check after the first within a test: what the balancer does by itself shows.
pub fn blind(config: &mut Config) {
    config.check.every = Duration::from_hours(1);
}

impl Rig {
    /// Starts a balancer and waits until it has admitted every server.
    pub async fn start(servers: &[&Server], tweak: impl FnOnce(&mut Config)) -> Self {
        let mut rig = Self::start_cold(servers, tweak).await;
        let mut missing: Vec<_> = servers.iter().map(|s| s.state.id).collect();
        while !missing.is_empty() {
            match rig.report().await {
                Report::Admitted { id, .. } => missing.retain(|m| *m != id.as_str()),
                other => panic!("{other:?}"),
            }
        }
        rig
    }

    /// Starts a balancer and takes its first report.
    pub async fn start_cold(servers: &[&Server], tweak: impl FnOnce(&mut Config)) -> Self {
        let mut config = config(servers);
        tweak(&mut config);
        let (sender, reports) = mpsc::unbounded_channel();
        let mut rig = Self { balancer: Balancer::start(config, sender).await.unwrap(), reports };
        let first = rig.report().await;
        assert_eq!(first, Report::Listening { address: rig.balancer.address() });
        rig
    }

    pub async fn report(&mut self) -> Report {
        timeout(PATIENCE, self.reports.recv()).await.expect("no report").expect("the balancer ended")
    }

    pub fn no_report(&mut self) {
        assert!(self.reports.is_empty(), "{:?}", self.reports.try_recv());
    }

    /// The next report must be this ejection; gives its reason.
    pub async fn ejected(&mut self, expected: &str) -> String {
        match self.report().await {
            Report::Ejected { id, why, .. } if id.as_str() == expected => why,
            other => panic!("{other:?}"),
        }
    }

    /// The next report must be this admission.
    pub async fn admitted(&mut self, expected: &str) {
        match self.report().await {
            Report::Admitted { id, .. } if id.as_str() == expected => {}
            other => panic!("{other:?}"),
        }
    }

    pub fn apply(&self, action: Action) {
        self.balancer.apply(action).unwrap();
    }

    pub async fn client(&self) -> Client {
        Client::connect(self.balancer.address()).await
    }

    /// A GET on a connection of its own: its status and body.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let response = self.client().await.get(path).await;
        (response.status().as_u16(), String::from_utf8(response.body().to_vec()).unwrap())
    }
}

/// One keep-alive connection.
pub struct Client {
    sender: client::SendRequest<UnsyncBoxBody<Bytes, Infallible>>,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (sender, connection) = client::handshake(TokioIo::new(stream)).await.unwrap();
        TaskTracker::new().spawn(connection.with_upgrades());
        Self { sender }
    }

    pub async fn get(&mut self, path: &str) -> Response<Bytes> {
        self.send(Request::get(path)).await
    }

    pub async fn send(&mut self, builder: http::request::Builder) -> Response<Bytes> {
        self.send_body(builder, Full::default().boxed_unsync()).await
    }

    pub async fn send_body(&mut self, builder: http::request::Builder, body: UnsyncBoxBody<Bytes, Infallible>) -> Response<Bytes> {
        let response = self.send_raw(builder, body).await;
        let (parts, body) = response.into_parts();
        let body = timeout(PATIENCE, body.collect()).await.expect("the body never ended").unwrap().to_bytes();
        Response::from_parts(parts, body)
    }

    pub async fn send_raw(&mut self, builder: http::request::Builder, body: UnsyncBoxBody<Bytes, Infallible>) -> Response<Incoming> {
        self.sender.ready().await.unwrap();
        let request = builder.header(header::HOST, "site.test").body(body).unwrap();
        timeout(PATIENCE, self.sender.send_request(request)).await.expect("no answer").unwrap()
    }
}

/// Waits until it holds.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waited = timeout(PATIENCE, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("never: {what}"));
}
