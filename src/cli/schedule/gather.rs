//! The scheduled experiments of files and folders.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    cli::{
        args::Place,
        chaostoolkit,
        loading::{self, Purpose},
    },
    file::{self, Diagnostic, Diagnostics, Source, project},
    schedule::Entry,
};

/// Folders may nest so deep.
const DEEPEST: usize = 12;
/// So many files are looked at.
const MOST: usize = 50_000;

/// What was found.
#[derive(Default)]
pub struct Gathered {
    /// The experiments that have a schedule.
    pub entries: Vec<Entry>,
    /// Where each of them runs, by its file: the same words for the same place.
    pub places: BTreeMap<PathBuf, String>,
    /// Those whose environments ask for a person's yes.
    pub asking: BTreeSet<PathBuf>,
    /// The project files and calendars that they depend on.
    pub beside: BTreeSet<PathBuf>,
    /// What is wrong with others, or worth a look.
    pub findings: Diagnostics,
}

/// Reads the experiments of files and folders; of the working directory when none is named.
pub fn gather(places: &[PathBuf], place: &Place) -> Gathered {
    let mut out = Gathered::default();
    let here = [PathBuf::from(".")];
    for path in if places.is_empty() { &here } else { places } {
        if !path.is_dir() {
            out.add(path, None, place);
            continue;
        }
        match files(path) {
            Ok(files) => {
                for file in files {
                    out.add(&file, Some(path), place);
                }
            }
            Err((path, error)) => {
                let mut finding = Diagnostic::error(format!("{} cannot be read: {error}", path.display()));
                finding.file = Some(path.display().to_string());
                out.findings.extend(vec![finding].into());
            }
        }
    }
    out
}

impl Gathered {
    /// Adds a file; one that was found in a folder counts only when it is an experiment.
    fn add(&mut self, path: &Path, below: Option<&Path>, place: &Place) {
        if below.is_some() && (!is_experiment(path) || chaostoolkit::recognise(path).is_some()) {
            return;
        }
        match loading::load(path, place, Purpose::Look) {
            Ok(checked) => {
                self.findings.extend(checked.findings);
                self.beside.extend(checked.beside);
                let Some(mut entry) = checked.schedule else { return };
                entry.name = name(path, below);
                self.entries.push(entry);
                self.places.insert(path.to_owned(), format!("{:?}", checked.environment.platform));
                if checked.environment.require.confirm {
                    self.asking.insert(path.to_owned());
                }
            }
            Err(findings) => {
                // It may be right again when its project file is.
                self.beside.extend(project::find(path));
                self.findings.extend(findings);
            }
        }
    }
}

/// What an experiment is called: its path below the folder, without its ending.
fn name(path: &Path, below: Option<&Path>) -> String {
    let path = below.and_then(|folder| path.strip_prefix(folder).ok()).unwrap_or(path);
    path.with_extension("").display().to_string()
}

/// Whether a file that was found is an experiment: folders hold other YAML files too. One that cannot be read as YAML may be one.
fn is_experiment(path: &Path) -> bool {
    let Ok(source) = Source::read(path) else { return true };
    match file::parse(&source, &mut file::Sink::new(&source)) {
        Some(root) => loading::is_experiment(&root),
        None => source.text.lines().any(|line| line.starts_with("method:") || line.starts_with("steady-state:")),
    }
}

/// The YAML files of a folder and of those in it, in order. Hidden folders and those of runs are left out; links to folders are not followed.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>, (PathBuf, io::Error)> {
    let mut out = Vec::new();
    let mut open = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = open.pop() {
        let entries = fs::read_dir(&folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        for entry in entries.map_err(|error| (folder.clone(), error))? {
            let name = entry.file_name();
            let path = entry.path();
            let hidden = name.to_string_lossy().starts_with('.') || name == "firedrill-runs";
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => {
                    if !hidden && depth < DEEPEST {
                        open.push((path, depth + 1));
                    }
                }
                Ok(_) => {
                    let yaml = path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
                    if yaml && !hidden && name != project::FILE && path.is_file() {
                        out.push(path);
                    }
                }
                Err(error) => return Err((path, error)),
            }
            if out.len() > MOST {
                return Err((folder, io::Error::other(format!("there are more than {MOST} files"))));
            }
        }
    }
    out.sort();
    Ok(out)
}
