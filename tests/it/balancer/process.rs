//! The process's protocol, over pipes in memory.

use std::time::Duration;

use firedrill::{
    balancer::{
        process::{ProcessError, serve},
        protocol::{Action, Command, Config, Healed, Report},
    },
    model::fault::Cut,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, duplex},
    net::TcpListener,
    task::JoinHandle,
    time::timeout,
};
use tokio_util::task::TaskTracker;

use super::rig::{Client, PATIENCE, Server, config};

struct Process {
    stdin: DuplexStream,
    stdout: Lines<BufReader<DuplexStream>>,
    ended: JoinHandle<Result<(), ProcessError>>,
}

impl Process {
    fn start() -> Self {
        let (stdin, input) = duplex(64 * 1024);
        let (output, stdout) = duplex(64 * 1024);
        let ended = TaskTracker::new().spawn(serve(BufReader::new(input), output));
        Self { stdin, stdout: BufReader::new(stdout).lines(), ended }
    }

    async fn with_config(config: &Config) -> Self {
        let mut process = Self::start();
        process.line(&serde_json::to_string(config).unwrap()).await;
        process
    }

    async fn line(&mut self, line: &str) {
        self.stdin.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    async fn command(&mut self, seq: u64, action: Action) -> Report {
        self.line(&serde_json::to_string(&Command { seq, action }).unwrap()).await;
        self.report().await.unwrap()
    }

    async fn report(&mut self) -> Option<Report> {
        let line = timeout(PATIENCE, self.stdout.next_line()).await.expect("no report").unwrap()?;
        Some(serde_json::from_str(&line).unwrap())
    }

    async fn end(self) -> Result<(), ProcessError> {
        timeout(PATIENCE, self.ended).await.expect("it did not end").unwrap()
    }
}

#[tokio::test]
async fn a_life_from_config_to_the_end_of_stdin() {
    let a = Server::start("a").await;
    let mut process = Process::with_config(&config(&[])).await;
    let Some(Report::Listening { address }) = process.report().await else { panic!() };
    assert_eq!(process.command(1, Action::Add { backend: a.backend() }).await, Report::Done { seq: 1 });
    let Some(Report::Admitted { id, at }) = process.report().await else { panic!() };
    assert!(id.as_str() == "a" && at <= firedrill::clock::now());
    assert_eq!(&Client::connect(address).await.get("/").await.body()[..], b"a");

    let refused = process.command(2, Action::Heal { id: "b".into(), what: Healed::Slow }).await;
    assert_eq!(refused, Report::Refused { seq: 2, why: "the balancer `edge` has no backend `b`".into() });
    let refused = process.command(3, Action::Add { backend: a.backend() }).await;
    assert_eq!(refused, Report::Refused { seq: 3, why: "the balancer `edge` already has a backend `a`".into() });
    process.line(r#"{"seq":4,"command":"dance","id":"a"}"#).await;
    let Some(Report::Refused { seq: 4, why }) = process.report().await else { panic!() };
    assert!(why.contains("unknown variant `dance`"), "{why}");
    assert_eq!(process.command(5, Action::Partition { id: "a".into(), mode: Cut::Refuse }).await, Report::Done { seq: 5 });
    let Some(Report::Ejected { id, .. }) = process.report().await else { panic!() };
    assert_eq!(id.as_str(), "a");

    let Process { stdin, mut stdout, ended } = process;
    drop(stdin);
    timeout(PATIENCE, ended).await.unwrap().unwrap().unwrap();
    assert_eq!(stdout.next_line().await.unwrap(), None);
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "it still listens");
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut busy = config(&[]);
    busy.listen = taken.local_addr().unwrap();
    let busy_says = format!("cannot listen on {}: another process listens there already", busy.listen);
    let mut wrong = config(&[]);
    wrong.check.every = Duration::ZERO;
    let cases = [
        (serde_json::to_string(&busy).unwrap(), busy_says.as_str()),
        (serde_json::to_string(&wrong).unwrap(), "the balancer's config is wrong: the time between health checks must be above zero"),
        (r#"{"name":"edge"}"#.to_owned(), "the first line on stdin is not the balancer's config: missing field"),
        (String::new(), "the first line on stdin is not the balancer's config: it is empty"),
    ];
    for (line, expected) in cases {
        let mut process = Process::start();
        process.line(&line).await;
        let Some(Report::Failed { why }) = process.report().await else { panic!("{line}") };
        assert!(why.starts_with(expected), "{why}");
        assert_eq!(process.report().await, None);
        assert!(process.end().await.unwrap_err().to_string().starts_with(expected));
    }
}

#[tokio::test]
async fn a_line_that_is_no_command_at_all_ends_it() {
    let mut process = Process::with_config(&config(&[])).await;
    assert!(matches!(process.report().await, Some(Report::Listening { .. })));
    process.line("hello").await;
    let Some(Report::Failed { why }) = process.report().await else { panic!() };
    assert!(why.starts_with("a line on stdin is not a command"), "{why}");
    assert!(process.end().await.is_err());
}
