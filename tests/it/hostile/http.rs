//! Answers over HTTP that are endless, slow, wrong about their length, compressed to nothing, or send the client somewhere else; to every
//! probe that speaks it.

use std::{fmt::Write as _, io::Write, thread::sleep, time::Duration};

use firedrill::model::sample::SampleOutcome as O;

use super::{
    prober::attack,
    servers::{Server, head, pour, trickle},
};

const CLIENT: &str = "rate: 10/s, timeout: 400ms";

fn http(name: &str, server: &Server, more: &str) -> String {
    format!("  {name}: {{ http: \"http://{}/\", {CLIENT}{more} }}\n", server.address)
}

#[test]
fn answers_without_end_or_measure_cost_a_deadline_and_no_more() {
    let many = format!(
        "HTTP/1.1 200 OK\r\n{}content-length: 0\r\n\r\n",
        (0..5000).fold(String::new(), |head, n| head + &format!("x-h{n}: v\r\n"))
    );
    let chunk = [b"10000\r\n".to_vec(), vec![b'x'; 0x10000], b"\r\n".to_vec()].concat();
    let servers = [
        ("many-headers", Server::says(many), &[O::TooLarge, O::BadHttp][..]),
        ("long-header", Server::http("HTTP/1.1 200 OK\r\nx-served-by: ", pour(b"x")), &[O::TooLarge]),
        ("endless-head", Server::http("HTTP/1.1 200 OK\r\n", pour(b"x-a: b\r\n")), &[O::TooLarge]),
        ("endless-continue", Server::http("", pour(b"HTTP/1.1 100 Continue\r\n\r\n")), &[O::ResponseTimeout, O::TooLarge, O::BadHttp]),
        ("endless-body", Server::http("HTTP/1.1 200 OK\r\n\r\n", pour(b"x")), &[O::TooLarge]),
        ("endless-chunks", Server::http("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", pour(&chunk)), &[O::TooLarge]),
        (
            "endless-extension",
            Server::http("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;", pour(b"a=b;")),
            &[O::BadHttp, O::TooLarge, O::ResponseTimeout],
        ),
        (
            "endless-trailers",
            Server::http("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", pour(b"x-a: b\r\n")),
            &[O::BadHttp, O::TooLarge, O::ResponseTimeout, O::Ok],
        ),
        ("slow-head", Server::http("HTTP/1.1 200 OK\r\n", trickle(b"x")), &[O::ResponseTimeout]),
        ("slow-body", Server::http("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n", trickle(b"x")), &[O::ResponseTimeout]),
        (
            "slow-chunks",
            Server::http("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", trickle(b"1\r\nx\r\n")),
            &[O::ResponseTimeout],
        ),
        ("slow-tls", Server::start(|stream| trickle(b"\x16")(stream)), &[O::Tls]),
        ("endless-tls", Server::start(|stream| pour(b"\x16\x03\x03\x40\x00")(stream)), &[O::Tls]),
    ];
    let probes: String = servers
        .iter()
        .map(|(name, server, _)| {
            let scheme = if name.ends_with("tls") { "https" } else { "http" };
            format!(
                "  {name}: {{ http: \"{scheme}://{}/\", {CLIENT}, served-by: x-served-by, tls: {{ insecure: true }} }}\n",
                server.address
            )
            .replace(", tls: { insecure: true }", if scheme == "https" { ", tls: { insecure: true }" } else { "" })
        })
        .collect();
    let found = attack(&probes, 1500);
    for (name, _, allowed) in &servers {
        let fate = found.only(name, allowed);
        assert!(fate.longest_s < 2.0 && fate.most_bytes < 1 << 20, "{name}: {fate:?}");
    }
    found.cheap(300);
}

#[test]
fn lengths_that_are_wrong_are_found_out() {
    let answer = |head: &str, body: &str| format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}");
    let cut = |text: String| Server::start(move |stream| head(stream).and_then(|()| stream.write_all(text.as_bytes())));
    let servers = [
        ("two-lengths", cut(answer("content-length: 5\r\ncontent-length: 6", "hello!")), &[O::BadHttp][..]),
        (
            "length-and-chunks",
            cut(answer("content-length: 50\r\ntransfer-encoding: chunked", "2\r\nab\r\n0\r\n\r\n")),
            &[O::Ok, O::BadHttp],
        ),
        ("negative", cut(answer("content-length: -1", "hello")), &[O::BadHttp]),
        ("huge", cut(answer("content-length: 99999999999999999999", "hello")), &[O::BadHttp]),
        ("large", cut(answer("content-length: 18446744073709551613", "hello")), &[O::TooLarge, O::BadHttp]),
        ("short", cut(answer("content-length: 50", "hello")), &[O::Truncated]),
        ("chunk-too-large", cut(answer("transfer-encoding: chunked", "fffffffffffffffff\r\nx")), &[O::BadHttp]),
        ("chunk-of-nonsense", cut(answer("transfer-encoding: chunked", "zz\r\nx\r\n")), &[O::BadHttp]),
        ("chunk-cut", cut(answer("transfer-encoding: chunked", "5\r\nhel")), &[O::Truncated]),
        ("escape-in-header", cut(answer("x-served-by: a\u{1b}]0;title\u{7}\r\ncontent-length: 0", "")), &[O::BadHttp, O::Ok]),
    ];
    let not_text = Server::says(b"HTTP/1.1 200 OK\r\nx-served-by: \xff\xfe\xfd\r\ncontent-length: 4\r\n\r\n\xff\xfe\xfd\xfc".to_vec());
    let probes: String = servers.iter().map(|(name, server, _)| http(name, server, ", served-by: x-served-by")).collect();
    let probes = probes + &http("not-text", &not_text, ", served-by: x-served-by, expect: { body: { matches: \"^.{4}$\" } }");
    let found = attack(&probes, 700);
    for (name, _, allowed) in &servers {
        found.only(name, allowed);
    }
    assert_eq!(found.only("not-text", &[O::Ok]).backends, [""]);
    assert!(found.names.iter().all(|name| !name.contains('\u{1b}')), "{:?}", found.names);
    found.cheap(200);
}

/// A second answer behind the first is nobody's answer: the next request on that connection must not get it.
#[test]
fn an_answer_that_nobody_asked_for_is_taken_for_no_request() {
    const WELL: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    const SMUGGLED: &str = "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nsmuggle";
    let at_once = Server::says(format!("{WELL}{SMUGGLED}"));
    let later = Server::http(WELL, |stream| {
        sleep(Duration::from_millis(20));
        stream.write_all(SMUGGLED.as_bytes())
    });
    let expect = ", connections: keep-alive, expect: { body: { contains: ok } }";
    let found = attack(&(http("at-once", &at_once, expect) + &http("later", &later, expect)), 1000);
    found.only("at-once", &[O::Ok]);
    found.only("later", &[O::Ok]);
}

#[test]
fn nobody_follows_a_redirect() {
    let elsewhere = Server::says("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let to = |place: &str| Server::says(format!("HTTP/1.1 302 Found\r\nlocation: {place}\r\ncontent-length: 0\r\n\r\n"));
    let other = to(&format!("http://{}/", elsewhere.address));
    let (circle, file, metadata) = (to("/"), to("file:///etc/passwd"), to("http://169.254.169.254/latest/meta-data/"));
    // The value of a header becomes a path, and stays one.
    let lead = Server::says(format!("HTTP/1.1 200 OK\r\nlocation: http://{}/\r\ncontent-length: 0\r\n\r\n", elsewhere.address));
    let mut probes = String::new();
    for (name, server) in [("circle", &circle), ("other", &other), ("file", &file), ("metadata", &metadata)] {
        probes += &http(&format!("http-{name}"), server, "");
        let url = format!("http://{}", server.address);
        writeln!(
            probes,
            "  journey-{name}: {{ journey: {{ users: 2, think: 100ms, steps: [ {{ name: a, get: \"{url}/\" }} ] }}, timeout: 400ms }}"
        )
        .unwrap();
        writeln!(probes, "  prometheus-{name}: {{ prometheus: \"{url}\", query: up, expect: \"> 0\", {CLIENT} }}").unwrap();
        writeln!(probes, "  websocket-{name}: {{ websocket: \"ws://{}/\", {CLIENT} }}", server.address).unwrap();
        writeln!(probes, "  ledger-{name}: {{ ledger: {{ http: {{ write: {{ post: \"{url}/w\", body: \"${{value}}\" }}, read: {{ get: \"{url}/${{value}}\" }} }} }}, {CLIENT} }}").unwrap();
    }
    writeln!(probes, "  lead: {{ journey: {{ users: 2, think: 50ms, steps: [ {{ name: a, get: \"http://{0}/\", capture: {{ next: {{ header: location }} }} }}, {{ name: b, get: \"http://{0}/${{next}}\" }} ] }}, timeout: 400ms }}",
        lead.address).unwrap();
    let found = attack(&probes, 1000);
    for name in ["circle", "other", "file", "metadata"] {
        for kind in ["http", "journey", "websocket", "ledger"] {
            found.only(&format!("{kind}-{name}"), &[O::Status]);
        }
        found.only(&format!("prometheus-{name}"), &[O::Status, O::Expectation]);
    }
    found.only("lead", &[O::Ok]);
    assert_eq!(elsewhere.connections(), 0, "somebody went where an answer sent him");
    let asked: u64 = found.probes["http-circle"].outcomes.values().sum();
    assert!(circle.connections() < asked * 6 + 20, "{} connections of {asked} requests", circle.connections());
}

/// 60 kB of gzip that would be 60 MB, as an answer and inside of one: nothing here unpacks anything.
#[test]
fn nothing_is_unpacked() {
    let bomb = include_bytes!("zeros.gz");
    assert!(bomb.len() < 65_536);
    let packed = |kind: &str| {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: {kind}\r\ncontent-length: {}\r\n\r\n", bomb.len());
        Server::says([head.as_bytes(), bomb].concat())
    };
    let (gzip, deflate, transfer) = (packed("gzip"), packed("deflate, br, zstd"), {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n";
        let chunk = format!("{:x}\r\n", bomb.len());
        Server::says([head.as_bytes(), chunk.as_bytes(), bomb, b"\r\n0\r\n\r\n"].concat())
    });
    let expect = ", expect: { body: { contains: \"never\" } }";
    let probes = http("gzip", &gzip, expect)
        + &http("unlooked-at", &gzip, "")
        + &http("deflate", &deflate, expect)
        + &http("transfer", &transfer, expect)
        + &format!("  prometheus: {{ prometheus: \"http://{}\", query: up, expect: \"> 0\", {CLIENT} }}\n", gzip.address);
    let found = attack(&probes, 700);
    for name in ["gzip", "deflate", "prometheus"] {
        found.only(name, &[O::Expectation]);
    }
    found.only("transfer", &[O::Expectation, O::BadHttp]);
    assert_eq!(found.only("unlooked-at", &[O::Ok]).most_bytes, bomb.len() as u64);
    found.cheap(200);
}

/// JSON made to be large in memory, to whoever looks into JSON.
#[test]
fn json_is_read_in_bounds() {
    let answer =
        |body: Vec<u8>| Server::says([format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes(), body].concat());
    let deep = answer([b"[".repeat(30_000), b"]".repeat(30_000)].concat());
    let lists = answer([b"[[]".to_vec(), b",[]".repeat(20_000), b"]".to_vec()].concat());
    // A list of everything may be long, and is: six million bytes of nothing.
    let everything = {
        let body = [b"{\"all\":[[]".to_vec(), b",[]".repeat(2_000_000), b"]}".to_vec()].concat();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        let whole = std::sync::Arc::new([head.into_bytes(), body].concat());
        Server::start(move |stream| {
            loop {
                head_and_path(stream).and_then(|path| match path.as_str() {
                    "/list" => stream.write_all(&whole),
                    _ => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
                })?;
            }
        })
    };
    let expect = ", expect: { body: { json: { /a: 1 } } }";
    let url = format!("http://{}", everything.address);
    let probes = http("deep", &deep, expect)
        + &http("lists", &lists, expect)
        + &format!("  series: {{ prometheus: \"http://{}\", query: up, expect: \"> 0\", {CLIENT} }}\n", lists.address)
        + &format!(
            "  everything: {{ ledger: {{ http: {{ write: {{ post: \"{url}/w\", body: \"${{value}}\" }}, read: {{ get: \"{url}/r/${{value}}\" }}, list: {{ get: \"{url}/list\", json: /all }} }} }}, {CLIENT} }}\n"
        );
    let found = attack(&probes, 700);
    for name in ["deep", "lists", "series"] {
        found.only(name, &[O::Expectation]);
    }
    // The list came, and holds nothing of what was acknowledged.
    let fate = found.only("everything", &[O::Ok, O::StateLost, O::TooLarge, O::ResponseTimeout]);
    assert!(fate.outcomes.contains_key("state-lost"), "{fate:?}");
    found.cheap(400);
}

fn head_and_path(stream: &mut std::net::TcpStream) -> std::io::Result<String> {
    use std::io::{BufRead, BufReader, Read};
    let mut reader = BufReader::new(&mut *stream);
    let mut text = String::new();
    while reader.read_line(&mut text)? > 2 {}
    let length = text.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.trim().parse::<usize>().ok());
    reader.read_exact(&mut vec![0; length.unwrap_or(0)])?;
    text.split(' ').nth(1).map(str::to_owned).ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
}
