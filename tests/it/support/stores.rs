//! Real stores of a test's own: made by `firedrill sample`, on free ports of 127.0.0.1, and ended with the test.

use std::{
    fs,
    io::Write as _,
    net::{TcpListener, TcpStream},
    os::unix::fs::MetadataExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};

use firedrill::{clock, sample_app::programs};
use rustix::process::{Pid, Signal, kill_process};

/// How long anything may take to come.
const PATIENCE: Duration = Duration::from_mins(1);

/// A store: a process and its children, ended with it.
pub struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Server {
    /// Kills all of it at once, so that nothing of it can say goodbye, as a machine that loses its power would.
    pub fn kill(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            let own = self.0.id();
            for signal in [Signal::STOP, Signal::KILL] {
                // Stopped first, it makes no further child.
                for pid in [own].into_iter().chain(children(own)) {
                    let _ = Pid::from_raw(pid.cast_signed()).map(|pid| kill_process(pid, signal));
                }
            }
        }
        let _ = self.0.wait();
    }
}

fn children(parent: u32) -> Vec<u32> {
    let all = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_child = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok()) == Some(parent)
    };
    all.filter(is_child).collect()
}

/// Waits until something is so; what it is, is said when it never comes.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let from = clock::now();
    while !is_so() {
        assert!(clock::now().since(from) < PATIENCE, "waited for {PATIENCE:?}: {what}");
        sleep(Duration::from_millis(20));
    }
}

/// A port that nobody listens on now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn started(command: &mut Command, port: u16) -> Server {
    let server = Server(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    until("somebody to listen", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    server
}

/// A Redis that keeps everything in memory, with settings like `--requirepass x`.
pub fn redis(folder: &Path, port: u16, settings: &[&str]) -> Server {
    let mut command = Command::new(programs::REDIS.found().unwrap());
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"]).arg(folder);
    started(command.args(settings), port)
}

/// A PostgreSQL, whose data lies in a folder of this folder; started again, it finds them. `role` are the flags of `sample postgres`: with
/// `--first` it is a primary, with `--peer` a standby.
pub fn postgres(folder: &Path, port: u16, role: &[&str]) -> Server {
    programs::POSTGRES.found().unwrap();
    // The database belongs to another user, who must come that far.
    fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_firedrill"));
    command.args(["sample", "postgres", "--listen", &format!("127.0.0.1:{port}"), "--data"]).arg(folder.join(port.to_string())).args(role);
    let server = started(&mut command, port);
    until("PostgreSQL to take questions", || column(port, "SELECT 1").is_ok());
    server
}

/// The same, but that it takes strangers only over TLS and with a password, `canary-4711` of the user `app`. Its certificate is
/// `local.pem`.
pub fn guarded_postgres(folder: &Path, port: u16) -> Server {
    let mut open = postgres(folder, port, &["--first"]);
    column(port, "CREATE USER app PASSWORD 'canary-4711'; GRANT CREATE ON SCHEMA public TO app").unwrap();
    open.kill();
    let cluster = folder.join(port.to_string()).join("cluster");
    let owner = fs::metadata(&cluster).unwrap();
    for name in ["local.pem", "local.key"] {
        let to = cluster.join(name);
        fs::copy(tls_file(name), &to).unwrap();
        fs::set_permissions(&to, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        std::os::unix::fs::chown(&to, Some(owner.uid()), Some(owner.gid())).unwrap();
    }
    let append =
        |file: &str, text: &str| fs::OpenOptions::new().append(true).open(cluster.join(file)).unwrap().write_all(text.as_bytes()).unwrap();
    append("postgresql.conf", "ssl=on\nssl_cert_file='local.pem'\nssl_key_file='local.key'\n");
    let rules = "host all shop 127.0.0.1/32 trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n";
    fs::write(cluster.join("pg_hba.conf"), rules).unwrap();
    postgres(folder, port, &["--first"])
}

/// A key or certificate of the tests.
pub fn tls_file(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/tls").join(name).display().to_string()
}

/// A line to a port, on which everything takes so long.
pub fn line(port: u16, to: u16, delay: Duration) -> Server {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firedrill"));
    command.args(["sample", "link", "--listen", &format!("127.0.0.1:{port}"), "--to", &format!("127.0.0.1:{to}")]);
    started(command.args(["--delay", &format!("{}ms", delay.as_millis())]), port)
}

/// The first column of each row that a PostgreSQL answers with.
pub fn column(port: u16, sql: &str) -> Result<Vec<String>, tokio_postgres::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let address = format!("host=127.0.0.1 port={port} user=shop dbname=postgres");
        let (client, connection) = tokio_postgres::connect(&address, tokio_postgres::NoTls).await?;
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(connection);
        let rows = client.simple_query(sql).await?;
        let first = |row: &tokio_postgres::SimpleQueryRow| row.get(0).unwrap_or_default().to_owned();
        Ok(rows
            .iter()
            .filter_map(|message| if let tokio_postgres::SimpleQueryMessage::Row(row) = message { Some(first(row)) } else { None })
            .collect())
    })
}
