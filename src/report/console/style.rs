//! What the place of output can show: colour, width, redrawing. And the one place that paints and cuts lines.

use std::{env, io::IsTerminal, os::fd::AsFd};

use anstyle::{AnsiColor, Style as Ansi};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::model::verdict::Verdict;

/// What the place of output can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether colours are shown.
    pub color: bool,
    /// Whether lines may be drawn again.
    pub live: bool,
    /// Columns; no line is wider.
    pub width: usize,
}

/// What a piece of text means; the colour follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Tone {
    Plain,
    Strong,
    Dim,
    Good,
    Bad,
    Doubt,
}

impl Style {
    /// No colours, no redrawing.
    pub fn plain(width: usize) -> Self {
        Self { color: false, live: false, width }
    }

    /// As the terminal and the environment want it: `NO_COLOR`, `CLICOLOR_FORCE`, `COLUMNS`, `TERM=dumb`.
    pub fn detect(out: &(impl AsFd + IsTerminal)) -> Self {
        let set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
        let forced = env::var_os("CLICOLOR_FORCE").is_some_and(|value| !value.is_empty() && value != "0");
        let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        let terminal = out.is_terminal();
        let size = rustix::termios::tcgetwinsize(out).ok().map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0);
        let columns = env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).filter(|columns| *columns > 0);
        let width = if terminal { size.or(columns) } else { columns };
        Self {
            color: !set("NO_COLOR") && (forced || (terminal && !dumb)),
            live: terminal && !dumb,
            width: width.unwrap_or(if terminal { 80 } else { 120 }).clamp(20, 400),
        }
    }

    /// Paints text by what it means.
    pub fn paint(self, tone: Tone, text: &str) -> String {
        if !self.color || text.is_empty() {
            return text.to_owned();
        }
        let ansi = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Strong => Ansi::new().bold(),
            Tone::Dim => Ansi::new().dimmed(),
            Tone::Good => Ansi::new().fg_color(Some(AnsiColor::Blue.into())),
            Tone::Bad => Ansi::new().bold().fg_color(Some(AnsiColor::Red.into())),
            Tone::Doubt => Ansi::new().fg_color(Some(AnsiColor::Yellow.into())),
        };
        format!("{ansi}{text}{ansi:#}")
    }

    /// A line of painted pieces, never wider than the output.
    pub fn line(self, pieces: &[(Tone, String)]) -> String {
        let mut left = self.width;
        let mut out = String::new();
        for (tone, text) in pieces {
            if text.width() <= left {
                left -= text.width();
                out.push_str(&self.paint(*tone, text));
            } else {
                out.push_str(&self.paint(*tone, &cut(text, left)));
                break;
            }
        }
        out
    }
}

/// The tone of a verdict.
pub fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Passed => Tone::Good,
        Verdict::NotStarted | Verdict::Aborted => Tone::Doubt,
        Verdict::Failed | Verdict::Invalid | Verdict::Error | Verdict::Residue => Tone::Bad,
    }
}

/// Cuts text to a number of columns, with an ellipsis where something is missing.
pub fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let width = c.width().unwrap_or(0);
        if used + width + 1 > columns {
            break;
        }
        used += width;
        out.push(c);
    }
    if columns > 0 {
        out.push('…');
    }
    out
}

/// Text filled up to a number of columns.
pub fn pad(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(text.width())))
}

/// Words broken into lines of at most so many columns.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        if lines[last].is_empty() {
            lines[last] = cut(word, columns);
        } else if lines[last].width() + 1 + word.width() <= columns {
            lines[last].push(' ');
            lines[last].push_str(word);
        } else {
            lines.push(cut(word, columns));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_by_columns_and_not_by_bytes() {
        assert_eq!(cut("日本語テスト", 7), "日本語…");
        assert_eq!(cut("short", 7), "short");
        assert_eq!(cut("abc", 0), "");
        let style = Style::plain(10);
        let line = style.line(&[(Tone::Bad, "日本語".into()), (Tone::Plain, "abcdefgh".into()), (Tone::Plain, "x".into())]);
        assert_eq!(line, "日本語abc…");
    }
}
