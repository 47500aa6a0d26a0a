//! The folders of `src` are layers: each imports only from lower ones. This reads the source, so that the rule holds without
//! anybody remembering it. Code of unit tests obeys too.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The lowest layer first. Modules of one layer do not import from each other.
const LAYERS: &[&[&str]] = &[
    &["model"],
    &["schedule"],
    &["file", "plan", "journal", "measure", "balancer", "sample_app", "lock"],
    &["platform", "probe", "gameday"],
    &["engine", "notify"],
    &["report", "history", "chaostoolkit"],
    &["daemon"],
    &["cli"],
];

/// May be used by every layer above the model, and by each other; import from the model only.
const FOUNDATIONS: &[&str] = &["event", "clock", "state_dir", "failpoint", "redact"];

/// Only declare what there is and call `cli`.
const ROOTS: &[&str] = &["lib", "main"];

/// The most lines of a file.
const MOST_LINES: usize = 500;

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|modules| modules.contains(&module))
}

fn allowed(from: &str, to: &str) -> bool {
    if from == to {
        return true;
    }
    if FOUNDATIONS.contains(&from) {
        return to == "model" || FOUNDATIONS.contains(&to);
    }
    if FOUNDATIONS.contains(&to) {
        return layer(from) > Some(0);
    }
    matches!((layer(from), layer(to)), (Some(from), Some(to)) if to < from)
}

/// A place where a module of the crate is named.
#[derive(Debug, PartialEq, Eq)]
struct Use {
    line: usize,
    module: String,
}

/// The modules of the crate that a text names, as `crate::module` or in a group `crate::{module, ...}`.
fn uses(text: &str) -> Vec<Use> {
    let code = code_only(text);
    let mut out = Vec::new();
    for (at, word) in code.match_indices("crate::") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &code[at + word.len()..];
        let mut add = |offset: usize| {
            let whole = at + word.len() + offset;
            let module: String = code[whole..].trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let start = whole + (code[whole..].len() - code[whole..].trim_start().len());
            out.push(Use { line: code[..start].matches('\n').count() + 1, module });
        };
        if !rest.starts_with('{') {
            add(0);
            continue;
        }
        let mut depth = 0;
        for (offset, c) in rest.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            match (c, depth) {
                ('{', 1) => add(offset + 1),
                // A comma before the closing brace begins nothing.
                (',', 1) if !rest[offset + 1..].trim_start().starts_with('}') => add(offset + 1),
                (_, 0) => break,
                _ => {}
            }
        }
    }
    out
}

/// The text with comments and literals blanked out, so that words in them are not taken for code; lines stay where they are.
fn code_only(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skipped = skipped(rest, out.chars().next_back());
        if skipped == 0 {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            out.extend(rest[..skipped].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = &rest[skipped..];
        }
    }
    out
}

/// The length of the comment or literal that begins here; 0 when code does. `before` is the character before it.
fn skipped(rest: &str, before: Option<char>) -> usize {
    let after = |pattern: &str, from: usize| rest[from..].find(pattern).map_or(rest.len(), |at| from + at + pattern.len());
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return after("*/", 2);
    }
    if rest.starts_with('"') {
        let mut escaped = false;
        let end = rest.char_indices().skip(1).find(|(_, c)| {
            let ends = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            ends
        });
        return end.map_or(rest.len(), |(at, _)| at + 1);
    }
    if rest.starts_with('r') && !before.is_some_and(|c| c.is_alphanumeric() && c != 'b') {
        let hashes = rest[1..].chars().take_while(|c| *c == '#').count();
        if rest[1 + hashes..].starts_with('"') {
            return after(&format!("\"{}", "#".repeat(hashes)), 2 + hashes);
        }
    }
    // A quote is a literal (`'"'`, `'\''`), not a lifetime, when another one closes it.
    if let Some(quoted) = rest.strip_prefix('\'') {
        if quoted.starts_with('\\') {
            return after("'", 3);
        }
        let mut chars = quoted.chars();
        if let (Some(c), Some('\'')) = (chars.next(), chars.next()) {
            return 2 + c.len_utf8();
        }
    }
    0
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file, with its path below `src` and its text.
fn files() -> Vec<(PathBuf, String)> {
    let mut folders = vec![source()];
    let mut out = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                out.push((path.strip_prefix(source()).unwrap().to_owned(), text));
            }
        }
    }
    out.sort();
    assert!(out.len() > 50, "only {} files were found", out.len());
    out
}

/// The module of the crate that a file below `src` belongs to.
fn module(path: &Path) -> String {
    let first = path.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

fn faults(path: &Path, text: &str) -> Vec<String> {
    let from = module(path);
    let shown = format!("src/{}", path.display());
    let mut out = Vec::new();
    for Use { line, module: to } in uses(text) {
        if to.is_empty() {
            out.push(format!("{shown}:{line}: `crate::` must name a module, so that the edge can be seen"));
        } else if !allowed(&from, &to) {
            out.push(format!("{shown}:{line}: {from} → {to}: `{from}` may import from lower layers only, and `{to}` is not below it"));
        }
    }
    // `super` that leaves the module would be an edge that is not written as one.
    let code = code_only(text);
    let top = code.find("\nmod ").map_or(code.as_str(), |at| &code[..at]);
    let single = path.components().count() == 1 || path.ends_with("mod.rs") && path.components().count() == 2;
    let leaves = [("super::super::", code.as_str()), ("super::", if single { top } else { "" })];
    for (chain, code) in leaves {
        for (at, _) in code.match_indices(chain) {
            let line = code[..at].matches('\n').count() + 1;
            out.push(format!("{shown}:{line}: `{chain}` may leave the module: write `crate::…`"));
        }
    }
    out
}

#[test]
fn each_module_imports_from_lower_layers_only() {
    let faults: Vec<String> =
        files().iter().filter(|(path, _)| !ROOTS.contains(&module(path).as_str())).flat_map(|(path, text)| faults(path, text)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_module_has_its_layer() {
    let found: BTreeSet<String> = files().iter().map(|(path, _)| module(path)).collect();
    let known: BTreeSet<String> = LAYERS.iter().copied().flatten().chain(FOUNDATIONS).chain(ROOTS).map(|m| (*m).to_owned()).collect();
    let new: Vec<&String> = found.difference(&known).collect();
    assert!(new.is_empty(), "in src, but in no layer of tests/it/layers.rs: {new:?}");
    let gone: Vec<&String> = known.difference(&found).collect();
    assert!(gone.is_empty(), "in a layer of tests/it/layers.rs, but not in src: {gone:?}");
}

#[test]
fn no_file_is_too_long() {
    let long: Vec<String> = files()
        .iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > MOST_LINES)
        .map(|(path, lines)| format!("src/{}: {lines} lines, at most {MOST_LINES}", path.display()))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn edges_upwards_and_sideways_are_found_wherever_they_are_written() {
    let found = |path: &str, text: &str| faults(Path::new(path), text);
    assert_eq!(found("plan/draw.rs", "use crate::{\n    clock,\n    model::{ids::Zone, plan::Plan},\n};\n"), [""; 0]);
    for (path, text, edge) in [
        ("plan/draw.rs", "use crate::engine::run;\n", "src/plan/draw.rs:1: plan → engine"),
        (
            "plan/draw.rs",
            "use crate::{\n    model::{\n        ids::Zone,\n    },\n    file::load,\n};\n",
            "src/plan/draw.rs:5: plan → file",
        ),
        ("plan/draw.rs", "fn f() {\n    crate::report::x();\n}\n", "src/plan/draw.rs:2: plan → report"),
        ("model/ids.rs", "use crate::clock;\n", "src/model/ids.rs:1: model → clock"),
        ("clock.rs", "use crate::file;\n", "src/clock.rs:1: clock → file"),
        ("report/html/mod.rs", "#[cfg(test)]\nmod tests {\n    use crate::cli;\n}\n", "src/report/html/mod.rs:3: report → cli"),
        ("plan/draw.rs", "let c = '\"'; crate::cli::x(); let d = \"\";\n", "src/plan/draw.rs:1: plan → cli"),
        ("plan/draw.rs", "use crate::*;\n", "src/plan/draw.rs:1: `crate::` must name a module"),
        ("plan/a/b.rs", "use super::super::super::engine;\n", "src/plan/a/b.rs:1: `super::super::`"),
        ("plan/mod.rs", "use super::engine;\n", "src/plan/mod.rs:1: `super::`"),
    ] {
        let faults = found(path, text);
        assert!(faults.iter().any(|f| f.starts_with(edge)), "{text}: {faults:?}");
    }
    for text in [
        "//! Used by [`crate::engine`].\n",
        "/* crate::cli */\n",
        "const A: &str = \"\\\" crate::cli\";\n",
        "const A: &str = r#\"\" crate::cli\"#;\n",
        "fn f<'a>(a: &'a str) {}\nuse crate::clock;\n",
        "use my_crate::cli;\n",
        "use super::refusal::Refusal;\n",
    ] {
        assert_eq!(found("plan/draw.rs", text), [""; 0], "{text}");
    }
}
