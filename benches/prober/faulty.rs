//! The server whose failures are known: it fails in windows that the bench sets, and decides by its own clock at the moment at
//! which it has read a request. A process of its own, on the second core.

use std::{
    cell::RefCell,
    io::{BufRead, Write},
    process::{Child, ChildStdin, Command, Stdio},
    rc::Rc,
    time::Duration,
};

use firedrill::{clock, model::time::Mono};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
};

use crate::backend::pin;

/// How the server fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failing {
    /// As if its process was dead: nobody listens, and its connections end.
    Refuse,
    /// Reads the request, then resets the connection.
    Reset,
    /// Reads the request and never answers.
    Hang,
    /// Answers 500.
    Fail,
    /// Answers well, but only after 60 ms.
    Slow,
    /// Ends in the middle of the body.
    CutBody,
    /// Answers well when the window is over.
    Stall,
}

impl Failing {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Refuse, "refuse"),
        (Self::Reset, "reset"),
        (Self::Hang, "hang"),
        (Self::Fail, "fail"),
        (Self::Slow, "slow"),
        (Self::CutBody, "cut-body"),
        (Self::Stall, "stall"),
    ];

    /// Its name between the processes.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(failing, _)| *failing == self).map_or("", |(_, name)| name)
    }
}

/// A window in which the server fails, on the monotonic clock.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// How.
    pub failing: Failing,
    /// From here
    pub from: Mono,
    /// until here.
    pub to: Mono,
}

const WELL: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-served-by: one\r\n\r\nok";

/// The server's process: the windows come as lines of its standard input, and their end is the server's.
pub fn serve() {
    pin(1);
    let windows: Rc<RefCell<Vec<Window>>> = Rc::default();
    let (told, mut tells) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let words: Vec<&str> = line.split(' ').collect();
            let failing = Failing::ALL.iter().find(|(_, name)| *name == words[0]).expect("a known failure").0;
            let at = |word: &str| Mono(word.parse().expect("a moment"));
            let _ = told.send(Window { failing, from: at(words[1]), to: at(words[2]) });
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, async move {
        let mut listener = Some(TcpListener::bind("127.0.0.1:0").await.expect("a port"));
        let address = listener.as_ref().and_then(|l| l.local_addr().ok()).expect("an address");
        println!("{address}");
        std::io::stdout().flush().expect("the address is written");
        let mut connections = JoinSet::new();
        let mut handles: Vec<AbortHandle> = Vec::new();
        loop {
            let refusing = now(&windows, Failing::Refuse);
            match (&listener, refusing) {
                (Some(_), Some(_)) => {
                    listener = None;
                    // Dropped, their sockets are closed.
                    for handle in handles.drain(..) {
                        handle.abort();
                    }
                }
                (None, None) => listener = TcpListener::bind(address).await.ok(),
                _ => {}
            }
            let next = change(&windows);
            let accepting = async {
                match &listener {
                    Some(listener) => listener.accept().await.ok(),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                stream = accepting => if let Some((stream, _)) = stream {
                    let _ = stream.set_nodelay(true);
                    handles.push(connections.spawn_local(answer(stream, windows.clone())));
                    while connections.try_join_next().is_some() {}
                    if handles.len() > 20_000 {
                        handles.retain(|handle| !handle.is_finished());
                    }
                },
                window = tells.recv() => match window {
                    Some(window) => windows.borrow_mut().push(window),
                    None => return,
                },
                () = until(next) => {}
            }
        }
    });
}

/// The window of this failure that holds now.
fn now(windows: &RefCell<Vec<Window>>, failing: Failing) -> Option<Window> {
    present(windows).filter(|window| window.failing == failing)
}

fn present(windows: &RefCell<Vec<Window>>) -> Option<Window> {
    let now = clock::now();
    windows.borrow().iter().find(|window| window.from <= now && now < window.to).copied()
}

/// The next moment at which something begins or ends.
fn change(windows: &RefCell<Vec<Window>>) -> Option<Mono> {
    let now = clock::now();
    windows.borrow().iter().flat_map(|window| [window.from, window.to]).filter(|at| *at > now).min()
}

/// The runtime's timers tick in milliseconds: the last of them is waited out on the spot.
async fn until(at: Option<Mono>) {
    let Some(at) = at else { return std::future::pending().await };
    tokio::time::sleep(at.since(clock::now()).saturating_sub(Duration::from_millis(2))).await;
    while clock::now() < at {
        tokio::task::yield_now().await;
    }
}

async fn answer(mut stream: TcpStream, windows: Rc<RefCell<Vec<Window>>>) {
    let mut buffer = Vec::with_capacity(1024);
    loop {
        buffer.clear();
        while !buffer.ends_with(b"\r\n\r\n") {
            if !matches!(stream.read_buf(&mut buffer).await, Ok(n) if n > 0) {
                return;
            }
        }
        let close = buffer.windows(17).any(|part| part.eq_ignore_ascii_case(b"connection: close"));
        let window = present(&windows);
        let text = match window.map(|window| window.failing) {
            None | Some(Failing::Refuse) => WELL,
            Some(Failing::Reset) => {
                let _ = rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO));
                return;
            }
            Some(Failing::Hang) => {
                let _ = stream.read(&mut [0]).await;
                return;
            }
            Some(Failing::Fail) => b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 4\r\n\r\noops",
            Some(Failing::Slow) => {
                tokio::time::sleep(Duration::from_millis(60)).await;
                WELL
            }
            Some(Failing::CutBody) => {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await;
                return;
            }
            Some(Failing::Stall) => {
                until(window.map(|window| window.to)).await;
                WELL
            }
        };
        if stream.write_all(text).await.is_err() || close {
            return;
        }
    }
}

/// A server that runs.
pub struct Faulty {
    child: Child,
    tell: ChildStdin,
    /// Where it listens.
    pub address: String,
}

impl Faulty {
    /// Starts one.
    pub fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().expect("a path"))
            .arg("faulty")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let tell = child.stdin.take().expect("a pipe");
        let mut address = String::new();
        let out = child.stdout.take().expect("a pipe");
        std::io::BufReader::new(out).read_line(&mut address).expect("an address");
        Self { child, tell, address: address.trim().to_owned() }
    }

    /// Sets a window.
    pub fn set(&mut self, window: Window) {
        writeln!(self.tell, "{} {} {}", window.failing.name(), window.from.0, window.to.0).expect("the server listens");
    }

    /// Ends it.
    pub fn end(mut self) {
        drop(self.tell);
        let _ = self.child.wait();
    }
}
