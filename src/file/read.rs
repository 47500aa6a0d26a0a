//! Reading a tree: typed values, and maps whose keys are known. Every error goes to the sink, and reading goes on.

use std::time::Duration;

use super::{
    diagnostic::Sink,
    escape::{quote, unsafe_char},
    source::Span,
    suggest::{listed, nearest},
    table::Table,
    yaml::{Entry, Node, Value},
};
use crate::model::quantity::{self, BadQuantity, Rate, Share};

/// A map whose keys are those of a table. Unknown and missing keys are reported when it is made.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'n> {
    entries: &'n [Entry],
    table: &'static Table,
    /// Where to say that something is missing.
    pub span: Span,
}

impl<'n> Fields<'n> {
    /// The node as a map with the keys of `table`.
    pub fn new(node: &'n Node, table: &'static Table, sink: &mut Sink) -> Option<Self> {
        let entries = map(node, table.is, sink)?;
        let fields = Self::of(entries, head(node), table);
        for entry in entries.iter().filter(|e| !table.knows(&e.key)) {
            if let Some((_, why)) = table.refused.iter().find(|(key, _)| *key == entry.key) {
                sink.error(entry.key_span, format!("{} has no {}: {why}", table.is, quote(&entry.key)))
                    .expected(listed(table.names(), "or"));
                continue;
            }
            sink.error(entry.key_span, format!("unknown key {} in {}", quote(&entry.key), table.is))
                .expected(listed(table.names(), "or"))
                .nearest(nearest(&entry.key, table.names()));
        }
        fields.report_missing(sink);
        fields.report_choice(sink);
        Some(fields)
    }

    /// Entries of a map that also has keys of another kind; the caller reports the unknown ones.
    pub fn of(entries: &'n [Entry], span: Span, table: &'static Table) -> Self {
        Self { entries, table, span }
    }

    fn report_missing(&self, sink: &mut Sink) {
        for key in self.table.all().filter(|k| k.required && self.entries.iter().all(|e| e.key != k.name)) {
            // A key that is nearly this one was reported as unknown, with the right one beside it.
            let meant = |e: &&Entry| !self.table.knows(&e.key) && nearest(&e.key, self.table.names()) == Some(key.name);
            if self.entries.iter().any(|e| meant(&e)) {
                continue;
            }
            sink.error(self.span, format!("the key `{}` is missing in {}", key.name, self.table.is))
                .expected(format!("`{}`: {}", key.name, key.about));
        }
    }

    fn report_choice(&self, sink: &mut Sink) {
        let choice = self.table.one_of;
        let given: Vec<&Entry> = self.entries.iter().filter(|e| choice.contains(&e.key.as_str())).collect();
        match given.as_slice() {
            [] if !choice.is_empty() => {
                let what = listed(choice.iter().copied(), "or");
                // An unknown key stands in its place, and was reported.
                if self.entries.iter().all(|e| self.table.knows(&e.key)) {
                    sink.error(self.span, format!("{} needs one key more", self.table.is)).expected(format!("exactly one of {what}"));
                }
            }
            [first, second, ..] => {
                sink.error(second.key_span, format!("`{}` and `{}` exclude each other", first.key, second.key))
                    .expected(format!("exactly one of {}", listed(choice.iter().copied(), "or")))
                    .note_at(first.key_span, format!("`{}` is given here", first.key));
            }
            _ => {}
        }
    }

    /// A key's entry. Asking for a key that the table does not have is a defect of the caller.
    pub fn entry(&self, key: &str) -> Option<&'n Entry> {
        debug_assert!(self.table.names().any(|n| n == key), "`{key}` is not in the table of {}", self.table.is);
        self.entries.iter().find(|e| e.key == key)
    }

    /// A key's value.
    pub fn node(&self, key: &str) -> Option<&'n Node> {
        self.entry(key).map(|e| &e.value)
    }

    /// Whether the key is there.
    pub fn has(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }

    /// Whether the key is there, also for keys that this table may not have.
    pub fn is_given(&self, key: &str) -> bool {
        self.entries.iter().any(|e| e.key == key)
    }

    /// A key's place, or the map's when it is not there.
    pub fn key_span(&self, key: &str) -> Span {
        self.entry(key).map_or(self.span, |e| e.key_span)
    }

    /// A value read by `read`; `None` when it is not there or not right.
    pub fn get<T>(&self, key: &str, sink: &mut Sink, read: impl FnOnce(&'n Node, &mut Sink) -> Option<T>) -> Option<T> {
        self.node(key).and_then(|node| read(node, sink))
    }

    /// Text.
    pub fn text(&self, key: &str, sink: &mut Sink) -> Option<String> {
        self.get(key, sink, text).map(str::to_owned)
    }

    /// A duration.
    pub fn duration(&self, key: &str, sink: &mut Sink) -> Option<Duration> {
        self.get(key, sink, duration)
    }

    /// A share.
    pub fn share(&self, key: &str, sink: &mut Sink) -> Option<Share> {
        self.get(key, sink, share)
    }

    /// A rate.
    pub fn rate(&self, key: &str, sink: &mut Sink) -> Option<Rate> {
        self.get(key, sink, rate)
    }

    /// A number of bytes.
    pub fn bytes(&self, key: &str, sink: &mut Sink) -> Option<u64> {
        self.get(key, sink, bytes)
    }

    /// Bytes per second.
    pub fn bandwidth(&self, key: &str, sink: &mut Sink) -> Option<u64> {
        self.get(key, sink, |node, sink| quantity(node, quantity::bandwidth, "a bandwidth", sink))
    }

    /// A whole number.
    pub fn integer(&self, key: &str, sink: &mut Sink) -> Option<u64> {
        self.get(key, sink, integer)
    }

    /// `true` or `false`; `false` when it is not there.
    pub fn flag(&self, key: &str, sink: &mut Sink) -> bool {
        self.get(key, sink, boolean).unwrap_or(false)
    }
}

/// The beginning of a node: a map of many lines is pointed at by its first line only.
pub fn head(node: &Node) -> Span {
    match &node.value {
        Value::Map(entries) => entries.first().map_or(node.span, |e| e.key_span),
        Value::Seq(_) => Span::new(node.span.start, node.span.start + 1),
        Value::Scalar(_) => node.span,
    }
}

/// Reports a value of the wrong form.
pub fn wrong<T>(node: &Node, expected: impl Into<String>, sink: &mut Sink) -> Option<T> {
    let found = if node.is_null() { "there is no value here".to_owned() } else { format!("{} does not fit here", node.says()) };
    sink.error(head(node), found).expected(expected);
    None
}

fn quantity<T>(node: &Node, read: fn(&str) -> Result<T, BadQuantity>, what: &str, sink: &mut Sink) -> Option<T> {
    let Some(text) = node.text() else { return wrong(node, what, sink) };
    match read(text) {
        Ok(value) => Some(value),
        Err(bad) => {
            // Quantities echo what they read; a message stays one short line.
            let problem = if text.chars().count() > 60 { format!("{} is not {what}", quote(text)) } else { bad.problem };
            sink.error(node.span, problem).expected(format!("{what} like `{}`", bad.example));
            None
        }
    }
}

/// A map of any keys.
pub fn map<'n>(node: &'n Node, is: &str, sink: &mut Sink) -> Option<&'n [Entry]> {
    match &node.value {
        Value::Map(entries) => Some(entries),
        _ => wrong(node, format!("{is}: a map of keys and values"), sink),
    }
}

/// A list.
pub fn list<'n>(node: &'n Node, of: &str, sink: &mut Sink) -> Option<&'n [Node]> {
    match &node.value {
        Value::Seq(items) => Some(items),
        _ => wrong(node, format!("a list of {of}"), sink),
    }
}

/// One or several: a list, or a single value that stands for a list of one.
pub fn one_or_many(node: &Node) -> &[Node] {
    match &node.value {
        Value::Seq(items) => items,
        _ => std::slice::from_ref(node),
    }
}

/// Text: any scalar that is not nothing.
pub fn text<'n>(node: &'n Node, sink: &mut Sink) -> Option<&'n str> {
    match node.text() {
        Some(text) => Some(text),
        None => wrong(node, "text", sink),
    }
}

/// Text of one line without characters that a terminal would obey.
pub fn line<'n>(node: &'n Node, sink: &mut Sink) -> Option<&'n str> {
    let text = text(node, sink)?;
    if let Some(c) = text.trim_end_matches('\n').chars().find(|c| unsafe_char(*c)) {
        sink.error(head(node), format!("the text holds the character U+{:04X}", u32::from(c))).expected("one line of visible characters");
        return None;
    }
    Some(text.trim_end_matches('\n'))
}

/// A duration.
pub fn duration(node: &Node, sink: &mut Sink) -> Option<Duration> {
    quantity(node, quantity::duration, "a duration", sink)
}

/// How old something may be: a duration above zero, which may be years.
pub fn age(node: &Node, sink: &mut Sink) -> Option<Duration> {
    above_zero(node, quantity(node, quantity::age, "a duration", sink)?, "400d", sink)
}

/// A duration above zero.
pub fn some_time(node: &Node, sink: &mut Sink) -> Option<Duration> {
    above_zero(node, duration(node, sink)?, "2s", sink)
}

fn above_zero(node: &Node, time: Duration, example: &str, sink: &mut Sink) -> Option<Duration> {
    if time.is_zero() {
        sink.error(node.span, format!("{} is no time at all", node.says())).expected(format!("a duration above zero like `{example}`"));
        return None;
    }
    Some(time)
}

/// A share.
pub fn share(node: &Node, sink: &mut Sink) -> Option<Share> {
    quantity(node, quantity::share, "a percentage", sink)
}

/// A rate.
pub fn rate(node: &Node, sink: &mut Sink) -> Option<Rate> {
    quantity(node, quantity::rate, "a rate", sink)
}

/// A number of bytes.
pub fn bytes(node: &Node, sink: &mut Sink) -> Option<u64> {
    quantity(node, quantity::bytes, "a size", sink)
}

/// A whole number, written with digits only.
pub fn integer(node: &Node, sink: &mut Sink) -> Option<u64> {
    if let Some(number) = integer_of(node) {
        return Some(number);
    }
    if node.text().is_some_and(|t| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit())) {
        sink.error(node.span, format!("{} is too large", node.says())).expected(format!("a whole number up to {}", u64::MAX));
        return None;
    }
    wrong(node, "a whole number like `3`", sink)
}

/// A whole number within limits.
pub fn integer_in(node: &Node, range: std::ops::RangeInclusive<u64>, sink: &mut Sink) -> Option<u64> {
    let number = integer(node, sink)?;
    if range.contains(&number) {
        return Some(number);
    }
    sink.error(node.span, format!("{} is out of range", node.says())).expected(format!(
        "a whole number from {} to {}",
        range.start(),
        range.end()
    ));
    None
}

/// The whole number in a scalar, if it is one.
pub fn integer_of(node: &Node) -> Option<u64> {
    let text = node.text()?;
    text.chars().all(|c| c.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// `true` or `false`.
pub fn boolean(node: &Node, sink: &mut Sink) -> Option<bool> {
    match node.text() {
        Some("true") => Some(true),
        Some("false") => Some(false),
        _ => wrong(node, "`true` or `false`", sink),
    }
}

/// One of some words.
pub fn word<'w>(node: &Node, words: &[&'w str], sink: &mut Sink) -> Option<&'w str> {
    let Some(text) = node.text() else { return wrong(node, listed(words.iter().copied(), "or"), sink) };
    if let Some(word) = words.iter().find(|w| **w == text) {
        return Some(word);
    }
    sink.error(node.span, format!("{} is not known here", quote(text)))
        .expected(listed(words.iter().copied(), "or"))
        .nearest(nearest(text, words.iter().copied()));
    None
}

/// What a name looks like: it becomes part of file names and of other names.
pub const NAME: &str = "1 to 63 of `a-z`, `0-9` and `-`, not beginning with `-`";

/// Whether a text is a name.
pub fn is_name(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && !text.starts_with('-')
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Reports a text that is not a name.
pub fn name(text: &str, span: Span, sink: &mut Sink) -> Option<String> {
    if is_name(text) {
        return Some(text.to_owned());
    }
    sink.error(span, format!("{} is not a name", quote(text))).expected(NAME);
    None
}

/// A command: a list of its arguments; never one string, because no shell will split it.
pub fn command(node: &Node, sink: &mut Sink) -> Option<Vec<String>> {
    const EXPECTED: &str = "the command and its arguments as a list, like `[systemctl, restart, web]`; no shell reads it";
    let Value::Seq(items) = &node.value else { return wrong(node, EXPECTED, sink) };
    let before = sink.count();
    let words: Vec<String> = items.iter().filter_map(|item| text(item, sink)).map(str::to_owned).collect();
    if sink.count() > before {
        return None;
    }
    if words.first().is_none_or(String::is_empty) {
        sink.error(head(node), "the command is empty").expected(EXPECTED);
        return None;
    }
    if let Some(item) = items.iter().find(|i| i.text().is_some_and(|t| t.contains('\0'))) {
        sink.error(item.span, "an argument holds a NUL character").expected("arguments without NUL");
        return None;
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::{
        Source,
        table::{Kind, key, must},
        yaml,
    };

    static TABLE: Table = Table::new(
        "a thing",
        &[must("size", Kind::Bytes, "how large"), key("after", Kind::Duration, "when"), key("often", Kind::Rate, "how often")],
    );

    #[test]
    fn every_error_of_a_map_is_told_at_once() {
        let source = Source::new("t.yaml", "aftre: 2s\nafter: 2\noften: fast\n");
        let mut sink = Sink::new(&source);
        let node = yaml::parse(&source, &mut sink).unwrap();
        let fields = Fields::new(&node, &TABLE, &mut sink).unwrap();
        assert_eq!(fields.duration("after", &mut sink), None);
        assert_eq!(fields.rate("often", &mut sink), None);
        let errors = sink.finish();
        assert_eq!(errors.len(), 4, "{errors}");
        let text = errors.to_string();
        for says in
            ["unknown key `aftre` in a thing", "did you mean `after`?", "`size` is missing", "`2` has no unit", "a rate like `200/s`"]
        {
            assert!(text.contains(says), "{says}: {text}");
        }
    }
}
