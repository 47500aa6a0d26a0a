//! `sample postgres`: becomes PostgreSQL, as a primary or as the standby of whoever is the primary.
//!
//! The one that is told to be the first makes an empty database and is the primary, unless a peer is the primary already: then a standby has
//! been promoted in its absence, and it comes back as the standby of that one, as a copy of it. Two primaries would be two truths.
//! It listens on this machine's loopback only, and trusts who connects there: it holds what a drill writes, and nothing else.

use std::{
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use clap::ValueEnum;
use tokio_postgres::{Config, NoTls};

use super::{become_program, fresh, is_ours, user::Plain};
use crate::sample_app::{host_port::HostPort, programs, server::RunError};

/// The flags of `sample postgres`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Where to listen, as ADDRESS:PORT
    #[arg(long, value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// The folder of its data, made when it is not there; what another run left there is deleted
    #[arg(long, value_name = "FOLDER")]
    pub data: PathBuf,
    /// Be the primary when nobody is
    #[arg(long)]
    pub first: bool,
    /// The other one: followed when it is the primary
    #[arg(long, value_name = "ADDRESS")]
    pub peer: Option<SocketAddr>,
    /// Where the other one is reached for its changes, when not directly: a line between two zones
    #[arg(long, value_name = "ADDRESS", requires = "peer")]
    pub through: Option<SocketAddr>,
    /// What it finds when it is started again
    #[arg(long, value_enum, default_value_t = Disk::Kept)]
    pub disk: Disk,
    /// When the first primary answers a commit
    #[arg(long, value_enum, default_value_t = Replication::Asynchronous)]
    pub replication: Replication,
}

/// When a primary answers a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Replication {
    /// When its own disk has it; the standby gets it a moment later.
    Asynchronous,
    /// When the standby's disk has it too.
    Synchronous,
}

/// What a server that died finds when it is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Disk {
    /// What it had.
    Kept,
    /// Nothing: its disk died with it.
    New,
}

/// How long one look at the peer may take.
const LOOK: Duration = Duration::from_millis(500);
/// From one look to the next.
const AGAIN: Duration = Duration::from_millis(100);

/// Becomes postgres.
pub fn run(options: &Options) -> Result<(), RunError> {
    let server = programs::POSTGRES.found().map_err(RunError::Needs)?;
    let plain = Plain::find()?;
    // The data lies one folder deeper: PostgreSQL wants its own folder empty at first.
    let cluster = options.data.join("cluster");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let follows = runtime.block_on(role(options))?;
    drop(runtime);
    match follows {
        Some(primary) => copied(options, primary, plain, &cluster)?,
        None if options.disk == Disk::Kept && is_ours(&options.data) && cluster.join("PG_VERSION").exists() => {}
        None => made(options, plain, &cluster)?,
    }
    let mut command = Command::new(server);
    command.arg("-D").arg(&cluster);
    let mut set = |setting: &str| {
        command.args(["-c", setting]);
    };
    set(&format!("listen_addresses={}", options.listen.ip()));
    set(&format!("port={}", options.listen.port()));
    for setting in SETTINGS {
        set(setting);
    }
    if follows.is_none() && options.replication == Replication::Synchronous {
        set("synchronous_standby_names=*");
    }
    Err(become_program(plain.of(&mut command)))
}

/// No sockets in the file system, little memory, and a dead line is noticed soon.
const SETTINGS: [&str; 7] = [
    "unix_socket_directories=",
    "shared_buffers=16MB",
    "max_connections=100",
    "max_wal_size=64MB",
    "wal_sender_timeout=3s",
    "wal_receiver_timeout=3s",
    "wal_retrieve_retry_interval=200ms",
];

/// Whom it follows; nobody when it is the primary. Waits for a primary when it may not be one itself.
async fn role(options: &Options) -> Result<Option<SocketAddr>, RunError> {
    let Some(peer) = options.peer else {
        return if options.first { Ok(None) } else { Err(RunError::Needs("who is not the first needs a `--peer`".to_owned())) };
    };
    loop {
        match is_primary(&peer.into()).await {
            Some(true) => return Ok(Some(options.through.unwrap_or(peer))),
            _ if options.first => return Ok(None),
            _ => tokio::time::sleep(AGAIN).await,
        }
    }
}

/// Whether the server there is a primary; none when nobody answers.
pub(super) async fn is_primary(address: &HostPort) -> Option<bool> {
    let asked = async {
        let (client, connection) = connection(address).connect(NoTls).await.ok()?;
        let connection = tokio_util::task::TaskTracker::new().spawn(async move { drop(connection.await) });
        let standby: bool = client.query_one("select pg_is_in_recovery()", &[]).await.ok()?.try_get(0).ok()?;
        drop(client);
        // Its goodbye is to be on its way before the runtime ends.
        drop(connection.await);
        Some(!standby)
    };
    tokio::time::timeout(LOOK, asked).await.ok().flatten()
}

/// How a server of the examples is reached.
pub(in crate::sample_app) fn connection(address: &HostPort) -> Config {
    let mut config = Config::new();
    config.host(&address.host).port(address.port).user(USER).dbname(DATABASE).connect_timeout(LOOK);
    config
}

/// An error with its cause, which is what it is about.
pub(in crate::sample_app) fn in_words(error: &tokio_postgres::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// The owner of the databases.
pub(in crate::sample_app) const USER: &str = "shop";
/// The one that the examples use.
pub(in crate::sample_app) const DATABASE: &str = "postgres";

/// An empty database. Its log's files are small, so that its folder is.
fn made(options: &Options, plain: Plain, cluster: &Path) -> Result<(), RunError> {
    folder(options, plain)?;
    let mut command = Command::new(programs::INITDB.found().map_err(RunError::Needs)?);
    command.arg("-D").arg(cluster).args(["-U", USER, "--auth=trust", "-E", "UTF8", "--no-locale", "--no-sync", "--wal-segsize=1"]);
    done(plain.of(&mut command))
}

/// A copy of the primary, which follows it.
fn copied(options: &Options, primary: SocketAddr, plain: Plain, cluster: &Path) -> Result<(), RunError> {
    folder(options, plain)?;
    let mut command = Command::new(programs::BASEBACKUP.found().map_err(RunError::Needs)?);
    command.arg("-D").arg(cluster).args(["-U", USER, "-h", &primary.ip().to_string(), "-p", &primary.port().to_string()]);
    command.args(["--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync", "--no-password"]);
    done(plain.of(&mut command))
}

/// The data folder, empty.
fn folder(options: &Options, plain: Plain) -> Result<(), RunError> {
    fresh(&options.data)?;
    let open = std::fs::Permissions::from_mode(0o755);
    let set = std::fs::set_permissions(&options.data, open);
    set.map_err(|error| RunError::Needs(format!("{}: {error}", options.data.display())))?;
    plain.owns(&options.data)
}

/// Runs a program to its end; what it wrote tells why it failed.
fn done(command: &mut Command) -> Result<(), RunError> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|error| RunError::Needs(format!("{name} cannot be started: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    Err(RunError::Needs(format!("{name} ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim())))
}
