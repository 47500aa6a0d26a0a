//! YAML as a tree in which every key and value knows its place.
//!
//! Built by hand on the parser's events, within limits, because no loader keeps places, refuses duplicate keys *and* bounds what
//! a hostile file costs. Every scalar stays text: what it means (`no`, `010`, `1_000`) is decided where its key is read.

use std::{collections::HashMap, sync::Arc};

use saphyr_parser::{Event, Parser, ScalarStyle, Span as ScanSpan};

use super::{
    diagnostic::Sink,
    escape::{quote, unsafe_char},
    hidden, scan_error,
    source::{Source, Span},
};

/// How deep lists and maps may nest.
pub const DEEPEST: usize = 64;
/// How many nodes a file may come to when it repeats parts by alias.
pub const MOST_ALIASED: usize = 10_000;
/// How many nodes a file may have at all.
pub const MOST_NODES: usize = 100_000;

/// A value with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where.
    pub span: Span,
    /// What.
    pub value: Value,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Text, a number, a quantity, nothing at all.
    Scalar(Scalar),
    /// A list.
    Seq(Vec<Node>),
    /// A map; its keys differ from each other.
    Map(Vec<Entry>),
}

/// A scalar, never interpreted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// The text, without quotes.
    pub text: String,
    /// Whether it was quoted (or a block): then it is text even where it looks like nothing, a number or a truth value.
    pub quoted: bool,
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key is.
    pub key_span: Span,
    /// The value.
    pub value: Node,
}

impl Node {
    /// The text of a scalar that is not "nothing".
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) if !self.is_null() => Some(&scalar.text),
            _ => None,
        }
    }

    /// Whether nothing is written here (or `null`, or `~`).
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(s) if !s.quoted && matches!(s.text.as_str(), "" | "~" | "null"))
    }

    /// The value of a key, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|e| e.key == key).map(|e| &e.value),
            _ => None,
        }
    }

    /// What it is, in a sentence: "a list", "`12`".
    pub fn says(&self) -> String {
        match &self.value {
            _ if self.is_null() => "nothing".to_owned(),
            Value::Scalar(scalar) => quote(&scalar.text),
            Value::Seq(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
        }
    }

    fn size_and_height(&self) -> (usize, usize) {
        let children: Vec<(usize, usize)> = match &self.value {
            Value::Scalar(_) => return (1, 0),
            Value::Seq(items) => items.iter().map(Self::size_and_height).collect(),
            Value::Map(entries) => entries.iter().map(|e| e.value.size_and_height()).collect(),
        };
        (1 + children.iter().map(|c| c.0).sum::<usize>(), 1 + children.iter().map(|c| c.1).max().unwrap_or(0))
    }
}

/// Reads a source as one YAML document. `None` when there is no tree to go on with; the reasons are in the sink either way.
pub fn parse(source: &Arc<Source>, sink: &mut Sink) -> Option<Node> {
    if !fit_to_parse(source, sink) {
        return None;
    }
    let root = Builder::new(source, sink).run();
    if let Some(root) = &root {
        hidden::hide(root, source);
    }
    root
}

/// What is refused before the parser sees it: it is quick here, and the words are better.
fn fit_to_parse(source: &Source, sink: &mut Sink) -> bool {
    let text = &source.text;
    if text.len() as u64 > super::source::LARGEST {
        sink.error(Span::new(0, 0), format!("the file is too large: {} bytes", text.len())).expected("at most 1 MiB (1,048,576 bytes)");
        return false;
    }
    if let Some((at, c)) = text.char_indices().find(|(_, c)| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{85}')) {
        let code = u32::from(c);
        sink.error(Span::new(at, at + c.len_utf8()), format!("the file is not text: it holds the control character U+{code:04X}"))
            .expected("a YAML file in UTF-8; inside double quotes such a character is written `\\x..`");
        return false;
    }
    let nothing = text.lines().all(|line| {
        let line = line.trim();
        line.is_empty() || line.starts_with('#') || line == "---" || line == "..."
    });
    if nothing {
        let what = if text.trim().is_empty() { "the file is empty" } else { "the file holds nothing but comments" };
        sink.error(Span::new(0, 0), what).expected("a map of keys and values");
        return false;
    }
    true
}

struct Frame {
    span: Span,
    flow: bool,
    anchor: usize,
    kind: FrameKind,
}

enum FrameKind {
    Seq(Vec<Node>),
    Map { entries: Vec<Entry>, seen: HashMap<String, Span>, key: Option<Key> },
}

/// A key that waits for its value; `None` when it was not usable, so that its value is dropped.
struct Key {
    name: Option<String>,
    span: Span,
}

struct Builder<'a> {
    source: &'a Arc<Source>,
    sink: &'a mut Sink,
    /// The byte of each character, when the two differ.
    bytes: Option<Vec<usize>>,
    stack: Vec<Frame>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    aliased: bool,
    root: Option<Node>,
}

/// The parser cannot go on.
struct Stop;

impl<'a> Builder<'a> {
    fn new(source: &'a Arc<Source>, sink: &'a mut Sink) -> Self {
        let bytes = (!source.text.is_ascii()).then(|| source.text.char_indices().map(|(at, _)| at).collect());
        Self { source, sink, bytes, stack: Vec::new(), anchors: HashMap::new(), nodes: 0, aliased: false, root: None }
    }

    fn run(mut self) -> Option<Node> {
        let source = Arc::clone(self.source);
        for step in Parser::new_from_str(&source.text) {
            match step {
                Ok((event, span)) => {
                    if self.event(event, span).is_err() {
                        return None;
                    }
                }
                Err(error) => {
                    let at = self.byte(error.marker().index());
                    scan_error::explain(&source, at, error.info(), self.open_bracket(), self.sink);
                    return None;
                }
            }
        }
        self.root
    }

    fn byte(&self, index: usize) -> usize {
        let end = self.source.text.len();
        match &self.bytes {
            None => index.min(end),
            Some(bytes) => bytes.get(index).copied().unwrap_or(end),
        }
    }

    fn span(&self, span: ScanSpan) -> Span {
        let (start, end) = (self.byte(span.start.index()), self.byte(span.end.index()));
        let text = self.source.text.get(start..end).unwrap_or("");
        Span::new(start, start + text.trim_end().len())
    }

    /// The innermost `[` or `{` that is still open.
    fn open_bracket(&self) -> Option<Span> {
        self.stack.iter().rev().find(|f| f.flow).map(|f| Span::new(f.span.start, f.span.start + 1))
    }

    fn event(&mut self, event: Event<'_>, scan: ScanSpan) -> Result<(), Stop> {
        let span = self.span(scan);
        match event {
            Event::DocumentStart(_) if self.root.is_some() => {
                self.sink
                    .error(span, "the file holds more than one document")
                    .expected("one experiment (or system, or project) a file: what follows this `---` belongs into a file of its own");
                return Err(Stop);
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.as_ref().map(ToString::to_string), span);
                let node = Node { span, value: Value::Scalar(Scalar { text: text.into_owned(), quoted: style != ScalarStyle::Plain }) };
                self.count(1, span)?;
                self.put(node, anchor);
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_tag(tag.as_ref().map(ToString::to_string), span);
                self.open(span, anchor, FrameKind::Seq(Vec::new()))?;
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_tag(tag.as_ref().map(ToString::to_string), span);
                self.open(span, anchor, FrameKind::Map { entries: Vec::new(), seen: HashMap::new(), key: None })?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Alias(anchor) => self.alias(anchor, span)?,
            _ => {}
        }
        Ok(())
    }

    fn refuse_tag(&mut self, tag: Option<String>, span: Span) {
        if let Some(tag) = tag {
            let tag = tag.replace("tag:yaml.org,2002:!", "!!").replace("tag:yaml.org,2002:", "!!");
            self.sink
                .error(span, format!("the tag {} is not allowed", quote(&tag)))
                .expected("the plain value: what type it has follows from its key");
        }
    }

    fn count(&mut self, more: usize, span: Span) -> Result<(), Stop> {
        self.nodes += more;
        let most = if self.aliased { MOST_ALIASED } else { MOST_NODES };
        if self.nodes <= most {
            return Ok(());
        }
        if self.aliased {
            self.sink
                .error(span, format!("with its aliases (`*name`) written out the file has more than {MOST_ALIASED} values"))
                .expected("fewer or smaller aliases");
        } else {
            self.sink.error(span, format!("the file has more than {MOST_NODES} values")).expected("a smaller file");
        }
        Err(Stop)
    }

    fn open(&mut self, span: Span, anchor: usize, kind: FrameKind) -> Result<(), Stop> {
        self.count(1, span)?;
        if self.stack.len() >= DEEPEST {
            self.sink.error(span, format!("lists and maps nest deeper than {DEEPEST} levels")).expected("a flatter file");
            return Err(Stop);
        }
        let flow = self.source.text[span.start..].starts_with(['[', '{']);
        self.stack.push(Frame { span, flow, anchor, kind });
        Ok(())
    }

    fn close(&mut self, span: Span) {
        let Some(frame) = self.stack.pop() else { return };
        let (value, last) = match frame.kind {
            FrameKind::Seq(items) => {
                let last = items.last().map(|n| n.span);
                (Value::Seq(items), last)
            }
            FrameKind::Map { entries, .. } => {
                let last = entries.last().map(|e| e.value.span);
                (Value::Map(entries), last)
            }
        };
        let end = if frame.flow { span.end } else { last.map_or(frame.span.end, |l| l.end) };
        self.put(Node { span: Span::new(frame.span.start, end), value }, frame.anchor);
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Stop> {
        let Some(node) = self.anchors.get(&anchor) else {
            self.sink.error(span, "the alias stands inside the value that it repeats").expected("an alias of a value that ended before");
            return Err(Stop);
        };
        self.aliased = true;
        let (size, height) = node.size_and_height();
        // The copy has the alias's place, its parts keep theirs: an error in them is shown where it can be mended.
        let copy = Node { span, value: if self.nodes + size <= MOST_ALIASED { node.value.clone() } else { Value::Seq(Vec::new()) } };
        self.count(size, span)?;
        if self.stack.len() + height > DEEPEST {
            self.sink.error(span, format!("lists and maps nest deeper than {DEEPEST} levels")).expected("a flatter file");
            return Err(Stop);
        }
        self.put(copy, 0);
        Ok(())
    }

    fn put(&mut self, mut node: Node, anchor: usize) {
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.stack.last_mut() {
            None => self.root = Some(node),
            Some(Frame { kind: FrameKind::Seq(items), .. }) => items.push(node),
            Some(Frame { kind: FrameKind::Map { key: slot @ None, seen, .. }, .. }) => {
                let span = node.span;
                let name = key_name(node, seen, self.sink);
                *slot = Some(Key { name, span });
            }
            Some(Frame { kind: FrameKind::Map { entries, seen, key }, .. }) => {
                let Some(Key { name: Some(name), span: key_span }) = key.take() else { return };
                // Nothing is written there: the key is what can be pointed at.
                if node.is_null() && node.span.start == node.span.end {
                    node.span = key_span;
                }
                seen.insert(name.clone(), key_span);
                entries.push(Entry { key: name, key_span, value: node });
            }
        }
    }
}

/// The text of a key, unless it cannot be one here.
fn key_name(node: Node, seen: &HashMap<String, Span>, sink: &mut Sink) -> Option<String> {
    let span = node.span;
    let Value::Scalar(scalar) = node.value else {
        sink.error(span, format!("{} cannot be a key", node.says()))
            .expected("text; a value that begins with `{` or `[` needs quotes, and variables are written `${name}`");
        return None;
    };
    if scalar.text.is_empty() {
        sink.error(span, "a key is missing before `:`").expected("`key: value`");
        return None;
    }
    if scalar.text == "<<" && !scalar.quoted {
        sink.error(span, "merge keys (`<<`) are not part of the format").expected("the keys written out, or an alias of a whole value");
        return None;
    }
    if scalar.text.chars().any(unsafe_char) {
        sink.error(span, format!("the key {} holds invisible characters", quote(&scalar.text))).expected("visible characters only");
        return None;
    }
    if let Some(first) = seen.get(&scalar.text) {
        sink.error(span, format!("the key {} is there twice", quote(&scalar.text)))
            .expected("each key once")
            .note_at(*first, "it was first given here");
        return None;
    }
    Some(scalar.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Option<Node>, String) {
        let source = Source::new("t.yaml", text);
        let mut sink = Sink::new(&source);
        let node = parse(&source, &mut sink);
        (node, sink.finish().to_string())
    }

    #[test]
    fn keys_and_values_know_their_places() {
        let text = "ä: é\nb:\n  - {c: 'd'}\n  - x y   # comment\ne:\n";
        let (node, errors) = read(text);
        let Value::Map(entries) = node.unwrap().value else { panic!("{errors}") };
        let at = |span: Span| &text[span.start..span.end];
        assert_eq!((at(entries[0].key_span), at(entries[0].value.span)), ("ä", "é"));
        let Value::Seq(items) = &entries[1].value.value else { panic!() };
        assert_eq!((at(items[0].span), at(items[1].span)), ("{c: 'd'}", "x y"));
        assert!(entries[2].value.is_null());
        assert_eq!(at(entries[2].value.span), "e");
    }

    #[test]
    fn bombs_and_towers_end_quickly_with_words() {
        let bomb = (0..30).fold("a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned(), |text, n| {
            text + &format!("a{}: &a{} [{}]\n", n + 1, n + 1, vec![format!("*a{n}"); 9].join(","))
        });
        assert!(read(&bomb).1.contains("more than 10000 values"));
        for tower in ["[".repeat(100_000), "{a: ".repeat(100_000), "- ".repeat(100_000), "? ".repeat(100_000), "[\n".repeat(100_000)] {
            let (node, errors) = read(&tower);
            assert!(node.is_none() && errors.contains("deeper than 64"), "{errors}");
        }
        assert!(read(&format!("[{}]", "a,".repeat(200_000))).1.contains("more than 100000 values"));
        assert!(read("a: &a [*a]").1.contains("inside the value"));
    }

    #[test]
    fn an_alias_repeats_its_value() {
        let (node, errors) = read("a: &x {b: c}\nd: *x\n");
        let node = node.expect(&errors);
        assert_eq!(node.get("d").unwrap().get("b").unwrap().text(), Some("c"));
    }

    #[test]
    fn several_errors_of_the_tree_are_told_at_once() {
        let (_, errors) = read("a: 1\na: 2\n<<: {b: c}\nd: !int 3\n[x]: 4\n");
        for says in ["`a` is there twice", "merge keys", "the tag `!int`", "a list cannot be a key"] {
            assert!(errors.contains(says), "{says}: {errors}");
        }
    }
}
