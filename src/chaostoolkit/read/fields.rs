//! A map of such a file. Its own tool passes over keys that it does not know; here they are warned of, for most are slips.

use crate::file::{
    Node, Sink, Span,
    escape::quote,
    read::{head, map, wrong},
    suggest::{listed, nearest},
    yaml::Entry,
};

/// A map with known keys.
pub(super) struct Fields<'n> {
    entries: &'n [Entry],
    is: &'static str,
    /// Where it begins.
    pub span: Span,
}

impl<'n> Fields<'n> {
    /// The node as a map with these keys.
    pub fn new(node: &'n Node, is: &'static str, keys: &[&'static str], sink: &mut Sink) -> Option<Self> {
        let entries = map(node, is, sink)?;
        for entry in entries.iter().filter(|entry| !keys.contains(&entry.key.as_str())) {
            sink.warning(entry.key_span, format!("the key {} is not known in {is}, and passed over", quote(&entry.key)))
                .expected(listed(keys.iter().copied(), "or"))
                .nearest(nearest(&entry.key, keys.iter().copied()));
        }
        Some(Self { entries, is, span: head(node) })
    }

    /// A key's value.
    pub fn get(&self, key: &str) -> Option<&'n Node> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// A key's value that must be there.
    pub fn must(&self, key: &str, about: &str, sink: &mut Sink) -> Option<&'n Node> {
        let found = self.get(key);
        if found.is_none() {
            sink.error(self.span, format!("the key `{key}` is missing in {}", self.is)).expected(format!("`{key}`: {about}"));
        }
        found
    }

    /// Text that must be there.
    pub fn words(&self, key: &str, sink: &mut Sink) -> Option<String> {
        words(self.must(key, "text", sink)?, sink)
    }
}

/// Text that is not empty.
pub(super) fn words(node: &Node, sink: &mut Sink) -> Option<String> {
    match node.text() {
        Some(text) if !text.trim().is_empty() => Some(text.to_owned()),
        Some(_) => {
            sink.error(node.span, "an empty text").expected("some words");
            None
        }
        None => wrong(node, "text", sink),
    }
}
