//! `sample backup` and `sample restore`: what PostgreSQL knows of the jobs, into a file and back, by PostgreSQL's own `pg_dump` and `psql`.
//!
//! A restored backup is put beside what is there: after a new database has begun to be used, both are true. Restoring twice is restoring
//! once. The tools may lie elsewhere than this program, in the database's container: `--through "docker exec -i NAME"` is put before them.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use super::database;
use crate::{
    clock,
    sample_app::{
        host_port::HostPort,
        programs::{PG_DUMP, PSQL, Program},
        server::RunError,
        stores::postgres::{DATABASE, USER},
    },
};

/// How long the database may take to be there.
const LIMIT: Duration = Duration::from_secs(40);
/// Between two tries.
const AGAIN: Duration = Duration::from_millis(200);

/// The flags of both.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// PostgreSQL, as HOST:PORT, as the tools reach it
    #[arg(long, value_name = "ADDRESS")]
    pub database: HostPort,
    /// The file of the backup
    #[arg(long, value_name = "FILE")]
    pub file: PathBuf,
    /// Words to run the tools with, when they are not on this machine: `docker exec -i NAME`
    #[arg(long, value_name = "COMMAND", default_value = "")]
    pub through: String,
}

/// Writes what is done into the file: whole or not at all.
pub fn backup(options: &Options) -> Result<(), RunError> {
    let mut dump = tool(options, &PG_DUMP)?;
    dump.args(["--data-only", "--inserts", "--rows-per-insert=1000", "--on-conflict-do-nothing"]).args(["--table", database::NAME]);
    let statements = until_there(&mut dump, &[])?;
    let cannot = |error: io::Error| RunError::Needs(format!("{} cannot be written: {error}", options.file.display()));
    let folder = options.file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(cannot)?;
    let mut fresh = tempfile::NamedTempFile::new_in(folder).map_err(cannot)?;
    fresh.write_all(&statements).and_then(|()| fresh.as_file().sync_all()).map_err(cannot)?;
    fresh.persist(&options.file).map_err(|error| cannot(error.error))?;
    Ok(())
}

/// Puts what is in the file beside what is there, in one transaction.
pub fn restore(options: &Options) -> Result<(), RunError> {
    let mut statements = format!("{};\n", database::TABLE).into_bytes();
    let saved = fs::read(&options.file);
    statements.extend(saved.map_err(|error| RunError::Needs(format!("{} cannot be read: {error}", options.file.display())))?);
    let mut psql = tool(options, &PSQL)?;
    psql.args(["--no-psqlrc", "--quiet", "--single-transaction", "--set", "ON_ERROR_STOP=1"]);
    until_there(&mut psql, &statements).map(drop)
}

/// One of the tools, told where the database is.
fn tool(options: &Options, program: &Program) -> Result<Command, RunError> {
    let mut words = options.through.split_whitespace();
    let mut command = match words.next() {
        None => Command::new(program.found().map_err(RunError::Needs)?),
        Some(first) => {
            let mut command = Command::new(first);
            command.args(words).arg(program.name);
            command
        }
    };
    let HostPort { host, port } = &options.database;
    command.args(["--host", host, "--port", &port.to_string(), "--username", USER, "--no-password", "--dbname", DATABASE]);
    Ok(command)
}

/// Runs a tool with this input until it succeeds: what it printed. The database may be on its way up.
fn until_there(command: &mut Command, input: &[u8]) -> Result<Vec<u8>, RunError> {
    let begun = clock::now();
    loop {
        let why = match once(command, input) {
            Ok(printed) => return Ok(printed),
            Err(why) => why,
        };
        if clock::now().since(begun) > LIMIT {
            return Err(RunError::Needs(why));
        }
        std::thread::sleep(AGAIN);
    }
}

fn once(command: &mut Command, input: &[u8]) -> Result<Vec<u8>, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let cannot = |error: io::Error| format!("{name} cannot be run: {error}");
    // A file, as a tool that fails at once does not read its input.
    let mut file = tempfile::tempfile().map_err(cannot)?;
    io::Write::write_all(&mut file, input).and_then(|()| io::Seek::rewind(&mut file)).map_err(cannot)?;
    let output = command.stdin(Stdio::from(file)).output().map_err(cannot)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(format!("{name} ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()))
}
