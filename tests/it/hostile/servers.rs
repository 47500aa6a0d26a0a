//! Servers that do what they should not, one behaviour each, to whoever connects.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::sleep,
    time::Duration,
};

/// A server that runs until the process ends.
pub struct Server {
    pub address: SocketAddr,
    connections: Arc<AtomicU64>,
}

impl Server {
    /// `serve` has each connection to itself, and ends with its first error: the other side has had enough.
    pub fn start(serve: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, connections) = (listener.local_addr().unwrap(), Arc::<AtomicU64>::default());
        let (counted, serve) = (connections.clone(), Arc::new(serve));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                counted.fetch_add(1, Ordering::SeqCst);
                let serve = serve.clone();
                std::thread::spawn(move || {
                    let _ = stream.set_nodelay(true);
                    // A client that keeps its connection and asks nothing does not keep this thread.
                    let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
                    let _ = serve(&mut stream);
                });
            }
        });
        Self { address, connections }
    }

    /// Answers each request over HTTP with these bytes, then with `more`, until that fails.
    pub fn http(answer: impl Into<Vec<u8>>, more: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static) -> Self {
        let answer = answer.into();
        Self::start(move |stream| {
            loop {
                head(stream)?;
                stream.write_all(&answer)?;
                more(stream)?;
            }
        })
    }

    /// Answers each request over HTTP with these bytes.
    pub fn says(answer: impl Into<Vec<u8>>) -> Self {
        Self::http(answer, |_| Ok(()))
    }

    /// How many connections there were.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Reads a request's head.
pub fn head(stream: &mut TcpStream) -> std::io::Result<()> {
    let (mut seen, mut byte) = (Vec::new(), [0_u8; 512]);
    while !seen.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut byte)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            n => seen.extend_from_slice(&byte[..n]),
        }
    }
    Ok(())
}

/// Reads whatever was sent, so much at most.
pub fn some(stream: &mut TcpStream) -> std::io::Result<()> {
    match stream.read(&mut [0; 16_384])? {
        0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

/// Writes the same without end, as fast as it is taken.
pub fn pour(piece: &[u8]) -> impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static {
    let many = piece.repeat((65_536 / piece.len()).max(1));
    move |stream| loop {
        stream.write_all(&many)?;
    }
}

/// Writes the same without end, a piece each 20 ms.
pub fn trickle(piece: &'static [u8]) -> impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static {
    move |stream| loop {
        stream.write_all(piece)?;
        sleep(Duration::from_millis(20));
    }
}
