//! `gameday.yaml`: the agenda of a game day. The experiments that it names are files of their own, and read as such by who runs it.

use std::{path::Path, sync::Arc, time::Duration};

use super::{
    diagnostic::{Diagnostics, Sink},
    escape::quote,
    lower::schedule::zone,
    read::{self, Fields},
    source::{Source, Span},
    suggest::{listed, nearest},
    table::{Key, Kind, Table, key, must},
    yaml::{self, Node},
};
use crate::model::{
    gameday::{ExperimentItem, GameDay, IfFailed, Item, TimeOfDay, What},
    quantity::show_duration,
    verdict::Verdict,
};

/// The version of the format that this build reads.
const VERSION: u64 = 1;
/// No agenda is longer.
const MOST: usize = 200;
/// Nothing of a day waits longer.
const LONGEST: Duration = Duration::from_hours(24);
/// A countdown is for people who listen.
const LONGEST_COUNTDOWN: Duration = Duration::from_hours(1);
/// How long a fault that people mitigate stays, when the file does not say.
const AT_MOST: Duration = Duration::from_mins(30);
/// The verdicts that a team can predict.
const VERDICTS: &[&str] = &["passed", "failed", "not-started", "aborted", "error"];

/// The keys of the file.
pub static GAMEDAY: Table = Table::new(
    "the game day",
    &[
        key("version", Kind::Integer, "the version of the format; the newest when left out"),
        must("gameday", Kind::Text, "its title"),
        key("description", Kind::Text, "more words"),
        key("owner", Kind::Text, "who leads it"),
        key("environment", Kind::Text, "the environment of firedrill.yaml for all its experiments; `--env` overrides it"),
        key("timezone", Kind::Text, "the zone of every `at`, like `Europe/Lisbon`; `UTC` when left out"),
        must("agenda", Kind::List(&Kind::Tables(ITEMS)), "what happens, in order"),
    ],
);

/// The forms of an item.
static ITEMS: &[&Table] = &[&EXPERIMENT, &ANNOUNCE, &PAUSE, &ASK, &CHECKLIST];

/// What every item may have.
static COMMON: Table = Table::new(
    "an item of the agenda",
    &[
        key("owner", Kind::Text, "who looks after it"),
        key("at", Kind::Text, "it begins no earlier than this time of the clock, like `14:30`"),
    ],
);

const COUNTDOWN: Key = key("countdown", Kind::Duration, "how long it is counted down to the start; not at all when left out");

static EXPERIMENT: Table = Table::new(
    "an experiment of the agenda",
    &[
        must("experiment", Kind::Text, "the experiment's file, relative to this one"),
        key("env", Kind::Text, "the environment of firedrill.yaml that it runs in; `--env` overrides it"),
        key("seed", Kind::Integer, "the seed of its draws; the experiment's own, or a drawn one, when left out"),
        key("confirm", Kind::Bool, "whether a person must say go before it begins; `false` when left out"),
        COUNTDOWN,
        key("expect", Kind::Words(VERDICTS), "what the team predicts; the report compares it"),
        key(
            "if-failed",
            Kind::Words(&["go-on", "ask", "stop"]),
            "what follows when it neither passes nor ends as predicted: the next item, a person's decision, or the end; `ask` when left out",
        ),
        key(
            "mitigate",
            Kind::Either(&[Kind::Bool, Kind::Table(&MITIGATE)]),
            "people mitigate: the faults stay, whatever `hold` says, until somebody says `mitigated`",
        ),
    ],
)
.also(&COMMON);

static MITIGATE: Table = Table::new(
    "`mitigate`",
    &[key("at-most", Kind::Duration, "they are undone after so long in any case, counted from the end of the method; 30m when left out")],
);

static ANNOUNCE: Table = Table::new("an announcement", &[must("announce", Kind::Text, "what everybody is told")]).also(&COMMON);

static PAUSE: Table = Table::new("a pause", &[must("pause", Kind::Duration, "how long; a person may end it early")]).also(&COMMON);

static ASK: Table = Table::new(
    "a question",
    &[
        must("ask", Kind::Text, "what is asked; the answer is kept"),
        key("options", Kind::List(&Kind::Text), "the answers to choose from; any answer when left out"),
    ],
)
.also(&COMMON);

static CHECKLIST: Table =
    Table::new("a checklist", &[must("checklist", Kind::List(&Kind::Text), "what is to be seen to; a person says go when all of it is")])
        .also(&COMMON);

/// A game day with where it came from.
#[derive(Debug)]
pub struct Written {
    /// What it says.
    pub day: GameDay,
    /// Its text.
    pub source: Arc<Source>,
    /// For each item, where what it is about stands: an experiment's file name.
    pub places: Vec<Span>,
    /// What somebody should look at.
    pub warnings: Diagnostics,
}

/// Whether a tree is meant to be a game day, however wrong it may be.
pub fn is_gameday(root: &Node) -> bool {
    root.get("gameday").is_some() || root.get("agenda").is_some()
}

/// Reads a file.
///
/// # Errors
/// Every error of the file at once.
pub fn load(path: &Path) -> Result<Written, Diagnostics> {
    load_source(&Source::read(path)?)
}

/// As [`load`], of a text that was read before.
///
/// # Errors
/// As [`load`].
pub fn load_source(source: &Arc<Source>) -> Result<Written, Diagnostics> {
    let mut sink = Sink::new(source);
    let root = yaml::parse(source, &mut sink);
    let found = root.as_ref().and_then(|root| gameday(root, &mut sink));
    let warnings = sink.finish();
    match found {
        Some((day, places)) if !warnings.has_errors() => Ok(Written { day, source: Arc::clone(source), places, warnings }),
        _ => Err(warnings),
    }
}

fn gameday(root: &Node, sink: &mut Sink) -> Option<(GameDay, Vec<Span>)> {
    let fields = Fields::new(root, &GAMEDAY, sink)?;
    if let Some(version) = fields.integer("version", sink).filter(|v| *v != VERSION) {
        let span = fields.node("version").map_or(fields.span, |n| n.span);
        sink.error(span, format!("version {version} of the format is not known to this build")).expected(format!("version {VERSION}"));
    }
    let title = fields.get("gameday", sink, |node, sink| words(node, "a title", sink));
    let zone = fields.get("timezone", sink, zone);
    let items = fields.get("agenda", sink, agenda);
    let day = GameDay {
        title: title.unwrap_or_default(),
        description: fields.text("description", sink).map(|text| text.trim_end().to_owned()),
        owner: owner(fields, sink),
        environment: fields.get("environment", sink, read::line).map(str::to_owned),
        timezone: zone.and_then(|zone| zone.iana_name().map(str::to_owned)).unwrap_or_else(|| "UTC".to_owned()),
        agenda: Vec::new(),
    };
    let (agenda, places) = items?.into_iter().unzip();
    Some((GameDay { agenda, ..day }, places))
}

fn agenda(node: &Node, sink: &mut Sink) -> Option<Vec<(Item, Span)>> {
    let nodes = read::list(node, "items", sink)?;
    if nodes.is_empty() {
        sink.error(node.span, "the agenda is empty").expected("at least one item, like `- experiment: zone.yaml`");
    }
    if nodes.len() > MOST {
        sink.error(node.span, format!("the agenda has {} items", nodes.len())).expected(format!("at most {MOST}"));
        return None;
    }
    let mut latest: Option<(TimeOfDay, Span)> = None;
    let mut out = Vec::new();
    for node in nodes {
        let Some((item, place, at)) = item(node, sink) else { continue };
        if let (Some(time), Some(span)) = (item.at, at) {
            if let Some((before, there)) = latest.filter(|(before, _)| *before > time) {
                sink.error(span, format!("{time} is before {before}, when an earlier item begins"))
                    .expected("times in the order of the agenda")
                    .note_at(there, "the earlier item");
            }
            latest = Some((time, span));
        }
        out.push((item, place));
    }
    Some(out)
}

/// One item, where its subject stands, and where its time does.
fn item(node: &Node, sink: &mut Sink) -> Option<(Item, Span, Option<Span>)> {
    const KINDS: [&str; 5] = ["experiment", "announce", "pause", "ask", "checklist"];
    let entries = read::map(node, "an item of the agenda", sink)?;
    let Some((kind, table)) = KINDS.iter().zip(ITEMS).find(|(kind, _)| entries.iter().any(|e| e.key == **kind)) else {
        let near = entries.iter().find_map(|e| nearest(&e.key, KINDS));
        sink.error(read::head(node), "nothing says what this item of the agenda is").expected(listed(KINDS, "or")).nearest(near);
        return None;
    };
    let fields = Fields::new(node, table, sink)?;
    let owner = owner(fields, sink);
    let at = fields.get("at", sink, time_of_day);
    let what = match *kind {
        "experiment" => experiment(fields, sink).map(|item| What::Experiment(Box::new(item))),
        "announce" => fields.get("announce", sink, |node, sink| words(node, "an announcement", sink)).map(|text| What::Announce { text }),
        "pause" => fields.get("pause", sink, |node, sink| bounded(node, LONGEST, sink)).map(|lasts| What::Pause { lasts }),
        "ask" => ask(fields, sink),
        _ => fields
            .get("checklist", sink, |node, sink| texts(node, "things to be seen to", 1, sink))
            .map(|entries| What::Checklist { entries }),
    }?;
    let place = fields.node(kind).map_or(fields.span, read::head);
    Some((Item { owner, at, what }, place, fields.node("at").map(|node| node.span)))
}

fn experiment(fields: Fields<'_>, sink: &mut Sink) -> Option<ExperimentItem> {
    let file = fields.get("experiment", sink, |node, sink| words(node, "the path of an experiment's file", sink));
    let env = fields.get("env", sink, read::line).map(str::to_owned);
    let seed = fields.integer("seed", sink);
    let confirm = fields.flag("confirm", sink);
    let countdown = fields.get("countdown", sink, |node, sink| bounded(node, LONGEST_COUNTDOWN, sink));
    let expect = fields.get("expect", sink, |node, sink| read::word(node, VERDICTS, sink)).map(verdict);
    let if_failed = match fields.get("if-failed", sink, |node, sink| read::word(node, &["go-on", "ask", "stop"], sink)) {
        Some("go-on") => IfFailed::GoOn,
        Some("stop") => IfFailed::Stop,
        _ => IfFailed::Ask,
    };
    let mitigate = fields.get("mitigate", sink, mitigate);
    Some(ExperimentItem { file: sink.source().beside(&file?), env, seed, confirm, countdown, expect, if_failed, mitigate })
}

/// How long at most, if people mitigate at all: `true`, `false`, or a map that says it.
fn mitigate(node: &Node, sink: &mut Sink) -> Option<Duration> {
    if node.text().is_some() {
        return read::boolean(node, sink).filter(|wanted| *wanted).map(|_| AT_MOST);
    }
    let fields = Fields::new(node, &MITIGATE, sink)?;
    Some(fields.get("at-most", sink, |node, sink| bounded(node, LONGEST, sink)).unwrap_or(AT_MOST))
}

fn verdict(word: &str) -> Verdict {
    match word {
        "failed" => Verdict::Failed,
        "not-started" => Verdict::NotStarted,
        "aborted" => Verdict::Aborted,
        "error" => Verdict::Error,
        _ => Verdict::Passed,
    }
}

fn ask(fields: Fields<'_>, sink: &mut Sink) -> Option<What> {
    let question = fields.get("ask", sink, |node, sink| words(node, "a question", sink));
    let options = fields.get("options", sink, |node, sink| texts(node, "answers to choose from", 2, sink)).unwrap_or_default();
    Some(What::Ask { question: question?, options })
}

fn owner(fields: Fields<'_>, sink: &mut Sink) -> Option<String> {
    fields.get("owner", sink, |node, sink| words(node, "a name", sink))
}

fn time_of_day(node: &Node, sink: &mut Sink) -> Option<TimeOfDay> {
    let text = read::line(node, sink)?;
    let time = TimeOfDay::parse(text.trim());
    if time.is_none() {
        sink.error(node.span, format!("{} is no time of the clock", quote(text))).expected("hours and minutes, like `14:30`");
    }
    time
}

/// A line of text that is not empty.
fn words(node: &Node, what: &str, sink: &mut Sink) -> Option<String> {
    let text = read::line(node, sink)?.trim();
    if text.is_empty() {
        sink.error(node.span, "the text is empty").expected(what);
        return None;
    }
    Some(text.to_owned())
}

/// At least so many different lines.
fn texts(node: &Node, of: &str, least: usize, sink: &mut Sink) -> Option<Vec<String>> {
    let items = read::list(node, of, sink)?;
    let mut out: Vec<String> = Vec::new();
    for item in items {
        let Some(text) = words(item, "a few words", sink) else { continue };
        if out.contains(&text) {
            sink.error(item.span, format!("{} is there twice", quote(&text))).expected("each once");
        }
        out.push(text);
    }
    if items.len() < least {
        let found = if items.is_empty() { "the list is empty" } else { "there is only one to choose" };
        sink.error(read::head(node), found).expected(format!("at least {least}"));
    }
    if items.len() > MOST {
        sink.error(read::head(node), format!("there are {}", items.len())).expected(format!("at most {MOST}"));
    }
    Some(out)
}

/// A time above zero that is not longer than this.
fn bounded(node: &Node, most: Duration, sink: &mut Sink) -> Option<Duration> {
    let time = read::some_time(node, sink)?;
    if time > most {
        sink.error(node.span, format!("{} is longer than anybody waits", show_duration(time)))
            .expected(format!("at most {}", show_duration(most)));
        return None;
    }
    Some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_item_is_read() {
        let text = r#"
gameday: Losing a zone before the sale
owner: ana
timezone: Europe/Lisbon
agenda:
  - announce: We begin
  - checklist: [dashboards are open, on-call knows]
  - experiment: drills/zone.yaml
    owner: ben
    at: "14:30"
    confirm: true
    countdown: 30s
    expect: failed
    if-failed: stop
    mitigate: { at-most: 20m }
  - { pause: 10m, at: 15:00 }
  - { ask: What did users see?, options: [nothing, errors] }
"#;
        let written = load_source(&Source::new("days/gameday.yaml", text)).unwrap();
        assert_eq!(written.day.timezone, "Europe/Lisbon");
        let What::Experiment(drill) = &written.day.agenda[2].what else { panic!() };
        assert_eq!(drill.file, Path::new("days/drills/zone.yaml"));
        assert_eq!((drill.confirm, drill.expect, drill.if_failed), (true, Some(Verdict::Failed), IfFailed::Stop));
        assert_eq!(drill.mitigate, Some(Duration::from_mins(20)));
        assert_eq!(written.day.agenda[2].at, TimeOfDay::parse("14:30"));
        assert_eq!(written.source.line_column(written.places[2].start), (8, 17));
        let json = serde_json::to_value(&written.day.agenda).unwrap();
        assert_eq!(serde_json::from_value::<Vec<Item>>(json).unwrap(), written.day.agenda);
    }
}
