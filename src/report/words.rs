//! Numbers and foreign text as a reader sees them. Text from files, headers and platforms is never shown raw: control and
//! bidirectional characters are escaped, and what is very long is cut.

use std::{borrow::Cow, fmt::Write as _, io, time::Duration};

pub use crate::model::quantity::{count, plural};
use crate::model::{
    measurement::{Estimate, JudgedResult, StepCapacity},
    quantity::show_duration,
    sample::SampleOutcome,
    time::Wall,
};

/// The longest foreign text that a report shows.
pub const LONGEST: usize = 300;

/// What all times of a report count from, said once in each format that a person reads.
pub const ZERO: &str = "Times are seconds since the first request was due, unless something else is said.";

/// Whether a character could change how the text around it is shown.
fn misleading(c: char) -> bool {
    // Nearly everything that is written.
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Text with control and bidirectional characters escaped, cut at `LONGEST` characters.
pub fn visible(text: &str) -> Cow<'_, str> {
    escape(text, LONGEST)
}

/// The same, but never cut: for a command that somebody copies.
pub fn whole(text: &str) -> Cow<'_, str> {
    escape(text, usize::MAX)
}

/// JSON in which characters that could change how the text around them is shown are written as their numbers: they stand in texts only.
/// The line ends between values stay.
pub fn json(text: &str) -> Cow<'_, str> {
    let obeyed = |c: char| misleading(c) && c != '\n';
    // Nearly everything that is written. Control characters other than this one are numbers in JSON by themselves.
    let plain = text.is_ascii() && !text.as_bytes().contains(&0x7f);
    if plain || !text.contains(obeyed) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if obeyed(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| _ = write!(out, "\\u{unit:04x}"));
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// The same for JSON on its way out, in parts of any length.
pub struct Json<W> {
    out: W,
    /// The begin of a character whose rest is still to come.
    begun: Vec<u8>,
}

impl<W: io::Write> Json<W> {
    /// On its way to this.
    pub fn to(out: W) -> Self {
        Self { out, begun: Vec::new() }
    }
}

impl<W: io::Write> io::Write for Json<W> {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        let mut bytes = std::mem::take(&mut self.begun);
        bytes.extend_from_slice(part);
        let whole = match std::str::from_utf8(&bytes) {
            Ok(text) => text,
            Err(error) if error.error_len().is_none() => std::str::from_utf8(&bytes[..error.valid_up_to()]).map_err(io::Error::other)?,
            Err(error) => return Err(io::Error::other(error)),
        };
        self.out.write_all(json(whole).as_bytes())?;
        self.begun = bytes[whole.len()..].to_vec();
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn escape(text: &str, longest: usize) -> Cow<'_, str> {
    if text.len() <= longest && !text.chars().any(misleading) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len().min(4 * LONGEST));
    for (n, c) in text.chars().enumerate() {
        if n == longest {
            out.push('…');
            break;
        }
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if misleading(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Seconds as a person reads them.
pub fn seconds(s: f64) -> String {
    if !s.is_finite() {
        return "-".to_owned();
    }
    let shown = show_duration(Duration::from_secs_f64(s.abs().min(1e9)));
    if s < 0.0 { format!("−{shown}") } else { shown }
}

/// Seconds, or a dash.
pub fn maybe_seconds(s: Option<f64>) -> String {
    s.map_or_else(|| "–".to_owned(), seconds)
}

/// What became of capacity: not lost, back, or not back while it was watched.
pub fn capacity(lost: bool, back_after_s: Option<f64>, watched_s: Option<f64>) -> String {
    match (back_after_s, lost, watched_s) {
        (Some(after), ..) => format!("back after {}", seconds(after)),
        (None, false, _) => "not lost".to_owned(),
        (None, true, Some(watched)) => format!("not back within {}, when the run ended", seconds(watched)),
        (None, true, None) => "not back when the run ended".to_owned(),
    }
}

/// The same of a step.
pub fn step_capacity(c: &StepCapacity) -> String {
    let both = if c.with_later_step { "; a later step hit it too before" } else { "" };
    format!("{}{both}", capacity(c.lost, c.back_after_s, Some(c.watched_s)))
}

/// A moment on the run's clock: `12.34 s`.
pub fn moment(s: f64) -> String {
    if s < 0.0 { format!("−{:.2} s", -s) } else { format!("{s:.2} s") }
}

/// How often a probe of a kind asks.
pub fn pace(kind: &str, rate: f64) -> String {
    let rate = count(rate.round() as u64);
    match kind {
        "journey" => format!("about {rate} requests a second while every answer comes at once: its users think, and then go on"),
        _ => format!("{rate} requests a second whatever happens"),
    }
}

/// A share as a percentage. Never rounded to 100 % (or 0 %) when it is not.
pub fn percent(share: f64) -> String {
    let p = share * 100.0;
    for digits in [2_usize, 3, 4, 5] {
        let text = format!("{p:.digits$}");
        let shown: f64 = text.parse().unwrap_or(p);
        if (shown < 100.0 || share >= 1.0) && (shown > 0.0 || share <= 0.0) {
            return match text.trim_end_matches('0').trim_end_matches('.') {
                "" => "0 %".to_owned(),
                short => format!("{short} %"),
            };
        }
    }
    if share > 0.5 { "> 99.99999 %".to_owned() } else { "< 0.00001 %".to_owned() }
}

/// A share with its interval: `97.12 % (95.02–98.4 %)`.
pub fn interval(e: &Estimate) -> String {
    format!("{}–{}", percent(e.low).trim_end_matches(" %"), percent(e.high))
}

/// Failures by class: `reset 12, refused 3`, the most frequent first.
pub fn classes(failures: &std::collections::BTreeMap<SampleOutcome, u64>) -> String {
    let mut list: Vec<_> = failures.iter().filter(|(_, n)| **n > 0).collect();
    list.sort_by_key(|(class, n)| (std::cmp::Reverse(**n), **class));
    if list.is_empty() {
        return "–".to_owned();
    }
    list.iter().map(|(class, n)| format!("{} {}", class.name(), count(**n))).collect::<Vec<_>>().join(", ")
}

/// The wall clock in UTC with its offset, so that a report says the same wherever it is rendered.
pub fn wall(at: Wall) -> String {
    match jiff::Timestamp::from_nanosecond(i128::from(at.0)) {
        Ok(at) => at.strftime("%Y-%m-%d %H:%M:%S+00:00").to_string(),
        Err(_) => "(an impossible time)".to_owned(),
    }
}

/// The word and the sign of a judged condition: never colour alone.
pub fn judged(result: JudgedResult) -> (&'static str, &'static str) {
    match result {
        JudgedResult::Held => ("held", "✓"),
        JudgedResult::Broken => ("broken", "✗"),
        JudgedResult::Untold => ("cannot tell", "?"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_never_rounded_to_whole() {
        for (share, text) in
            [(1.0, "100 %"), (0.0, "0 %"), (0.995, "99.5 %"), (0.999_999, "99.9999 %"), (0.000_001, "0.0001 %"), (0.9, "90 %")]
        {
            assert_eq!(percent(share), text);
        }
        assert_eq!(percent(1.0 - 1e-12), "> 99.99999 %");
    }

    #[test]
    fn misleading_characters_are_shown_escaped() {
        assert_eq!(visible("a\u{1b}[31mb\u{202e}c\nd"), "a\\u{1b}[31mb\\u{202e}c\\nd");
        assert_eq!(visible("plain ✓ täxt"), "plain ✓ täxt");
        let value = serde_json::json!({ "\u{9b}": "a\u{1b}\u{202e}\u{e0041}\u{7f}é\n" });
        let written = format!("{value:#}");
        let text = json(&written).into_owned();
        for size in [1, 2, 3, 5, 1000] {
            let mut out = Json::to(Vec::new());
            written.as_bytes().chunks(size).for_each(|part| io::Write::write_all(&mut out, part).unwrap());
            assert_eq!(String::from_utf8(out.out).unwrap(), text, "{size}");
        }
        assert!(!text.chars().any(|c| misleading(c) && c != '\n') && text.contains('é'), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
        assert_eq!(visible(&"x".repeat(10_000)).chars().count(), LONGEST + 1);
    }

    #[test]
    fn capacity_not_lost_back_and_not_back_are_told_apart() {
        assert_eq!(capacity(false, None, Some(9.0)), "not lost");
        assert_eq!(capacity(true, Some(6.23), Some(9.0)), "back after 6.23 s");
        assert_eq!(capacity(true, None, Some(9.0)), "not back within 9 s, when the run ended");
    }

    #[test]
    fn counts_have_groups() {
        assert_eq!([count(0), count(999), count(1_000), count(1_234_567)], ["0", "999", "1,000", "1,234,567"]);
    }
}
