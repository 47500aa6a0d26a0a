//! Standard output and standard error of the verbs. A reader that has gone (`| head`) is no failure of ours.

use std::{
    io::{IsTerminal, Write},
    sync::atomic::{AtomicBool, Ordering},
};

use serde::{Serialize, de::DeserializeOwned};

use crate::{clock, redact, report::words};

/// Prints to standard output. Foreign text in it is made [`words::visible`] by who puts it there.
pub fn out(text: &str) {
    write(&redact::hide(text));
}

fn write(text: &str) {
    let mut stdout = std::io::stdout().lock();
    // Also what does not end with a line's end is to be seen now.
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Prints JSON to standard output, which may be a terminal: nothing in its texts is obeyed.
pub fn json<T: Serialize + DeserializeOwned>(value: T) {
    let text = serde_json::to_string_pretty(&redact::without(value));
    let text = text.unwrap_or_else(|error| serde_json::json!({ "error": error.to_string() }).to_string());
    write(&format!("{}\n", words::json(&text)));
}

/// Whether each line of standard error is a JSON object (`--log-format json`).
static JSON: AtomicBool = AtomicBool::new(false);

/// From now on, each line of standard error is a JSON object, or none is.
pub fn lines_are_json(json: bool) {
    JSON.store(json, Ordering::Relaxed);
}

/// Prints to standard error; as [`out`].
pub fn err(text: &str) {
    let text = redact::hide(text);
    let text = match JSON.load(Ordering::Relaxed) {
        true if text.trim().is_empty() => return,
        true => format!("{}\n", words::json(&line(text.trim_end()).to_string())),
        false => text.into_owned(),
    };
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// What is said as a line of the log, of the form that its other lines have.
fn line(message: &str) -> serde_json::Value {
    let at = clock::moment().to_string();
    serde_json::json!({ "timestamp": at, "level": "ERROR", "fields": { "message": message }, "target": "firedrill" })
}

/// Prints `firedrill: …` to standard error. The text may be anybody's: a terminal obeys nothing in it, and none of its lines can be taken
/// for one of ours.
pub fn problem(text: impl std::fmt::Display) {
    if JSON.load(Ordering::Relaxed) {
        return err(&text.to_string());
    }
    err(&format!("firedrill: {}\n", lines(&text.to_string())));
}

/// Foreign lines, all but the first indented.
fn lines(text: &str) -> String {
    let lines: Vec<_> = text.trim_end().lines().map(words::whole).collect();
    lines.join("\n  ")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_lines_are_shown_and_not_obeyed() {
        let text = "it wrote:\n  \u{1b}]0;title\u{7}\r\nfiredrill: all is well\u{202e}\n";
        assert_eq!(lines(text), "it wrote:\n    \\u{1b}]0;title\\u{7}\n  firedrill: all is well\\u{202e}");
    }
}
