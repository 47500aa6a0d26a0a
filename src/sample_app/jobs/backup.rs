//! `sample backup` and `sample restore`: what PostgreSQL knows of the jobs, into a file and back.

use std::{fs, io::Write, path::PathBuf, time::Duration};

use super::database::Database;
use crate::{clock, sample_app::server::RunError};

/// How long PostgreSQL may take to be there.
const LIMIT: Duration = Duration::from_secs(20);
/// Between two tries.
const AGAIN: Duration = Duration::from_millis(100);

/// The flags of both.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// PostgreSQL, as HOST:PORT
    #[arg(long, value_name = "ADDRESS")]
    pub database: String,
    /// The file of the backup
    #[arg(long, value_name = "FILE")]
    pub file: PathBuf,
}

/// Writes what is done into the file: whole or not at all.
pub fn backup(options: &Options) -> Result<(), RunError> {
    let ids = on_runtime(&async |database: &Database| database.done().await, options)?;
    let cannot = |error: std::io::Error| RunError::Needs(format!("{} cannot be written: {error}", options.file.display()));
    let folder = options.file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(std::path::Path::new("."));
    let mut fresh = tempfile::NamedTempFile::new_in(folder).map_err(cannot)?;
    for id in ids {
        writeln!(fresh, "{id}").map_err(cannot)?;
    }
    fresh.persist(&options.file).map_err(|error| cannot(error.error))?;
    Ok(())
}

/// Notes what is in the file, beside what is there.
pub fn restore(options: &Options) -> Result<(), RunError> {
    let text = fs::read_to_string(&options.file);
    let text = text.map_err(|error| RunError::Needs(format!("{} cannot be read: {error}", options.file.display())))?;
    on_runtime(
        &async |database: &Database| {
            for id in text.lines() {
                database.note(id).await?;
            }
            Ok(())
        },
        options,
    )
}

/// Does it, from its begin again while PostgreSQL is not there.
fn on_runtime<T>(work: &impl AsyncFn(&Database) -> Result<T, String>, options: &Options) -> Result<T, RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let database = Database::new(&options.database);
    let begun = clock::now();
    runtime.block_on(async {
        loop {
            match work(&database).await {
                Ok(done) => return Ok(done),
                Err(why) if clock::now().since(begun) > LIMIT => return Err(RunError::Needs(why)),
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
    })
}
