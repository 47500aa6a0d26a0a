//! A listener for a balancer's log: each line with the moment it came. (A log that the engine reads from a pipe loses lines when the
//! machine is busy: HAProxy never waits.)

use std::{
    net::UdpSocket,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use firedrill::{clock, model::time::Mono};

/// Listens until it is asked for what it heard.
pub struct Syslog {
    port: u16,
    stop: Arc<AtomicBool>,
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
        let thread = std::thread::spawn(move || {
            let mut heard = Vec::new();
            let mut buffer = [0; 2048];
            while !asked.load(Ordering::Relaxed) {
                if let Ok(n) = socket.recv(&mut buffer) {
                    heard.push((clock::now(), String::from_utf8_lossy(&buffer[..n]).trim_end().to_owned()));
                }
            }
            heard
        });
        Self { port, stop, thread }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Everything that came.
    pub fn heard(self) -> Vec<(Mono, String)> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}
