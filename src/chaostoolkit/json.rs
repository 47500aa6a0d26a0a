//! JSON as the same tree of places as YAML. JSON is not read as YAML: tabs may indent it, and its escapes come in pairs.

use std::collections::HashMap;

use crate::file::{
    Sink, Source, Span, Value,
    escape::{quote, unsafe_char},
    hidden,
    yaml::{DEEPEST, Entry, MOST_NODES, Node, Scalar},
};

/// Reads a source as JSON. `None` when it is not; the reason is in the sink.
pub fn parse(source: &Source, sink: &mut Sink) -> Option<Node> {
    let mut reader = Reader { text: &source.text, at: 0, nodes: 0 };
    let read = reader.value(0).and_then(|node| {
        reader.blank();
        if reader.at == source.text.len() { Ok(node) } else { Err(reader.wrong("nothing more: one JSON value a file")) }
    });
    match read {
        Ok(node) => {
            hidden::hide(&node, source);
            Some(node)
        }
        Err(Wrong { span, message, expected }) => {
            sink.error(span, message).expected(expected);
            None
        }
    }
}

/// Where it is not JSON, and what was expected.
struct Wrong {
    span: Span,
    message: String,
    expected: String,
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    nodes: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn blank(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches([' ', '\t', '\n', '\r']).len();
    }

    /// What stands here does not fit.
    fn wrong(&self, expected: &str) -> Wrong {
        let word: String = self.rest().chars().take_while(|c| c.is_alphanumeric() || "+-._".contains(*c)).take(40).collect();
        let word = if word.is_empty() { self.rest().chars().take(1).collect() } else { word };
        let message = if word.is_empty() { "the file ends too early".to_owned() } else { format!("{} does not belong here", quote(&word)) };
        Wrong { span: Span::new(self.at, self.at + word.len()), message, expected: expected.to_owned() }
    }

    fn take(&mut self, c: char) -> bool {
        self.blank();
        let there = self.rest().starts_with(c);
        self.at += usize::from(there);
        there
    }

    fn value(&mut self, depth: usize) -> Result<Node, Wrong> {
        self.blank();
        let start = self.at;
        self.nodes += 1;
        if depth > DEEPEST || self.nodes > MOST_NODES {
            let (message, expected) = if depth > DEEPEST {
                (format!("lists and maps nest deeper than {DEEPEST} levels"), "a flatter file")
            } else {
                (format!("the file has more than {MOST_NODES} values"), "a smaller file")
            };
            return Err(Wrong { span: Span::new(start, start + 1), message, expected: expected.to_owned() });
        }
        let value = match self.rest().chars().next() {
            Some('{') => self.map(depth)?,
            Some('[') => self.list(depth)?,
            Some('"') => Value::Scalar(Scalar { text: self.string()?, quoted: true }),
            _ => Value::Scalar(Scalar { text: self.literal()?, quoted: false }),
        };
        Ok(Node { span: Span::new(start, self.at), value })
    }

    fn list(&mut self, depth: usize) -> Result<Value, Wrong> {
        self.at += 1;
        let mut items = Vec::new();
        if self.take(']') {
            return Ok(Value::Seq(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.take(']') {
                return Ok(Value::Seq(items));
            }
            if !self.take(',') {
                return Err(self.wrong("`,` or `]`"));
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, Wrong> {
        self.at += 1;
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen = HashMap::new();
        if self.take('}') {
            return Ok(Value::Map(entries));
        }
        loop {
            self.blank();
            let start = self.at;
            if !self.rest().starts_with('"') {
                return Err(self.wrong("a key in double quotes"));
            }
            let key = self.string()?;
            let key_span = Span::new(start, self.at);
            let problem = match () {
                () if key.is_empty() => Some("an empty key".to_owned()),
                () if key.chars().any(unsafe_char) => Some(format!("the key {} holds invisible characters", quote(&key))),
                () if seen.insert(key.clone(), key_span).is_some() => Some(format!("the key {} is there twice", quote(&key))),
                () => None,
            };
            if let Some(message) = problem {
                return Err(Wrong { span: key_span, message, expected: "each key once, in visible characters".to_owned() });
            }
            if !self.take(':') {
                return Err(self.wrong("`:`"));
            }
            let value = self.value(depth + 1)?;
            entries.push(Entry { key, key_span, value });
            if self.take('}') {
                return Ok(Value::Map(entries));
            }
            if !self.take(',') {
                return Err(self.wrong("`,` or `}`"));
            }
        }
    }

    /// A text in double quotes. Its end is looked for here; its escapes are for the JSON parser.
    fn string(&mut self) -> Result<String, Wrong> {
        let start = self.at;
        let mut escaped = false;
        let end = self.rest().char_indices().skip(1).find_map(|(at, c)| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends.then_some(at + 1)
        });
        let length = end.unwrap_or(self.rest().len());
        let written = &self.text[start..start + length];
        match serde_json::from_str(written) {
            Ok(text) => {
                self.at += length;
                Ok(text)
            }
            Err(error) => Err(Wrong {
                span: Span::new(start, start + 1),
                message: format!("this text is not right: {}", error.to_string().split(" at line").next().unwrap_or_default()),
                expected: "JSON text in double quotes".to_owned(),
            }),
        }
    }

    /// A number, `true`, `false` or `null`.
    fn literal(&mut self) -> Result<String, Wrong> {
        let length = self.rest().find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c)).unwrap_or(self.rest().len());
        let written = &self.rest()[..length];
        if written.is_empty() || serde_json::from_str::<serde_json::Value>(written).is_err() {
            return Err(self.wrong("a JSON value"));
        }
        let text = written.to_owned();
        self.at += length;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Option<Node>, String) {
        let source = Source::new("t.json", text);
        let mut sink = Sink::new(&source);
        let node = parse(&source, &mut sink);
        (node, sink.finish().to_string())
    }

    #[test]
    fn tabs_escapes_and_places_are_those_of_json() {
        let text = "{\n\t\"ä\": [\"\\u00e9\\/\\ud83d\\ude00\", 1, null],\r\n\t\"b\": {}}\n";
        let (node, errors) = read(text);
        let node = node.expect(&errors);
        let Value::Seq(items) = &node.get("ä").unwrap().value else { panic!("{node:?}") };
        assert_eq!((items[0].text(), items[1].text(), items[2].is_null()), (Some("é/😀"), Some("1"), true));
        assert_eq!(&text[items[1].span.start..items[1].span.end], "1");
    }

    #[test]
    fn what_is_no_json_has_its_place() {
        for (text, says) in [
            ("{\"a\": 1,}", "t.json:1:9"),
            ("{\"a\": tru}", "`tru` does not belong here"),
            ("{\"a\": 1, \"a\": 2}", "is there twice"),
            ("[1, 2", "ends too early"),
            ("{\"a\": \"b", "this text is not right"),
            ("{} {}", "one JSON value a file"),
            (&"[".repeat(100_000), "deeper than 64"),
            (&format!("[{}1]", "1,".repeat(200_000)), "more than 100000 values"),
        ] {
            let (node, errors) = read(text);
            assert!(node.is_none() && errors.contains(says), "{says}: {errors}");
        }
    }
}
