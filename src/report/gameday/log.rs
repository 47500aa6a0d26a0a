//! `gameday.jsonl`: one event a line, written and handed to the system before anything follows from it. Everything else can be made from
//! it again.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
};

use crate::{
    gameday::{
        DAY_VERSION, Day, DayEvent, DayEventKind,
        event::{self, FILE_NAME},
    },
    report::{words, write},
};

/// The longest line that is read.
const LONGEST_LINE: u64 = 16 << 20;

/// Writes the events of a day.
#[derive(Debug)]
pub struct DayLog {
    file: File,
    path: PathBuf,
}

impl DayLog {
    /// Creates the file in a day's folder; it must not exist yet.
    ///
    /// # Errors
    /// When it cannot.
    pub fn create(folder: &Path) -> io::Result<Self> {
        Ok(Self { file: write::create_new(folder, FILE_NAME)?, path: folder.join(FILE_NAME) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends an event: one write, so that a reader sees whole lines.
    ///
    /// # Errors
    /// When it cannot be written, as on a full disk.
    pub fn append(&mut self, event: &DayEvent) -> io::Result<()> {
        let mut line = words::json(&serde_json::to_string(event)?).into_owned();
        line.push('\n');
        self.file.write_all(line.as_bytes())
    }
}

/// Reads the record of a day's folder, or of a `gameday.jsonl`.
///
/// # Errors
/// When there is none, or it was written by a newer firedrill.
pub fn load(folder_or_file: &Path) -> io::Result<Day> {
    let path = if folder_or_file.is_dir() { folder_or_file.join(FILE_NAME) } else { folder_or_file.to_owned() };
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let day = read(File::open(&path).map_err(named)?).map_err(named)?;
    if day.events == 0 {
        return Err(named(invalid("there is no event in it".to_owned())));
    }
    Ok(day)
}

/// Folds a stream. A last line that was cut (the writer was killed) is left out; anything else that is not an event is an error with its
/// line number.
fn read(from: impl Read) -> io::Result<Day> {
    let mut from = BufReader::new(from);
    let (mut day, mut line) = (Day::default(), Vec::new());
    for number in 1_u64.. {
        line.clear();
        if from.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        match serde_json::from_slice::<DayEvent>(&line) {
            Ok(DayEvent { kind: DayEventKind::DayBegan(about), .. }) if about.version > DAY_VERSION => {
                let event::DayBegan { version, .. } = *about;
                return Err(invalid(format!(
                    "line {number}: the day was recorded in format {version} by a newer firedrill; this one reads up to {DAY_VERSION}"
                )));
            }
            Ok(event) => day.apply(&event),
            Err(_) if !line.ends_with(b"\n") => break,
            Err(error) => return Err(invalid(format!("line {number} is not an event of a game day: {error}"))),
        }
    }
    Ok(day)
}

fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}
