//! A shop whose carts lie in the memory of its instances, behind a sticky balancer, all in one thread: it knows which carts lived where
//! when an instance forgot them. And pages that set cookies and show what a request was.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    thread::JoinHandle,
};

use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, sync::Notify, task::JoinSet};

/// A request as the shop got it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Got {
    /// `POST /cart?x=1`.
    pub line: String,
    /// The headers.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: String,
}

impl Got {
    /// A header's value, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// How the balancer answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Edge {
    /// By an instance.
    #[default]
    Well,
    /// `503` to everybody.
    Fails,
    /// Never.
    Hangs,
}

#[derive(Debug, Default)]
struct Instance {
    down: bool,
    /// Items by session.
    carts: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Default)]
struct State {
    edge: Edge,
    instances: Vec<Instance>,
    turn: usize,
    sessions: usize,
    got: Vec<Got>,
}

/// The shop.
pub struct Shop {
    /// Where its balancer listens.
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl Shop {
    /// With so many instances, `s1` to `sN`.
    pub fn open(instances: usize) -> Self {
        let state = State { instances: (0..instances).map(|_| Instance::default()).collect(), ..State::default() };
        let state = Arc::new(Mutex::new(state));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(Notify::new());
        let (kept, stopped) = (state.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(serve(listener, kept, stopped));
        });
        Self { address, state, stop, thread: Some(thread) }
    }

    /// A URL of the shop.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Changes how the balancer answers.
    pub fn edge(&self, edge: Edge) {
        self.state.lock().unwrap().edge = edge;
    }

    /// An instance (from 1 on) forgets its carts; how many those were.
    pub fn forget(&self, instance: usize) -> u64 {
        let carts = std::mem::take(&mut self.state.lock().unwrap().instances[instance - 1].carts);
        carts.len() as u64
    }

    /// An instance dies: it forgets its carts, and the balancer sends to the others.
    pub fn kill(&self, instance: usize) -> u64 {
        let mut state = self.state.lock().unwrap();
        let dead = &mut state.instances[instance - 1];
        dead.down = true;
        std::mem::take(&mut dead.carts).len() as u64
    }

    /// What came so far.
    pub fn got(&self) -> Vec<Got> {
        self.state.lock().unwrap().got.clone()
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(listener: std::net::TcpListener, state: Arc<Mutex<State>>, stop: Arc<Notify>) {
    let listener = TcpListener::from_std(listener).unwrap();
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            () = stop.notified() => return,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = listener.accept() => accepted.unwrap().0,
        };
        stream.set_nodelay(true).unwrap();
        let state = state.clone();
        let service = service_fn(move |request| answer(state.clone(), request));
        connections.spawn(async move { drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await) });
    }
}

type Answer = Response<Full<Bytes>>;

async fn answer(state: Arc<Mutex<State>>, request: Request<Incoming>) -> Result<Answer, std::convert::Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let headers = parts.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap_or("?").to_owned()));
    let got = Got {
        line: format!("{} {}", parts.method, parts.uri),
        headers: headers.collect(),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let edge = state.lock().unwrap().edge;
    if edge == Edge::Hangs {
        std::future::pending::<()>().await;
    }
    let mut state = state.lock().unwrap();
    state.got.push(got.clone());
    Ok(if edge == Edge::Fails { plain(503, "no") } else { state.page(&got, parts.uri.path()) })
}

fn plain(status: u16, body: &str) -> Answer {
    Response::builder().status(status).body(Full::new(Bytes::from(body.to_owned()))).unwrap()
}

fn cookie<'g>(got: &'g Got, name: &str) -> Option<&'g str> {
    got.header("cookie").split("; ").find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

impl State {
    fn page(&mut self, got: &Got, path: &str) -> Answer {
        let with = |answer: Answer, headers: &[(&str, &str)]| {
            let mut answer = answer;
            for (name, value) in headers {
                let name = http::HeaderName::try_from(*name).unwrap();
                answer.headers_mut().append(name, http::HeaderValue::try_from(*value).unwrap());
            }
            answer
        };
        match path {
            "/cart" | "/login" => self.shop(got, path),
            "/cookies" => with(
                plain(200, "set"),
                &[
                    ("set-cookie", "whole=1; Path=/"),
                    ("set-cookie", "deep=2; Path=/deep; HttpOnly"),
                    ("set-cookie", "short=3; Path=/; Max-Age=1"),
                    ("set-cookie", "tls=4; Path=/; Secure"),
                    ("set-cookie", "other=5; Domain=other.example"),
                ],
            ),
            "/take-back" => with(plain(200, "gone"), &[("set-cookie", "whole=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT")]),
            "/values" => with(
                plain(200, r#"{"user":{"id":17},"page":"<input name=\"csrf\" value=\"a b/c&d\">"}"#),
                &[("location", "/orders/7?new=1"), ("set-cookie", "token=t-1; Path=/")],
            ),
            _ => plain(200, "here"),
        }
    }

    fn shop(&mut self, got: &Got, path: &str) -> Answer {
        let known = cookie(got, "SERVERID").and_then(|name| name.strip_prefix('s')?.parse::<usize>().ok());
        let known = known.map(|place| place - 1).filter(|&place| self.instances.get(place).is_some_and(|instance| !instance.down));
        let place = known.unwrap_or_else(|| {
            self.turn += 1;
            (0..self.instances.len()).map(|n| (self.turn + n) % self.instances.len()).find(|&place| !self.instances[place].down).unwrap()
        });
        let new = cookie(got, "SID").is_none();
        let session = cookie(got, "SID").map_or_else(
            || {
                self.sessions += 1;
                format!("session-{}", self.sessions)
            },
            str::to_owned,
        );
        let cart = &mut self.instances[place].carts;
        let (status, body) = match (got.line.split(' ').next(), path) {
            (Some("POST"), "/login") => (303, String::new()),
            (Some("POST"), _) => {
                cart.entry(session.clone()).or_default().push(got.body.trim_start_matches("item=").to_owned());
                (200, "added".to_owned())
            }
            _ => (200, cart.get(&session).map_or_else(String::new, |items| items.join(" "))),
        };
        let mut answer = Response::builder().status(status).header("x-served-by", format!("s{}", place + 1));
        if known.is_none() {
            answer = answer.header("set-cookie", format!("SERVERID=s{}; Path=/", place + 1));
        }
        if new {
            answer = answer.header("set-cookie", format!("SID={session}; Path=/"));
        }
        answer.body(Full::new(Bytes::from(body))).unwrap()
    }
}
