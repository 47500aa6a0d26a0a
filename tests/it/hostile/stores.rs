//! Stores that answer without end, with lengths that nobody could hold, or with values that nobody wrote.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
};

use firedrill::model::sample::SampleOutcome as O;

use super::{
    prober::attack,
    servers::{Server, pour, some, trickle},
};

const BAD: &[O] = &[
    O::TooLarge,
    O::Expectation,
    O::ConnectTimeout,
    O::ResponseTimeout,
    O::EofNew,
    O::EofReused,
    O::Reset,
    O::BadHttp,
    O::Unreachable,
    O::SendFailed,
];

/// Answers whatever is sent with these bytes, then with `more`.
fn answers(first: &'static [u8], more: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static) -> Server {
    Server::start(move |stream| {
        some(stream)?;
        stream.write_all(first)?;
        more(stream)
    })
}

#[expect(clippy::unnecessary_wraps, reason = "it stands where others can fail")]
fn nothing(_: &mut TcpStream) -> std::io::Result<()> {
    Ok(())
}

#[test]
fn a_redis_without_bounds_is_a_failed_request() {
    let servers = [
        ("huge-bulk", answers(b"$4294967295\r\n", pour(b"x"))),
        ("endless-line", answers(b"+", pour(b"x"))),
        ("endless-error", answers(b"-", pour(b"E"))),
        ("huge-array", answers(b"*4294967295\r\n", pour(b":1\r\n"))),
        ("largest-array", answers(b"*9223372036854775807\r\n", nothing)),
        ("largest-map", answers(b"%9223372036854775807\r\n", nothing)),
        ("nested", answers(b"", pour(b"*1\r\n"))),
        ("unasked", answers(b"+PONG\r\n", pour(b":1\r\n"))),
        ("pushes", answers(b"", pour(b">2\r\n+message\r\n+x\r\n"))),
        ("negative", answers(b"$-77\r\n", nothing)),
        ("not-redis", answers(b"HTTP/1.1 400 Bad Request\r\n\r\n", nothing)),
        ("slow", answers(b"$1000\r\n", trickle(b"x"))),
        ("not-text", answers(b"$4\r\n\xff\xfe\x1b]\r\n", nothing)),
    ];
    let probes = servers
        .iter()
        .map(|(name, server)| format!("  {name}: {{ redis: \"redis://{}\", expect: PONG, rate: 3/s, timeout: 400ms }}\n", server.address))
        .collect::<Vec<_>>()
        .concat();
    let found = attack(&probes, 1500);
    for (name, _) in &servers {
        // One that says its word and then goes on talking has answered.
        let fate = if *name == "unasked" { found.only(name, &[BAD, &[O::Ok]].concat()) } else { found.only(name, BAD) };
        assert!(fate.longest_s < 2.0, "{name}: {fate:?}");
    }
    found.cheap(300);
}

/// A message of Postgres: its letter, and its length that counts itself.
fn message(letter: u8, body: &[u8]) -> Vec<u8> {
    [&[letter][..], &(u32::try_from(body.len() + 4).unwrap()).to_be_bytes(), body].concat()
}

/// A server that lets anybody in, and answers what is asked next with these bytes, then with `more`.
fn postgres(first: Vec<u8>, more: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static) -> Server {
    Server::start(move |stream| {
        some(stream)?;
        stream.write_all(&[message(b'R', &[0; 4]), message(b'Z', b"I")].concat())?;
        some(stream)?;
        stream.write_all(&first)?;
        more(stream)
    })
}

#[test]
fn a_postgres_without_bounds_is_a_failed_request() {
    let row = message(b'D', &[&[0, 1][..], &8_u32.to_be_bytes(), b"xxxxxxxx"].concat());
    let columns = message(b'T', &[&[0, 1][..], b"a\0", &[0; 18]].concat());
    let huge = |letter: u8| [&[letter][..], &0x7fff_fff0_u32.to_be_bytes()].concat();
    let notice = message(b'N', b"SNOTICE\0C00000\0Mhello\0\0");
    let setting = message(b'S', b"name\0value\0");
    let servers = [
        ("endless-rows", postgres(columns.clone(), pour(&row))),
        ("huge-row", postgres([columns.clone(), huge(b'D')].concat(), pour(b"x"))),
        ("huge-error", postgres(huge(b'E'), pour(b"x"))),
        ("many-columns", postgres(message(b'T', &[0xff, 0xff]), nothing)),
        ("notices", postgres(Vec::new(), pour(&notice))),
        ("settings", postgres(Vec::new(), pour(&setting))),
        ("nonsense", postgres(vec![0xff; 64], nothing)),
        ("negative", postgres(vec![b'D', 0xff, 0xff, 0xff, 0xff], nothing)),
        ("slow", postgres(columns.clone(), trickle(b"D"))),
        ("asks-for-ever", answers(b"", pour(&message(b'R', &3_u32.to_be_bytes())))),
        ("greets-for-ever", answers(b"", pour(&setting))),
        (
            "huge-greeting",
            Server::start(|stream| {
                some(stream).and_then(|()| stream.write_all(&[b'R', 0x7f, 0xff, 0xff, 0xf0])).and_then(|()| pour(b"x")(stream))
            }),
        ),
        ("other-protocol", answers(b"HTTP/1.1 400 Bad Request\r\n\r\n", nothing)),
    ];
    let probes = servers
        .iter()
        .map(|(name, server)| {
            format!(
                "  {name}: {{ postgres: \"postgres://app@{}/x?sslmode=disable\", query: select 1, rate: 3/s, timeout: 400ms }}\n",
                server.address
            )
        })
        .collect::<Vec<_>>()
        .concat();
    let found = attack(&probes, 1500);
    for (name, _) in &servers {
        let fate = found.only(name, BAD);
        assert!(fate.longest_s < 2.0, "{name}: {fate:?}");
    }
    found.cheap(300);
}

/// A Redis that says yes to every write, and lists numbers that were never written, as large as there are.
fn inventive_redis() -> Server {
    Server::start(|stream| {
        let mut reader = BufReader::new(stream.try_clone()?);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let count: usize = line.trim().strip_prefix('*').and_then(|n| n.parse().ok()).ok_or(std::io::ErrorKind::InvalidData)?;
            let mut words = Vec::new();
            for _ in 0..count {
                let (mut length, mut word) = (String::new(), String::new());
                reader.read_line(&mut length)?;
                reader.read_line(&mut word)?;
                words.push(word.trim().to_owned());
            }
            let bulk = |text: &str| format!("${}\r\n{text}\r\n", text.len());
            let answer = match words.first().map(String::as_str) {
                Some("HINCRBY") => ":1\r\n".to_owned(),
                Some("HGET") => bulk("1"),
                Some("HDEL") => ":9223372036854775807\r\n".to_owned(),
                Some("HSCAN") => {
                    let prefix = words[4].trim_end_matches('*');
                    let pairs: String =
                        [u32::MAX, u32::MAX - 1, 1 << 31].iter().map(|n| bulk(&format!("{prefix}{n}")) + &bulk("1")).collect();
                    format!("*2\r\n{}*6\r\n{pairs}", bulk("0"))
                }
                _ => "+OK\r\n".to_owned(),
            };
            stream.write_all(answer.as_bytes())?;
        }
    })
}

/// A ledger's books have a page for each write; a store that invents a number must not make it the size of that number.
#[test]
fn values_that_were_never_written_are_not_believed() {
    let server = inventive_redis();
    let found = attack(&format!("  sums: {{ ledger: {{ redis: \"redis://{}\" }}, rate: 20/s, timeout: 400ms }}\n", server.address), 700);
    // None of what was written is in the list.
    let fate = found.only("sums", &[O::Ok, O::StateLost]);
    assert!(fate.outcomes.contains_key("state-lost"), "{fate:?}");
    found.cheap(200);
}
