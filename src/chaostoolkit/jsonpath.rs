//! JSON paths as Chaos Toolkit's tolerances write them: `$.a["b"][0]`, `[1:3]`, `[*]`, `..c`, and filters `[?(@.a = 1 and not @.b)]`, which
//! keep or drop the value that they stand behind (not its members).

use std::cmp::Ordering;

use serde_json::{Number, Value as Json};

/// How deep filters may nest.
const DEEPEST: usize = 32;
/// How many values a path may find.
const MOST_FOUND: usize = 100_000;

/// A path, read.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonPath {
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    /// Each of these, in order.
    Each(Vec<Pick>),
    /// The value and everything in it, outermost first.
    Descend,
}

#[derive(Debug, Clone, PartialEq)]
enum Pick {
    Key(String),
    Index(i64),
    Slice { start: Option<i64>, end: Option<i64>, step: Option<i64> },
    All,
    Keep(Test),
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    Any(Vec<Self>),
    Every(Vec<Self>),
    Not(Box<Self>),
    There(Side),
    Compare { left: Side, how: Compare, right: Side },
}

#[derive(Debug, Clone, PartialEq)]
enum Side {
    /// A path from the value (`@`) or from the root (`$`).
    Path {
        root: bool,
        path: JsonPath,
    },
    Value(Json),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compare {
    Same,
    Differs,
    Less,
    AtMost,
    More,
    AtLeast,
}

impl JsonPath {
    /// Reads a path.
    ///
    /// # Errors
    /// Words on what does not belong there.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut reader = Reader { rest: text, depth: 0 };
        if !reader.take("$") {
            return Err("a path begins with `$`".to_owned());
        }
        let path = reader.path()?;
        reader.blank();
        if reader.rest.is_empty() { Ok(path) } else { Err(reader.wrong()) }
    }

    /// The values that it finds, in order.
    pub fn find<'v>(&self, value: &'v Json) -> Vec<&'v Json> {
        self.from(value, value)
    }

    /// As a JSON pointer, when it finds one place at most and needs nothing else to say it.
    pub fn pointer(&self) -> Option<String> {
        let step = |step: &Step| match step {
            Step::Each(picks) => match picks.as_slice() {
                [Pick::Key(key)] => Some(format!("/{}", key.replace('~', "~0").replace('/', "~1"))),
                [Pick::Index(at @ 0..)] => Some(format!("/{at}")),
                _ => None,
            },
            Step::Descend => None,
        };
        self.steps.iter().map(step).collect::<Option<Vec<_>>>().map(|steps| steps.concat())
    }

    fn from<'v>(&self, root: &'v Json, value: &'v Json) -> Vec<&'v Json> {
        let mut found = vec![value];
        for step in &self.steps {
            let mut next = Vec::new();
            for value in found {
                match step {
                    Step::Descend => descend(value, &mut next),
                    Step::Each(picks) => picks.iter().for_each(|pick| pick.apply(root, value, &mut next)),
                }
                if next.len() > MOST_FOUND {
                    next.truncate(MOST_FOUND);
                    break;
                }
            }
            found = next;
        }
        found
    }
}

fn descend<'v>(value: &'v Json, out: &mut Vec<&'v Json>) {
    if out.len() > MOST_FOUND {
        return;
    }
    out.push(value);
    match value {
        Json::Array(items) => items.iter().for_each(|item| descend(item, out)),
        Json::Object(map) => map.values().for_each(|item| descend(item, out)),
        _ => {}
    }
}

impl Pick {
    fn apply<'v>(&self, root: &'v Json, value: &'v Json, out: &mut Vec<&'v Json>) {
        match (self, value) {
            (Self::Key(key), Json::Object(map)) => out.extend(map.get(key)),
            (Self::Index(at), Json::Array(items)) => out.extend(place(*at, items.len()).and_then(|at| items.get(at))),
            (Self::Slice { start, end, step }, Json::Array(items)) => slice(items, (*start, *end, *step), out),
            (Self::All, Json::Array(items)) => out.extend(items),
            (Self::All, Json::Object(map)) => out.extend(map.values()),
            (Self::Keep(test), _) if test.holds(root, value) => out.push(value),
            _ => {}
        }
    }
}

/// An index that may count from the end.
fn place(at: i64, length: usize) -> Option<usize> {
    let length = i64::try_from(length).ok()?;
    usize::try_from(if at < 0 { at.checked_add(length)? } else { at }).ok()
}

fn slice<'v>(items: &'v [Json], (start, end, step): (Option<i64>, Option<i64>, Option<i64>), out: &mut Vec<&'v Json>) {
    let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
    let step = step.unwrap_or(1);
    let bound = |at: i64, low: i64, high: i64| (if at < 0 { at.saturating_add(length) } else { at }).clamp(low, high);
    let (mut at, end) = match step.cmp(&0) {
        Ordering::Greater => (start.map_or(0, |s| bound(s, 0, length)), end.map_or(length, |e| bound(e, 0, length))),
        Ordering::Less => (start.map_or(length - 1, |s| bound(s, -1, length - 1)), end.map_or(-1, |e| bound(e, -1, length - 1))),
        Ordering::Equal => return,
    };
    while if step > 0 { at < end } else { at > end } {
        out.extend(usize::try_from(at).ok().and_then(|at| items.get(at)));
        at = at.saturating_add(step);
    }
}

impl Test {
    fn holds(&self, root: &Json, value: &Json) -> bool {
        match self {
            Self::Any(tests) => tests.iter().any(|test| test.holds(root, value)),
            Self::Every(tests) => tests.iter().all(|test| test.holds(root, value)),
            Self::Not(test) => !test.holds(root, value),
            Self::There(side) => !side.values(root, value).is_empty(),
            Self::Compare { left, how, right } => {
                let right = right.values(root, value);
                left.values(root, value).iter().any(|l| right.iter().any(|r| how.holds(l, r)))
            }
        }
    }
}

impl Side {
    fn values<'v>(&'v self, root: &'v Json, value: &'v Json) -> Vec<&'v Json> {
        match self {
            Self::Path { root: from_root, path } => path.from(root, if *from_root { root } else { value }),
            Self::Value(value) => vec![value],
        }
    }
}

impl Compare {
    fn holds(self, left: &Json, right: &Json) -> bool {
        let order = || match (left, right) {
            (Json::Number(l), Json::Number(r)) => l.as_f64().partial_cmp(&r.as_f64()),
            _ => None,
        };
        match self {
            Self::Same => same(left, right),
            Self::Differs => !same(left, right),
            Self::Less => order() == Some(Ordering::Less),
            Self::AtMost => matches!(order(), Some(Ordering::Less | Ordering::Equal)),
            Self::More => order() == Some(Ordering::Greater),
            Self::AtLeast => matches!(order(), Some(Ordering::Greater | Ordering::Equal)),
        }
    }
}

/// Whether two values are the same: `1` and `1.0` are, and, as in Python, so are `1` and `true`.
pub fn same(a: &Json, b: &Json) -> bool {
    let number = |value: &Json| match value {
        Json::Bool(yes) => Some(Number::from(u8::from(*yes))),
        Json::Number(number) => Some(number.clone()),
        _ => None,
    };
    match (a, b) {
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Json::Object(a), Json::Object(b)) => a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b))),
        _ => match (number(a), number(b)) {
            (Some(a), Some(b)) => a == b || a.as_f64() == b.as_f64(),
            _ => a == b,
        },
    }
}

struct Reader<'t> {
    rest: &'t str,
    depth: usize,
}

impl Reader<'_> {
    fn blank(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, word: &str) -> bool {
        self.blank();
        match self.rest.strip_prefix(word) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn need(&mut self, word: &str) -> Result<(), String> {
        if self.take(word) { Ok(()) } else { Err(format!("{}, where `{word}` was expected", self.wrong())) }
    }

    fn wrong(&self) -> String {
        let word: String = self.rest.chars().take(12).collect();
        if word.is_empty() { "it ends too early".to_owned() } else { format!("`{word}` does not belong there") }
    }

    /// A word of letters: a name, `and`.
    fn word(&mut self) -> Option<String> {
        self.blank();
        let length = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(length);
        if word.is_empty() || word.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        self.rest = rest;
        Some(word.to_owned())
    }

    fn path(&mut self) -> Result<JsonPath, String> {
        let mut steps = Vec::new();
        loop {
            if self.take("..") {
                steps.push(Step::Descend);
                steps.push(if self.take("[") { self.picks()? } else { self.named()? });
            } else if self.take(".") {
                steps.push(self.named()?);
            } else if self.take("[") {
                steps.push(self.picks()?);
            } else {
                return Ok(JsonPath { steps });
            }
        }
    }

    /// Behind a point.
    fn named(&mut self) -> Result<Step, String> {
        if self.take("*") {
            return Ok(Step::Each(vec![Pick::All]));
        }
        let name = self.word().ok_or_else(|| format!("{}: a name was expected; others are written `[\"a-b\"]`", self.wrong()))?;
        if self.rest.starts_with('(') {
            return Err(format!("functions like `{name}()` are not carried"));
        }
        Ok(Step::Each(vec![Pick::Key(name)]))
    }

    /// Behind `[`, to the end of it.
    fn picks(&mut self) -> Result<Step, String> {
        let mut picks = vec![self.pick()?];
        while self.take(",") {
            picks.push(self.pick()?);
        }
        self.need("]")?;
        Ok(Step::Each(picks))
    }

    fn pick(&mut self) -> Result<Pick, String> {
        if self.take("*") {
            return Ok(Pick::All);
        }
        if self.take("?") {
            self.need("(")?;
            let test = self.any()?;
            self.need(")")?;
            return Ok(Pick::Keep(test));
        }
        if self.rest.starts_with('"') {
            return Ok(Pick::Key(self.text()?));
        }
        let start = self.integer()?;
        if !self.take(":") {
            return start.map(Pick::Index).ok_or_else(|| self.wrong());
        }
        let end = self.integer()?;
        let step = if self.take(":") { self.integer()? } else { None };
        Ok(Pick::Slice { start, end, step })
    }

    fn integer(&mut self) -> Result<Option<i64>, String> {
        self.blank();
        let length = self.rest.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(length);
        if digits.is_empty() {
            return Ok(None);
        }
        let number = digits.parse().map_err(|_| format!("`{digits}` is no place in a list"))?;
        self.rest = rest;
        Ok(Some(number))
    }

    fn text(&mut self) -> Result<String, String> {
        let mut stream = serde_json::Deserializer::from_str(self.rest).into_iter::<Json>();
        match stream.next() {
            Some(Ok(Json::String(text))) => {
                self.rest = &self.rest[stream.byte_offset()..];
                Ok(text)
            }
            _ => Err(self.wrong()),
        }
    }

    fn any(&mut self) -> Result<Test, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("its filters nest deeper than {DEEPEST} levels"));
        }
        let mut tests = vec![self.every()?];
        while self.keyword("or") {
            tests.push(self.every()?);
        }
        self.depth -= 1;
        Ok(if tests.len() == 1 { tests.remove(0) } else { Test::Any(tests) })
    }

    fn every(&mut self) -> Result<Test, String> {
        let mut tests = vec![self.one()?];
        while self.keyword("and") {
            tests.push(self.one()?);
        }
        Ok(if tests.len() == 1 { tests.remove(0) } else { Test::Every(tests) })
    }

    fn keyword(&mut self, word: &str) -> bool {
        let before = self.rest;
        if self.word().as_deref() == Some(word) {
            return true;
        }
        self.rest = before;
        false
    }

    fn one(&mut self) -> Result<Test, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("its filters nest deeper than {DEEPEST} levels"));
        }
        let test = if self.keyword("not") {
            Test::Not(Box::new(self.one()?))
        } else if self.take("(") {
            let test = self.any()?;
            self.need(")")?;
            test
        } else {
            let left = self.side()?;
            let how = [
                ("!=", Compare::Differs),
                ("<=", Compare::AtMost),
                (">=", Compare::AtLeast),
                ("=", Compare::Same),
                ("<", Compare::Less),
                (">", Compare::More),
            ]
            .into_iter()
            .find_map(|(word, how)| self.take(word).then_some(how));
            match how {
                Some(how) => Test::Compare { left, how, right: self.side()? },
                None => Test::There(left),
            }
        };
        self.depth -= 1;
        Ok(test)
    }

    fn side(&mut self) -> Result<Side, String> {
        for (word, root) in [("@", false), ("$", true)] {
            if self.take(word) {
                return Ok(Side::Path { root, path: self.path()? });
            }
        }
        self.blank();
        // A number or a word ends where it ends: the stream below would want more than `)` behind it.
        let length = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c)).unwrap_or(self.rest.len());
        if length > 0 {
            let (word, rest) = self.rest.split_at(length);
            let value = serde_json::from_str(word).map_err(|_| self.wrong())?;
            self.rest = rest;
            return Ok(Side::Value(value));
        }
        let mut stream = serde_json::Deserializer::from_str(self.rest).into_iter::<Json>();
        match stream.next() {
            Some(Ok(value)) => {
                self.rest = &self.rest[stream.byte_offset()..];
                Ok(Side::Value(value))
            }
            _ => Err(self.wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_find_what_the_original_finds() {
        let value = json!({ "a": { "b": [1, 2, { "c": 3, "d": "x" }], "c": 4 }, "s": "t" });
        for (path, found) in [
            ("$", json!([value])),
            ("$.a.b[*]", json!([1, 2, { "c": 3, "d": "x" }])),
            ("$.a.b[-1].d", json!(["x"])),
            ("$.a.b[0:2]", json!([1, 2])),
            ("$.a.b[::2]", json!([1, { "c": 3, "d": "x" }])),
            ("$.a.b[::-1]", json!([{ "c": 3, "d": "x" }, 2, 1])),
            ("$.a.b[1,0]", json!([2, 1])),
            ("$.a.b[5]", json!([])),
            ("$[\"a\"][\"c\"]", json!([4])),
            ("$.a.b[?(@.c = 3)]", json!([])),
            ("$.a.b[*][?(@.c = 3 and @.d = \"x\")].d", json!(["x"])),
            ("$.a.b[*][?(@.c > 3 or not @.c)]", json!([1, 2])),
            ("$.a[?($.s = \"t\")].c", json!([4])),
            ("$.zzz", json!([])),
        ] {
            let found_now: Vec<Json> = JsonPath::parse(path).unwrap().find(&value).into_iter().cloned().collect();
            assert_eq!(Json::Array(found_now), found, "{path}");
        }
    }

    #[test]
    fn what_is_no_path_is_said() {
        for path in ["a.b", "$['a']", "$.a-b", "$.a.b.length()", "$.a[", "$[?(@.a == 1)]", "$[?(@.a in [1])]", ""] {
            assert!(JsonPath::parse(path).is_err(), "{path}");
        }
        assert!(JsonPath::parse(&format!("$[?({}1)]", "not ".repeat(100_000))).unwrap_err().contains("deeper"));
        assert!(JsonPath::parse(&format!("$[?({}1)]", "(".repeat(100_000))).unwrap_err().contains("deeper"));
    }

    #[test]
    fn values_are_compared_as_python_does() {
        assert!(same(&json!(1), &json!(1.0)) && same(&json!(1), &json!(true)) && same(&json!([1]), &json!([1.0])));
        assert!(!same(&json!("1"), &json!(1)) && !same(&json!({}), &json!([])));
    }
}
