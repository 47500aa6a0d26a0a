//! A drill behind a real HAProxy, and what HAProxy's own log says of the same requests: each request carries its number in a header
//! that HAProxy logs. Beside it HAProxy's counters: when a later request of a kept connection dies unanswered, it closes the connection
//! in silence and writes no line (it takes it that the client tries again), but it counts. Used by the tests and by `benches/docker.rs`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use firedrill::model::{
    sample::{SAMPLE_BYTES, Sample, SampleOutcome},
    time::Mono,
};

use super::{
    rig::{self, Ran, undisturbed},
    syslog::Syslog,
};
use crate::support::{
    engine::{Engine, HAPROXY, WHAT_TIME},
    project::{Container, Project},
};

/// How long firedrill waits for an answer.
pub const DEADLINE: Duration = Duration::from_secs(2);
/// HAProxy may still try for a client that has left: three more times, 5 s each, before it writes its line.
const LAST_LINE: Duration = Duration::from_secs(25);

/// A balancer's settings, and what happens behind it.
#[derive(Clone, Copy)]
pub struct Case {
    pub name: &'static str,
    pub backends: usize,
    /// `http` or `tcp`.
    pub mode: &'static str,
    /// Lines of HAProxy's `backend`, each `;` a line's end.
    pub settings: &'static str,
    /// What follows a server's name and address, such as `check inter 100ms fall 2`.
    pub server: &'static str,
    /// The step of the experiment, as YAML.
    pub fault: &'static str,
    /// `new`, `keep-alive` or `both`.
    pub connections: &'static str,
    pub rate: u32,
    pub hold: &'static str,
}

/// One line of HAProxy's log about a request (a connection, in `mode tcp`).
pub struct Line {
    pub number: Option<u32>,
    pub status: i32,
    pub server: String,
    /// How it ended, by HAProxy's letters: `--` is well.
    pub ended: String,
    /// From the request's arrival to the end of its answer.
    pub took: Duration,
}

/// What both sides say.
pub struct Agreement {
    pub ran: Ran,
    /// Requests that failed, by firedrill's samples: number and class.
    pub failed: BTreeMap<u32, SampleOutcome>,
    /// Requests that firedrill sent and saw the end of.
    pub sent: usize,
    /// What became of those that were sent once more, on a connection of their own and without a number, because a browser would.
    pub retried: Vec<SampleOutcome>,
    /// Whole log.
    pub lines: Vec<Line>,
    /// Requests that HAProxy had no good answer for, by its own counters; none in `mode tcp`.
    pub counted: Option<u64>,
    /// The last answer or failure that firedrill ascribes to the victim, after the moment HAProxy wrote that it is down; seconds.
    pub ejected_later_s: Option<f64>,
}

impl Agreement {
    /// The numbers that HAProxy logged with a failure, or with an answer that came after the client's deadline.
    pub fn logged_failures(&self) -> BTreeSet<u32> {
        let failed = |line: &&Line| line.status != 200 || !line.ended.starts_with("--") || line.took >= DEADLINE;
        self.lines.iter().filter(failed).filter_map(|line| line.number).collect()
    }

    /// Retries in HAProxy's log: lines without a number, and how many of them tell of a failure.
    pub fn logged_retries(&self) -> (usize, usize) {
        let nameless = self.lines.iter().filter(|line| line.number.is_none() && line.server != "<NOSRV>");
        nameless.fold((0, 0), |(all, failed), line| (all + 1, failed + usize::from(line.status != 200)))
    }

    /// Retries that failed, too.
    pub fn failed_retries(&self) -> usize {
        self.retried.iter().filter(|outcome| !outcome.is_ok()).count()
    }

    /// Failures that HAProxy wrote no line about.
    pub fn silent(&self) -> BTreeMap<u32, SampleOutcome> {
        let logged = self.logged();
        self.failed.iter().filter(|(number, _)| !logged.contains(number)).map(|(number, class)| (*number, *class)).collect()
    }

    /// The numbers that HAProxy logged.
    pub fn logged(&self) -> BTreeSet<u32> {
        self.lines.iter().filter_map(|line| line.number).collect()
    }
}

fn settings(case: &Case, names: &[String], log: &str) -> String {
    let mut text = format!(
        "global\n    maxconn 4000\n    log {log} format raw daemon\ndefaults\n    mode {mode}\n    log global\n    timeout client 30s\n    \
         timeout server 30s\n    timeout connect 5s\nfrontend www\n    bind :8080\n    default_backend sites\n",
        mode = case.mode
    );
    text += if case.mode == "http" {
        // A failure is ascribed to the server that it was tried on, as an answer is.
        "    capture request header x-request-number len 12\n    log-format \"request %[capture.req.hdr(0)] %ST %s %tsc %Ta\"\n    \
         http-after-response set-header x-served-by %[srv_name] unless { res.hdr(x-served-by) -m found }\n"
    } else {
        "    log-format \"request - %B %s %tsc %Tt\"\n"
    };
    text += "frontend counters\n    mode http\n    no log\n    bind :8404\n    stats enable\n    stats uri /\n";
    text += "backend sites\n    balance roundrobin\n";
    for line in case.settings.split(';').map(str::trim).filter(|line| !line.is_empty()) {
        let _ = writeln!(text, "    {line}");
    }
    for name in names {
        let _ = writeln!(text, "    server {name} {name}:8080 {}", case.server);
    }
    text
}

/// Runs the case; anew, with another balancer and another log, when the measurement was disturbed.
pub fn run(engine: &Engine, case: &Case) -> Agreement {
    undisturbed(case.name, || once(engine, case), |found| &found.ran)
}

fn once(engine: &Engine, case: &Case) -> Agreement {
    let folder = tempfile::tempdir().unwrap();
    let project = engine.project("agreement");
    let names: Vec<String> = (1..=case.backends).map(|n| format!("{}-web-{n}", project.name())).collect();
    let sites: Vec<Container<'_>> = names
        .iter()
        .map(|name| project.container("web").image(WHAT_TIME).command(&["--listen", "0.0.0.0:8080", "--instance", name]).start())
        .collect();
    let syslog = Syslog::listen();
    let network = format!("{}_default", project.name());
    let host = engine.docker(&["network", "inspect", "--format", "{{(index .IPAM.Config 0).Gateway}}", &network]);
    fs::write(folder.path().join("haproxy.cfg"), settings(case, &names, &format!("{host}:{}", syslog.port()))).unwrap();
    let mount = format!("{}:/usr/local/etc/haproxy:ro", folder.path().display());
    let balancer = project.container("balancer").image(HAPROXY).flag("--volume").flag(&mount).start();
    let address = format!("{}:8080", balancer.ip(&network));
    await_port(&address, &balancer);
    let ran = drill(engine, &project, case, &address, folder.path());
    // About a connection that is kept, HAProxy writes when it ends.
    std::thread::sleep(Duration::from_millis(300));
    if case.mode == "http" && case.connections == "new" && !case.fault.contains("balancer") {
        syslog.wait_for(samples(&ran).len(), LAST_LINE);
    }
    // A balancer that was itself killed has lost its counters.
    let counted = if case.mode == "http" && !case.fault.contains("balancer") { Some(unanswered(&balancer.ip(&network))) } else { None };
    drop(sites);
    read(ran, &syslog.heard(), counted)
}

/// Requests that came to the backend (`stot`) less those that got a good answer (`hrsp_2xx`). Its counters of errors would not do: one
/// failure may be counted in two of them.
fn unanswered(host: &str) -> u64 {
    let mut stream = TcpStream::connect((host, 8404)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.write_all(b"GET /;csv HTTP/1.0\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    // It comes in one chunk: it is small.
    let table = page.split_once("# ").expect("a table").1;
    let mut lines = table.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let head = lines.next().expect("a head");
    let column = |name: &str| head.iter().position(|found| *found == name).expect("a column");
    let row = lines.find(|line| line[..2] == ["sites", "BACKEND"]).expect("the backend");
    let number = |name: &str| row[column(name)].parse::<u64>().expect("a number");
    number("stot") - number("hrsp_2xx")
}

fn await_port(address: &str, balancer: &Container<'_>) {
    for _ in 0..100 {
        if TcpStream::connect_timeout(&address.parse().unwrap(), Duration::from_millis(100)).is_ok() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("the balancer does not listen; it wrote: {}", balancer.logs());
}

fn drill(engine: &Engine, project: &Project<'_>, case: &Case, address: &str, folder: &std::path::Path) -> Ran {
    let environment = format!("environments:\n  lab:\n    platform: {{ docker: {{ project: {} }} }}\n", project.name());
    fs::write(folder.join("firedrill.yaml"), environment).unwrap();
    let experiment = format!(
        "title: {name}\nseed: 5\nprobes:\n  home:\n    http: http://{address}/\n    rate: {rate}/s\n    timeout: {deadline}s\n    \
         connections: {connections}\n    number-header: x-request-number\n    served-by: {{ header: x-served-by }}\n\
         steady-state:\n  - {{ probe: home, availability: '>= 10%', in: [fault] }}\nwarm-up: 1s\nbaseline: 4s\n\
         recovery: {{ hold: 3s, limit: 10s }}\nmethod:\n  - {fault}\n    hold: {hold}\nguardrails:\n  \
         max-affected: {{ service: 100% }}\n",
        name = case.name,
        deadline = DEADLINE.as_secs(),
        rate = case.rate,
        connections = case.connections,
        fault = case.fault,
        hold = case.hold,
    );
    fs::write(folder.join("experiment.yaml"), experiment).unwrap();
    rig::once(engine, folder, &["run", "experiment.yaml", "--env", "lab"])
}

fn samples(ran: &Ran) -> Vec<Sample> {
    let raw = fs::read(ran.folder().join("samples/0.bin")).unwrap();
    raw.as_chunks::<SAMPLE_BYTES>().0.iter().filter_map(Sample::decode).collect()
}

fn read(ran: Ran, log: &[(Mono, String)], counted: Option<u64>) -> Agreement {
    let mut failed = BTreeMap::new();
    let (mut sent, mut retried) = (0, Vec::new());
    for sample in samples(&ran) {
        sent += 1;
        retried.extend(sample.retried);
        if !sample.outcome.is_ok() {
            failed.insert(sample.number, sample.outcome);
        }
    }
    let lines = log.iter().filter_map(|(_, line)| {
        let mut words = line.strip_prefix("request ")?.split_whitespace();
        let (number, status) = (words.next()?.parse().ok(), words.next()?.parse().ok()?);
        let (server, ended) = (words.next()?.to_owned(), words.next()?.to_owned());
        let took = Duration::from_millis(words.next()?.parse().unwrap_or(0));
        Some(Line { number, status, server, ended, took })
    });
    let down = log.iter().find(|(_, line)| line.contains(" is DOWN")).map(|(at, _)| *at);
    let ejected_later_s = down.and_then(|down| {
        let victim = ran.victims().first()?;
        let origin = Mono(ran.result["measurement"]["origin"].as_u64()?);
        let last_seen = victim["effect_after_s"].as_f64()? + victim["last_seen_after_s"].as_f64()?;
        Some(last_seen - down.seconds_from(origin))
    });
    Agreement { failed, sent, retried, lines: lines.collect(), counted, ejected_later_s, ran }
}
