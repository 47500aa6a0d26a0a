//! Diagnostics as text: the message, `file:line:column`, the line itself, carets under the place, and what to do.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthChar as _;

use super::{
    diagnostic::{Diagnostic, Diagnostics, Severity},
    escape::{push_safe, safe},
    source::Place,
};

/// The most columns of a source line that are shown.
const WIDEST: usize = 120;
/// How many diagnostics are written out; the rest is counted.
const MOST: usize = 100;

struct Styles {
    error: Style,
    warning: Style,
    frame: Style,
    strong: Style,
}

impl Styles {
    fn new(colour: bool) -> Self {
        if !colour {
            return Self { error: Style::new(), warning: Style::new(), frame: Style::new(), strong: Style::new() };
        }
        Self {
            error: AnsiColor::Red.on_default().bold(),
            warning: AnsiColor::Yellow.on_default().bold(),
            frame: AnsiColor::Blue.on_default().bold(),
            strong: Style::new().bold(),
        }
    }
}

/// All of them, an empty line between two.
pub fn text(diagnostics: &Diagnostics, colour: bool) -> String {
    let styles = Styles::new(colour);
    let mut out = String::new();
    for (number, diagnostic) in diagnostics.iter().take(MOST).enumerate() {
        if number > 0 {
            out.push('\n');
        }
        one(&mut out, diagnostic, &styles);
    }
    if diagnostics.len() > MOST {
        let _ = writeln!(out, "\n… and {} more", diagnostics.len() - MOST);
    }
    out
}

fn one(out: &mut String, diagnostic: &Diagnostic, styles: &Styles) {
    let head = match diagnostic.severity {
        Severity::Error => styles.error,
        Severity::Warning => styles.warning,
    };
    let (frame, strong) = (styles.frame, styles.strong);
    let _ = writeln!(out, "{head}{}{head:#}{strong}: {}{strong:#}", diagnostic.severity.word(), safe(&diagnostic.message));
    let gutter = diagnostic
        .place
        .iter()
        .chain(diagnostic.notes.iter().filter_map(|n| n.place.as_ref()))
        .map(|p| p.source.line_column(p.span.start).0.to_string().len())
        .max()
        .unwrap_or(1);
    if let Some(place) = &diagnostic.place {
        excerpt(out, place, gutter, head, styles);
    }
    let pad = " ".repeat(gutter);
    if let Some(expected) = &diagnostic.expected {
        let _ = writeln!(out, "{pad} {frame}={frame:#} expected: {}", safe(expected));
    }
    if let Some(nearest) = &diagnostic.nearest {
        let _ = writeln!(out, "{pad} {frame}={frame:#} did you mean `{}`?", safe(nearest));
    }
    for note in &diagnostic.notes {
        let _ = writeln!(out, "{pad} {frame}={frame:#} note: {}", safe(&note.text));
        if let Some(place) = &note.place {
            excerpt(out, place, gutter, frame, styles);
        }
    }
}

fn excerpt(out: &mut String, place: &Place, gutter: usize, caret: Style, styles: &Styles) {
    let (line, _) = place.source.line_column(place.span.start);
    let (text, start) = place.source.line(line);
    let (shown, before, marked) = window(text, place.span.start.saturating_sub(start), place.span.end.saturating_sub(start), &|at| {
        place.source.is_hidden(start + at)
    });
    let (pad, frame) = (" ".repeat(gutter), styles.frame);
    let _ = writeln!(out, "{pad}{frame}-->{frame:#} {}", safe(&place.to_string()));
    let _ = writeln!(out, "{pad} {frame}|{frame:#}");
    let _ = writeln!(out, "{frame}{line:>gutter$} |{frame:#} {shown}");
    let _ = writeln!(out, "{pad} {frame}|{frame:#} {}{caret}{}{caret:#}", " ".repeat(before), "^".repeat(marked));
}

/// The line made safe to show and cut around the place, the columns before the place, and the columns of the place.
fn window(text: &str, from: usize, to: usize, hidden: &dyn Fn(usize) -> bool) -> (String, usize, usize) {
    let chars: Vec<(usize, char)> = text.char_indices().collect();
    let at = chars.partition_point(|(byte, _)| *byte < from);
    let first = if chars.len() > WIDEST { at.saturating_sub(WIDEST / 3) } else { 0 };
    let mut shown = String::new();
    let (mut before, mut marked, mut width) = (0, 0, 0);
    if first > 0 {
        shown.push('…');
        (before, width) = (1, 1);
    }
    for (byte, c) in &chars[first..] {
        if width >= WIDEST {
            shown.push('…');
            break;
        }
        let length = shown.len();
        // A tab has no width of its own: here it has four columns.
        match *c {
            _ if hidden(*byte) => shown.push('*'),
            '\t' => shown.push_str("    "),
            c => push_safe(&mut shown, c),
        }
        let columns: usize = shown[length..].chars().map(|c| c.width().unwrap_or(0)).sum();
        width += columns;
        if *byte < from {
            before += columns;
        } else if *byte < to {
            marked += columns;
        }
    }
    (shown, before, marked.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::{Sink, Source, Span};

    #[test]
    fn a_diagnostic_shows_the_line_and_the_place() {
        let source = Source::new("a.yaml", "title: x\n  çé\u{1b}[31m: probs # y\n");
        let mut sink = Sink::new(&source);
        sink.error(Span::new(source.text.find("probs").unwrap(), source.text.find(" #").unwrap()), "unknown key `probs`")
            .expected("a key")
            .nearest(Some("probes"))
            .note_at(Span::new(0, 5), "here too");
        let text = sink.finish().to_string();
        let expected = "error: unknown key `probs`
 --> a.yaml:2:12
  |
2 |   çé\\u{1b}[31m: probs # y
  |                 ^^^^^
  = expected: a key
  = did you mean `probes`?
  = note: here too
 --> a.yaml:1:1
  |
1 | title: x
  | ^^^^^
";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_line_without_end_is_cut_around_the_place() {
        let text = "x".repeat(1 << 20);
        let (shown, before, marked) = window(&text, 500_000, 500_003, &|_| false);
        assert!(shown.chars().count() <= WIDEST + 2 && before < WIDEST && marked == 3);
    }

    #[test]
    fn colour_is_only_there_when_asked_for() {
        let source = Source::new("a.yaml", "x");
        let mut sink = Sink::new(&source);
        sink.error(Span::new(0, 1), "no");
        let all = sink.finish();
        assert!(all.text(true).contains('\u{1b}') && !all.text(false).contains('\u{1b}'));
    }
}
