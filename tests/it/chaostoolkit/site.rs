//! A small site for experiments: answers by its path, and can be taken down for a while.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use firedrill::{clock, model::time::Mono};

/// The site; it ends with the process.
pub struct Site {
    /// `http://127.0.0.1:PORT`.
    pub base: String,
}

/// What the site knows.
#[derive(Default)]
struct State {
    /// Down until then.
    down_until: Option<Mono>,
}

/// The secret that it wants to hear.
pub const TOKEN: &str = "planted-token-of-the-site";

impl Site {
    /// Starts one on a free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let state: Arc<Mutex<State>> = Arc::default();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&state);
                thread::spawn(move || answer(stream, &state));
            }
        });
        Self { base }
    }

    /// An address that nobody listens on.
    pub fn nobody() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    }
}

/// One request a connection.
fn answer(mut stream: TcpStream, state: &Mutex<State>) -> Option<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (mut length, mut kind, mut authorization) = (0_usize, String::new(), String::new());
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "content-type" => value.trim().clone_into(&mut kind),
            "authorization" => value.trim().clone_into(&mut authorization),
            _ => {}
        }
    }
    let mut body = vec![0; length.min(1 << 20)];
    reader.read_exact(&mut body).ok()?;
    let path = target.split('?').next()?.trim_start_matches('/').to_owned();
    let mut parts = path.split('/');
    let (status, extra, body) = match (parts.next()?, parts.next()) {
        ("ok", _) => (200, String::new(), "fine".to_owned()),
        ("json", _) => {
            let items = r#"{"items": [{"name": "one", "size": 1}, {"name": "two", "size": 2}]}"#;
            (200, "Content-Type: application/json\r\n".to_owned(), items.to_owned())
        }
        ("status", Some(status)) => (status.parse().ok()?, String::new(), String::new()),
        ("switched", _) => {
            let down = state.lock().unwrap().down_until.is_some_and(|until| clock::now() < until);
            (if down { 503 } else { 200 }, String::new(), String::new())
        }
        ("down", Some(ms)) => {
            state.lock().unwrap().down_until = Some(clock::now().plus(Duration::from_millis(ms.parse().ok()?)));
            (200, String::new(), String::new())
        }
        ("up", _) => {
            state.lock().unwrap().down_until = None;
            (200, String::new(), String::new())
        }
        // What was heard, so that both can be held against each other.
        ("echo", _) => (200, String::new(), format!("{method} {target} {kind}: {}", String::from_utf8_lossy(&body))),
        ("private", _) => (if authorization == format!("Bearer {TOKEN}") { 200 } else { 401 }, String::new(), authorization),
        ("redirect", _) => (302, "Location: /ok\r\n".to_owned(), String::new()),
        _ => (404, String::new(), String::new()),
    };
    let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n{extra}\r\n", body.len());
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).ok()
}
