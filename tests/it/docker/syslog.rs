//! A listener for a balancer's log: each line with the moment it came. (A log that the engine reads from a pipe loses lines when the
//! machine is busy: HAProxy never waits.)

use std::{
    net::UdpSocket,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use firedrill::{clock, model::time::Mono};

/// Listens until it is asked for what it heard.
pub struct Syslog {
    port: u16,
    stop: Arc<AtomicBool>,
    /// Lines about requests.
    requests: Arc<AtomicUsize>,
    thread: JoinHandle<Vec<(Mono, String)>>,
}

impl Syslog {
    pub fn listen() -> Self {
        let socket = UdpSocket::bind(("0.0.0.0", 0)).unwrap();
        // Room for some seconds of lines while this process does not run.
        rustix::net::sockopt::set_socket_recv_buffer_size(&socket, 4 << 20).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let port = socket.local_addr().unwrap().port();
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&requests);
        let thread = std::thread::spawn(move || {
            let mut heard = Vec::new();
            let mut buffer = [0; 2048];
            while !asked.load(Ordering::Relaxed) {
                if let Ok(n) = socket.recv(&mut buffer) {
                    let line = String::from_utf8_lossy(&buffer[..n]).trim_end().to_owned();
                    counted.fetch_add(usize::from(line.starts_with("request ")), Ordering::Relaxed);
                    heard.push((clock::now(), line));
                }
            }
            heard
        });
        Self { port, stop, requests, thread }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Waits for lines about so many requests, but not for longer than this.
    pub fn wait_for(&self, requests: usize, limit: Duration) {
        let until = clock::now().plus(limit);
        while self.requests.load(Ordering::Relaxed) < requests && clock::now() < until {
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Everything that came.
    pub fn heard(self) -> Vec<(Mono, String)> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}
