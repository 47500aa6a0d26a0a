//! The content lines of an iCalendar file (RFC 5545, 3.1): long lines are folded, names and parameters stand before a colon.
//!
//! Read by hand, and not by a parser crate, so that what is wrong is told with its line, and so that a hostile file costs no more than its
//! length: nothing recurses here.

/// One content line, unfolded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The number of its first line in the file, from 1.
    pub number: usize,
    /// Its name, in capitals.
    pub name: String,
    /// Its parameters, names in capitals, values without quotes.
    pub parameters: Vec<(String, String)>,
    /// What stands behind the colon.
    pub value: String,
}

impl Line {
    /// A parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The value as text: `\n`, `\,`, `\;` and `\\` are undone.
    pub fn text(&self) -> String {
        let mut out = String::with_capacity(self.value.len());
        let mut chars = self.value.chars();
        while let Some(c) = chars.next() {
            match (c, c == '\\') {
                (_, true) => match chars.next() {
                    Some('n' | 'N') | None => out.push(' '),
                    Some(other) => out.push(other),
                },
                (c, false) => out.push(c),
            }
        }
        out
    }
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// The number of the line, from 1.
    pub number: usize,
    /// What is wrong.
    pub problem: String,
    /// What would have been right.
    pub expected: String,
}

impl BadLine {
    /// As it says.
    pub fn new(number: usize, problem: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { number, problem: problem.into(), expected: expected.into() }
    }
}

/// The content lines of a text, in order, empty ones left out.
///
/// # Errors
/// At the first line without a colon.
pub fn lines(text: &str) -> Result<Vec<Line>, BadLine> {
    let mut whole: Vec<(usize, String)> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        match (line.strip_prefix([' ', '\t']), whole.last_mut()) {
            (Some(more), Some((_, before))) => before.push_str(more),
            _ if line.trim().is_empty() => {}
            _ => whole.push((number + 1, line.to_owned())),
        }
    }
    whole.into_iter().map(|(number, line)| split(number, &line)).collect()
}

fn split(number: usize, line: &str) -> Result<Line, BadLine> {
    let bad = || BadLine::new(number, "this is no line of a calendar", "`NAME:value` or `NAME;PARAMETER=value:value`");
    let mut quoted = false;
    let mut cuts = Vec::new();
    let mut colon = None;
    for (at, c) in line.char_indices() {
        match c {
            '"' => quoted = !quoted,
            ';' if !quoted => cuts.push(at),
            ':' if !quoted => {
                colon = Some(at);
                break;
            }
            _ => {}
        }
    }
    let colon = colon.ok_or_else(bad)?;
    cuts.push(colon);
    let name = line[..cuts[0]].trim().to_ascii_uppercase();
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Err(bad());
    }
    let parameters = cuts.windows(2).map(|ends| &line[ends[0] + 1..ends[1]]);
    let parameters = parameters.filter_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        Some((name.to_ascii_uppercase(), value.trim_matches('"').to_owned()))
    });
    Ok(Line { number, name, parameters: parameters.collect(), value: line[colon + 1..].trim_end().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_unfolded_and_split() {
        let text =
            "BEGIN:VEVENT\r\nDTSTART;TZID=\"Europe/Lisbon:x\";VALUE=DATE-TIME:2026\r\n 1225T0\r\n\t90000\r\n\r\nsummary:a\\, b\\nc: d\r\n";
        let lines = lines(text).unwrap();
        assert_eq!(lines.len(), 3);
        assert_eq!((lines[1].number, lines[1].value.as_str()), (2, "20261225T090000"));
        assert_eq!(lines[1].parameter("TZID"), Some("Europe/Lisbon:x"));
        assert_eq!((lines[2].number, lines[2].name.as_str(), lines[2].text().as_str()), (6, "SUMMARY", "a, b c: d"));
    }

    #[test]
    fn a_line_without_a_name_is_told_with_its_number() {
        for (text, number) in [("A:b\n<html>\n", 2), ("A:b\n:c\n", 2), ("é:b", 1), ("A;B=\"c:d\n", 1)] {
            assert_eq!(lines(text).unwrap_err().number, number, "{text}");
        }
    }
}
