//! Standard output and standard error of the verbs. A reader that has gone (`| head`) is no failure of ours.

use std::io::{IsTerminal, Write};

/// Prints to standard output.
pub fn out(text: &str) {
    let mut stdout = std::io::stdout().lock();
    // Also what does not end with a line's end is to be seen now.
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Prints to standard error.
pub fn err(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Prints `firedrill: …` to standard error.
pub fn problem(text: impl std::fmt::Display) {
    err(&format!("firedrill: {text}\n"));
}

/// Whether standard error takes colours.
pub fn colour_on_stderr() -> bool {
    colour(&std::io::stderr())
}

/// Whether standard output takes colours.
pub fn colour_on_stdout() -> bool {
    colour(&std::io::stdout())
}

fn colour(stream: &impl IsTerminal) -> bool {
    if std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty()) {
        return false;
    }
    std::env::var_os("CLICOLOR_FORCE").is_some_and(|v| v != "0") || stream.is_terminal()
}
