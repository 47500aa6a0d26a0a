//! A server that fails as it is told, when it is told, and knows when that was: the truth that a prober's samples are held against.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use firedrill::{clock, model::time::Mono};

/// How the server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behave {
    /// `200`, with the headers that name the instance and the zone.
    Well,
    /// Nobody listens.
    Refuse,
    /// Reads the request, then resets the connection.
    Reset,
    /// Reads the request and never answers.
    Hang,
    /// `500`.
    Fail,
    /// Answers well after so many milliseconds.
    Slow(u64),
    /// Announces more of a body than it sends.
    CutBody,
    /// Ends in the middle of the head.
    CutHead,
    /// Closes without an answer.
    Close,
    /// Closes without an answer, but only a connection that had carried a request before.
    CloseReused,
    /// Answers something that is not HTTP.
    Garbage,
    /// Announces a body that is too large.
    TooLarge,
    /// Sends chunks for ever.
    Endless,
    /// Sends headers for ever.
    HugeHead,
}

/// A behaviour that began after `after` and by `by`.
#[derive(Debug, Clone, Copy)]
pub struct Change {
    /// What.
    pub to: Behave,
    /// The earliest moment.
    pub after: Mono,
    /// The latest moment.
    pub by: Mono,
}

/// The server.
pub struct TruthServer {
    /// Where it listens.
    pub address: SocketAddr,
    now: Arc<Mutex<Behave>>,
    refusing: Arc<AtomicBool>,
    ended: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl TruthServer {
    /// A server that answers well.
    pub fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap())
    }

    /// A server that answers well, at this address.
    pub fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let now = Arc::new(Mutex::new(Behave::Well));
        let (refusing, ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let state = (now.clone(), refusing.clone(), ended.clone());
        let accepting = std::thread::spawn(move || {
            let (now, refusing, ended) = state;
            let mut listener = Some(listener);
            while !ended.load(Ordering::SeqCst) {
                let refuse = *now.lock().unwrap() == Behave::Refuse;
                if refuse {
                    listener = None;
                } else if listener.is_none() {
                    listener = TcpListener::bind(address).ok();
                }
                refusing.store(listener.is_none(), Ordering::SeqCst);
                let Some(listener) = &listener else {
                    std::thread::sleep(Duration::from_millis(1));
                    continue;
                };
                listener.set_nonblocking(true).unwrap();
                if let Ok((stream, _)) = listener.accept() {
                    let (now, ended) = (now.clone(), ended.clone());
                    std::thread::spawn(move || serve(stream, &now, &ended));
                } else {
                    let mut poll = [rustix::event::PollFd::new(listener, rustix::event::PollFlags::IN)];
                    let one_ms = rustix::event::Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
                    let _ = rustix::event::poll(&mut poll, Some(&one_ms));
                }
            }
        });
        Self { address, now, refusing, ended, accepting: Some(accepting) }
    }

    /// Changes the behaviour, and says when that was.
    pub fn set(&self, to: Behave) -> Change {
        let after = clock::now();
        *self.now.lock().unwrap() = to;
        while self.refusing.load(Ordering::SeqCst) != (to == Behave::Refuse) {
            std::thread::sleep(Duration::from_micros(100));
        }
        Change { to, after, by: clock::now() }
    }
}

impl Drop for TruthServer {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        if let Some(thread) = self.accepting.take() {
            let _ = thread.join();
        }
    }
}

fn serve(mut stream: TcpStream, now: &Mutex<Behave>, ended: &AtomicBool) {
    stream.set_nonblocking(false).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut served = 0;
    let mut head = Vec::new();
    loop {
        let mut some = [0_u8; 4096];
        match stream.read(&mut some) {
            Ok(0) => return,
            Ok(n) => head.extend_from_slice(&some[..n]),
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                continue;
            }
            Err(_) => return,
        }
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        let close = head.windows(17).any(|part| part.eq_ignore_ascii_case(b"connection: close"));
        head.clear();
        let behave = *now.lock().unwrap();
        if answer(&mut stream, behave, served, ended).is_err() || close {
            return;
        }
        served += 1;
    }
}

/// Answers one request; an error ends the connection.
fn answer(stream: &mut TcpStream, behave: Behave, served: u32, ended: &AtomicBool) -> std::io::Result<()> {
    const WELL: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-served-by: truth-1\r\nx-zone: a\r\n\r\nhello";
    let end = || Err(std::io::Error::other("closed on purpose"));
    match behave {
        // A connection that was already accepted when the listener closed.
        Behave::Well | Behave::Refuse => stream.write_all(WELL),
        Behave::CloseReused if served == 0 => stream.write_all(WELL),
        Behave::Close | Behave::CloseReused => end(),
        Behave::Reset => {
            rustix::net::sockopt::set_socket_linger(&*stream, Some(Duration::ZERO))?;
            end()
        }
        Behave::Hang => {
            let mut byte = [0_u8; 1];
            while !ended.load(Ordering::SeqCst) {
                match stream.read(&mut byte) {
                    Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
                    _ => break,
                }
            }
            end()
        }
        Behave::Fail => stream.write_all(b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 4\r\nx-served-by: truth-1\r\n\r\noops"),
        Behave::Slow(ms) => {
            std::thread::sleep(Duration::from_millis(ms));
            stream.write_all(WELL)
        }
        Behave::CutBody => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")?;
            end()
        }
        Behave::CutHead => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-le")?;
            end()
        }
        Behave::Garbage => {
            stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\nhello\r\n\r\n")?;
            end()
        }
        Behave::TooLarge => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10000000\r\n\r\n")?;
            end()
        }
        Behave::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
            loop {
                stream.write_all(b"400\r\n")?;
                stream.write_all(&[b'x'; 1024])?;
                stream.write_all(b"\r\n")?;
            }
        }
        Behave::HugeHead => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nx-long: ")?;
            loop {
                stream.write_all(&[b'x'; 4096])?;
            }
        }
    }
}
