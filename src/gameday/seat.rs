//! Where running days are found: for each one a note and a control socket, `gamedays/ID.json` and `gamedays/ID.sock` of the state directory.
//!
//! A day lives as long as somebody answers at its socket: the kernel closes it with the process, however that went. What a dead one left
//! here is told apart by that, and tidied away by the next day that begins.

use std::{
    fs, io,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{model::time::Wall, state_dir};

/// The folder of the state directory.
const FOLDER: &str = "gamedays";
/// The longest path that a unix socket can have.
const LONGEST: usize = 107;

/// What is known of a running day without asking it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    /// The day's id.
    pub day: String,
    /// Its title.
    pub title: String,
    /// Its own folder, with its record.
    pub folder: PathBuf,
    /// The process that conducts it.
    pub pid: u32,
    /// Since when.
    pub since: Wall,
}

impl Seat {
    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        place(&self.day, "sock")
    }

    /// Whether somebody answers.
    pub fn lives(&self) -> bool {
        UnixStream::connect(self.socket()).is_ok()
    }

    /// Takes the seat: writes the note. The socket is bound by who serves it.
    ///
    /// # Errors
    /// When the state directory cannot be used, or its path is too long for a socket.
    pub fn take(&self) -> io::Result<()> {
        let folder = folder()?;
        tidy();
        let socket = self.socket();
        if socket.as_os_str().len() > LONGEST {
            let text = format!("{} is too long for a socket: set FIREDRILL_STATE_DIR to a shorter path", socket.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let half_done = folder.join(format!("{}.new", self.day));
        fs::write(&half_done, serde_json::to_vec(self)?)?;
        fs::rename(half_done, place(&self.day, "json"))
    }

    /// Leaves it: the day is over.
    pub fn leave(&self) {
        for ending in ["sock", "json"] {
            // What is gone already need not go.
            let _ = fs::remove_file(place(&self.day, ending));
        }
    }
}

fn folder() -> io::Result<PathBuf> {
    let named = |error: io::Error| {
        let text = format!("the state directory {} cannot be used (FIREDRILL_STATE_DIR sets it): {error}", state_dir::path().display());
        io::Error::new(error.kind(), text)
    };
    state_dir::folder(FOLDER).map_err(named)
}

fn place(day: &str, ending: &str) -> PathBuf {
    state_dir::path().join(FOLDER).join(format!("{day}.{ending}"))
}

/// Every day that has a seat, the latest first; some may be dead. A folder that is not there has none.
///
/// # Errors
/// When it cannot be read.
pub fn seats() -> io::Result<Vec<Seat>> {
    let entries = match fs::read_dir(state_dir::path().join(FOLDER)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut out: Vec<Seat> = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "json") {
            // One that just goes, or that nobody can read, is no day.
            out.extend(fs::read(&path).ok().and_then(|text| read(&path, &text)));
        }
    }
    out.sort_by(|a, b| b.day.cmp(&a.day));
    Ok(out)
}

/// The note in a file; one that calls itself by another name than its file's is none of ours.
fn read(path: &Path, text: &[u8]) -> Option<Seat> {
    let seat: Seat = serde_json::from_slice(text).ok()?;
    (path.file_stem()?.to_str()? == seat.day).then_some(seat)
}

/// Removes what dead days left.
fn tidy() {
    for seat in seats().unwrap_or_default() {
        if !seat.lives() {
            seat.leave();
        }
    }
}

/// The day that is meant: the one of this id, or the only one that lives.
///
/// # Errors
/// In words, when there is none or there are several.
pub fn find(day: Option<&str>) -> Result<Seat, String> {
    let seats = seats().map_err(|error| format!("the running game days cannot be listed: {error}"))?;
    if let Some(day) = day {
        let seat = seats.into_iter().find(|seat| seat.day == day).ok_or_else(|| format!("no game day `{day}` is running"))?;
        return if seat.lives() { Ok(seat) } else { Err(dead(&seat)) };
    }
    let (alive, gone): (Vec<Seat>, Vec<Seat>) = seats.into_iter().partition(Seat::lives);
    match (alive.as_slice(), gone.first()) {
        ([one], _) => Ok(one.clone()),
        ([], None) => Err("no game day is running".to_owned()),
        ([], Some(seat)) => Err(dead(seat)),
        (several, _) => {
            let names: Vec<String> = several.iter().map(|seat| format!("{} ({})", seat.day, seat.title)).collect();
            Err(format!("several game days are running, say which one: {}", names.join(", ")))
        }
    }
}

fn dead(seat: &Seat) -> String {
    let folder = seat.folder.display();
    format!("the process of the game day {} is gone; `firedrill gameday report {folder}` shows what it recorded", seat.day)
}
