//! `firedrill init`: looks at what runs here, and writes a first experiment that touches as little as it can. Nothing is touched by looking, but for
//! one request to each door that is found.

mod door;
mod files;
mod found;
mod processes;

use std::path::{Path, PathBuf};

use clap::Args;

use super::{args::Place, loading, say};
use crate::{
    model::verdict::Verdict,
    report::words::{self, whole},
};
use found::Found;

/// `firedrill init`.
#[derive(Debug, Args)]
pub struct Init {
    /// Where the files go.
    #[arg(value_name = "FOLDER", default_value = ".")]
    pub folder: PathBuf,
    /// Write over files that are there.
    #[arg(long)]
    pub force: bool,
}

/// Looks, writes, and says what comes next.
pub async fn init(args: Init) -> u8 {
    let found = Found::look().await;
    say::out(&found.told());
    let written = files::of(&found);
    match write(&args, &written.files) {
        Ok(paths) => {
            let list: Vec<String> = paths.iter().map(|path| whole(&path.display().to_string()).into_owned()).collect();
            say::out(&format!("\nwritten: {}\n{}\n", list.join(", "), written.says));
            next(&args.folder.join(files::EXPERIMENT))
        }
        Err(why) => {
            say::problem(why);
            Verdict::Invalid.exit_code()
        }
    }
}

/// All of the files or none.
fn write(args: &Init, files: &[(&str, String)]) -> Result<Vec<PathBuf>, String> {
    let paths: Vec<PathBuf> = files.iter().map(|(name, _)| args.folder.join(name)).collect();
    let there: Vec<String> = paths.iter().filter(|path| path.exists()).map(|path| path.display().to_string()).collect();
    if !there.is_empty() && !args.force {
        return Err(format!(
            "there already: {}; nothing was written. `--force` writes over it, another folder leaves it alone",
            there.join(", ")
        ));
    }
    std::fs::create_dir_all(&args.folder).map_err(|error| format!("{}: {error}", args.folder.display()))?;
    for (path, (_, text)) in paths.iter().zip(files) {
        std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(paths)
}

/// Checks what was written, and says which commands come next.
fn next(experiment: &Path) -> u8 {
    let findings = loading::check(experiment, &Place::default());
    say::err(&findings.text(say::colour_on_stderr()));
    if findings.has_errors() {
        say::problem("what was written does not pass `firedrill check`: this is a defect of firedrill");
        return Verdict::Error.exit_code();
    }
    let path = words::whole(&experiment.display().to_string()).into_owned();
    let plain = path.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
    let path = if plain { path } else { format!("'{}'", path.replace('\'', "'\\''")) };
    say::out(&format!(
        "next:\n  firedrill plan {path}   # the exact victims, and how each act is undone; touches nothing\n  firedrill run {path}    # the drill; Ctrl-C undoes it at once\n"
    ));
    0
}
