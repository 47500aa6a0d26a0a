//! The steps of a journey.

use std::collections::BTreeMap;

use super::{
    http::{self, EXPECT},
    journey::{cookie_name, think},
    probes::{SERVICE_KEY, service},
    selector::regex,
    url,
};
use crate::{
    file::{
        Span,
        diagnostic::Sink,
        escape::quote,
        hidden,
        read::{self, Fields},
        suggest::listed,
        table::{Kind, Table, key, must},
        yaml::{Node, Value},
    },
    model::{
        journey::{Capture, GIVEN, JourneyStep, Repeat, StepBody},
        probe::Text,
        template::{self, Piece},
    },
};

/// The keys of a step.
pub static STEP: Table = Table::new(
    "a step",
    &[
        must("name", Kind::Text, "its name, by which reports show it"),
        key("get", Kind::Text, "the URL that is got"),
        key("head", Kind::Text, "the URL whose head is got"),
        key("post", Kind::Text, "the URL that is posted to"),
        key("put", Kind::Text, "the URL that is put"),
        key("patch", Kind::Text, "the URL that is patched"),
        key("delete", Kind::Text, "the URL that is deleted"),
        key("headers", Kind::Map(&Kind::Secret), "headers by name; secrets as `{ env: NAME }` or `{ file: PATH }`"),
        key("form", Kind::Map(&Kind::Secret), "the body as the fields of a form; secrets as `{ env: NAME }` or `{ file: PATH }`"),
        key("json", Kind::Any, "the body as JSON"),
        key("body", Kind::Secret, "the body as it is"),
        key(
            "expect",
            Kind::Table(&EXPECT),
            "what an answer must be; any status from 200 to 299 when left out. Redirections are not followed",
        ),
        key("capture", Kind::Map(&Kind::Table(&CAPTURE)), "values of the answer by the name that later steps use: `${name}`"),
        key("think", Kind::Duration, "the time after this step, in place of the journey's"),
        key("otherwise", Kind::Words(&["state-lost"]), "an answer that is not as expected says that the session is gone"),
        key("log-in", Kind::Bool, "`true` for the step that logs the user in: done again after a loss, it is a forced log-in"),
        key(
            "repeat",
            Kind::Either(&[Kind::Integer, Kind::Words(&["always"])]),
            "how often it is done; `always` on the last step: the user stays until the run ends",
        ),
        SERVICE_KEY,
    ],
)
.one_of(&METHODS);

/// Methods as keys.
const METHODS: [&str; 6] = ["get", "head", "post", "put", "patch", "delete"];
/// More are a program, not a journey.
const MOST_STEPS: usize = 100;
/// Values of one step.
const MOST_CAPTURES: usize = 16;
const MOST_REPEATS: u64 = 100_000;

static CAPTURE: Table = Table::new(
    "a captured value",
    &[
        key("header", Kind::Text, "the value of this response header"),
        key("cookie", Kind::Text, "the value of this cookie"),
        key("json", Kind::Text, "the text or number at this JSON pointer of the body, like `/id`"),
        key("matches", Kind::Text, "what the one group of this regular expression matches in the body, like `token=([a-z]+)`"),
    ],
)
.one_of(&["header", "cookie", "json", "matches"]);

/// The steps, and the place of the `repeat` that has no end (or of the list).
pub fn steps(node: &Node, sink: &mut Sink) -> Option<(Vec<JourneyStep>, Span)> {
    let items = read::list(node, "steps", sink)?;
    if items.is_empty() || items.len() > MOST_STEPS {
        sink.error(read::head(node), format!("a journey of {} steps", items.len())).expected(format!("1 to {MOST_STEPS} steps"));
        return None;
    }
    let before = sink.count();
    let mut known: Vec<String> = GIVEN.map(str::to_owned).to_vec();
    let mut out: Vec<JourneyStep> = Vec::new();
    let mut endless = node.span;
    for (place, item) in items.iter().enumerate() {
        early_names(item, &known, sink);
        if let Some(Value::Map(entries)) = item.get("capture").map(|node| &node.value) {
            known.extend(entries.iter().map(|entry| entry.key.clone()));
        }
        let Some(step) = step(item, sink) else { continue };
        let at = |key: &str| item.get(key).map_or(read::head(item), |node| node.span);
        if out.iter().any(|other| other.name == step.name) {
            sink.error(at("name"), format!("there are two steps with the name {}", quote(&step.name))).expected("a name for each step");
        }
        if step.repeat == Repeat::Always {
            endless = at("repeat");
            if place + 1 < items.len() {
                sink.error(endless, "no step comes after one that is done until the run ends").expected("`always` on the last step only");
            }
        }
        if step.state_lost && place == 0 {
            sink.error(at("otherwise"), "the first step can find nothing lost: nothing was done before it").expected("it on a later step");
        }
        out.push(step);
    }
    // A step that could not be read was told of; nor are the others used without it.
    (sink.count() == before || out.len() == items.len()).then_some((out, endless))
}

fn step(item: &Node, sink: &mut Sink) -> Option<JourneyStep> {
    let fields = Fields::new(item, &STEP, sink)?;
    let name = fields.get("name", sink, |node, sink| read::name(read::text(node, sink)?, node.span, sink));
    let method = METHODS.into_iter().find(|method| fields.has(method));
    let url = method.and_then(|method| fields.get(method, sink, address));
    let body = body(fields, sink);
    if let (Some(key), Some(method @ ("get" | "head"))) = (["form", "json", "body"].into_iter().find(|key| fields.has(key)), method) {
        sink.error(fields.key_span(key), format!("a request of the method `{}` has no body", method.to_uppercase()))
            .expected("`post`, `put`, `patch` or `delete`");
    }
    let expect = fields.get("expect", sink, |node, sink| {
        let expect = http::expect(node, sink)?;
        if expect.unreachable {
            sink.error(node.span, "a user's step needs an answer").expected("a map like `{ status: 200, body: { contains: \"ok\" } }`");
        }
        Some(expect)
    });
    let state_lost = fields.get("otherwise", sink, |node, sink| read::word(node, &["state-lost"], sink)).is_some();
    Some(JourneyStep {
        name: name?,
        method: method?.to_ascii_uppercase(),
        url: url?,
        headers: fields.get("headers", sink, http::headers).unwrap_or_default(),
        body,
        expect: expect.unwrap_or_default(),
        capture: fields.get("capture", sink, captures).unwrap_or_default(),
        think: fields.get("think", sink, think),
        state_lost,
        log_in: fields.flag("log-in", sink),
        service: fields.get("service", sink, service),
        repeat: fields.get("repeat", sink, repeat).unwrap_or_default(),
    })
}

/// A URL whose path and query may hold names.
fn address(node: &Node, sink: &mut Sink) -> Option<String> {
    let text = read::line(node, sink)?.trim();
    // Where an answer could name the host, it could send us anywhere.
    let fixed = match template::pieces(text).first() {
        Some(Piece::Text(fixed)) => *fixed,
        _ => "",
    };
    let host = fixed.split_once("://").map_or("", |(_, rest)| rest);
    if template::names(text).next().is_some() && (host.is_empty() || host.starts_with(['/', '?', '#'])) {
        sink.error(node.span, "the host of a step is the same for all users: it never comes from an answer")
            .expected("a URL like `http://127.0.0.1:8080/items/${id}`");
        return None;
    }
    // Behind the host a value could go on with it, as in `http://shop${x}`: a path begins there.
    let open = template::names(text).next().is_some() && !host.contains(['/', '?']);
    let text = if open { format!("{fixed}/{}", &text[fixed.len()..]) } else { text.to_owned() };
    url::check_url(&template::fill(&text, |_| "1".to_owned()).replace(['{', '}'], "-"), node.span, sink)?;
    Some(text)
}

fn body(fields: Fields<'_>, sink: &mut Sink) -> Option<StepBody> {
    let given: Vec<&str> = ["form", "json", "body"].into_iter().filter(|key| fields.has(key)).collect();
    if let [first, second, ..] = given.as_slice() {
        sink.error(fields.key_span(second), format!("`{first}` and `{second}` exclude each other: a request has one body"))
            .expected("one of `form`, `json` and `body`");
        return None;
    }
    match *given.first()? {
        "form" => fields.get("form", sink, form).map(StepBody::Form),
        "json" => fields.node("json").map(|node| StepBody::Json(http::json(node))),
        _ => fields.get("body", sink, |node, sink| http::text_or_secret(node, read::text, sink)).map(StepBody::Text),
    }
}

fn form(node: &Node, sink: &mut Sink) -> Option<Vec<(String, Text)>> {
    let mut out = Vec::new();
    for entry in read::map(node, "fields by name", sink)? {
        let value = http::text_or_secret(&entry.value, read::text, sink);
        let fixed = matches!(&value, Some(Text::Plain(text)) if template::names(text).next().is_none());
        if fixed && hidden::looks_secret(&entry.key.to_ascii_lowercase()) {
            sink.source().hide(entry.value.span);
            sink.error(entry.key_span, format!("the field {} holds a secret, and secrets are never written in a file", quote(&entry.key)))
                .expected(format!("`{}: {{ env: NAME }}` or `{{ file: PATH }}`", entry.key));
            continue;
        }
        out.extend(value.map(|value| (entry.key.clone(), value)));
    }
    Some(out)
}

fn captures(node: &Node, sink: &mut Sink) -> Option<BTreeMap<String, Capture>> {
    let entries = read::map(node, "values by name", sink)?;
    if entries.len() > MOST_CAPTURES {
        sink.error(read::head(node), format!("{} values of one answer", entries.len())).expected(format!("at most {MOST_CAPTURES}"));
    }
    let mut out = BTreeMap::new();
    for entry in entries {
        let name = read::name(&entry.key, entry.key_span, sink);
        if GIVEN.contains(&entry.key.as_str()) {
            sink.error(entry.key_span, format!("`${{{}}}` is the journey's own value", entry.key)).expected("another name");
        }
        if let (Some(name), Some(capture)) = (name, capture(&entry.value, sink)) {
            out.insert(name, capture);
        }
    }
    Some(out)
}

fn capture(node: &Node, sink: &mut Sink) -> Option<Capture> {
    let fields = Fields::new(node, &CAPTURE, sink)?;
    let header = fields.get("header", sink, http::one_header).map(Capture::Header);
    let cookie = fields.get("cookie", sink, cookie_name).map(Capture::Cookie);
    let json = fields.get("json", sink, |node, sink| {
        let text = read::text(node, sink)?;
        http::is_pointer(text, node.span, sink).then(|| Capture::Json(text.to_owned()))
    });
    let matches = fields.get("matches", sink, |node, sink| {
        let text = regex(node, sink)?;
        let groups = regex_lite::Regex::new(&text).map_or(0, |regex| regex.captures_len() - 1);
        if groups != 1 {
            sink.error(node.span, format!("the regular expression has {groups} groups"))
                .expected("exactly one group in parentheses, the value; others as `(?:…)`");
            return None;
        }
        Some(Capture::Matches(text))
    });
    header.or(cookie).or(json).or(matches)
}

fn repeat(node: &Node, sink: &mut Sink) -> Option<Repeat> {
    if node.text() == Some("always") {
        return Some(Repeat::Always);
    }
    if read::integer_of(node).is_none() {
        return read::wrong(node, "a number of times like `3`, or `always`", sink);
    }
    read::integer_in(node, 1..=MOST_REPEATS, sink).map(|n| if n == 1 { Repeat::Once } else { Repeat::Times(n as u32) })
}

/// Reports names that only a later step gives a value.
fn early_names(node: &Node, known: &[String], sink: &mut Sink) {
    match &node.value {
        Value::Scalar(scalar) => {
            if let Some(name) = template::names(&scalar.text).find(|name| !known.iter().any(|k| k == name)) {
                sink.error(node.span, format!("`${{{name}}}` has no value yet: it is captured from an answer that comes later"))
                    .expected(listed(known.iter().map(String::as_str), "or"));
            }
        }
        Value::Seq(items) => items.iter().for_each(|item| early_names(item, known, sink)),
        Value::Map(entries) => {
            // What is fixed for all users has no names.
            let open = entries.iter().filter(|entry| entry.key != "capture" && entry.key != "matches");
            open.for_each(|entry| early_names(&entry.value, known, sink));
        }
    }
}
