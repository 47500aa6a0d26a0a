//! The folder: what is in it, read again whenever something changes.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::sync::mpsc;

use crate::{
    cli::schedule::{
        args::Serve,
        gather::{Gathered, files, gather},
    },
    daemon::state::{self, Switches},
    file::{Diagnostic, Diagnostics},
    schedule::Entry,
};

/// How often the folder is looked at. It is read when two looks are the same: nobody is in the middle of writing it.
const EVERY: Duration = Duration::from_millis(500);
/// After so many looks that differ it is read all the same: somebody writes all the time, and others have changed something, too.
const RESTLESS: u32 = 6;

/// What is in the folder.
pub struct Found {
    /// The experiments that have a schedule and may be fired.
    pub entries: Vec<Entry>,
    /// Where each of them runs, by its file: those of one place run one after another.
    pub places: BTreeMap<PathBuf, String>,
    /// What is wrong with others.
    pub findings: Diagnostics,
}

/// What tells that a file has changed: its inode, its length, and when it was written.
type Mark = (u64, u64, i64, i64);
type Look = BTreeMap<PathBuf, Option<Mark>>;

/// Sends what is in the folder, at first and after each change, until nobody listens.
pub async fn watch(args: Serve, found: mpsc::Sender<Found>) {
    // What experiments depend on beside their files; known once they were read.
    let mut beside = BTreeSet::new();
    let (mut read, mut before): (Option<Look>, Option<Look>) = (None, None);
    let mut differed = 0;
    loop {
        let (folder, depends_on) = (args.folder.clone(), beside.clone());
        let Ok(now) = tokio::task::spawn_blocking(move || look(&folder, &depends_on)).await else { return };
        differed = if before.as_ref() == Some(&now) { 0 } else { differed + 1 };
        let settled = read.is_none() || differed == 0 || differed >= RESTLESS;
        if settled && read.as_ref() != Some(&now) {
            let with = args.clone();
            let Ok((what, depends_on)) = tokio::task::spawn_blocking(move || take(&with)).await else { return };
            // Files that are looked at from now on are no change by themselves.
            let mut known = now.clone();
            known.extend(depends_on.difference(&beside).map(|path| (path.clone(), mark(path))));
            known.retain(|path, _| !beside.contains(path) || depends_on.contains(path));
            beside = depends_on;
            if found.send(what).await.is_err() {
                return;
            }
            read = Some(known);
            differed = 0;
        }
        before = Some(now);
        tokio::time::sleep(EVERY).await;
    }
}

/// How the files are now; one that cannot be seen has no mark.
fn look(folder: &Path, beside: &BTreeSet<PathBuf>) -> Look {
    let files = files(folder).unwrap_or_default();
    let all = files.into_iter().chain(beside.iter().cloned()).chain([state::switches()]);
    all.map(|path| (path.clone(), mark(&path))).collect()
}

fn mark(path: &Path) -> Option<Mark> {
    std::fs::metadata(path).ok().map(|meta| (meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec()))
}

/// Reads the folder.
fn take(args: &Serve) -> (Found, BTreeSet<PathBuf>) {
    let Gathered { mut entries, places, asking, mut findings, beside, .. } = gather(std::slice::from_ref(&args.folder), &args.place);
    let switches = Switches::read();
    match &switches {
        Ok(switches) => entries.iter_mut().for_each(|entry| entry.enabled = switches.enabled(&entry.path)),
        Err(why) => {
            // What somebody disabled must not fire because a file cannot be read.
            findings.extend(vec![Diagnostic::error(format!("nothing fires: {why}"))].into());
            entries.clear();
        }
    }
    if !args.yes {
        entries.retain(|entry| {
            let asks = asking.contains(&entry.path);
            if asks {
                let mut error = Diagnostic::error(format!("{} never fires: its environment asks for a person's yes", entry.name));
                error.expected("`serve --yes`, to agree beforehand, or an environment without `require: { confirm: true }`");
                error.file = Some(entry.path.display().to_string());
                findings.extend(vec![error].into());
            }
            !asks
        });
    }
    (Found { entries, places, findings }, beside)
}
