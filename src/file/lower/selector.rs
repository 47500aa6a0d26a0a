//! Selectors: which instances a fault may choose from, and how many of them.

use std::collections::BTreeMap;

use crate::{
    file::{
        diagnostic::Sink,
        escape::quote,
        read::{self, Fields},
        table::{Key, Kind, Table, key, must},
        yaml::{Node, Value},
    },
    model::{
        fault::Mechanism,
        selector::{Pick, ProcessMatch, Selector, Take},
    },
};

const ONE_OR_MANY: Kind = Kind::Either(&[Kind::Text, Kind::List(&Kind::Text)]);

const KEYS: &[Key] = &[
    key("service", ONE_OR_MANY, "these services"),
    key("zone", ONE_OR_MANY, "these zones, or `random`: one drawn among those that have matches"),
    key("region", ONE_OR_MANY, "these regions, or `random`"),
    key("labels", Kind::Map(&Kind::Text), "labels (tags) that must all be equal"),
    key("name", Kind::Text, "a glob over the instance's name: `web-*`"),
    key("id", ONE_OR_MANY, "just these ids"),
    key("process", Kind::Table(&PROCESS), "a process that the tool did not start; needs `foreign: allowed` in the environment"),
    key("all", Kind::Bool, "`true` says in words that everything may be chosen"),
    key(
        "take",
        Kind::Either(&[Kind::Integer, Kind::Share, Kind::Words(&["all"])]),
        "how many of the matches: `all`, a number, a percentage; 1 when left out",
    ),
];

/// The keys of a selector.
pub static SELECTOR: Table = Table::new("a target", KEYS);

static PROCESS: Table = Table::new(
    "`process`",
    &[
        key("pid-file", Kind::Text, "the file that holds its pid"),
        key("executable", Kind::Text, "a glob over the path of its executable"),
        key("arguments", Kind::Text, "a regular expression searched in its arguments, joined by one space"),
    ],
)
.one_of(&["pid-file", "executable"]);

/// How an outage takes its instances away.
pub const MECHANISMS: &[&str] = &[Mechanism::Terminate.name(), Mechanism::Stop.name(), Mechanism::Blackhole.name()];
const MECHANISM: Key = key(
    "mechanism",
    Kind::Words(MECHANISMS),
    "how the instances are lost: they end (`terminate`, when left out), are stopped and started again (`stop`), or run on unreachable (`blackhole`)",
);
/// The same of a zone, where users have other zones to go to.
pub const ZONE_MECHANISMS: &[&str] =
    &[Mechanism::Terminate.name(), Mechanism::Stop.name(), Mechanism::Blackhole.name(), Mechanism::Shift.name()];
const ZONE_MECHANISM: Key = key(
    "mechanism",
    Kind::Words(ZONE_MECHANISMS),
    "how the instances are lost: they end (`terminate`, when left out), are stopped and started again (`stop`), run on unreachable (`blackhole`), or run on while the load balancers lead users to other zones (`shift`, on AWS)",
);

/// The keys of an outage's target: a whole zone, perhaps of some services only.
pub static ZONE: Table = Table::new(
    "`zone-outage`",
    &[
        must("zone", ONE_OR_MANY, "the zone (or zones), or `random`"),
        key("service", ONE_OR_MANY, "only these services"),
        key("labels", Kind::Map(&Kind::Text), "only instances with these labels"),
        ZONE_MECHANISM,
    ],
);

/// The keys of a region outage's target.
pub static REGION: Table = Table::new(
    "`region-outage`",
    &[
        must("region", ONE_OR_MANY, "the region (or regions), or `random`"),
        key("service", ONE_OR_MANY, "only these services"),
        key("labels", Kind::Map(&Kind::Text), "only instances with these labels"),
        MECHANISM,
    ],
);

/// The keys of the target of `suspend-replacement`.
pub static GROUP: Table = Table::new(
    "`suspend-replacement`",
    &[
        key("service", ONE_OR_MANY, "these services"),
        key("zone", ONE_OR_MANY, "in these zones only"),
        key("region", ONE_OR_MANY, "in these regions only"),
        key("all", Kind::Bool, "`true` says in words that every service is meant"),
    ],
);

/// The selector in a fault's map. `fields` has the keys of a table that includes `SELECTOR`.
pub fn selector(fields: Fields<'_>, sink: &mut Sink) -> Selector {
    let selector = Selector {
        services: services(fields, sink),
        zone: place(fields, "zone", sink),
        region: place(fields, "region", sink),
        labels: fields.get("labels", sink, super::experiment::labels).unwrap_or_default(),
        name: fields.get("name", sink, glob),
        ids: fields.node("id").map(|node| lines(node, sink)).unwrap_or_default().into_iter().map(Into::into).collect(),
        process: fields.get("process", sink, process),
        all: fields.flag("all", sink),
        take: fields.get("take", sink, take).unwrap_or_default(),
    };
    check_bounds(&selector, fields, sink);
    selector
}

/// The selector of an outage or of a group: everything that matches.
pub fn whole(fields: Fields<'_>, table: &'static Table, sink: &mut Sink) -> Selector {
    let selector = Selector {
        services: services(fields, sink),
        zone: if table.knows("zone") { place(fields, "zone", sink) } else { None },
        region: if table.knows("region") { place(fields, "region", sink) } else { None },
        labels: if table.knows("labels") {
            fields.get("labels", sink, super::experiment::labels).unwrap_or_default()
        } else {
            BTreeMap::default()
        },
        all: table.knows("all") && fields.flag("all", sink),
        take: Take::All,
        ..Selector::default()
    };
    check_bounds(&selector, fields, sink);
    selector
}

fn check_bounds(selector: &Selector, fields: Fields<'_>, sink: &mut Sink) {
    let narrowed = ["service", "zone", "region", "labels", "name", "id", "process"].iter().any(|k| fields.is_given(k));
    if !narrowed && selector.unbounded() && !selector.all {
        sink.error(fields.span, "nothing says which targets are meant")
            .expected("`service`, `zone`, `name`, `labels` or `id`; or `all: true` for everything");
    }
    if fields.is_given("labels") && selector.labels.is_empty() && selector.unbounded() && !selector.all {
        sink.error(fields.key_span("labels"), "no label at all matches everything")
            .expected("at least one label; or `all: true` for everything");
    }
    if selector.all && !selector.unbounded() {
        sink.error(fields.key_span("all"), "`all: true` and a narrower target contradict each other").expected("one of them");
    }
    if selector.process.is_some() && (!selector.services.is_empty() || selector.name.is_some() || !selector.ids.is_empty()) {
        sink.error(fields.key_span("process"), "a process that the tool did not start has no service, name or id")
            .expected("`process` alone, with `take`");
    }
    if let (Take::Count(count), ids) = (selector.take, selector.ids.len())
        && ids > 0
        && count as usize > ids
    {
        sink.error(fields.key_span("take"), format!("`take: {count}` of {ids} named ids is not possible"))
            .expected(format!("at most {ids}, or `all`"));
    }
}

fn services(fields: Fields<'_>, sink: &mut Sink) -> Vec<crate::model::ids::Service> {
    let Some(node) = fields.node("service") else { return Vec::new() };
    not_empty(node, sink);
    read::one_or_many(node)
        .iter()
        .filter_map(|item| {
            let text = read::text(item, sink)?;
            read::name(text, item.span, sink)
        })
        .map(Into::into)
        .collect()
}

fn not_empty(node: &Node, sink: &mut Sink) {
    if read::one_or_many(node).is_empty() {
        sink.error(node.span, "the list is empty, and would match nothing").expected("at least one name");
    }
}

fn place<T: From<String>>(fields: Fields<'_>, key: &str, sink: &mut Sink) -> Option<Pick<T>> {
    let node = fields.node(key)?;
    if node.text() == Some("random") {
        return Some(Pick::Random);
    }
    not_empty(node, sink);
    let names = read::one_or_many(node).iter().filter_map(|item| {
        let text = read::text(item, sink)?;
        if text == "random" {
            sink.error(item.span, "`random` cannot stand in a list").expected(format!("`{key}: random` alone"));
            return None;
        }
        let fine = text.len() <= 63 && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
        if !fine {
            sink.error(item.span, format!("{} cannot be a {key}", quote(text))).expected("at most 63 letters, digits, `.`, `_` and `-`");
            return None;
        }
        Some(T::from(text.to_owned()))
    });
    let names: Vec<T> = names.collect();
    Some(Pick::Named(names))
}

fn lines(node: &Node, sink: &mut Sink) -> Vec<String> {
    not_empty(node, sink);
    read::one_or_many(node).iter().filter_map(|item| read::line(item, sink)).map(str::to_owned).collect()
}

fn glob(node: &Node, sink: &mut Sink) -> Option<String> {
    pattern(node, "a narrower pattern; or `all: true` for everything", sink)
}

/// A pattern that compiles and does not match everything; `instead` says what to write for that.
pub fn pattern(node: &Node, instead: &str, sink: &mut Sink) -> Option<String> {
    let text = read::line(node, sink)?;
    if let Err(error) = globset::GlobBuilder::new(text).build() {
        sink.error(node.span, format!("{} is not a glob: {}", quote(text), error.kind()))
            .expected("a pattern like `web-*` or `web-[ab]-?`");
        return None;
    }
    if !text.is_empty() && text.chars().all(|c| matches!(c, '*' | '?')) && text.contains('*') {
        sink.error(node.span, format!("{} matches everything", quote(text))).expected(instead);
        return None;
    }
    Some(text.to_owned())
}

/// A regular expression that compiles.
pub fn regex(node: &Node, sink: &mut Sink) -> Option<String> {
    let text = read::text(node, sink)?;
    match regex_lite::RegexBuilder::new(text).size_limit(1 << 20).build() {
        Ok(_) => Some(text.to_owned()),
        Err(error) => {
            sink.error(read::head(node), format!("{} is not a regular expression: {error}", quote(text)))
                .expected("a regular expression like `o'clock|noon`");
            None
        }
    }
}

fn process(node: &Node, sink: &mut Sink) -> Option<ProcessMatch> {
    let fields = Fields::new(node, &PROCESS, sink)?;
    if let Some(file) = fields.node("pid-file") {
        if fields.has("arguments") {
            sink.error(fields.key_span("arguments"), "`arguments` belongs to `executable`").expected("`pid-file` alone");
        }
        let path = read::line(file, sink)?;
        return Some(ProcessMatch::PidFile(sink.source().beside(path).display().to_string()));
    }
    let executable = fields.get("executable", sink, glob)?;
    if !executable.contains('/') {
        let span = fields.node("executable").map_or(fields.span, |n| n.span);
        sink.error(span, format!("{} is not a path", quote(&executable)))
            .expected("a glob over the whole path, like `/usr/sbin/nginx` or `**/nginx`");
    }
    Some(ProcessMatch::Command { executable, arguments: fields.get("arguments", sink, regex) })
}

fn take(node: &Node, sink: &mut Sink) -> Option<Take> {
    const EXPECTED: &str = "`all`, a number from 1, or a percentage above 0%";
    match node.text() {
        Some("all") => return Some(Take::All),
        Some(text) if text.contains('%') => {
            let share = read::share(node, sink)?;
            if share.0 > 0.0 {
                return Some(Take::Percent(share));
            }
        }
        _ => match read::integer_of(node).and_then(|n| u32::try_from(n).ok()) {
            Some(0) => {}
            Some(n) => return Some(Take::Count(n)),
            None => return read::wrong(node, EXPECTED, sink),
        },
    }
    sink.error(node.span, format!("{} takes nobody", node.says())).expected(EXPECTED);
    None
}

/// The short form of a target: one word in place of a map.
pub fn short(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Scalar(_) => node.text(),
        _ => None,
    }
}
