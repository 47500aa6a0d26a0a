//! The `websocket` probe against servers that speak the protocol, and some that do not: each cut is counted, each failure has its class.

use std::{
    collections::HashMap,
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread::sleep,
    time::Duration,
};

use firedrill::{
    clock,
    model::{
        probe::{NameModel, ProbeKind, Text, TlsSettings},
        protocol::{WebSocketExchange, WebSocketProbe},
        sample::{Policy, Sample, SampleOutcome},
        state::{Sockets, StateFindings},
        time::Mono,
    },
    probe::Recorded,
};
use tokio_tungstenite::tungstenite::{
    Message, accept_hdr,
    handshake::server::{ErrorResponse, Request, Response},
};

use crate::{
    probe_truth::{launch, probe},
    support::name_server::NameServer,
};

/// What the server does with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Talk {
    /// Sends it back.
    Echo,
    /// Sends it to everybody, in a text of its own.
    Chat,
    /// Says nothing, and answers no ping.
    Mute,
    /// Closes the connection without a word.
    Close,
    /// Closes it in good order.
    Bye,
    /// Resets it.
    Reset,
    /// Sends a message that is too large.
    Large,
    /// Sends what is no frame.
    Garbage,
}

#[derive(Default)]
struct State {
    talk: Mutex<Option<Talk>>,
    open: Mutex<HashMap<u64, TcpStream>>,
    heads: Mutex<Vec<String>>,
    accepted: AtomicU64,
}

/// A chat server.
struct Chat {
    address: SocketAddr,
    state: Arc<State>,
}

impl Chat {
    fn start(talk: Talk) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), talk)
    }

    fn start_at(address: SocketAddr, talk: Talk) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State { talk: Mutex::new(Some(talk)), ..State::default() });
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), state) = (stream, shared.clone()) else { return };
                std::thread::spawn(move || serve(stream, &state));
            }
        });
        Self { address, state }
    }

    fn talk(&self, talk: Talk) {
        *self.state.talk.lock().unwrap() = Some(talk);
    }

    /// Cuts so many connections; says when.
    fn cut(&self, n: usize) -> (Mono, Mono) {
        let from = clock::now();
        let mut open = self.state.open.lock().unwrap();
        assert!(open.len() >= n, "{} are open", open.len());
        let chosen: Vec<u64> = open.keys().copied().take(n).collect();
        for id in chosen {
            let _ = open.remove(&id).unwrap().shutdown(Shutdown::Both);
        }
        (from, clock::now())
    }

    fn open(&self) -> usize {
        self.state.open.lock().unwrap().len()
    }

    fn wait_for(&self, open: usize) {
        assert!(
            (0..500).any(|_| self.open() == open || {
                sleep(Duration::from_millis(10));
                false
            }),
            "{} are open",
            self.open()
        );
    }

    fn spec(&self) -> WebSocketProbe {
        WebSocketProbe {
            url: format!("ws://{}/chat?room=1", self.address),
            sockets: Some(5),
            exchange: WebSocketExchange::Echo,
            headers: vec![("cookie".to_owned(), Text::Plain("user=7".to_owned()))],
            origin: Some("http://shop.example".to_owned()),
            message_limit: 64 * 1024,
            served_by: None,
            names: NameModel::EachConnection.into(),
            resolver: None,
            tls: TlsSettings::default(),
        }
    }
}

fn serve(stream: TcpStream, state: &State) {
    let id = state.accepted.fetch_add(1, Ordering::SeqCst);
    let _ = stream.set_nodelay(true);
    let other = stream.try_clone().unwrap();
    #[expect(clippy::result_large_err, reason = "the library's type")]
    let look = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        let headers: Vec<String> = request.headers().iter().map(|(k, v)| format!("{k}: {}", v.to_str().unwrap())).collect();
        state.heads.lock().unwrap().push(format!("{} {}", request.uri(), headers.join(", ")));
        Ok(response)
    };
    let Ok(mut socket) = accept_hdr(stream, look) else { return };
    state.open.lock().unwrap().insert(id, other);
    let _ = socket.get_ref().set_read_timeout(Some(Duration::from_millis(2)));
    while let Ok(message) = read(&mut socket) {
        let talk = state.talk.lock().unwrap().unwrap();
        let Some(Message::Text(text)) = message else { continue };
        let done = match talk {
            Talk::Echo => socket.send(Message::Text(text)),
            Talk::Chat => {
                for n in 0..3 {
                    let _ = socket.send(Message::text(format!("{n} somebody typed firedrill-0000")));
                }
                socket.send(Message::binary(format!("{{\"from\":\"ü\",\"text\":\"{text}\"}}").into_bytes()))
            }
            Talk::Mute => Ok(()),
            Talk::Close => break,
            Talk::Bye => socket.close(None).and_then(|()| socket.flush()),
            Talk::Reset => {
                state.open.lock().unwrap().remove(&id);
                rustix::net::sockopt::set_socket_linger(socket.get_ref(), Some(Duration::ZERO)).unwrap();
                return;
            }
            Talk::Large => socket.send(Message::text("x".repeat(100_000))),
            Talk::Garbage => socket.get_mut().write_all(&[0xff; 64]).map_err(Into::into),
        };
        if done.is_err() {
            break;
        }
    }
    state.open.lock().unwrap().remove(&id);
    let _ = socket.get_ref().shutdown(Shutdown::Both);
}

/// The next message, or none for now.
fn read(socket: &mut tokio_tungstenite::tungstenite::WebSocket<TcpStream>) -> Result<Option<Message>, ()> {
    use tokio_tungstenite::tungstenite::Error;
    match socket.read() {
        Ok(message) => Ok(Some(message)),
        Err(Error::Io(error)) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => Ok(None),
        Err(_) => Err(()),
    }
}

fn of(spec: WebSocketProbe) -> ProbeKind {
    ProbeKind::WebSocket(Box::new(spec))
}

fn sockets(recorded: &Recorded) -> Sockets {
    match &recorded.state[0] {
        Some(StateFindings::Sockets(found)) => found.clone(),
        other => panic!("{other:?}"),
    }
}

fn outcomes(samples: &[Sample]) -> HashMap<SampleOutcome, usize> {
    let mut out = HashMap::new();
    for sample in samples {
        *out.entry(sample.outcome).or_default() += 1;
    }
    out
}

#[test]
fn connections_stay_open_and_every_cut_is_counted_when_it_happens() {
    let _quiet = crate::support::quiet::quiet();
    let chat = Chat::start(Talk::Echo);
    // Requests are rare, so that most cuts are seen by nobody but the probe itself.
    let run = launch(vec![probe(of(chat.spec()), 5.0, 1000)]);
    let origin = run.running.origin();
    chat.wait_for(5);
    let mut cuts = Vec::new();
    for n in [5, 3, 4] {
        sleep(Duration::from_millis(300));
        cuts.push(chat.cut(n));
        chat.wait_for(5);
    }
    sleep(Duration::from_millis(200));
    let (samples, recorded) = run.end();
    let found = sockets(&recorded);
    assert_eq!((found.opened, found.cut, found.never_back), (17, 12, 0), "{found:?}");
    let away = found.away.unwrap();
    assert!(away.n == 12 && away.max < 0.2, "{away:?}");
    let within = found.cut_within.unwrap();
    let (from, to) = (cuts[0].0.seconds_from(origin), cuts[2].1.seconds_from(origin));
    assert!(
        within.from_s >= from && within.from_s < from + 0.1 && within.to_s <= to + 0.1 && within.to_s > to - 0.05,
        "{within:?} {from} {to}"
    );
    assert!(samples[0].iter().all(|s| matches!(s.outcome, SampleOutcome::Ok | SampleOutcome::EofReused)), "{:?}", outcomes(&samples[0]));
    assert!(samples[0].iter().all(|s| s.policy == Policy::None && recorded.names[usize::from(s.address.0)] == chat.address.to_string()));
    let head = chat.state.heads.lock().unwrap()[0].clone();
    for part in
        ["/chat?room=1", "cookie: user=7", "origin: http://shop.example", concat!("user-agent: firedrill/", env!("CARGO_PKG_VERSION"))]
    {
        assert!(head.contains(part), "{head}");
    }
}

#[test]
fn each_end_has_its_class() {
    let _quiet = crate::support::quiet::quiet();
    for (talk, first, later) in [
        (Talk::Close, SampleOutcome::EofNew, SampleOutcome::EofReused),
        (Talk::Bye, SampleOutcome::EofNew, SampleOutcome::EofReused),
        (Talk::Reset, SampleOutcome::Reset, SampleOutcome::Reset),
        (Talk::Large, SampleOutcome::TooLarge, SampleOutcome::TooLarge),
        (Talk::Garbage, SampleOutcome::BadHttp, SampleOutcome::BadHttp),
        (Talk::Mute, SampleOutcome::ResponseTimeout, SampleOutcome::ResponseTimeout),
    ] {
        let chat = Chat::start(talk);
        let run = launch(vec![probe(of(WebSocketProbe { sockets: Some(2), ..chat.spec() }), 20.0, 300)]);
        sleep(Duration::from_millis(520));
        let (samples, recorded) = run.end();
        assert!(samples[0].len() > 8 && samples[0].iter().all(|s| s.outcome == first), "{talk:?} {:?}", outcomes(&samples[0]));
        let found = sockets(&recorded);
        if talk == Talk::Mute {
            // Requests that waited together on a silent connection gave it up together.
            assert!((2..=found.opened).contains(&found.cut), "{talk:?} {found:?}");
        } else {
            assert_eq!(found.cut as usize, samples[0].len(), "{talk:?}: one request, one end: {found:?}");
        }
        // On connections that had carried a message before.
        let chat = Chat::start(Talk::Echo);
        let run = launch(vec![probe(of(WebSocketProbe { sockets: Some(1), ..chat.spec() }), 20.0, 300)]);
        chat.wait_for(1);
        sleep(Duration::from_millis(200));
        chat.talk(talk);
        sleep(Duration::from_millis(60));
        chat.talk(Talk::Echo);
        sleep(Duration::from_millis(500));
        let (samples, recorded) = run.end();
        let failed: Vec<SampleOutcome> = samples[0].iter().map(|s| s.outcome).filter(|o| *o != SampleOutcome::Ok).collect();
        assert!((1..=3).contains(&failed.len()) && failed[0] == later, "{talk:?} {failed:?}");
        assert_eq!(samples[0].last().unwrap().outcome, SampleOutcome::Ok, "{talk:?}: it came back");
        assert_eq!(sockets(&recorded).never_back, 0, "{talk:?}");
    }
}

#[test]
fn a_door_that_does_not_open_has_its_class_too() {
    let _quiet = crate::support::quiet::quiet();
    let canned = |answer: &'static [u8]| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let _ = stream.read(&mut [0; 2048]);
                let _ = stream.write_all(answer);
            }
        });
        address
    };
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let chat = Chat::start(Talk::Echo);
    for (address, outcome) in [
        (nobody, SampleOutcome::Refused),
        (canned(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"), SampleOutcome::Status),
        (
            canned(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: no\r\n\r\n"),
            SampleOutcome::BadHttp,
        ),
        (canned(b"SSH-2.0-OpenSSH\r\n"), SampleOutcome::BadHttp),
        (canned(b""), SampleOutcome::EofNew),
        (canned(b"HTTP/1.1 101 Swi"), SampleOutcome::Truncated),
    ] {
        let run = launch(vec![probe(of(WebSocketProbe { url: format!("ws://{address}/"), sockets: Some(2), ..chat.spec() }), 20.0, 500)]);
        sleep(Duration::from_millis(300));
        let (samples, recorded) = run.end();
        assert!(samples[0].iter().all(|s| s.outcome == outcome), "{outcome:?} {:?}", outcomes(&samples[0]));
        assert!(outcome != SampleOutcome::Status || samples[0].iter().all(|s| s.status == 403));
        let found = sockets(&recorded);
        assert_eq!((found.opened, found.cut, found.never_back), (0, 0, 0), "{found:?}");
    }
}

#[test]
fn what_is_cut_and_cannot_come_back_is_told() {
    let _quiet = crate::support::quiet::quiet();
    let server = NameServer::start();
    let chat = Chat::start_at("127.0.0.2:0".parse().unwrap(), Talk::Echo);
    server.addresses("chat.example", 0, &["127.0.0.2"]);
    let spec = WebSocketProbe {
        url: format!("ws://chat.example:{}/", chat.address.port()),
        sockets: Some(3),
        resolver: Some(server.address),
        ..chat.spec()
    };
    let run = launch(vec![probe(of(spec), 20.0, 500)]);
    chat.wait_for(3);
    server.addresses("chat.example", 0, &["127.0.0.9"]);
    chat.cut(2);
    sleep(Duration::from_millis(700));
    let (samples, recorded) = run.end();
    let found = sockets(&recorded);
    assert_eq!((found.opened, found.cut, found.never_back, found.away), (3, 2, 2, None), "{found:?}");
    let by = outcomes(&samples[0]);
    assert!(by.keys().all(|o| matches!(o, SampleOutcome::Ok | SampleOutcome::Refused | SampleOutcome::EofReused)), "{by:?}");
    assert!(by[&SampleOutcome::Refused] >= 3 && by[&SampleOutcome::Ok] >= 3, "{by:?}");
}

#[test]
fn an_answer_is_found_among_what_others_say_and_a_ping_is_answered() {
    let _quiet = crate::support::quiet::quiet();
    let chat = Chat::start(Talk::Chat);
    let run = launch(vec![
        probe(of(WebSocketProbe { sockets: None, ..chat.spec() }), 40.0, 1000),
        probe(of(WebSocketProbe { exchange: WebSocketExchange::Ping, ..chat.spec() }), 40.0, 1000),
        probe(of(WebSocketProbe { exchange: WebSocketExchange::Message("typed".to_owned()), ..chat.spec() }), 10.0, 200),
    ]);
    sleep(Duration::from_millis(600));
    let (samples, recorded) = run.end();
    for samples in &samples[..2] {
        assert!(samples.len() > 20 && samples.iter().all(|s| s.outcome == SampleOutcome::Ok && s.bytes > 0), "{:?}", outcomes(samples));
    }
    // Nobody says anything to who says nothing himself, here.
    assert!(samples[2].iter().all(|s| s.outcome == SampleOutcome::ResponseTimeout), "{:?}", outcomes(&samples[2]));
    assert_eq!(sockets(&recorded).opened, 10, "one per four requests a second");
}

/// Opens a WebSocket for everybody, and sends these bytes for ever.
fn flood(frame: Vec<u8>, pause: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (Ok(stream), frame) = (stream, frame.clone()) else { return };
            std::thread::spawn(move || {
                let Ok(mut socket) = tokio_tungstenite::tungstenite::accept(stream) else { return };
                while socket.get_mut().write_all(&frame).is_ok() {
                    sleep(pause);
                }
            });
        }
    });
    address
}

#[test]
fn pushes_are_waited_for_and_a_flood_of_them_holds_nobody_up() {
    let _quiet = crate::support::quiet::quiet();
    let chat = Chat::start(Talk::Echo);
    let tick = [&[0x81, 4][..], b"tick"].concat();
    let to = |address: SocketAddr, sockets| WebSocketProbe {
        url: format!("ws://{address}/"),
        sockets: Some(sockets),
        exchange: WebSocketExchange::Message("tick".to_owned()),
        ..chat.spec()
    };
    let (slow, fast) = (flood(tick.clone(), Duration::from_millis(50)), flood(tick.repeat(1000), Duration::ZERO));
    let run = launch(vec![probe(of(to(slow, 2)), 20.0, 500), probe(of(to(fast, 2)), 20.0, 2000), probe(of(chat.spec()), 100.0, 1000)]);
    sleep(Duration::from_millis(1500));
    let (samples, _) = run.end();
    for samples in &samples {
        assert!(samples.iter().all(|s| s.outcome == SampleOutcome::Ok), "{:?}", outcomes(samples));
    }
    // Besides, the flood did not make the others late.
    let mut latencies: Vec<u32> = samples[2].iter().map(|s| s.done_us).collect();
    latencies.sort_unstable();
    assert!(latencies[latencies.len() / 2] < 20_000, "{latencies:?}");
}

#[test]
fn under_tls_the_servers_name_must_be_right() {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
    let _quiet = crate::support::quiet::quiet();
    let file = |name: &str| format!("{}/tests/it/support/tls/{name}", env!("CARGO_MANIFEST_DIR"));
    let chain = CertificateDer::pem_file_iter(file("server.pem")).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (Ok(stream), config) = (stream, config.clone()) else { return };
            std::thread::spawn(move || {
                let tls = rustls::StreamOwned::new(rustls::ServerConnection::new(config).unwrap(), stream);
                let Ok(mut socket) = tokio_tungstenite::tungstenite::accept(tls) else { return };
                while let Ok(message) = socket.read() {
                    if message.is_text() && socket.send(message).is_err() {
                        return;
                    }
                }
            });
        }
    });
    let server = NameServer::start();
    server.addresses("shop.example", 60, &["127.0.0.1"]);
    server.addresses("other.example", 60, &["127.0.0.1"]);
    let chat = Chat::start(Talk::Echo);
    let to = |host: &str| WebSocketProbe {
        url: format!("wss://{host}:{port}/"),
        resolver: Some(server.address),
        tls: TlsSettings { ca: Some(file("ca.pem")), ..TlsSettings::default() },
        ..chat.spec()
    };
    let run = launch(vec![probe(of(to("shop.example")), 20.0, 2000), probe(of(to("other.example")), 20.0, 2000)]);
    sleep(Duration::from_millis(500));
    let (samples, _) = run.end();
    assert!(samples[0].iter().all(|s| s.outcome == SampleOutcome::Ok), "{:?}", outcomes(&samples[0]));
    assert!(samples[1].iter().all(|s| s.outcome == SampleOutcome::Tls), "{:?}", outcomes(&samples[1]));
}

#[test]
fn users_of_several_name_models_take_turns() {
    let _quiet = crate::support::quiet::quiet();
    let server = NameServer::start();
    let chat = Chat::start_at("127.0.0.2:0".parse().unwrap(), Talk::Echo);
    server.addresses("chat.example", 0, &["127.0.0.2"]);
    let models = vec![NameModel::EachConnection, NameModel::Pinned];
    let spec = WebSocketProbe {
        url: format!("ws://chat.example:{}/", chat.address.port()),
        sockets: Some(4),
        names: firedrill::model::probe::NameModels::Several(models),
        resolver: Some(server.address),
        ..chat.spec()
    };
    let run = launch(vec![probe(of(spec), 40.0, 500)]);
    chat.wait_for(4);
    server.addresses("chat.example", 0, &["127.0.0.9"]);
    chat.cut(4);
    sleep(Duration::from_millis(600));
    let (samples, recorded) = run.end();
    // Who kept the address is back; who looks it up again is sent where nobody is.
    assert_eq!(sockets(&recorded).never_back, 2, "{:?}", sockets(&recorded));
    let last = samples[0].iter().rev().take(15);
    for sample in last {
        match sample.names {
            Some(NameModel::Pinned) => assert_eq!(sample.outcome, SampleOutcome::Ok),
            Some(NameModel::EachConnection) => assert_eq!(sample.outcome, SampleOutcome::Refused),
            other => panic!("{other:?}"),
        }
    }
}
