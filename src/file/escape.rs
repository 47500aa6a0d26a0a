//! Making foreign text safe to show: a file's text may hold anything, a terminal obeys some of it.

use std::borrow::Cow;

/// The longest piece of a file that a message repeats.
const LONGEST: usize = 60;

/// Whether a character is shown as its number: control characters, and those that reorder or hide text.
pub fn unsafe_char(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{061c}' | '\u{e0000}'..='\u{e007f}')
}

/// One character, shown safely.
pub fn push_safe(out: &mut String, c: char) {
    match c {
        '\n' => out.push_str("\\n"),
        '\t' => out.push_str("\\t"),
        '\r' => out.push_str("\\r"),
        c if unsafe_char(c) => {
            use std::fmt::Write as _;
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        }
        c => out.push(c),
    }
}

/// The text with control characters, line ends and invisible characters shown as escapes.
pub fn safe(text: &str) -> Cow<'_, str> {
    if !text.chars().any(unsafe_char) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    text.chars().for_each(|c| push_safe(&mut out, c));
    Cow::Owned(out)
}

/// The text in backticks, cut when it is long.
pub fn quote(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        None => format!("`{}`", safe(text)),
        Some((cut, _)) => format!("`{}…`", safe(&text[..cut])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown_as_text() {
        assert_eq!(safe("a\u{1b}]0;x\u{7}b"), "a\\u{1b}]0;x\\u{7}b");
        assert_eq!(safe("\u{202e}gnp"), "\\u{202e}gnp");
        assert_eq!(quote(&"x".repeat(100)).chars().count(), 63);
    }
}
