//! Receivers of messages as they are met outside: an HTTP server that answers as it is told, and a mail server that wants STARTTLS and a login.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    pub head: String,
    pub body: String,
}

impl Request {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// An HTTP server that keeps what it is sent.
pub struct Inbox {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Inbox {
    /// The first requests get these answers (`503 Busy`, with more headers behind a line's end); all others `204`.
    pub fn start(answers: &'static [&'static str]) -> Self {
        let count = AtomicUsize::new(0);
        Self::serve(move || Some(answers.get(count.fetch_add(1, Ordering::SeqCst)).copied().unwrap_or("204 No Content")))
    }

    /// Takes every request and never answers.
    pub fn hanging() -> Self {
        Self::serve(|| None)
    }

    fn serve(answer: impl Fn() -> Option<&'static str> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::<Mutex<Vec<Request>>>::default();
        let kept = Arc::clone(&requests);
        thread::spawn(move || {
            let mut held = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some(request) = read(&mut stream) else { continue };
                kept.lock().unwrap().push(request);
                match answer() {
                    Some(answer) => drop(write!(stream, "HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")),
                    None => held.push(stream),
                }
            }
        });
        Self { address, requests }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { head, body: String::from_utf8(body).unwrap() })
}

/// A mail server for `127.0.0.1` that takes mail only under TLS and after a login.
pub struct MailServer {
    pub address: SocketAddr,
    mails: Arc<Mutex<Vec<String>>>,
}

/// A file of the tests' certificates.
pub fn tls(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/tls").join(name).display().to_string()
}

impl MailServer {
    pub fn start(user: &'static str, password: &'static str) -> Self {
        let chain = CertificateDer::pem_file_iter(tls("local.pem")).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_file(tls("local.key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mails = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&mails);
        let login = STANDARD.encode(format!("\0{user}\0{password}"));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let _ = session(stream.unwrap(), &config, &login, &kept);
            }
        });
        Self { address, mails }
    }

    /// The mails, each as its head and its text, decoded.
    pub fn mails(&self) -> Vec<(String, String)> {
        let decode = |mail: &String| {
            let (head, body) = mail.split_once("\r\n\r\n").unwrap();
            (head.to_owned(), String::from_utf8(STANDARD.decode(body.replace("\r\n", "")).unwrap()).unwrap())
        };
        self.mails.lock().unwrap().iter().map(decode).collect()
    }
}

fn session(mut plain: TcpStream, config: &Arc<ServerConfig>, login: &str, kept: &Mutex<Vec<String>>) -> std::io::Result<()> {
    write!(plain, "220 tests ESMTP\r\n")?;
    let mut reader = BufReader::new(plain.try_clone()?);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        match line.split_whitespace().next().unwrap_or_default() {
            "EHLO" => write!(plain, "250-tests\r\n250 STARTTLS\r\n")?,
            "STARTTLS" => {
                write!(plain, "220 go on\r\n")?;
                break;
            }
            // Nothing of a mail is said in the clear.
            _ => write!(plain, "530 STARTTLS first\r\n")?,
        }
    }
    let mut stream = BufReader::new(StreamOwned::new(ServerConnection::new(Arc::clone(config)).unwrap(), plain));
    let (mut known, mut data) = (false, String::new());
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let answer = match line.split_whitespace().next().unwrap_or_default() {
            "EHLO" => "250-tests\r\n250 AUTH PLAIN",
            "AUTH" => {
                known = line.trim_end() == format!("AUTH PLAIN {login}");
                if known { "235 welcome" } else { "535 no" }
            }
            "QUIT" => "221 bye",
            _ if !known => "530 log in first",
            "DATA" => {
                stream.get_mut().write_all(b"354 go on\r\n")?;
                while !data.ends_with("\r\n.\r\n") {
                    stream.read_line(&mut data)?;
                }
                kept.lock().unwrap().push(data.trim_end_matches("\r\n.\r\n").to_owned());
                data.clear();
                "250 taken"
            }
            _ => "250 ok",
        };
        stream.get_mut().write_all(format!("{answer}\r\n").as_bytes())?;
    }
}
