//! `/`: what runs, what comes in the next weeks, and every experiment with what may be done with it.

use std::sync::Arc;

use axum::{
    Extension,
    body::Body,
    extract::State,
    http::{Response, Uri},
};
use jiff::civil::Date;
use maud::{Markup, html};

use super::{Frame, Way, gameday, pill, runs::now_running, send};
use crate::{
    clock,
    daemon::{
        api::{App, access::Visitor, apart, gamedays, problem::Problem, query::Query, runs, schedule},
        outlook::{Day, Outlook, WEEKS},
    },
    report::words::{count, plural, visible},
};

/// So many experiments are listed; the rest is found by its name.
const MOST: usize = 100;
const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// `GET /`
pub async fn page(State(app): State<Arc<App>>, Extension(visitor): Extension<Visitor>, uri: Uri) -> Result<Response<Body>, Problem> {
    let wanted = Query::of(&uri, &["name"])?.text("name").unwrap_or_default().to_lowercase();
    apart(move || {
        let frame = Frame::new(&app, Some(&visitor), Way::Overview, "Overview");
        let (snapshot, outlook) = (app.now(), app.outlook());
        let (runs, experiments) = (runs::list(&app, 20)?, schedule::list(&app));
        let days = gamedays::list(&app)?;
        let today = app.zone.to_datetime(clock::moment()).date();
        Ok(send(frame.page(html! {
            h1.hidden { "Overview" }
            @if !snapshot.begun { section { p { "The folder is being read." } } }
            @if !snapshot.findings.is_empty() {
                section.alert { h2 { "Files that do not count" } pre { @for line in snapshot.findings.lines() { (visible(line)) "\n" } } }
            }
            (gameday::lasting(&days))
            (now_running(&runs))
            (calendar(&outlook, today, app.zone.iana_name().unwrap_or("the machine's zone")))
            (list(&frame, &experiments, &wanted))
        })))
    })
    .await
}

fn calendar(outlook: &Outlook, today: Date, zone: &str) -> Markup {
    let firings: usize = outlook.days.iter().map(|day| day.firings.len() + day.more).sum();
    html! {
        section aria-labelledby="calendar" {
            h2 id="calendar" { "The coming weeks" }
            p.sub {
                (plural(firings, "firing")) " in " (WEEKS) " weeks; days and times of " (zone) "."
                @if let Some(until) = outlook.until { " There are so many that those after " (until.strftime("%Y-%m-%d %H:%M UTC")) " are not shown." }
            }
            table.calendar {
                thead { tr { @for day in WEEKDAYS { th scope="col" { (day) } } } }
                tbody { @for week in outlook.days.chunks(7) { tr { @for day in week { (cell(day, today)) } } } }
            }
        }
    }
}

fn cell(day: &Day, today: Date) -> Markup {
    let class = if day.date < today {
        "past"
    } else if day.date == today {
        "today"
    } else if day.firings.is_empty() {
        "free"
    } else {
        "busy"
    };
    let date = if day.date.day() == 1 || day.date == today { day.date.strftime("%-d %b") } else { day.date.strftime("%-d") };
    html! {
        td.(class) aria-current=[(day.date == today).then_some("date")] {
            time.day datetime=(day.date) { span.weekday { (day.date.strftime("%a")) " " } (date) }
            @if !day.firings.is_empty() {
                ul {
                    @for (at, name) in &day.firings {
                        li title=(at.strftime("%H:%M %Z")) { time datetime=(at.timestamp()) { (at.strftime("%H:%M")) } " " (visible(name)) }
                    }
                }
            }
            @if day.more > 0 { p.more { "and " (count(day.more as u64)) " more" } }
        }
    }
}

fn list(frame: &Frame, all: &[schedule::Experiment], wanted: &str) -> Markup {
    let found: Vec<_> = all.iter().filter(|experiment| experiment.name.to_lowercase().contains(wanted)).collect();
    html! {
        section aria-labelledby="experiments" {
            h2 id="experiments" { "Experiments" }
            @if all.len() > MOST || !wanted.is_empty() {
                form.filter method="get" action="/" role="search" {
                    label for="name" { "Name" } input id="name" name="name" type="search" value=(visible(wanted)); button type="submit" { "Find" }
                }
            }
            @if all.is_empty() { p.sub { "No experiment of the folder has a " code { "schedule:" } "." } }
            @if !found.is_empty() {
                div.scroll tabindex="0" role="region" aria-labelledby="experiments" {
                    table {
                        thead { tr { th scope="col" { "Experiment" } th scope="col" { "Fires" } th scope="col" { "Next" } th scope="col" { "Last" } th scope="col" { "Do" } } }
                        tbody { @for experiment in found.iter().take(MOST) { (row(frame, experiment)) } }
                    }
                }
            }
            @if found.len() > MOST { p.sub { "and " (plural(found.len() - MOST, "more experiment")) "." } }
        }
    }
}

fn row(frame: &Frame, experiment: &schedule::Experiment) -> Markup {
    let name = experiment.name.as_str();
    let against: Vec<String> = experiment.against.iter().map(ToString::to_string).collect();
    html! {
        tr {
            th scope="row" { (visible(name)) @if let Some(group) = &experiment.group { div.dim { "group " (visible(group)) } } }
            td { (visible(&experiment.rule)) }
            td {
                @if !experiment.enabled { span.pill.doubt { "disabled" } }
                @else if let Some(next) = &experiment.next { time { (short(next)) } }
                @else { span.dim { "none found" } }
            }
            td { @if experiment.last_verdict.is_some() { (pill(experiment.last_verdict)) } @else { span.dim { "–" } } }
            td.do {
                details.act {
                    summary aria-label={ "Run " (visible(name)) " now" } { "Run now…" }
                    @if experiment.running { p { "Its run of before has not ended." } }
                    @else if !against.is_empty() { p { "It may not fire now: " (visible(&against.join("; "))) } }
                    @else {
                        p { "Users of the system may feel it." }
                        (frame.button("/experiments", &[("do", "run"), ("name", name)], "danger", &html! { "Yes, run it now" }))
                    }
                }
                @let (word, label) = if experiment.enabled { ("disable", "Disable") } else { ("enable", "Enable") };
                (frame.button("/experiments", &[("do", word), ("name", name)], "quiet", &html! { (label) span.hidden { " " (visible(name)) } }))
            }
        }
    }
}

/// `2026-12-01T10:30:00+00:00[Europe/Lisbon]`, shorter.
fn short(next: &str) -> String {
    next.parse::<jiff::Zoned>().map_or_else(|_| next.to_owned(), |at| at.strftime("%a %-d %b %Y, %H:%M %Z").to_string())
}
