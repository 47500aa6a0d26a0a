//! `/runs/{run}`: a run as it happens, with the button that stops it; and what came of it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, Response, Uri, header},
};
use maud::{Markup, PreEscaped, html};

use super::{Frame, Way, pill, send};
use crate::{
    daemon::api::{
        App,
        access::Visitor,
        apart,
        problem::Problem,
        query::{self, Query},
        runs,
        stream::{self, Wants},
        told::{Teller, Told, verdict_looks},
    },
    report::{
        Gate, RunRecord, json_lines,
        words::{self, plural, seconds, visible},
        write::Format,
    },
};

/// Ticks of a strip, and lines of what happened, that a page shows.
const TICKS: usize = 240;
const LINES: usize = 300;
/// Victims that it lists.
const VICTIMS: usize = 50;
/// The largest report that is sent.
const LARGEST: u64 = 64 << 20;
/// A report's texts are foreign: it may load nothing, do nothing, and is of no origin.
pub const SANDBOX: &str =
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

struct Strip {
    ticks: VecDeque<(u64, u64, &'static str)>,
    says: String,
}

/// What a page shows of a run.
#[derive(Default)]
struct Seen {
    teller: Teller,
    number: u64,
    strips: BTreeMap<String, Strip>,
    lines: VecDeque<(String, &'static str, String)>,
    left_out: usize,
}

/// `GET /runs/{run}`
pub async fn page(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path(run): Path<String>,
    uri: Uri,
) -> Result<Response<Body>, Problem> {
    Query::of(&uri, &[])?;
    apart(move || {
        let seen = read(&app, &run)?;
        let record = &seen.teller.record;
        let lives = record.outcome.is_none() && runs::process(&app, &run).is_some();
        let frame = Frame::new(&app, Some(&visitor), Way::Runs, record.title());
        Ok(send(frame.page(html! {
            div.live data-run=[lives.then_some(&run)] data-seen=(seen.number) {
                (head(&frame, record, &run, lives))
                (strips(&seen))
                (conditions(record))
                (victims(record))
                (happened(&seen, lives))
            }
        })))
    })
    .await
}

/// `GET /runs/{run}/live`: what the page's script puts into it.
pub async fn live(State(app): State<Arc<App>>, Path(run): Path<String>, uri: Uri, headers: HeaderMap) -> Result<Response<Body>, Problem> {
    let after = Query::of(&uri, &["after"])?.number("after", 0, 0..=u64::MAX)?;
    stream::follow(app, &run, Wants::Told, stream::last_seen(&headers)?.unwrap_or(after))
}

/// `GET /runs/{run}/report`
pub async fn report(State(app): State<Arc<App>>, Path(run): Path<String>, uri: Uri) -> Result<Response<Body>, Problem> {
    Query::of(&uri, &[])?;
    apart(move || {
        let kept = Format::Html.file_name().and_then(|name| app.shelf.open(&run, name));
        let kept =
            kept.filter(|file| file.metadata().is_ok_and(|meta| meta.len() <= LARGEST)).and_then(|file| std::io::read_to_string(file).ok());
        let text = match kept {
            Some(text) => text,
            None => Format::Html.render(&app.shelf.record(&run).ok_or_else(|| runs::unknown(&run))?.map_err(Problem::broken)?),
        };
        let mut response = query::typed("text/html; charset=utf-8", text);
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(SANDBOX));
        Ok(response)
    })
    .await
}

fn read(app: &App, run: &str) -> Result<Seen, Problem> {
    let file = app.shelf.events(run).ok_or_else(|| runs::unknown(run))?;
    let mut seen = Seen::default();
    json_lines::read(file, |event| {
        seen.number = event.number;
        for told in seen.teller.take(&event) {
            seen.take(told);
        }
    })
    .map_err(Problem::broken)?;
    Ok(seen)
}

impl Seen {
    fn take(&mut self, told: Told) {
        match told {
            Told::Line { at, tone, text } => {
                self.lines.push_front((at, tone, text));
                if self.lines.len() > LINES {
                    self.lines.pop_back();
                    self.left_out += 1;
                }
            }
            Told::Tick { phase, probes } => {
                for tick in probes {
                    let strip = self.strips.entry(tick.probe).or_insert_with(|| Strip { ticks: VecDeque::new(), says: String::new() });
                    strip.says = tick.says;
                    strip.ticks.push_back((tick.requests, tick.ok, phase));
                    if strip.ticks.len() > TICKS {
                        strip.ticks.pop_front();
                    }
                }
            }
            Told::Phase { .. } | Told::Reload => {}
        }
    }
}

fn head(frame: &Frame, record: &RunRecord, run: &str, lives: bool) -> Markup {
    let gate = Gate::of(record);
    html! {
        div.title {
            div {
                p.kicker { @if lives { "Run, now" } @else { "Run" } }
                h1 { (visible(record.title())) }
            }
            @if lives { (stop(frame, run)) }
        }
        @if record.outcome.is_some() {
            @let (class, sign) = verdict_looks(gate.verdict);
            div.verdict.(class) {
                span.sign aria-hidden="true" { (sign) }
                div { p.word { (gate.verdict.word()) } p.why { (visible(&gate.reason)) } }
                a.report href={ "/runs/" (run) "/report" } { "The whole report" }
            }
        } @else if lives {
            p.phase { "Phase: " strong id="phase" { @match record.phases.last() { Some((phase, _)) => (phase), None => "preparing" } } }
        } @else {
            div.verdict.bad {
                span.sign aria-hidden="true" { "✗" }
                div { p.word { "did not end" } p.why { "Its process is gone. " code { "firedrill recover " (run) } " undoes what it may have left." } }
                a.report href={ "/runs/" (run) "/report" } { "What is known of it" }
            }
        }
        dl.facts {
            @if let Some((_, at)) = record.started { div { dt { "Began" } dd { (words::wall(at)) } } }
            @if let (Some((from, _)), Some((to, _)), false) = (record.started, record.last, lives) { div { dt { "Took" } dd { (seconds(to.seconds_from(from))) } } }
            @if let Some(name) = &record.environment { div { dt { "Environment" } dd { (visible(name)) } } }
            @if let Some(file) = &record.file { div { dt { "File" } dd { (visible(file)) } } }
            @if let Some(plan) = &record.plan { div { dt { "Seed" } dd { (plan.seed) } } }
            div { dt { "Run" } dd { (run) } }
        }
    }
}

/// Two steps, without a script too: opening it, and the button in it.
fn stop(frame: &Frame, run: &str) -> Markup {
    html! {
        details.act.stop {
            summary id="stop" { "Stop this run…" }
            p { "No new act starts, and everything that was done is undone." }
            (frame.button(&format!("/runs/{run}/halt"), &[], "danger", &html! { "Yes, stop and undo" }))
        }
    }
}

fn strips(seen: &Seen) -> Markup {
    html! {
        section.strips id="strips" aria-label="Availability as it happens" hidden[seen.strips.is_empty()] {
            h2 { "Availability, the newest on the right" }
            div id="probes" {
                @for (name, strip) in &seen.strips {
                    div.probe data-probe=(name) {
                        h3 { (name) }
                        svg.strip viewBox="0 0 960 40" preserveAspectRatio="none" role="img" aria-label={ "Availability of " (name) } {
                            @let first = TICKS - strip.ticks.len();
                            @for (n, tick) in strip.ticks.iter().enumerate() { (column(first + n, *tick)) }
                        }
                        p.says { (strip.says) }
                    }
                }
            }
            ul.legend {
                li { span.key.k-ok {} "answered" } li { span.key.k-bad {} "failed" } li { span.key.k-none {} "nothing asked" } li { span.key.k-fault {} "the fault lasts" }
            }
        }
    }
}

/// A tick: what was answered from below, what failed from above, and a line under it for its phase. The script draws the same.
fn column(n: usize, (requests, ok, phase): (u64, u64, &str)) -> Markup {
    let x = n * 4;
    let share = if requests == 0 { 0.0 } else { ok as f64 / requests as f64 };
    // One failure in many is seen.
    let failed = if requests == 0 || ok >= requests { 0.0 } else { ((1.0 - share) * 32.0).max(2.0) };
    let rect = |class: &str, y: f64, height: f64| {
        PreEscaped(format!("<rect class=\"{class}\" x=\"{x}\" y=\"{y:.1}\" width=\"4\" height=\"{height:.1}\"/>"))
    };
    html! {
        @if requests == 0 { (rect("none", 30.0, 2.0)) } @else {
            (rect("ok", failed, 32.0 - failed))
            @if failed > 0.0 { (rect("fail", 0.0, failed)) }
        }
        @if !phase.is_empty() { (rect(&format!("ph-{phase}"), 35.0, 4.0)) }
    }
}

fn conditions(record: &RunRecord) -> Markup {
    html! {
        @if !record.judged.is_empty() {
            section aria-labelledby="judged" {
                h2 id="judged" { "Conditions" }
                ul.plain {
                    @for judged in &record.judged {
                        @let (word, sign) = words::judged(judged.result);
                        @let class = match word { "held" => "good", "broken" => "bad", _ => "doubt" };
                        li {
                            span.pill.(class) { (sign) " " (word) } " " (visible(&judged.condition))
                            span.dim { " " @if let Some(phase) = judged.phase { "in the " (phase) " phase: " } (visible(&judged.measured)) }
                        }
                    }
                }
            }
        }
    }
}

fn victims(record: &RunRecord) -> Markup {
    let Some(plan) = &record.plan else { return html! {} };
    let all = plan.acts().count();
    html! {
        section aria-labelledby="victims" {
            h2 id="victims" { "Who is hit" }
            @if all == 0 { p.sub { "Nobody yet." } } @else {
                div.scroll tabindex="0" role="region" aria-labelledby="victims" {
                    table {
                        thead { tr { th scope="col" { "What" } th scope="col" { "Target" } th scope="col" { "How it is undone" } th scope="col" { "Undone" } } }
                        tbody {
                            @for act in plan.acts().take(VICTIMS) {
                                tr {
                                    td { (act.act.fault.kind()) }
                                    td { (visible(&act.act.target.says())) }
                                    td { (visible(act.undo.says())) }
                                    td { (undone(record, act)) }
                                }
                            }
                        }
                    }
                }
                @if all > VICTIMS { p.sub { "and " (plural(all - VICTIMS, "more act")) "; the report has them." } }
            }
        }
    }
}

fn undone(record: &RunRecord, act: &crate::model::act::Prepared) -> Markup {
    use crate::report::record::UndoResult;
    html! {
        @match record.undo_of(act.act.id).map(|undo| &undo.result) {
            None => span.dim { "–" },
            Some(UndoResult::Begun { .. }) => "begun",
            Some(UndoResult::Restored { .. }) => span.pill.good { "✓ undone" },
            Some(UndoResult::NothingToUndo { .. }) => span.pill.good { "✓ nothing to undo" },
            Some(UndoResult::Stuck { why, .. }) => { span.pill.bad { "✗ not undone" } " " (visible(why)) },
        }
    }
}

fn happened(seen: &Seen, lives: bool) -> Markup {
    html! {
        section aria-labelledby="happened" {
            h2 id="happened" { "What happened, the newest first" }
            ol.happened id="lines" role="log" aria-live=[lives.then_some("polite")] aria-relevant="additions" {
                @for (at, tone, text) in &seen.lines { li.(tone) { span.at { (at) } span { (text) } } }
            }
            @if seen.left_out > 0 { p.sub { (plural(seen.left_out, "earlier line")) " not shown; the report has everything." } }
            @if !lives && seen.teller.record.outcome.is_some() { p.sub { (pill(Some(seen.teller.record.verdict()))) } }
        }
    }
}
