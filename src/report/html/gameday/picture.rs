//! The day in one picture, and each drill up close: items, what people said, faults, and the availability that probes saw meanwhile, on one
//! clock. Drawn here, as SVG, so that the file needs no script.

use jiff::tz::TimeZone;
use maud::{Markup, html};

use crate::{
    gameday::{
        Day,
        moment::{Moment, Sort},
        record::ItemRecord,
    },
    model::{
        measurement::ProbeMeasurement,
        steady_state::Phase,
        time::{Mono, Wall},
    },
    report::{
        RunRecord,
        console::style::cut,
        gameday::{
            lines::{clock_time, zone},
            runs::DayRun,
        },
        html::{
            marks::{Kind, LANE, Mark, Marks, collect},
            scale::{LEFT, RIGHT, Scale, WIDTH, n},
            tracks::{self, STRIP, WINDOWS},
        },
        words::{plural, visible},
    },
};

/// Strips of one drill that are drawn; more probes are in its own report.
const PROBES: usize = 4;
/// Buckets across the picture.
const BUCKETS: f64 = 480.0;
/// The row of the agenda's items.
const ITEMS: f64 = 20.0;
/// A strip that is narrower has no labels.
const LABELLED: f64 = 180.0;
const HEAD: f64 = 18.0;
const ROW: f64 = HEAD + STRIP + WINDOWS;

/// A run that can be drawn.
struct Drawn<'a> {
    item: &'a ItemRecord,
    record: &'a RunRecord,
    /// Seconds from the beginning of the day to zero of the run's times.
    offset: f64,
}

/// What all pictures of a day share.
struct Stage<'a> {
    day: &'a Day,
    zone: TimeZone,
    began: Wall,
    runs: Vec<Drawn<'a>>,
}

impl<'a> Stage<'a> {
    fn of(day: &'a Day, runs: &'a [DayRun<'a>]) -> Option<Self> {
        let began = day.began?;
        let drawn = runs.iter().filter_map(|run| {
            let record = run.record.as_ref().ok()?;
            Some(Drawn { item: run.item, record, offset: day.seconds(record.origin()) })
        });
        Some(Self { day, zone: zone(day), began: began.wall, runs: drawn.collect() })
    }

    /// A moment of the day on its clock.
    fn clock(&self, s: f64) -> String {
        clock_time(Wall(self.began.0.saturating_add((s * 1e9) as i64)), &self.zone)
    }

    fn seconds(&self, at: Mono) -> f64 {
        self.day.seconds(at)
    }

    fn end(&self) -> f64 {
        self.day.last.map_or(0.0, |last| self.seconds(last.at))
    }
}

/// The whole day; nothing when nothing happened.
pub fn whole(day: &Day, runs: &[DayRun<'_>]) -> Markup {
    let Some(stage) = Stage::of(day, runs) else { return html! {} };
    let marks = said(&stage).chain(stage.runs.iter().flat_map(|run| done(run, false))).collect();
    html! {
        section.whole {
            h2 { "The day" }
            p.sub { "Times of the clock. Point at anything for its words; the times of a strip count from the first request of its run." }
            (draw(&stage, marks, (0.0, stage.end()), "The whole day"))
            (legend())
        }
    }
}

/// Each drill up close.
pub fn each(day: &Day, runs: &[DayRun<'_>]) -> Markup {
    let Some(stage) = Stage::of(day, runs) else { return html! {} };
    html! {
        @for (place, run) in stage.runs.iter().enumerate() {
            @let (from, to) = span(&stage, run);
            @let marks = said(&stage).filter(|mark| (from..=to).contains(&mark.at)).chain(done(&stage.runs[place], true)).collect();
            section.whole {
                h2 { (run.item.item.number) ". " (visible(&run.item.item.says)) }
                (draw(&stage, marks, (from, to), &format!("Item {}", run.item.item.number)))
            }
        }
    }
}

/// From the beginning of a run to its end, in seconds of the day.
fn span(stage: &Stage<'_>, run: &Drawn<'_>) -> (f64, f64) {
    let ends = run.record.started.zip(run.record.last).map(|((from, _), (to, _))| (stage.seconds(from), stage.seconds(to)));
    ends.unwrap_or((run.offset, run.offset + 1.0))
}

/// What people said, and what they were told.
fn said<'s>(stage: &'s Stage<'_>) -> impl Iterator<Item = Mark> + 's {
    stage.day.moments.iter().filter_map(|moment| {
        let Moment { when, sort, by, text, .. } = moment;
        let (kind, verb) = match sort {
            Sort::Announced => (Kind::Announced, String::new()),
            Sort::Confirmed => (Kind::InService, String::new()),
            Sort::Mitigated if by.is_some() => (Kind::InService, String::new()),
            Sort::Note => (Kind::Note, "note:".to_owned()),
            Sort::Action => (Kind::Note, "action:".to_owned()),
            Sort::Answered => (Kind::Person, "answer:".to_owned()),
            Sort::Detected | Sort::Paused | Sort::Skipped | Sort::Resumed => (Kind::Person, String::new()),
            Sort::Mitigated | Sort::Aborting => (Kind::Halt, String::new()),
            Sort::Warning => (Kind::Note, "warning:".to_owned()),
            // These are spans of the picture, or said by others.
            Sort::Day | Sort::Item | Sort::Waits | Sort::Countdown | Sort::Run | Sort::Effect => return None,
        };
        let verb = if verb.is_empty() { text.clone() } else { format!("{verb} {text}") };
        Some(Mark::new(stage.seconds(when.at), kind, verb, by.as_ref().map(|by| format!("· {by}"))))
    })
}

/// What a drill did: only the faults, or everything.
fn done(run: &Drawn<'_>, everything: bool) -> Vec<Mark> {
    let wanted = |mark: &Mark| everything || matches!(mark.kind(), Kind::Hit | Kind::Stuck | Kind::Halt);
    let mut marks = collect(run.record);
    // What people said stands there in the day's own words.
    marks.retain(|mark| wanted(mark) && !mark.says().starts_with("mitigated, says"));
    for mark in &mut marks {
        mark.later(run.offset);
    }
    marks
}

fn draw(stage: &Stage<'_>, marks: Vec<Mark>, (from, to): (f64, f64), about: &str) -> Markup {
    let scale = Scale::new(from, to);
    let marks = Marks::place(marks, scale);
    let here: Vec<&Drawn<'_>> = stage.runs.iter().filter(|run| span(stage, run).1 > from && span(stage, run).0 < to).collect();
    let rows = here.iter().map(|run| probes(run).len()).max().unwrap_or(0);
    let top = ITEMS + 10.0;
    let strips = top + LANE * marks.lanes as f64 + 10.0;
    let bottom = strips + ROW * rows as f64 + 6.0;
    let words = format!("{about}, from {} to {}: {}.", stage.clock(from), stage.clock(to), plural(here.len(), "drill"));
    html! {
        div.scroll tabindex="0" role="region" aria-label={ (about) ", scrolls sideways" } {
            svg.timeline viewBox={ "0 0 " (WIDTH) " " (n(bottom + 30.0)) } role="img" aria-label=(words) {
                @for run in &here { (fault(run, scale, ITEMS, bottom)) }
                @for record in &stage.day.items { (item(stage, record, scale)) }
                @for s in scale.ticks().into_iter().step_by(if to - from > 2.0 { 2 } else { 1 }) {
                    @let x = scale.x(s);
                    line.grid x1=(n(x)) x2=(n(x)) y1=(n(strips)) y2=(n(bottom + 4.0)) {}
                    text.axis x=(n(x)) y=(n(bottom + 18.0)) text-anchor=(if x > RIGHT - 24.0 { "end" } else { "middle" }) { (stage.clock(s)) }
                }
                line.base x1=(n(LEFT)) x2=(n(RIGHT)) y1=(n(bottom)) y2=(n(bottom)) {}
                (marks.guides(scale, top, bottom))
                @if rows > 0 { text.label x="0" y=(n(strips + HEAD + 13.0)) { "availability" } }
                @for run in &here { (run_strips(run, scale, strips, to - from)) }
                (marks.draw(scale, top, &|s| stage.clock(s)))
            }
        }
    }
}

fn probes<'a>(run: &Drawn<'a>) -> &'a [ProbeMeasurement] {
    let all: &[ProbeMeasurement] = run.record.measurement.as_ref().map_or(&[], |m| &m.probes);
    &all[..all.len().min(PROBES)]
}

/// The strips of a drill's probes, one below the other.
fn run_strips(run: &Drawn<'_>, scale: Scale, top: f64, seconds: f64) -> Markup {
    // Zero of the run's times is somewhere on the day's clock.
    let own = scale.zeroed_at(run.offset);
    let end = run.record.measurement.as_ref().and_then(|m| m.phases.iter().map(|p| p.to_s).reduce(f64::max)).unwrap_or_default();
    let buckets = (BUCKETS * end / seconds.max(1e-3)).clamp(1.0, BUCKETS) as usize;
    html! {
        @for (place, probe) in probes(run).iter().enumerate() {
            @let y = top + ROW * place as f64;
            @let x = own.x(0.0);
            @let letters = ((own.x(end) - x) / 6.6).max(0.0) as usize;
            g.probe {
                @if letters >= 4 { text.faint x=(n(x)) y=(n(y + 13.0)) { (cut(&visible(probe.name.as_str()), letters.min(40))) } }
                (tracks::strip(&tracks::condense(&probe.timeline, buckets), own, y + HEAD))
                // In a narrow strip their labels would lie over each other; up close they are all there.
                @if own.x(end) - x > LABELLED { (tracks::windows(&probe.outages, own, y + HEAD + STRIP, end)) }
            }
        }
    }
}

/// The fault phase of a drill, behind everything.
fn fault(run: &Drawn<'_>, scale: Scale, top: f64, bottom: f64) -> Markup {
    let own = scale.zeroed_at(run.offset);
    let spans = run.record.measurement.iter().flat_map(|m| &m.phases).filter(|phase| phase.phase == Phase::Fault);
    html! {
        @for phase in spans {
            @let (x, x2) = (own.x(phase.from_s), own.x(phase.to_s));
            rect.fault-span x=(n(x)) y=(n(top)) width=(n((x2 - x).max(1.0))) height=(n(bottom - top)) { title { "fault phase of item " (run.item.item.number) } }
        }
    }
}

/// An item of the agenda as a span at the top.
fn item(stage: &Stage<'_>, record: &ItemRecord, scale: Scale) -> Markup {
    let Some(began) = record.began else { return html! {} };
    let end = record.ended.map_or_else(|| stage.end(), |ended| stage.seconds(ended.at));
    let (x, x2) = (scale.x(stage.seconds(began.at)), scale.x(end));
    let letters = ((x2 - x - 8.0) / 6.8).max(0.0) as usize;
    let class = if record.drill.is_some() { "item" } else { "item quiet" };
    let title = format!("{}. {}", record.item.number, visible(&record.item.says));
    html! {
        @if x2 - x > 0.5 {
            g class=(class) {
                title { (title) ": " (stage.clock(stage.seconds(began.at))) " to " (stage.clock(end)) }
                rect x=(n(x + 0.5)) y="0" width=(n((x2 - x - 1.0).max(0.5))) height=(n(ITEMS)) rx="3" {}
                @if letters >= 3 { text x=(n(x + 6.0)) y="14" { (cut(&title, letters)) } } @else if letters >= 1 { text x=(n(x + 4.0)) y="14" { (record.item.number) } }
            }
        }
    }
}

fn legend() -> Markup {
    html! {
        ul.legend {
            li { span.key.k-ok {} "succeeded" }
            li { span.key.k-fail {} "failed, hanging from the top: the longer, the larger the share" }
            li { span.key.k-window {} "outage window" }
            li { span.key.k-none {} "nothing counted" }
        }
    }
}
