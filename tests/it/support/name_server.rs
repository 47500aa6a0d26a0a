//! A name server of the test's own: it answers what it is told, when it is told, over UDP and TCP, and remembers who asked and when.

use std::{
    collections::HashMap,
    io::{Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, UdpSocket},
    sync::{Arc, Mutex},
    time::Duration,
};

use firedrill::{clock, model::time::Mono};
use hickory_net::proto::{
    op::{Message, MessageType, OpCode, ResponseCode},
    rr::{
        Name, RData, Record, RecordType,
        rdata::{A, AAAA},
    },
};

/// What is answered to a question.
#[derive(Debug, Clone)]
pub enum Says {
    /// These records, which may be kept for so many seconds.
    Records(u32, Vec<RData>),
    /// This code.
    Code(ResponseCode),
    /// Nothing.
    Silence,
    /// The records over TCP only: over UDP the answer is cut short.
    Cut(Vec<RData>),
    /// These bytes behind the question's number.
    Garbage(Vec<u8>),
}

/// A question that was asked.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The name, without its last dot.
    pub name: String,
    /// The type of record.
    pub record: RecordType,
    /// When.
    pub at: Mono,
    /// Over TCP.
    pub tcp: bool,
}

type Zone = HashMap<(String, RecordType), Says>;

/// The server.
pub struct NameServer {
    /// Where it listens.
    pub address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl NameServer {
    /// A server that knows no name.
    pub fn start() -> Self {
        let (socket, listener) = (0..50)
            .find_map(|_| {
                let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                let listener = TcpListener::bind(socket.local_addr().unwrap()).ok()?;
                Some((socket, listener))
            })
            .unwrap();
        let address = socket.local_addr().unwrap();
        let (zone, asked) = (Arc::<Mutex<Zone>>::default(), Arc::<Mutex<Vec<Asked>>>::default());
        let shared = (zone.clone(), asked.clone());
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok((n, from)) = socket.recv_from(&mut buffer) {
                if let Some(answer) = answer(&buffer[..n], &shared.0, &shared.1, false) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        let shared = (zone.clone(), asked.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
                let mut length = [0; 2];
                if stream.read_exact(&mut length).is_err() {
                    continue;
                }
                let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
                if stream.read_exact(&mut question).is_ok()
                    && let Some(answer) = answer(&question, &shared.0, &shared.1, true)
                {
                    let _ = stream.write_all(&(answer.len() as u16).to_be_bytes());
                    let _ = stream.write_all(&answer);
                }
            }
        });
        Self { address, zone, asked }
    }

    /// From now on it says this.
    pub fn set(&self, name: &str, record: RecordType, says: Says) -> Mono {
        self.zone.lock().unwrap().insert((name.to_owned(), record), says);
        clock::now()
    }

    /// From now on a name has these addresses, kept for so many seconds.
    pub fn addresses(&self, name: &str, ttl: u32, list: &[&str]) -> Mono {
        let all = list.iter().map(|ip| match ip.parse().unwrap() {
            IpAddr::V4(ip) => RData::A(A(ip)),
            IpAddr::V6(ip) => RData::AAAA(AAAA(ip)),
        });
        let (four, six): (Vec<_>, Vec<_>) = all.partition(|data| matches!(data, RData::A(_)));
        self.set(name, RecordType::AAAA, Says::Records(ttl, six));
        self.set(name, RecordType::A, Says::Records(ttl, four))
    }

    /// The questions for a name and type, in order.
    pub fn asked(&self, name: &str, record: RecordType) -> Vec<Asked> {
        self.asked.lock().unwrap().iter().filter(|asked| asked.name == name && asked.record == record).cloned().collect()
    }
}

fn answer(question: &[u8], zone: &Mutex<Zone>, asked: &Mutex<Vec<Asked>>, tcp: bool) -> Option<Vec<u8>> {
    let question = Message::from_vec(question).ok()?;
    let query = question.queries.first()?.clone();
    let name = query.name().to_string().trim_end_matches('.').to_ascii_lowercase();
    let record = query.query_type();
    let says = zone.lock().unwrap().get(&(name.clone(), record)).cloned();
    asked.lock().unwrap().push(Asked { name, record, at: clock::now(), tcp });
    let mut message = Message::new(question.id, MessageType::Response, OpCode::Query);
    message.add_query(query.clone());
    let records = |ttl: u32, list: Vec<RData>| {
        let name: Name = query.name().clone();
        list.into_iter().map(move |data| Record::from_rdata(name.clone(), ttl, data))
    };
    match says.unwrap_or(Says::Code(ResponseCode::NXDomain)) {
        Says::Records(ttl, list) => message.answers.extend(records(ttl, list)),
        Says::Code(code) => message.metadata.response_code = code,
        Says::Silence => return None,
        Says::Cut(list) if tcp => message.answers.extend(records(60, list)),
        Says::Cut(_) => message.metadata.truncation = true,
        Says::Garbage(bytes) => {
            return Some([&question.id.to_be_bytes()[..], &bytes].concat());
        }
    }
    message.to_vec().ok()
}
