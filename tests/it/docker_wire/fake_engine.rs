//! A server on a unix socket that answers as an engine would.

use std::{
    convert::Infallible,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock, Mutex, MutexGuard},
};

use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::UnixListener, task::JoinSet};

/// What an engine does with a request.
pub enum Reply {
    /// Answers.
    Json(u16, Value),
    /// Answers with something else.
    Text(u16, &'static str),
    /// Answers with as many JSON values as there are lines.
    Lines(String),
    /// Never answers.
    Silence,
    /// Closes the connection.
    Gone,
}

/// The name of this machine: the engine `e` is one of its own.
static HERE: LazyLock<String> = LazyLock::new(|| rustix::system::uname().nodename().to_string_lossy().into_owned());

type Answers = dyn FnMut(&str) -> Option<Reply> + Send;

/// The server; ends when dropped.
pub struct FakeEngine {
    folder: tempfile::TempDir,
    asked: Arc<Mutex<Vec<String>>>,
    _server: JoinSet<()>,
}

impl FakeEngine {
    /// Listens. `answers` is asked with `GET /containers/json?all=true`; what it leaves out is answered as a healthy engine would.
    pub fn start(id: &'static str, answers: impl FnMut(&str) -> Option<Reply> + Send + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("engine.sock")).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let answers: Arc<Mutex<Box<Answers>>> = Arc::new(Mutex::new(Box::new(answers)));
        let mut server = JoinSet::new();
        let log = Arc::clone(&asked);
        server.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (answers, log) = (Arc::clone(&answers), Arc::clone(&log));
                connections.spawn(async move {
                    let service = service_fn(move |request: Request<Incoming>| {
                        let line = format!("{} {}", request.method(), request.uri());
                        log.lock().unwrap().push(line.clone());
                        let reply = answers.lock().unwrap()(&line).unwrap_or_else(|| healthy(id, &line));
                        async move { answer(reply).await }
                    });
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { folder, asked, _server: server }
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("engine.sock")
    }

    pub fn address(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Every request so far.
    pub fn asked(&self) -> MutexGuard<'_, Vec<String>> {
        self.asked.lock().unwrap()
    }
}

async fn answer(reply: Reply) -> Result<Response<Full<hyper::body::Bytes>>, std::io::Error> {
    let (status, body) = match reply {
        Reply::Json(status, value) => (status, value.to_string()),
        Reply::Text(status, text) => (status, text.to_owned()),
        Reply::Lines(lines) => (200, lines),
        Reply::Silence => std::future::pending::<Result<_, Infallible>>().await.unwrap(),
        Reply::Gone => return Err(std::io::Error::other("gone")),
    };
    Ok(Response::builder().status(status).body(Full::from(body)).unwrap())
}

fn healthy(id: &str, line: &str) -> Reply {
    let now = jiff::Timestamp::from_nanosecond(firedrill::clock::wall().0.into()).unwrap().to_string();
    match line {
        "GET /version" => {
            let engine = [json!({ "Name": "Engine", "Version": "20.10.24" })];
            Reply::Json(200, json!({ "Version": "20.10.24", "ApiVersion": "1.41", "MinAPIVersion": "1.12", "Components": engine }))
        }
        "GET /info" => Reply::Json(
            200,
            json!({ "ID": id, "Name": if id == "e" { HERE.clone() } else { format!("machine-of-{id}") }, "SystemTime": now }),
        ),
        _ if line.starts_with("GET /containers/json") => Reply::Json(200, json!([])),
        _ => Reply::Json(404, json!({ "message": format!("page not found: {line}") })),
    }
}

/// A file that looks like a socket of an engine that has ended.
pub fn dead_socket(folder: &Path) -> PathBuf {
    let path = folder.join("dead.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    path
}
