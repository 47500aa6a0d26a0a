//! Secrets are planted wherever a file may name one, and a whole run's outputs are searched for them: journal, events, result, reports,
//! console, logs and errors. The system of these tests says back whatever it is told, which is the worst that it can do.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    path::Path,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    gentle, ran,
    servers::{Server, some},
};
use crate::{
    cli::rig::{EXPERIMENT, Rig, SYSTEM, Said},
    support::residue,
};

const HEADER: &str = "planted-header-4711";
const FORM: &str = "planted/form&4711";
const PASSWORD: &str = "planted-password-4711";
const BODY: &str = "planted body 4711";

/// Every way in which a planted secret could be written.
fn forms() -> Vec<String> {
    let mut out = Vec::new();
    for secret in [HEADER, FORM, PASSWORD, BODY] {
        let percent = secret.bytes().map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") });
        out.extend([secret.to_owned(), STANDARD.encode(secret), percent.collect()]);
    }
    out
}

#[track_caller]
fn search(what: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for form in forms() {
        residue::none(!text.contains(&form), format_args!("{what} tells `{form}`:\n{}", text.chars().take(5000).collect::<String>()));
    }
}

/// Searches all files below a folder but those whose name the test gives.
fn search_files(folder: &Path, but: &[&str]) -> usize {
    let mut searched = 0;
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            searched += search_files(&path, but);
        } else if !but.iter().any(|name| path.ends_with(name)) && entry.file_type().unwrap().is_file() {
            search(&path.display().to_string(), &fs::read(&path).unwrap());
            searched += 1;
        }
    }
    searched
}

/// Answers with everything that it was told, in its headers and its body.
fn parrot() -> Server {
    Server::start(|stream| {
        loop {
            let mut request = [0; 8192];
            let n = stream.read(&mut request)?;
            if n == 0 {
                return Ok(());
            }
            let text = String::from_utf8_lossy(&request[..n]).into_owned();
            let header = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("-").trim().to_owned();
            let told = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            let (backend, zone) = (header("authorization: "), if told.is_empty() { "-" } else { told });
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nx-served-by: {backend}\r\nx-zone: {zone}\r\nset-cookie: told={zone}\r\ncontent-length: {}\r\n\r\n{text}",
                text.len()
            )?;
        }
    })
}

/// Refuses everybody, and says why with whatever it was told.
fn rude_redis() -> Server {
    Server::start(|stream| {
        loop {
            let mut request = [0; 4096];
            let n = stream.read(&mut request)?;
            let told = String::from_utf8_lossy(&request[..n]).replace("\r\n", " ");
            write!(stream, "-WRONGPASS {told}\r\n")?;
        }
    })
}

fn secrets(rig: &Rig) -> [(&'static str, String); 4] {
    rig.write("form.secret", FORM);
    [
        ("PLANTED_HEADER", format!("Bearer {HEADER}")),
        ("PLANTED_BODY", BODY.to_owned()),
        ("PLANTED_REDIS", String::new()),
        ("PLANTED_POSTGRES", String::new()),
    ]
}

fn firedrill(rig: &Rig, args: &[&str], secrets: &[(&'static str, String)]) -> Said {
    let mut command = rig.command(args);
    command.envs(secrets.iter().map(|(name, value)| (*name, value)));
    crate::cli::rig::Started::new(command.spawn().unwrap()).end()
}

#[track_caller]
fn searched(said: &Said) {
    search("standard output", said.out.as_bytes());
    search("standard error", said.err.as_bytes());
}

#[test]
fn a_run_in_which_every_secret_is_said_back_tells_none() {
    let (parrot, redis) = (parrot(), rude_redis());
    let probes = format!(
        r#"probes:
  told:
    http: http://{0}/
    headers: {{ authorization: {{ env: PLANTED_HEADER }} }}
    method: POST
    body: {{ env: PLANTED_BODY }}
    rate: 20/s
    served-by: {{ header: x-served-by, zone-header: x-zone }}
  visitor:
    journey:
      users: 2
      think: 200ms
      served-by: {{ header: x-served-by, zone-header: x-zone }}
      sticky: told
      steps: [{{ name: log-in, post: "http://{0}/", headers: {{ authorization: {{ env: PLANTED_HEADER }} }}, form: {{ password: {{ file: form.secret }} }} }}]
  store: {{ redis: {{ env: PLANTED_REDIS }}, rate: 5/s }}
"#,
        parrot.address
    );
    let step = "method:\n  - run: [sh, -c, \"echo $PLANTED_HEADER $PLANTED_BODY $PLANTED_REDIS >&2; exit 7\"]\n";
    let experiment = gentle().replace("probes:\n", &probes).replace("method:\n", step);
    let rig = Rig::with(SYSTEM, &experiment);
    let mut secrets = secrets(&rig);
    secrets[2].1 = format!("redis://me:{PASSWORD}@{}", redis.address);
    for verb in ["check", "plan"] {
        let said = firedrill(&rig, &[verb, "experiment.yaml"], &secrets).code(0);
        searched(&said);
    }
    // With all logs, too.
    let mut all = secrets.to_vec();
    all.push(("FIREDRILL_LOG", "trace".to_owned()));
    let said = ran(&rig, &|| {
        let mut command = rig.command(["run", "experiment.yaml"]);
        command.envs(all.iter().map(|(name, value)| (*name, value)));
        command
    });
    searched(&said);
    assert!(said.out.contains("(secret)"), "the failed command did not say what it was told:\n{}\n{}", said.out, said.err);
    let folder = rig.run_folder();
    let result = fs::read_to_string(folder.join("result.json")).unwrap();
    assert!(result.contains("(secret)"), "the parrot said nothing back: {result}");
    for format in ["console", "html", "markdown", "junit", "json"] {
        let said = firedrill(&rig, &["report", folder.to_str().unwrap(), "--format", format], &[]).code(0);
        searched(&said);
    }
    // What the services wrote is theirs.
    assert!(search_files(rig.path(".").as_path(), &["form.secret"]) >= 8);
}

#[test]
fn a_store_that_cannot_be_used_is_refused_without_its_password() {
    let rude = Server::start(|stream| {
        some(stream)?;
        // Asks for the password in clear, and says it back.
        stream.write_all(&[b'R', 0, 0, 0, 8, 0, 0, 0, 3])?;
        let mut told = [0; 256];
        let n = stream.read(&mut told)?;
        let said = String::from_utf8_lossy(&told[5..n.max(5)]).trim_end_matches('\0').to_owned();
        let fields = format!("SFATAL\0C28P01\0Mno entry with {said}\u{1b}]0;title\u{7}\0\0");
        stream.write_all(&[&[b'E'][..], &(fields.len() as u32 + 4).to_be_bytes(), fields.as_bytes()].concat())
    });
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (address, words) in [(rude.address, "no entry with (secret)\\u{1b}]0;title\\u{7}"), (closed, "onnection refused")] {
        let rows = "probes:\n  rows: { ledger: { postgres: { env: PLANTED_POSTGRES } }, rate: 5/s }\n";
        let rig = Rig::with(SYSTEM, &EXPERIMENT.replace("probes:\n", rows));
        let mut secrets = secrets(&rig);
        secrets[3].1 = format!("postgres://me:{PASSWORD}@{address}/x?sslmode=disable");
        let said = firedrill(&rig, &["run", "experiment.yaml"], &secrets);
        searched(&said);
        // The summary is wrapped to the terminal's width.
        let told = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains(words), "{told}");
        assert_ne!(said.status.code(), Some(0));
        search_files(rig.path(".").as_path(), &["form.secret"]);
    }
}

#[test]
fn a_service_that_dies_saying_a_secret_is_not_quoted_with_it() {
    let command = "command: [sh, -c, \"echo the reason: $PLANTED_HEADER >&2; exit 7\"]\n    #";
    let probes = "probes:\n  told: { http: \"${url}/\", headers: { authorization: { env: PLANTED_HEADER } } }\n";
    let rig = Rig::with(&SYSTEM.replace("command:", command), &EXPERIMENT.replace("probes:\n", probes));
    let said = firedrill(&rig, &["run", "experiment.yaml"], &secrets(&rig)).code(3).says("the reason: (secret)");
    searched(&said);
}

/// A secret that is written where only a name of one may be: nothing that is said about the file shows it.
#[test]
fn a_secret_in_a_file_is_refused_and_not_repeated() {
    let inline = [
        ("http", format!("http: \"http://me:{PASSWORD}@127.0.0.1:1/\"")),
        ("http-broken", format!("http: \"http://me:{PASSWORD}@[/\"")),
        ("proxy", format!("http: \"http://a.example/\", proxy: \"http://me:{PASSWORD}@127.0.0.1:1\"")),
        ("header", format!("http: \"http://a.example/\", headers: {{ authorization: \"Bearer {HEADER}\" }}")),
        ("header-twice", format!("http: \"http://a.example/\", headers: {{ x-api-key: {HEADER}, nonsense nonsense: 1 }}")),
        ("websocket", format!("websocket: \"ws://me:{PASSWORD}@127.0.0.1:1/\"")),
        ("prometheus", format!("prometheus: \"http://me:{PASSWORD}@127.0.0.1:1\", query: up, expect: \"> 0\"")),
        ("redis", format!("redis: \"redis://:{PASSWORD}@127.0.0.1:1\"")),
        ("redis-wrong", format!("redis: \"redos://:{PASSWORD}@127.0.0.1:1\"")),
        ("postgres", format!("postgres: \"postgres://me:{PASSWORD}@127.0.0.1:1/x\"")),
        ("postgres-parameter", format!("postgres: \"postgres://me@127.0.0.1:1/x?password={PASSWORD}\"")),
        ("tcp", format!("tcp: \"me:{PASSWORD}@127.0.0.1:1\"")),
        ("ledger", format!("ledger: {{ redis: \"redis://:{PASSWORD}@h\", read-from: \"redis://:{PASSWORD}@r\" }}")),
        (
            "journey",
            format!(
                "journey: {{ users: 1, steps: [{{ name: a, post: \"http://me:{PASSWORD}@h/\", headers: {{ cookie: {HEADER} }}, form: {{ password: {PASSWORD} }} }}] }}"
            ),
        ),
        ("file", "http: \"http://a.example/\", headers: { authorization: { file: no-such-file } }".to_owned()),
    ];
    let mut told = BTreeMap::new();
    for (name, probe) in inline {
        for url in ["written", "a variable"] {
            let mut text = format!("probes:\n  {name}: {{ {probe} }}\n");
            let mut vars = Vec::new();
            if url == "a variable" {
                // The same value, but given on the command line.
                text = text.replace(PASSWORD, "${secret}").replace(HEADER, "${token}");
                let given =
                    [("secret", PASSWORD), ("token", HEADER)].into_iter().filter(|(name, _)| text.contains(&format!("${{{name}}}")));
                vars = given.map(|(name, value)| format!("{name}={value}")).collect();
            }
            let rig = Rig::with(SYSTEM, &EXPERIMENT.replace("probes:\n", &text));
            for args in [&["check", "experiment.yaml"][..], &["check", "experiment.yaml", "--format", "json"], &["run", "experiment.yaml"]]
            {
                let vars = vars.iter().flat_map(|var| ["--var", var.as_str()]);
                let said = rig.firedrill(args.iter().copied().chain(vars));
                searched(&said);
                assert_eq!(
                    said.status.code(),
                    Some(if name == "file" && args[0] == "check" { 0 } else { 2 }),
                    "{name} {args:?}: {}{}",
                    said.out,
                    said.err
                );
                told.insert((name, url), said.err);
            }
        }
    }
    assert_eq!(told.len(), 30);
}
