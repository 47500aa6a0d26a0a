//! What a CI system shows: the Markdown of all runs in its summary, and a note at each file that did not pass.

use std::{fmt::Write as _, fs::OpenOptions, io::Write as _, path::Path};

use super::say;
use crate::{
    model::{measurement::JudgedResult, verdict::Verdict},
    report::{Gate, RunRecord, words::whole},
};

/// GitHub takes no more of a step: 1 MiB, with some room.
const MOST: usize = 1_000_000;

/// Appends a text to a summary, which other steps may have begun.
pub fn summary(path: &Path, text: &str) {
    let mut end = text.len().min(MOST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let cut = if end < text.len() { "\n\n(cut: the reports are longer than a summary may be)\n" } else { "" };
    let file = OpenOptions::new().append(true).create(true).open(path);
    if let Err(error) = file.and_then(|mut file| write!(file, "{}{cut}", &text[..end])) {
        say::problem(format!("{}: {error}", path.display()));
    }
}

/// Notes for GitHub, where this runs there: one for each file that did not pass.
pub fn annotate(verdicts: &[(String, Verdict)], records: &[RunRecord], worse: &[(String, String)]) {
    if std::env::var("GITHUB_ACTIONS").as_deref() != Ok("true") {
        return;
    }
    for (file, verdict) in verdicts.iter().filter(|(_, verdict)| *verdict != Verdict::Passed) {
        let record = records.iter().find(|record| record.file.as_deref() == Some(file));
        let regression = worse.iter().find(|(of, _)| of == file).map(|(_, says)| says.as_str());
        let says = record.map_or_else(|| format!("{verdict}"), |record| said(record, *verdict, regression));
        say::out(&format!("{}\n", note(file, &format!("firedrill: {verdict}"), &says)));
    }
}

/// Why a file did not pass, and which of its conditions broke.
fn said(record: &RunRecord, verdict: Verdict, regression: Option<&str>) -> String {
    let gate = Gate::of(record);
    // Green by itself, and worse than before.
    let mut says = if gate.verdict == verdict { gate.reason } else { regression.unwrap_or_default().to_owned() };
    for judged in record.judged.iter().filter(|judged| judged.result != JudgedResult::Held) {
        let _ = write!(says, "\n{}: measured {}", judged.condition, judged.measured);
    }
    says
}

/// A command of GitHub's workflows. Nothing in foreign text can end it or begin another.
fn note(file: &str, title: &str, says: &str) -> String {
    let data =
        |text: &str| text.lines().map(whole).collect::<Vec<_>>().join("\n").replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    format!("::error file={},title={}::{}", property(file), property(title), data(says))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_note_ends_it() {
        let told = note("a,b:c.yaml", "failed", "100%\n::error::x\r\u{1b}[2J");
        assert!(told.starts_with("::error file=a%2Cb%3Ac.yaml,title=failed::100%25%0A::error::x"), "{told}");
        assert!(!told.contains('\n') && !told.contains('\r') && !told.contains('\u{1b}'), "{told:?}");
    }

    #[test]
    fn a_summary_goes_on_where_another_step_ended_and_has_a_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("summary.md");
        std::fs::write(&path, "first\n").unwrap();
        summary(&path, "second");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "first\nsecond");
        summary(&path, &"ä".repeat(MOST));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.len() < MOST + 100 && text.ends_with("longer than a summary may be)\n"));
    }
}
