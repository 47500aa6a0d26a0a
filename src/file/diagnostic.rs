//! Diagnostics: what is wrong, where, what was expected, and what may have been meant.

use std::{fmt, sync::Arc};

use serde_json::{Value as Json, json};

use super::source::{Place, Source, Span};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// It can, but somebody should look.
    Warning,
}

impl Severity {
    /// The word in messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One thing to say about a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What was found, in one line.
    pub message: String,
    /// Where.
    pub place: Option<Place>,
    /// The file's name, when there is no place in it (it could not be read).
    pub file: Option<String>,
    /// What would have been right.
    pub expected: Option<String>,
    /// The nearest valid name.
    pub nearest: Option<String>,
    /// More to know, each perhaps with a place of its own.
    pub notes: Vec<Note>,
}

/// A further remark.
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    /// The remark.
    pub text: String,
    /// Where, if anywhere.
    pub place: Option<Place>,
}

impl Diagnostic {
    /// An error without a place.
    pub fn error(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            place: None,
            file: None,
            expected: None,
            nearest: None,
            notes: Vec::new(),
        }
    }

    /// Says what would have been right.
    pub fn expected(&mut self, text: impl Into<String>) -> &mut Self {
        self.expected = Some(text.into());
        self
    }

    /// Says the nearest valid name, if there is one.
    pub fn nearest(&mut self, name: Option<&str>) -> &mut Self {
        self.nearest = name.map(str::to_owned);
        self
    }

    /// Adds a remark.
    pub fn note(&mut self, text: impl Into<String>) -> &mut Self {
        self.notes.push(Note { text: text.into(), place: None });
        self
    }

    /// Adds a remark about another place of the same file.
    pub fn note_at(&mut self, span: Span, text: impl Into<String>) -> &mut Self {
        let place = self.place.as_ref().map(|p| Place { source: Arc::clone(&p.source), span });
        self.notes.push(Note { text: text.into(), place });
        self
    }

    /// As JSON.
    pub fn json(&self) -> Json {
        let mut out = json!({ "severity": self.severity.word(), "message": self.message });
        if let Some(place) = &self.place {
            add_place(&mut out, place);
        } else if let Some(file) = &self.file {
            out["file"] = json!(file);
        }
        if let Some(expected) = &self.expected {
            out["expected"] = json!(expected);
        }
        if let Some(nearest) = &self.nearest {
            out["nearest"] = json!(nearest);
        }
        if !self.notes.is_empty() {
            let notes = self.notes.iter().map(|note| {
                let mut out = json!({ "text": note.text });
                if let Some(place) = &note.place {
                    add_place(&mut out, place);
                }
                out
            });
            out["notes"] = notes.collect();
        }
        out
    }
}

fn add_place(out: &mut Json, place: &Place) {
    let (line, column) = place.source.line_column(place.span.start);
    let (end_line, end_column) = place.source.line_column(place.span.end);
    out["file"] = json!(place.source.name);
    out["line"] = json!(line);
    out["column"] = json!(column);
    out["end-line"] = json!(end_line);
    out["end-column"] = json!(end_column);
}

/// All that is to be said, in the order of the places.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// The diagnostics in the order of their places.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether one of them is an error.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|d| d.severity == Severity::Error)
    }

    /// Adds others.
    pub fn extend(&mut self, others: Self) {
        self.list.extend(others.list);
        self.sort();
    }

    /// As JSON: a list.
    pub fn json(&self) -> Json {
        self.list.iter().map(Diagnostic::json).collect()
    }

    /// As text, with colour where `colour`.
    pub fn text(&self, colour: bool) -> String {
        super::render::text(self, colour)
    }

    fn sort(&mut self) {
        self.list.sort_by(|a, b| {
            let key = |d: &Diagnostic| d.place.as_ref().map(|p| (p.source.name.clone(), p.span.start));
            key(a).cmp(&key(b)).then(a.severity.cmp(&b.severity))
        });
        self.list.dedup();
    }
}

impl From<Vec<Diagnostic>> for Diagnostics {
    fn from(list: Vec<Diagnostic>) -> Self {
        let mut out = Self { list };
        out.sort();
        out
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(false))
    }
}

impl std::error::Error for Diagnostics {}

/// Collects what is wrong with one source, so that reading goes on after an error.
#[derive(Debug)]
pub struct Sink {
    source: Arc<Source>,
    list: Vec<Diagnostic>,
}

impl Sink {
    /// An empty one.
    pub fn new(source: &Arc<Source>) -> Self {
        Self { source: Arc::clone(source), list: Vec::new() }
    }

    /// The source it is about.
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// Adds an error; what is returned takes the expectation, the nearest name and notes.
    pub fn error(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.push(span, Severity::Error, message.into())
    }

    /// Adds a warning.
    pub fn warning(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.push(span, Severity::Warning, message.into())
    }

    fn push(&mut self, span: Span, severity: Severity, message: String) -> &mut Diagnostic {
        let mut diagnostic = Diagnostic::error(message);
        diagnostic.severity = severity;
        diagnostic.place = Some(Place { source: Arc::clone(&self.source), span });
        let at = self.list.len();
        self.list.push(diagnostic);
        &mut self.list[at]
    }

    /// Whether an error was added.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|d| d.severity == Severity::Error)
    }

    /// How many there are so far: to notice whether a part added some.
    pub fn count(&self) -> usize {
        self.list.len()
    }

    /// Everything, sorted.
    pub fn finish(self) -> Diagnostics {
        self.list.into()
    }
}
