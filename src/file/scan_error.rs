//! The YAML parser's errors in words that say what to do.

use super::{
    diagnostic::Sink,
    escape::quote,
    source::{Source, Span},
};

/// Adds what the parser found at byte `at`. `open` is the innermost bracket that was not closed yet.
pub fn explain(source: &Source, at: usize, info: &str, open: Option<Span>, sink: &mut Sink) {
    if explain_tab(source, at, sink) {
        return;
    }
    let text = &source.text;
    let at_end = text[at.min(text.len())..].trim().is_empty();
    // The parser's place for the end of the file is a line of its own; the last character is better to look at.
    let span = if at_end { last_char(text) } else { Span::new(at, at + 1) };
    if let Some(quote_at) = open_quote(info, text, at) {
        sink.error(quote_at, "the quote is never closed").expected("a closing quote like the opening one");
        return;
    }
    if let Some(bracket) = open
        && (at_end || info.contains("did not find expected ',' or") || info.contains("expected ',' or"))
    {
        let (sign, closing) = if text[bracket.start..].starts_with('[') { ("[", "]") } else { ("{", "}") };
        if at_end {
            sink.error(bracket, format!("the `{sign}` is never closed")).expected(format!("`{closing}` before the end of the file"));
        } else {
            sink.error(span, format!("`{sign}` is still open here"))
                .expected(format!("`,` or `{closing}`; text with `{{`, `}}`, `[`, `]` or `,` in it needs quotes"))
                .note_at(bracket, "it was opened here");
        }
        return;
    }
    if info.contains("mapping values") && explain_space(source, at, sink) {
        return;
    }
    let (message, expected) = words(info);
    let expected = if info.contains("unknown anchor") { "an alias of an anchor (`&name`) that was given before" } else { expected };
    let error = sink.error(span, message);
    if !expected.is_empty() {
        error.expected(expected);
    }
}

fn words(info: &str) -> (String, &'static str) {
    let table: &[(&str, &str, &str)] = &[
        ("unknown anchor", "there is no anchor of this name", ""),
        ("duplicated anchor", "the anchor is there twice", "each anchor once"),
        ("recursion limit", "lists and maps nest deeper than 64 levels", "a flatter file"),
        ("mapping values are not allowed", "`:` cannot stand here", "one `key: value` a line; text with `: ` in it needs quotes"),
        ("illegal placement of ':'", "`:` cannot stand here", "one `key: value` a line; text with `: ` in it needs quotes"),
        (
            "simple key expect",
            "this line is neither a key nor a value",
            "`key: value`; is a `:` missing, or the indentation of the line wrong?",
        ),
        (
            "did not find expected key",
            "this line does not fit the indentation of the map around it",
            "each key of a map in the same column",
        ),
        ("did not find expected '-'", "this line does not fit the list around it", "`- ` in the same column as the items before"),
        ("block sequence entries are not allowed", "a list item cannot stand here", "`- ` on a line of its own below its key"),
        ("mapping keys are not allowed", "a key cannot stand here", "a key on a line of its own"),
        ("invalid indentation", "the indentation is wrong", "each key of a map in the same column, spaces only"),
        (
            "wrongly indented line in block scalar",
            "the line is indented less than the text it belongs to",
            "every line of the text in the same column",
        ),
        (
            "found unknown escape",
            "this escape is not known inside double quotes",
            "`\\\\` for a backslash, or single quotes around the text",
        ),
        ("hexadecimal number", "the escape needs hexadecimal digits", "`\\x1b`, `\\u00e9`"),
        ("unexpected character", "text cannot begin with this character", "quotes around the text"),
        ("cannot start with", "text cannot begin with this character", "quotes around the text"),
        ("trailing content after", "there is more after the closing quote", "a line end or a comment"),
        ("misplaced bracket", "a bracket is closed that was never opened", "brackets in pairs"),
        ("did not find expected node content", "a value is missing here", "a value"),
        (
            "document start",
            "this does not belong to the document before it",
            "one map of keys and values in the whole file; is the indentation right?",
        ),
        ("byte order mark", "a byte order mark stands inside the text", "one at the very beginning at most"),
    ];
    let found = table.iter().find(|(part, ..)| info.to_lowercase().contains(&part.to_lowercase()));
    found.map_or_else(|| (format!("this is not YAML: {info}"), ""), |(_, message, expected)| ((*message).to_owned(), *expected))
}

/// Tabs in the indentation are the reason of many an error, and invisible: said first.
fn explain_tab(source: &Source, at: usize, sink: &mut Sink) -> bool {
    let (line, _) = source.line_column(at);
    for line in [Some(line), line.checked_sub(1)].into_iter().flatten().filter(|l| *l > 0) {
        let (text, start) = source.line(line);
        let indent = &text[..text.len() - text.trim_start().len()];
        if let Some(tab) = indent.find('\t') {
            sink.error(Span::new(start + tab, start + tab + 1), "a tab in the indentation")
                .expected("spaces: YAML does not allow tabs there");
            return true;
        }
    }
    false
}

/// `title:A drill` is text to YAML, and the next `:` is where it notices.
fn explain_space(source: &Source, at: usize, sink: &mut Sink) -> bool {
    let (line, _) = source.line_column(at);
    if line < 2 {
        return false;
    }
    let (text, start) = source.line(line - 1);
    let Some(colon) = text.find(':') else { return false };
    let key = text[..colon].trim_start_matches([' ', '-']);
    let is_key = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if !is_key || text[colon + 1..].is_empty() || text[colon + 1..].starts_with(' ') {
        return false;
    }
    sink.error(Span::new(start + colon, start + colon + 1), "a space is missing after `:`").expected(quote(&format!("{key}: value")));
    true
}

fn open_quote(info: &str, text: &str, at: usize) -> Option<Span> {
    if !(info.contains("quoted scalar")
        && (info.contains("end of stream") || info.contains("indentation") || info.contains("document indicator")))
    {
        return None;
    }
    // The parser points at the opening quote, or at the line where it gave up: the last quote before it is the opening one.
    let upto = text.len().min(at + 1);
    let upto = (upto..=text.len()).find(|i| text.is_char_boundary(*i))?;
    let found = text[..upto].rfind(['"', '\''])?;
    Some(Span::new(found, found + 1))
}

fn last_char(text: &str) -> Span {
    let trimmed = text.trim_end();
    let start = trimmed.char_indices().next_back().map_or(0, |(at, _)| at);
    Span::new(start, trimmed.len())
}
