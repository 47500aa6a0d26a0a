//! Connections that stay open, and datagrams: a WebSocket's peer and a name server that talk without end or nonsense, and a TCP door that
//! gives its word a byte at a time.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream, UdpSocket},
    time::Duration,
};

use firedrill::model::sample::SampleOutcome as O;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{
    prober::attack,
    servers::{Server, pour, trickle},
};

/// A WebSocket's peer up to the point where frames follow.
fn opened(then: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static) -> Server {
    Server::start(move |stream| {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let text = String::from_utf8_lossy(&head).to_lowercase();
        let original = String::from_utf8_lossy(&head).into_owned();
        let at = text.find("sec-websocket-key: ").ok_or(std::io::ErrorKind::InvalidData)? + 19;
        let key = original[at..].lines().next().unwrap_or_default().trim();
        let accept = derive_accept_key(key.as_bytes());
        write!(
            stream,
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: {accept}\r\n\r\n"
        )?;
        then(stream)
    })
}

#[test]
fn a_websocket_that_talks_without_end_or_nonsense_costs_no_more_than_its_share() {
    const ENDED: &[O] = &[O::TooLarge, O::BadHttp, O::EofNew, O::EofReused, O::ResponseTimeout, O::Reset];
    let fragment = [vec![0x00, 126, 0x40, 0x00], vec![b'x'; 0x4000]].concat();
    let servers = [
        ("endless-head", Server::start(pour(b"HTTP/1.1 101 x\r\nx: ")), &[O::BadHttp, O::TooLarge, O::ResponseTimeout][..]),
        ("slow-head", Server::start(trickle(b"H")), &[O::ResponseTimeout, O::BadHttp]),
        (
            "wrong-key",
            Server::says("HTTP/1.1 101 x\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: x\r\n\r\n"),
            &[O::BadHttp],
        ),
        ("fragments", opened(move |stream| stream.write_all(&[0x01, 1, b'x']).and_then(|()| pour(&fragment)(stream))), ENDED),
        ("empty-fragments", opened(|stream| stream.write_all(&[0x01, 1, b'x']).and_then(|()| pour(&[0x00, 0])(stream))), ENDED),
        (
            "huge-length",
            opened(|stream| {
                stream.write_all(&[0x82, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).and_then(|()| pour(b"x")(stream))
            }),
            ENDED,
        ),
        ("pings", opened(pour(&[0x89, 0])), ENDED),
        ("messages", opened(pour(&[0x81, 1, b'x'])), ENDED),
        ("compressed", opened(pour(&[0xc1, 1, b'x'])), ENDED),
        ("not-text", opened(pour(&[0x81, 2, 0xff, 0xfe])), ENDED),
        ("slow-frame", opened(trickle(&[0x81])), ENDED),
    ];
    let probes = servers
        .iter()
        .map(|(name, server, _)| {
            format!("  {name}: {{ websocket: \"ws://{}/\", rate: 3/s, timeout: 400ms, sockets: 2 }}\n", server.address)
        })
        .collect::<Vec<_>>()
        .concat();
    let found = attack(&probes, 1500);
    for (name, _, allowed) in &servers {
        let fate = found.only(name, allowed);
        assert!(fate.longest_s < 2.0, "{name}: {fate:?}");
    }
    found.cheap(300);
}

/// A name server over both transports; `datagram` answers a question, `stream` has a connection.
fn names(
    datagram: impl Fn(&UdpSocket, &[u8], std::net::SocketAddr) + Send + 'static,
    stream: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
) -> std::net::SocketAddr {
    let (socket, listener) = (0..50)
        .find_map(|_| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            let listener = TcpListener::bind(socket.local_addr().unwrap()).ok()?;
            Some((socket, listener))
        })
        .unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((n, from)) = socket.recv_from(&mut buffer) {
            datagram(&socket, &buffer[..n], from);
        }
    });
    let stream = std::sync::Arc::new(stream);
    std::thread::spawn(move || {
        for visitor in listener.incoming() {
            let (Ok(mut visitor), stream) = (visitor, stream.clone()) else { return };
            std::thread::spawn(move || stream(&mut visitor));
        }
    });
    address
}

/// Sends answers to nobody's question for two seconds: to the first who asks.
fn flood(socket: &UdpSocket, question: &[u8], from: std::net::SocketAddr) {
    static BEGUN: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
    if BEGUN.swap(true, std::sync::atomic::Ordering::SeqCst) {
        return;
    }
    let (socket, mut answer) = (socket.try_clone().unwrap(), question.to_vec());
    answer[0] ^= 0xff;
    answer[2] |= 0x80;
    std::thread::spawn(move || {
        let start = firedrill::clock::now();
        while firedrill::clock::now().since(start) < Duration::from_secs(2) {
            let _ = socket.send_to(&answer, from);
        }
    });
}

#[test]
fn a_name_server_that_lies_or_never_stops_is_a_failed_lookup() {
    const FAILED: &[O] = &[O::DnsFailed, O::DnsTimeout, O::Reset];
    let nothing = |_: &mut TcpStream| Ok(());
    // A question's head turned into an answer's, cut short: what follows is asked over TCP.
    let cut = |socket: &UdpSocket, question: &[u8], from| {
        let mut answer = question.to_vec();
        answer[2] |= 0x82;
        let _ = socket.send_to(&answer, from);
    };
    let servers = [
        (
            "others-answers",
            names(
                |socket, question, from| {
                    let mut answer = question.to_vec();
                    answer[2] |= 0x80;
                    for n in 0..5000_u16 {
                        answer[..2]
                            .copy_from_slice(&(u16::from_be_bytes([question[0], question[1]]).wrapping_add(1 + n % 1000)).to_be_bytes());
                        let _ = socket.send_to(&answer, from);
                    }
                },
                nothing,
            ),
        ),
        ("others-for-ever", names(flood, nothing)),
        (
            "largest-datagrams",
            names(
                |socket, question, from| {
                    let answer =
                        [&question[..2], &[0x81, 0x80, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], &vec![0xff; 60_000][..]].concat();
                    for _ in 0..20 {
                        let _ = socket.send_to(&answer, from);
                    }
                },
                nothing,
            ),
        ),
        ("tcp-mute", names(cut, |stream| stream.read(&mut [0; 512]).and_then(|_| stream.read(&mut [0])).map(|_| ()))),
        ("tcp-closes", names(cut, nothing)),
        ("tcp-slow", names(cut, |stream| stream.write_all(&[0xff, 0xff]).and_then(|()| trickle(&[0])(stream)))),
        ("tcp-endless", names(cut, pour(&[0xff, 0xff]))),
        ("tcp-noise", names(cut, pour(&[0, 12, 7, 7, 0x81, 0x80, 0, 0, 0, 1, 0, 0, 0, 0]))),
    ];
    let probes = servers
        .iter()
        .map(|(name, address)| format!("  {name}: {{ dns: {{ name: www.example, server: \"{address}\" }}, rate: 10/s, timeout: 400ms }}\n"))
        .collect::<Vec<_>>()
        .concat();
    let found = attack(&probes, 1200);
    for (name, _) in &servers {
        let fate = found.only(name, FAILED);
        assert!(fate.longest_s < 2.0, "{name}: {fate:?}");
    }
    found.cheap(200);
}

/// Each byte that comes may complete the word, and looking for it must not begin at the beginning each time.
#[test]
fn a_door_that_answers_a_byte_at_a_time_costs_what_its_bytes_cost() {
    let bytes = Server::start(|stream| {
        loop {
            stream.write_all(b"x")?;
        }
    });
    let late = Server::start(|stream| {
        for piece in [&b"p"[..], b"po", b"n", b"g"] {
            stream.write_all(piece)?;
            std::thread::sleep(Duration::from_millis(10));
        }
        stream.read(&mut [0]).map(|_| ())
    });
    let endless = Server::start(pour(b"x"));
    let probe =
        |name: &str, server: &Server| format!("  {name}: {{ tcp: \"{}\", receive: pong, rate: 20/s, timeout: 500ms }}\n", server.address);
    let found = attack(&(probe("bytes", &bytes) + &probe("late", &late) + &probe("endless", &endless)), 1500);
    found.only("late", &[O::Ok]);
    found.only("endless", &[O::TooLarge]);
    found.only("bytes", &[O::TooLarge, O::Expectation]);
    found.cheap(200);
}
