//! `${name}` in files: values from the environment and the command line, put in before anything is read.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    diagnostic::Sink,
    escape::quote,
    source::Span,
    suggest::{listed, nearest},
    yaml::{Node, Value},
};
use crate::model::template::{Piece, escape, pieces};

/// The most bytes that a text may grow to.
const LONGEST: usize = 64 * 1024;

/// Values by name, none of which refers to another any more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vars {
    values: BTreeMap<String, String>,
}

/// Names that are not filled in with a file's variables, but by somebody else, later.
#[derive(Debug, Clone, Copy)]
pub enum Later<'a> {
    /// None.
    Nothing,
    /// The placeholders of a system's commands, which the platform fills in when it starts a process.
    Placeholders(&'a [&'a str]),
    /// What is known only while a journey runs: these texts stay templates (`model::template`).
    RunTime(&'a [&'a str]),
    /// As `RunTime`, at a place where such a name cannot be used.
    NotHere(&'a [&'a str]),
    /// The fields of a message, which are known when it is sent: these texts stay templates, too.
    Message(&'a [&'a str]),
}

impl<'a> Later<'a> {
    fn names(self) -> &'a [&'a str] {
        match self {
            Self::Nothing => &[],
            Self::Placeholders(names) | Self::RunTime(names) | Self::NotHere(names) | Self::Message(names) => names,
        }
    }
}

/// Why values cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadVar {
    /// The variable whose value is at fault.
    pub name: String,
    /// What is wrong.
    pub problem: String,
    /// The nearest name, for one that is not there.
    pub nearest: Option<String>,
}

impl Vars {
    /// Values that may refer to each other.
    pub fn resolve(raw: &BTreeMap<String, String>) -> (Self, Vec<BadVar>) {
        let mut done = Self::default();
        let mut bad = Vec::new();
        for name in raw.keys() {
            if let Err(error) = resolve_one(name, raw, &mut done, &mut Vec::new())
                && !bad.contains(&error)
            {
                bad.push(error);
            }
        }
        (done, bad)
    }

    /// A value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// The values by name.
    pub fn values(&self) -> &BTreeMap<String, String> {
        &self.values
    }

    /// Puts the values into every scalar of a tree. The names in `later` are left as they are written, for somebody else
    /// to fill in. `$${` becomes `${`, but for texts that stay templates.
    pub fn fill(&self, node: &mut Node, later: Later<'_>, sink: &mut Sink) {
        let span = node.span;
        match &mut node.value {
            Value::Scalar(scalar) => {
                if scalar.text.contains("${") {
                    scalar.text = self.fill_text(&scalar.text, span, later, sink);
                }
            }
            Value::Seq(items) => items.iter_mut().for_each(|item| self.fill(item, later, sink)),
            Value::Map(entries) => entries.iter_mut().for_each(|e| self.fill(&mut e.value, later, sink)),
        }
    }

    fn fill_text(&self, text: &str, span: Span, later: Later<'_>, sink: &mut Sink) -> String {
        let mut out = String::new();
        let mut told = BTreeSet::new();
        let template = matches!(later, Later::RunTime(_) | Later::Message(_));
        for piece in pieces(text) {
            match piece {
                Piece::Text(text) if template => out.push_str(&escape(text)),
                Piece::Text(text) => out.push_str(text),
                Piece::Var(name) if later.names().contains(&name) => {
                    if matches!(later, Later::NotHere(_)) && told.insert(name.to_owned()) {
                        let says = format!(
                            "the variable {} has no value here: it is known only while the probe runs",
                            quote(&format!("${{{name}}}"))
                        );
                        sink.error(place(sink, span, name), says)
                            .expected("a text that is the same for all users; or `contains` for a body");
                    }
                    out.push_str("${");
                    out.push_str(name);
                    out.push('}');
                }
                Piece::Var(name) => match self.get(name) {
                    Some(value) if template => out.push_str(&escape(value)),
                    Some(value) => out.push_str(value),
                    None if told.insert(name.to_owned()) => self.report_unknown(name, later, place(sink, span, name), sink),
                    None => {}
                },
                Piece::Open => {
                    sink.error(place(sink, span, ""), "`${` without `}`").expected("`${name}`; a literal `${` is written `$${`");
                }
            }
            if out.len() > LONGEST {
                sink.error(span, "the text is longer than 64 KiB when its variables are put in").expected("shorter values");
                return String::new();
            }
        }
        out
    }

    fn report_unknown(&self, name: &str, later: Later<'_>, span: Span, sink: &mut Sink) {
        // Placeholders are written with a point (`instance.port`), which is how it is seen that one was meant.
        let placeholder = matches!(later, Later::Placeholders(_)) && name.contains('.');
        let known = if placeholder {
            format!("a placeholder: {}", listed(later.names().iter().copied(), "or"))
        } else {
            // A file with placeholders is a system's, which has variables of its own.
            let own = if matches!(later, Later::Placeholders(_)) { "this file's `vars`, the" } else { "the" };
            let givers = format!("a variable that {own} environment's `vars` or `--var name=value` gives");
            let given = if self.values.is_empty() {
                format!("{givers}; there are none")
            } else {
                format!("{givers}: {}", listed(self.names(), "or"))
            };
            match later {
                Later::RunTime(names) => format!("a value of the probe's own: {}; or {given}", listed(names.iter().copied(), "or")),
                Later::Message(names) => format!("a field of the message: {}; or {given}", listed(names.iter().copied(), "or")),
                _ => given,
            }
        };
        let near = nearest(name, self.names().chain(later.names().iter().copied())).map(|n| format!("${{{n}}}"));
        let shown = quote(&format!("${{{name}}}"));
        let says = if placeholder { format!("there is no placeholder {shown}") } else { format!("the variable {shown} has no value") };
        sink.error(span, says).expected(known).nearest(near.as_deref());
    }
}

/// The place of `${name}` inside a scalar, as written.
fn place(sink: &Sink, span: Span, name: &str) -> Span {
    let written = sink.source().text.get(span.start..span.end).unwrap_or("");
    let at = written.match_indices("${").find(|(at, _)| written[at + 2..].trim_start().starts_with(name)).map(|(at, _)| at);
    let Some(at) = at else { return span };
    let end = written[at..].find('}').map_or(at + 2, |end| at + end + 1);
    Span::new(span.start + at, span.start + end)
}

fn resolve_one(name: &str, raw: &BTreeMap<String, String>, done: &mut Vars, path: &mut Vec<String>) -> Result<String, BadVar> {
    if let Some(value) = done.values.get(name) {
        return Ok(value.clone());
    }
    if let Some(start) = path.iter().position(|n| n == name) {
        let mut circle = path[start..].to_vec();
        // The same circle, wherever it was entered.
        let first = circle.iter().enumerate().min_by_key(|(_, n)| (*n).clone()).map_or(0, |(at, _)| at);
        circle.rotate_left(first);
        let turn = circle.iter().chain(circle.first()).map(|n| format!("`${{{n}}}`")).collect::<Vec<_>>().join(" → ");
        return Err(BadVar {
            name: circle[0].clone(),
            problem: format!("variables refer to each other in a circle: {turn}"),
            nearest: None,
        });
    }
    if path.len() > 64 {
        return Err(BadVar {
            name: name.to_owned(),
            problem: "variables refer to each other more than 64 levels deep".to_owned(),
            nearest: None,
        });
    }
    let Some(text) = raw.get(name) else {
        let from = path.last().cloned().unwrap_or_default();
        let near = nearest(name, raw.keys().map(String::as_str)).map(|n| format!("${{{n}}}"));
        return Err(BadVar { name: from, problem: format!("the variable {} has no value", quote(&format!("${{{name}}}"))), nearest: near });
    };
    path.push(name.to_owned());
    let mut out = String::new();
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Var(other) => out.push_str(&resolve_one(other, raw, done, path)?),
            Piece::Open => {
                return Err(BadVar { name: name.to_owned(), problem: "`${` without `}`".to_owned(), nearest: None });
            }
        }
        if out.len() > LONGEST {
            let problem = "the value is longer than 64 KiB when its variables are put in".to_owned();
            return Err(BadVar { name: name.to_owned(), problem, nearest: None });
        }
    }
    path.pop();
    done.values.insert(name.to_owned(), out.clone());
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::{Source, yaml};

    fn vars(pairs: &[(&str, &str)]) -> (Vars, Vec<BadVar>) {
        Vars::resolve(&pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn variables_may_refer_to_variables() {
        let (vars, bad) = vars(&[("url", "http://${host}:${port}"), ("host", "127.0.0.1"), ("port", "80"), ("raw", "$${x}")]);
        assert_eq!(bad, []);
        assert_eq!((vars.get("url"), vars.get("raw")), (Some("http://127.0.0.1:80"), Some("${x}")));
    }

    #[test]
    fn circles_and_bombs_are_told_once() {
        let (_, bad) = vars(&[("a", "${b}"), ("b", "${c}"), ("c", "${a}")]);
        assert_eq!(bad.len(), 1);
        assert!(bad[0].problem.contains("`${a}` → `${b}` → `${c}` → `${a}`"), "{bad:?}");
        let bomb: Vec<(String, String)> = (0..40).map(|n| (format!("v{n}"), format!("${{v{0}}}${{v{0}}}", n + 1))).collect();
        let mut raw: BTreeMap<String, String> = bomb.into_iter().collect();
        raw.insert("v40".to_owned(), "xx".to_owned());
        assert!(!Vars::resolve(&raw).1.is_empty());
    }

    #[test]
    fn unknown_variables_are_shown_at_their_place() {
        let source = Source::new("t.yaml", "a: x ${prot} $${kept} ${later.on}\n");
        let mut sink = Sink::new(&source);
        let mut node = yaml::parse(&source, &mut sink).unwrap();
        let (vars, _) = vars(&[("port", "1")]);
        vars.fill(&mut node, Later::Placeholders(&["later.on"]), &mut sink);
        assert_eq!(node.get("a").unwrap().text(), Some("x  ${kept} ${later.on}"));
        let text = sink.finish().to_string();
        assert!(text.contains("t.yaml:1:6") && text.contains("did you mean `${port}`?"), "{text}");
    }

    #[test]
    fn what_is_known_at_run_time_stays_a_template() {
        let source = Source::new("t.yaml", "a: ${port} $${kept} ${unique} ${odd}\nb: ${unique}\nc: ${uniqu}\n");
        let mut sink = Sink::new(&source);
        let mut node = yaml::parse(&source, &mut sink).unwrap();
        let (vars, _) = vars(&[("port", "1"), ("odd", "$${x}")]);
        let Value::Map(entries) = &mut node.value else { panic!() };
        vars.fill(&mut entries[0].value, Later::RunTime(&["unique"]), &mut sink);
        assert_eq!(entries[0].value.text(), Some("1 $${kept} ${unique} $${x}"));
        vars.fill(&mut entries[1].value, Later::NotHere(&["unique"]), &mut sink);
        vars.fill(&mut entries[2].value, Later::RunTime(&["unique"]), &mut sink);
        let text = sink.finish().to_string();
        assert!(text.contains("known only while the probe runs") && text.contains("did you mean `${unique}`?"), "{text}");
    }
}
