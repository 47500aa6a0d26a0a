//! `/history`: past runs, and how the figures of each experiment move.

use std::{fmt::Write as _, sync::Arc};

use axum::{
    Extension,
    body::Body,
    extract::State,
    http::{Response, Uri},
};
use maud::{Markup, PreEscaped, html};

use super::{Frame, Way, pill, send};
use crate::{
    daemon::api::{
        App,
        access::Visitor,
        apart,
        history::{broken, filter, opened},
        problem::Problem,
        query::Query,
    },
    daemon::shelf::is_id,
    history::{Experiment, Filter, Run, Series, Standing, Store, Trend, verdict_word},
    measure::compare::Aspect,
    model::verdict::Verdict,
    report::{
        against::{name, show},
        words::{count, plural, visible},
    },
};

/// So many runs are listed unless more are asked for, and so many experiments get a trend.
const USUAL: u64 = 200;
const TRENDS: usize = 8;
/// The runs of a trend.
const LENGTH: u64 = 40;
/// The columns of figures.
const FIGURES: [Aspect; 4] = [Aspect::Availability, Aspect::LongestOutage, Aspect::P99, Aspect::Recovery];

/// `GET /history`
pub async fn page(State(app): State<Arc<App>>, Extension(visitor): Extension<Visitor>, uri: Uri) -> Result<Response<Body>, Problem> {
    let filter = filter(&Query::of(&uri, &["experiment", "environment", "verdict", "limit"])?, USUAL)?;
    apart(move || {
        let frame = Frame::new(&app, Some(&visitor), Way::History, "History");
        let content = match opened()? {
            None => html! { section { h2 { "History" } p.sub { "There is no run in it yet." } } },
            Some(store) => content(&app, &store, &filter).map_err(broken)?,
        };
        Ok(send(frame.page(html! { h1.hidden { "History" } (content) })))
    })
    .await
}

fn content(app: &App, store: &Store, filter: &Filter) -> Result<Markup, crate::history::HistoryError> {
    let (all, runs) = (store.experiments()?, store.list(filter)?);
    let shown =
        all.iter().filter(|experiment| filter.experiment.is_none() || runs.iter().any(|run| run.experiment == experiment.experiment));
    let trends = shown.take(TRENDS).map(|experiment| store.trend(&experiment.experiment, Some(LENGTH))).collect::<Result<Vec<_>, _>>()?;
    Ok(html! {
        section aria-labelledby="trends" {
            h2 id="trends" { "Trends" }
            p.sub { "Each figure over the last " (LENGTH) " runs of an experiment, the newest on the right." }
            @for trend in &trends { (trend_of(trend)) }
            @if all.len() > trends.len() && filter.experiment.is_none() { p.sub { "and " (plural(all.len() - trends.len(), "more experiment")) ": choose one below." } }
        }
        section aria-labelledby="runs" {
            h2 id="runs" { "Runs" }
            (choice(&all, filter))
            @if runs.is_empty() { p.sub { "No run is like that." } } @else { (table(app, &runs)) }
            @if runs.len() as u64 == USUAL { p.sub { a href="/history?limit=1000" { "The last thousand" } " · " code { "firedrill history" } " lists all of them." } }
        }
    })
}

fn choice(all: &[Experiment], filter: &Filter) -> Markup {
    html! {
        form.filter method="get" action="/history" role="search" {
            label for="experiment" { "Experiment" }
            select id="experiment" name="experiment" {
                option value="" { "all" }
                @for one in all {
                    option value=(one.experiment) selected[filter.experiment.as_ref() == Some(&one.experiment)] { (visible(&one.experiment)) }
                }
            }
            label for="verdict" { "Verdict" }
            select id="verdict" name="verdict" {
                option value="" { "any" }
                @for verdict in Verdict::ALL { option value=(verdict_word(verdict)) selected[filter.verdict == Some(verdict)] { (verdict.word()) } }
            }
            label for="environment" { "Environment" }
            input id="environment" name="environment" size="12" value=(filter.environment.as_deref().unwrap_or_default());
            button type="submit" { "Show" }
        }
    }
}

fn table(app: &App, runs: &[Run]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-labelledby="runs" {
            table {
                thead { tr {
                    th scope="col" { "Began (UTC)" } th scope="col" { "Verdict" } th scope="col" { "Experiment" } th scope="col" { "Environment" }
                    @for aspect in FIGURES { th.num scope="col" { (name(aspect)) } }
                    th.num scope="col" { "failed" }
                } }
                tbody { @for run in runs { (row(app, run)) } }
            }
        }
    }
}

fn row(app: &App, run: &Run) -> Markup {
    // Runs of other folders have no page here.
    let here = is_id(run.run.as_str()) && run.folder.as_deref().is_some_and(|folder| lies_in(app, folder));
    html! {
        tr {
            td.nowrap { (run.began.strftime("%Y-%m-%d %H:%M:%S")) }
            td { (pill(Some(run.verdict))) }
            td title=(visible(&run.reason)) { @if here { a href={ "/runs/" (run.run) } { (visible(&run.experiment)) } } @else { (visible(&run.experiment)) } }
            td { (visible(run.environment.as_deref().unwrap_or("–"))) }
            @for aspect in FIGURES { td.num { @match run.figures.get(aspect) { Some(range) => (show(aspect, range.value)), None => "–" } } }
            td.num { @match run.figures.failures { Some(failures) => (count(failures)), None => "–" } }
        }
    }
}

fn lies_in(app: &App, folder: &str) -> bool {
    let out = std::path::absolute(app.shelf.path()).unwrap_or_else(|_| app.shelf.path().to_owned());
    std::path::Path::new(folder).parent() == Some(out.as_path())
}

fn trend_of(trend: &Trend) -> Markup {
    let outcomes = trend.runs.iter().rev().take(20).collect::<Vec<_>>();
    html! {
        article.trend {
            h3 { a href={ "/history?" (form_urlencoded::Serializer::new(String::new()).append_pair("experiment", &trend.experiment).finish()) } { (visible(&trend.experiment)) } }
            p.outcomes aria-label={ "Verdicts of " (plural(trend.runs.len(), "run")) } {
                @for run in outcomes.iter().rev() { (dot(run)) }
            }
            @if trend.series.is_empty() { p.sub { "None of its runs came to a verdict about the system, so there is no trend." } }
            dl.series { @for series in &trend.series { (figure(series)) } }
        }
    }
}

fn dot(run: &Run) -> Markup {
    let (class, sign) = crate::daemon::api::told::verdict_looks(run.verdict);
    html! { span.dot.(class) title={ (run.began.strftime("%Y-%m-%d %H:%M UTC")) ": " (run.verdict.word()) } { (sign) } }
}

fn figure(series: &Series) -> Markup {
    let of = |value| show(series.aspect, value);
    let class = match series.standing {
        Standing::Worse => "worse",
        Standing::Better => "better",
        Standing::TooFew | Standing::Within | Standing::Untold => "",
    };
    html! {
        div.(class) {
            dt { (name(series.aspect)) }
            dd {
                (sparkline(series))
                span.last { @match series.last { Some(last) => (of(last)), None => "none" } }
                span.dim { "median " (of(series.median)) ", " (of(series.min)) " to " (of(series.max)) }
                span.stands { (series.stands()) }
            }
        }
    }
}

/// The values as a line; a run without one leaves a gap.
fn sparkline(series: &Series) -> Markup {
    let (wide, high) = (180.0, 36.0);
    let step = wide / (series.values.len().max(2) - 1) as f64;
    let span = series.max - series.min;
    let y = |value: f64| if span > 0.0 { 3.0 + (1.0 - (value - series.min) / span) * (high - 6.0) } else { high / 2.0 };
    let mut path = String::new();
    let mut drawing = false;
    let mut dots = Vec::new();
    for (n, value) in series.values.iter().enumerate() {
        let Some(value) = value else {
            drawing = false;
            continue;
        };
        let (x, y) = (n as f64 * step, y(*value));
        let _ = write!(path, "{}{x:.1} {y:.1}", if drawing { "L" } else { "M" });
        let next = series.values.get(n + 1).is_some_and(Option::is_some);
        if (!drawing && !next) || n + 1 == series.values.len() {
            dots.push((x, y));
        }
        drawing = true;
    }
    let mut circles = String::new();
    for (x, y) in &dots {
        let _ = write!(circles, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.5\"/>");
    }
    html! {
        svg.spark viewBox="-4 0 188 36" width="188" height="36" role="img" aria-label={ (name(series.aspect)) " over " (plural(series.values.len(), "run")) } {
            path d=(path) {}
            (PreEscaped(circles))
        }
    }
}
