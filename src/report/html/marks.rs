//! What happened, as marks above the tracks. Marks of one kind that lie close share a label, and labels keep apart in lanes.

use maud::{Markup, html};

use super::scale::{RIGHT, Scale, n};
use crate::{
    model::observation::Observed,
    report::{
        record::{RunRecord, UndoResult},
        words::visible,
    },
};

/// The height of a lane.
pub const LANE: f64 = 19.0;
/// Marks closer than this share a label.
const CLOSE: f64 = 9.0;
/// The width of a letter at the size of labels.
const LETTER: f64 = 6.3;

/// What kind of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Hit,
    Ejected,
    Launched,
    InService,
    Undone,
    Stuck,
    Halt,
    Note,
    /// Everybody was told something.
    Announced,
    /// A person said something that counts.
    Person,
}

impl Kind {
    fn class(self) -> &'static str {
        match self {
            Self::Hit | Self::Stuck | Self::Halt => "m-bad",
            Self::Ejected | Self::Note | Self::Announced | Self::Person => "m-grey",
            Self::Launched | Self::InService | Self::Undone => "m-good",
        }
    }

    /// The mark: its shape says the kind as well as its colour.
    fn shape(self, x: f64, y: f64) -> Markup {
        let path = match self {
            Self::Hit => format!("M{} {}l8 8m0 -8l-8 8", n(x - 4.0), n(y - 4.0)),
            Self::Ejected => format!("M{} {}h9M{} {}l3 3l-3 3", n(x - 5.0), n(y), n(x + 1.5), n(y - 3.0)),
            Self::Launched => format!("M{} {}l5 9h-10z", n(x), n(y - 5.0)),
            Self::InService => format!("M{} {}l3 3l5 -7", n(x - 4.0), n(y + 1.0)),
            Self::Undone => format!("M{} {}h5a3 3 0 0 1 0 6h-4M{} {}l-3 3l3 3", n(x - 4.0), n(y - 2.0), n(x - 1.5), n(y - 5.0)),
            Self::Stuck | Self::Halt => format!("M{} {}h8v8h-8z", n(x - 4.0), n(y - 4.0)),
            Self::Note => format!("M{} {}l4 4l-4 4l-4 -4z", n(x), n(y - 4.0)),
            Self::Announced => format!("M{} {}v9M{} {}h8l-2 2.5l2 2.5h-8", n(x - 4.0), n(y - 4.5), n(x - 4.0), n(y - 4.0)),
            Self::Person => format!("M{} {}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z", n(x - 4.0), n(y)),
        };
        html! { path class=(if matches!(self, Self::Launched | Self::Stuck | Self::Halt | Self::Note | Self::Person) { "fill" } else { "line" }) d=(path) {} }
    }
}

pub(super) struct Mark {
    pub(super) at: f64,
    kind: Kind,
    verb: String,
    who: Vec<String>,
    until: f64,
}

impl Mark {
    /// A mark at one moment.
    pub(super) fn new(at: f64, kind: Kind, verb: String, who: Option<String>) -> Self {
        Self { at, kind, verb, who: who.into_iter().collect(), until: at }
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Its words.
    pub(super) fn says(&self) -> &str {
        &self.verb
    }

    /// Moves it on the clock.
    pub(super) fn later(&mut self, by: f64) {
        self.at += by;
        self.until += by;
    }

    fn label(&self) -> String {
        let who = match self.who.as_slice() {
            [] => String::new(),
            [one] => format!(" {}", short(one)),
            [one, two] => format!(" {}, {}", short(one), short(two)),
            [one, rest @ ..] => format!(" {} +{}", short(one), rest.len()),
        };
        format!("{}{who}", short(&self.verb))
    }
}

fn short(text: &str) -> String {
    crate::report::console::style::cut(&visible(text), 28)
}

/// The marks with their places.
pub struct Marks {
    placed: Vec<(Mark, usize, bool)>,
    /// How many lanes they need.
    pub lanes: usize,
}

impl Marks {
    /// Of a run, on a time axis.
    pub fn of(record: &RunRecord, scale: Scale) -> Self {
        Self::place(collect(record), scale)
    }

    /// Any marks, on a time axis.
    pub(super) fn place(marks: Vec<Mark>, scale: Scale) -> Self {
        let mut placed: Vec<(Mark, usize, bool)> = Vec::new();
        let mut ends: Vec<f64> = Vec::new();
        for mark in together(marks, scale) {
            let x = scale.x(mark.at);
            let width = 12.0 + LETTER * unicode_width::UnicodeWidthStr::width(mark.label().as_str()) as f64;
            let left = x + width > RIGHT;
            let (from, to) = if left { (x - width, x + 6.0) } else { (x - 6.0, x + width) };
            let lane = ends.iter().position(|end| end + 5.0 <= from).unwrap_or(ends.len());
            if lane == ends.len() {
                ends.push(to);
            } else {
                ends[lane] = to;
            }
            placed.push((mark, lane, left));
        }
        Self { placed, lanes: ends.len() }
    }

    /// Guides through all tracks, from each mark down.
    pub fn guides(&self, scale: Scale, top: f64, bottom: f64) -> Markup {
        html! {
            @for (mark, lane, _) in &self.placed {
                @let x = n(scale.x(mark.at));
                line.guide.(mark.kind.class()) x1=(x) x2=(x) y1=(n(top + LANE * *lane as f64 + 15.0)) y2=(n(bottom)) {}
            }
        }
    }

    /// The marks and their labels; `clock` says a moment.
    pub fn draw(&self, scale: Scale, top: f64, clock: &dyn Fn(f64) -> String) -> Markup {
        html! {
            @for (mark, lane, left) in &self.placed {
                @let x = scale.x(mark.at);
                @let y = top + LANE * *lane as f64 + 9.0;
                g.mark.(mark.kind.class()) {
                    title { (clock(mark.at)) @if mark.until > mark.at { " to " (clock(mark.until)) } ": " (visible(&mark.verb)) " " (visible(&mark.who.join(", "))) }
                    (mark.kind.shape(x, y))
                    @if *left {
                        text x=(n(x - 9.0)) y=(n(y + 4.0)) text-anchor="end" { (mark.label()) }
                    } @else {
                        text x=(n(x + 9.0)) y=(n(y + 4.0)) { (mark.label()) }
                    }
                }
            }
        }
    }
}

/// What happened in a run.
pub(super) fn collect(record: &RunRecord) -> Vec<Mark> {
    let mut marks = Vec::new();
    let mut add = |at: f64, kind: Kind, verb: &str, who: Option<String>| {
        marks.push(Mark::new(at, kind, verb.to_owned(), who));
    };
    let mut ours = std::collections::BTreeSet::new();
    for effect in record.effects.iter().filter(|effect| effect.status.happened()) {
        let at = record.seconds(effect.took_effect.map_or(effect.requested, |bracket| bracket.by));
        let act = record.act(effect.act);
        let verb = act.map_or("act", |p| p.act.fault.kind().name());
        ours.extend(effect.instance.clone());
        add(at, Kind::Hit, verb, act.map(|p| p.act.target.says()).or_else(|| effect.instance.as_ref().map(|i| record.name(i))));
    }
    for o in &record.observations {
        let at = record.seconds(o.at);
        match &o.what {
            Observed::Died { instance, .. } if !ours.contains(instance) => {
                add(at, Kind::Hit, "died by itself:", Some(record.name(instance)));
            }
            Observed::Ejected { instance, .. } => add(at, Kind::Ejected, "ejected", Some(record.name(instance))),
            Observed::Launched { instance, replaces: Some(old), .. } if old == instance => {
                add(at, Kind::Launched, "started again", Some(record.name(instance)));
            }
            Observed::Launched { instance, .. } => add(at, Kind::Launched, "launched", Some(record.name(instance))),
            Observed::InService { instance, .. } => add(at, Kind::InService, "in service", Some(record.name(instance))),
            Observed::Note { text } | Observed::Alarm { text } => add(at, Kind::Note, text, None),
            _ => {}
        }
    }
    for undo in &record.undos {
        match &undo.result {
            UndoResult::Restored { says } => add(record.seconds(undo.at), Kind::Undone, "undone:", Some(says.clone())),
            UndoResult::Stuck { .. } => add(record.seconds(undo.at), Kind::Stuck, "undo stuck", None),
            UndoResult::Begun { .. } | UndoResult::NothingToUndo { .. } => {}
        }
    }
    for (at, by) in &record.halts {
        add(record.seconds(*at), Kind::Halt, "halted by", Some(by.clone()));
    }
    marks
}

/// Marks of one kind and word that lie close become one.
fn together(mut marks: Vec<Mark>, scale: Scale) -> Vec<Mark> {
    marks.sort_by(|a, b| a.at.total_cmp(&b.at).then(a.kind.cmp(&b.kind)));
    let mut out: Vec<Mark> = Vec::new();
    for mark in marks {
        let near =
            out.iter_mut().rev().find(|m| m.kind == mark.kind && m.verb == mark.verb && scale.x(mark.at) - scale.x(m.until) <= CLOSE);
        match near {
            Some(group) => {
                group.until = mark.at;
                group.who.extend(mark.who);
            }
            None => out.push(mark),
        }
    }
    out
}
