//! A daemon with its page, and a client that sends exactly what a test says.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use rustix::process::Signal;

use crate::cli::rig::{Rig, Started};

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// A header, by its name in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().filter_map(|line| line.split_once(": ")).find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn code(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    pub fn says(self, words: &str) -> Self {
        assert!(self.body.contains(words), "`{words}` is not in {self:?}");
        self
    }
}

/// A daemon that serves its page.
pub struct Site {
    pub daemon: Started,
    pub address: SocketAddr,
    pub token: String,
    /// The link that lets one browser in.
    pub link: String,
}

impl Site {
    /// Watches `drills` of a folder, on a free port.
    pub fn of(rig: &Rig, folder: &str) -> Self {
        let daemon = rig.start(["serve", folder, "--listen", "127.0.0.1:0"]);
        daemon.wait_for("scheduled");
        let said = daemon.said_so_far();
        let word =
            |before: &str| said.split_once(before).unwrap_or_else(|| panic!("{said}")).1.split_whitespace().next().unwrap().to_owned();
        let link = word("page: ");
        let address = link.trim_start_matches("http://").split('/').next().unwrap().parse().unwrap();
        let token = fs::read_to_string(word("the token lies in ")).unwrap().trim().to_owned();
        Self { daemon, address, token, link }
    }

    /// Sends a request as it stands, and reads until the server ends the connection.
    pub fn send(&self, request: &[u8]) -> Answer {
        let mut stream = self.connect();
        // A server that refuses may stop reading.
        let _ = stream.write_all(request);
        read(stream)
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream
    }

    /// A request with these headers beside `Host`.
    pub fn ask(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
        let headers = headers.iter().fold(String::new(), |all, header| all + header + "\r\n");
        let host = if headers.to_lowercase().contains("host: ") { String::new() } else { format!("Host: {}\r\n", self.address) };
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        self.send(format!("{method} {path} HTTP/1.1\r\n{host}Connection: close\r\n{headers}{length}\r\n{body}").as_bytes())
    }

    /// As a program with the token.
    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[&format!("Authorization: Bearer {}", self.token)], "")
    }

    /// As a program with the token.
    pub fn post(&self, path: &str, body: &str) -> Answer {
        self.ask("POST", path, &[&format!("Authorization: Bearer {}", self.token), "Content-Type: application/json"], body)
    }

    /// Ends it; gives what it said.
    pub fn end(self) -> String {
        self.daemon.signal(Signal::TERM);
        let said = self.daemon.end().code(0);
        format!("{}{}", said.out, said.err)
    }
}

/// What a server says until its answer is whole, or it ends the connection.
pub fn read(mut stream: TcpStream) -> Answer {
    let (mut all, mut piece) = (Vec::new(), [0; 16 << 10]);
    while let Ok(n @ 1..) = stream.read(&mut piece) {
        all.extend_from_slice(&piece[..n]);
        if whole(&all) {
            break;
        }
    }
    let text = String::from_utf8_lossy(&all).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let chunked = head.to_lowercase().contains("transfer-encoding: chunked");
    Answer { status, head: head.replace("\r\n", "\n"), body: if chunked { unchunked(body) } else { body.to_owned() } }
}

/// Whether an answer that says its length has it: some servers keep the connection.
fn whole(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let length = head.split_once("content-length:").and_then(|(_, rest)| rest.lines().next()?.trim().parse::<usize>().ok());
    length.is_some_and(|length| answer.len() >= end + 4 + length)
}

fn unchunked(mut body: &str) -> String {
    let mut out = String::new();
    while let Some((length, rest)) = body.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap_or(0).min(rest.len());
        out.push_str(&rest[..length]);
        body = rest[length..].trim_start_matches("\r\n");
        if length == 0 {
            break;
        }
    }
    out
}
