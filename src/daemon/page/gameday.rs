//! `/gameday`: a day with its agenda, what it waits for, and everything that people may say to it.

use std::sync::Arc;

use axum::{
    Extension,
    body::{Body, Bytes},
    extract::{Path, State},
    http::{HeaderValue, Response, Uri, header},
};
use maud::{Markup, html};

use super::{Frame, Way, pill, run, see, send};
use crate::{
    daemon::api::{
        App,
        access::{Visitor, field},
        apart,
        gamedays::{self, GameDay},
        problem::Problem,
        query::{self, Query},
    },
    gameday::{
        Ask, Day,
        event::WaitsOn,
        moment::{self, Moment, Sort},
        record::{ItemRecord, ItemState},
    },
    model::gameday::What,
    report::{
        gameday::{lines, write::DayReport},
        words::{seconds, visible},
    },
};

/// So many moments are listed, the newest first.
const MOMENTS: usize = 200;

/// `GET /gameday`: the one that lasts, or the one that is named.
pub async fn page(State(app): State<Arc<App>>, Extension(visitor): Extension<Visitor>, uri: Uri) -> Result<Response<Body>, Problem> {
    let named = Query::of(&uri, &["day"])?.text("day").map(str::to_owned);
    let with = app.clone();
    let all = apart(move || gamedays::list(&with)).await?;
    let living: Vec<&GameDay> = all.iter().filter(|day| day.lives).collect();
    let day = named.or_else(|| if let [one] = living.as_slice() { Some(one.day.clone()) } else { None });
    let Some(day) = day else {
        let frame = Frame::new(&app, Some(&visitor), Way::GameDay, "Game days");
        return Ok(send(frame.page(html! { h1.hidden { "Game days" } (list(&all)) })));
    };
    let (record, lives) = gamedays::read(&app, &day).await?;
    let frame = Frame::new(&app, Some(&visitor), Way::GameDay, record.title());
    Ok(send(frame.page(html! {
        div.day data-day=[lives.then_some(&day)] data-seen=(record.last_number) {
            p.kicker { @if lives { "Game day, now" } @else { "Game day" } }
            h1 { (visible(record.title())) }
            @if let Some(about) = &record.about {
                @if let Some(text) = &about.description { p.lead { (visible(text)) } }
            }
            p.status role="status" id="day-status" { (now(&record, lives)) }
            @if !lives { p { a href={ "/gamedays/" (day) "/report.html" } { "The whole report" } } }
            @if lives { (say(&frame, &record, &day)) }
            div id="day-now" { (agenda(&app, &record)) (actions(&record)) (moments(&record)) }
        }
        @if all.len() > 1 { (list(&all)) }
    })))
}

/// The days that last now, with the way to them; nothing when there is none.
pub(super) fn lasting(all: &[GameDay]) -> Markup {
    html! {
        @for day in all.iter().filter(|day| day.lives) {
            section {
                p { span.pill.good { "game day" } " " (link(day)) " lasts now." }
            }
        }
    }
}

fn link(day: &GameDay) -> Markup {
    html! { a href={ "/gameday?day=" (day.day) } { @match &day.title { Some(title) => (visible(title)), None => (day.day) } } }
}

fn list(all: &[GameDay]) -> Markup {
    html! {
        section aria-labelledby="days" {
            h2 id="days" { "Game days" }
            @if all.is_empty() { p.sub { "There is none. " code { "firedrill gameday run FILE" } " begins one." } }
            ul.plain {
                @for day in all {
                    li {
                        (link(day))
                        @if day.lives { " " span.pill.good { "now" } }
                    }
                }
            }
        }
    }
}

/// Where it is, in a sentence.
fn now(day: &Day, lives: bool) -> String {
    let paused =
        day.paused.as_ref().map(|said| format!("Paused by {}. ", visible(said.by.as_deref().unwrap_or("somebody")))).unwrap_or_default();
    let waits = day.waits.as_ref().map(|on| {
        let until = match on {
            WaitsOn::Time { until } | WaitsOn::Pause { until } => format!(" (until {})", lines::clock_time(*until, &lines::zone(day))),
            _ => String::new(),
        };
        format!("It {}{until}.", visible(moment::waits(on).trim_start_matches("It ")))
    });
    let counted = day.countdown_s.map(|left| format!("The drill begins in {left} s."));
    let drills = day.drilling().map(|(item, _)| format!("It runs: {}.", visible(&item.item.says)));
    match waits.or(counted).or(drills) {
        Some(text) if lives => format!("{paused}{text}"),
        _ if lives => format!("{paused}It goes on."),
        _ => visible(&day.sentence(false)).into_owned(),
    }
}

/// One form: who says it, what, and a button for each thing that may be said.
fn say(frame: &Frame, day: &Day, id: &str) -> Markup {
    let item = day.current.map(|item| item.to_string()).unwrap_or_default();
    html! {
        section.say aria-labelledby="say" {
            h2 id="say" { "What you say" }
            form method="post" action="/gameday" id="say-form" {
                (frame.word())
                input type="hidden" name="day" value=(id);
                div.fields {
                    label { span { "Your name" } input name="by" id="by" required maxlength="80" autocomplete="name"; }
                    label.wide { span { "Words" } input name="text" id="text" maxlength="4000"; }
                    label { span { "Owner of an action item" } input name="owner" maxlength="80"; }
                }
                div.buttons id="day-buttons" {
                    input type="hidden" name="item" value=(item);
                    (go(day))
                    button name="do" value="note" type="submit" { "Note" }
                    button name="do" value="action" type="submit" { "Action item" }
                    @if day.drilling().is_some() {
                        button name="do" value="detected" type="submit" { "Noticed the fault" }
                        @if day.drilling().is_some_and(|(record, _)| mitigates(record)) { button name="do" value="mitigated" type="submit" { "Mitigated" } }
                    }
                    @if day.paused.is_some() { button name="do" value="resume" type="submit" { "Go on after the pause" } }
                    @else { button name="do" value="pause" type="submit" { "Pause" } }
                    details.act {
                        summary { "Leave out, or end…" }
                        p { "A drill that runs halts, and everything that it did is undone." }
                        button.danger name="do" value="skip" type="submit" { "Leave this item out" } " "
                        button.danger name="do" value="abort" type="submit" { "End the day" }
                    }
                }
            }
        }
    }
}

/// What it waits for a person to say.
fn go(day: &Day) -> Markup {
    html! {
        @match &day.waits {
            Some(WaitsOn::Go { plan }) => {
                @if let Some(plan) = plan { pre.plan { (visible_lines(plan)) } }
                button.primary id="go" name="do" value="go" type="submit" { "Go" }
            },
            Some(WaitsOn::Pause { .. } | WaitsOn::Decision { .. } | WaitsOn::Time { .. }) => { button.primary id="go" name="do" value="go" type="submit" { "Go on" } },
            Some(WaitsOn::Answer { question, options }) => {
                p.question { (visible(question)) }
                @for option in options { button.primary name="answer" value=(option) type="submit" { (visible(option)) } }
                @if options.is_empty() { button.primary name="do" value="answer" type="submit" { "Answer with the words" } }
            },
            None => {},
        }
    }
}

fn visible_lines(text: &str) -> String {
    text.lines().map(|line| visible(line).into_owned() + "\n").collect()
}

fn mitigates(record: &ItemRecord) -> bool {
    matches!(&record.item.item.what, What::Experiment(drill) if drill.mitigate.is_some())
}

fn agenda(app: &App, day: &Day) -> Markup {
    html! {
        section aria-labelledby="agenda" {
            h2 id="agenda" { "Agenda" }
            div.scroll tabindex="0" role="region" aria-labelledby="agenda" {
                table.agenda {
                    thead { tr { th scope="col" { "" } th scope="col" { "Item" } th scope="col" { "What" } th scope="col" { "Owner" } th scope="col" { "Predicted" } th scope="col" { "Came to" } } }
                    tbody { @for record in &day.items { (row(app, record)) } }
                }
            }
        }
    }
}

fn row(app: &App, record: &ItemRecord) -> Markup {
    let (class, sign, word) = match record.state {
        ItemState::ToCome => ("to-come", "", "to come"),
        ItemState::Now => ("current", "▶", "now"),
        ItemState::Done => ("done", "✓", "done"),
        ItemState::Skipped => ("skipped", "–", "left out"),
        ItemState::BrokenOff => ("broken-off", "■", "broken off"),
    };
    html! {
        tr.(class) aria-current=[(record.state == ItemState::Now).then_some("step")] {
            td { span aria-hidden="true" { (sign) } span.hidden { (word) } }
            th scope="row" {
                (record.item.number) ". " (visible(&record.item.says))
                @if let Some(at) = record.item.item.at { div.dim { "not before " (at) } }
            }
            td { (lines::kind(&record.item.item.what)) }
            td { (visible(record.item.item.owner.as_deref().unwrap_or("–"))) }
            td { @match record.predicted() { Some(verdict) => (verdict), None => "–" } }
            td {
                @if let Some(drill) = &record.drill {
                    @if drill.verdict.is_some() { (pill(drill.verdict)) " " }
                    @if app.shelf.summary(drill.run.as_str()).is_some() { a href={ "/runs/" (drill.run) } { "run" } }
                    @if record.as_predicted() == Some(false) { div.hit { "not as predicted" } }
                }
                @if let Some(said) = &record.answered { (visible(&said.text)) }
                @if let Some(s) = record.detected_after_s() { div.dim { "noticed after " (seconds(s)) } }
                @if let Some(s) = record.mitigated_after_s() { div.dim { "mitigated after " (seconds(s)) } }
            }
        }
    }
}

fn actions(day: &Day) -> Markup {
    html! {
        @if !day.actions.is_empty() {
            section aria-labelledby="actions" {
                h2 id="actions" { "Action items" }
                ul { @for action in &day.actions { li { (visible(&action.text)) span.dim { @if let Some(owner) = &action.owner { " " (visible(owner)) } } } } }
            }
        }
    }
}

fn moments(day: &Day) -> Markup {
    let zone = lines::zone(day);
    let line = |moment: &Moment| {
        let tone = match moment.sort {
            Sort::Day | Sort::Item | Sort::Announced | Sort::Waits => "strong",
            Sort::Effect | Sort::Aborting | Sort::Warning => "bad",
            Sort::Note | Sort::Action | Sort::Answered => "good",
            _ => "plain",
        };
        html! { li.(tone) {
            span.at { (lines::clock_time(moment.when.wall, &zone)) }
            span { (visible(&moment.text)) @if let Some(by) = &moment.by { span.dim { " — " (visible(by)) } } }
        } }
    };
    html! {
        section aria-labelledby="moments" {
            h2 id="moments" { "What happened, the newest first" }
            ol.happened { @for moment in day.moments.iter().rev().take(MOMENTS) { (line(moment)) } }
        }
    }
}

/// `POST /gameday`
pub async fn tell(State(app): State<Arc<App>>, body: Bytes) -> Result<Response<Body>, Problem> {
    let text = |name| field(&body, name).unwrap_or_default();
    let (day, by, words) = (text("day"), text("by"), text("text"));
    // Only for the item that the page showed: another person may have said it a moment ago.
    let item = text("item").parse().ok();
    let ask = match (field(&body, "answer"), text("do").as_str()) {
        (Some(answer), _) => Ask::Answer { text: answer, item },
        (None, "go") => Ask::Go { item },
        (None, "action") => Ask::Action { text: words, owner: Some(text("owner")).filter(|owner| !owner.trim().is_empty()) },
        (None, "answer") => Ask::Answer { text: words, item },
        (None, "pause") => Ask::Pause,
        (None, "resume") => Ask::Resume,
        (None, "skip") => Ask::Skip { item },
        (None, "detected") => Ask::Detected,
        (None, "mitigated") => Ask::Mitigated,
        (None, "abort") => Ask::Abort,
        // The button for notes; and Enter in a field presses none.
        (None, _) => Ask::Note { text: words },
    };
    gamedays::tell(&app, &day, &by, ask).await?;
    Ok(see(&format!("/gameday?day={day}")))
}

/// `GET /gamedays/{name}/report.html`: of a day; or of one of its runs, to which the day's report links as its neighbour.
pub async fn report(State(app): State<Arc<App>>, Path(name): Path<String>, uri: Uri) -> Result<Response<Body>, Problem> {
    Query::of(&uri, &[])?;
    let day = app.clone();
    let of_day = apart(move || {
        let Some(folder) = gamedays::folder(&day, &name) else { return Ok(Err(name)) };
        let kept = gamedays::open(&day, &name, DayReport::Html.file_name()).and_then(|file| std::io::read_to_string(file).ok());
        let record = || Ok(DayReport::Html.render(&crate::report::gameday::load(&folder).map_err(Problem::broken)?, &folder));
        Ok(Ok(kept.map_or_else(record, Ok)?))
    });
    match of_day.await? {
        Ok(text) => {
            let mut response = query::typed("text/html; charset=utf-8", text);
            response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(run::SANDBOX));
            Ok(response)
        }
        Err(name) => run::report(State(app), Path(name), uri).await,
    }
}
