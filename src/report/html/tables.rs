//! The tables that everybody reads: conditions, probes by phase, outages, victims, what is left.

use maud::{Markup, html};

use crate::{
    model::{
        act::Target,
        ids::Service,
        measurement::{GroupBy, JudgedResult, Measurement, Stats},
        steady_state::Phase,
    },
    report::{
        commands::commands,
        record::RunRecord,
        words::{self, classes, count, interval, maybe_seconds, moment, percent, plural, seconds, step_capacity, visible, whole},
    },
};

/// What could not be undone, loudly.
pub fn residue(record: &RunRecord) -> Markup {
    let left = record.outcome.as_ref().map_or(&[][..], |outcome| &outcome.residue);
    let open: Vec<_> = if record.outcome.is_none() { record.open_undos().collect() } else { Vec::new() };
    html! {
        @if !left.is_empty() {
            section.alert {
                h2 { "What is left, and how to undo it" }
                @for r in left {
                    p { strong { (visible(&r.what)) } ": " (visible(&r.why)) }
                    pre { code { (whole(&r.command)) } }
                }
            }
        }
        @if !open.is_empty() {
            section.alert {
                h2 { "Not known to be undone" }
                ul { @for p in open { li { (visible(&p.act.target.says())) ": " (visible(p.undo.says())) } } }
                pre { code { "firedrill recover" } }
            }
        }
    }
}

/// Why the numbers are not to be trusted, loudly.
pub fn doubts(record: &RunRecord) -> Markup {
    let doubts = record.measurement.as_ref().map_or(&[][..], |m| &m.trust.doubts);
    html! {
        @if !doubts.is_empty() {
            section.alert {
                h2 { "This measurement is not to be trusted" }
                ul { @for doubt in doubts { li { (visible(doubt)) } } }
            }
        }
    }
}

/// The conditions, judged.
pub fn conditions(record: &RunRecord) -> Markup {
    html! {
        @if !record.judged.is_empty() {
            section {
                h2 { "Conditions" }
                div.scroll tabindex="0" role="region" aria-label="Conditions" { table.stack {
                    thead { tr { th scope="col" { "Result" } th scope="col" { "Condition" } th scope="col" { "Phase" } th scope="col" { "Measured" } } }
                    tbody {
                        @for j in &record.judged {
                            @let (word, sign) = words::judged(j.result);
                            @let class = match j.result { JudgedResult::Held => "good", JudgedResult::Broken => "bad", JudgedResult::Untold => "doubt" };
                            tr {
                                td { span.pill.(class) { (sign) " " (word) } }
                                td { code { (visible(&j.condition)) } }
                                td { (j.phase.map_or("whole run", Phase::name)) }
                                td { (visible(&j.measured)) @if let Some(why) = &j.why { div.dim { (visible(why)) } } }
                            }
                        }
                    }
                } }
            }
        }
    }
}

/// The columns of numbers that tables of requests share.
pub fn stat_heads() -> Markup {
    html! { th.num scope="col" { "Requests" } th.num scope="col" { "Failed" } th.num scope="col" { "Availability" } th.num scope="col" { "95 % interval" } th.num scope="col" { "p50" } th.num scope="col" { "p90" } th.num scope="col" { "p99" } th.num scope="col" { "p99.9" } th.num scope="col" { "Max" } th scope="col" { "Failures" } }
}

/// The numbers under `stat_heads`.
pub fn stat_cells(s: &Stats) -> Markup {
    let l = |pick: fn(&crate::model::measurement::Latency) -> f64| maybe_seconds(s.latency.as_ref().map(pick));
    html! {
        td.num { (count(s.requests)) }
        td.num.hit[s.failed() > 0] { (count(s.failed())) }
        td.num { (s.availability.map_or_else(|| "–".to_owned(), |a| percent(a.value))) }
        td.num.dim { (s.availability.map_or_else(|| "–".to_owned(), |a| interval(&a))) }
        td.num { (l(|l| l.p50)) }
        td.num { (l(|l| l.p90)) }
        td.num { (l(|l| l.p99)) }
        td.num { (l(|l| l.p999)) }
        td.num { (l(|l| l.max)) }
        td.dim.wide { (classes(&s.failures)) @if !s.statuses.is_empty() { " (" (s.statuses.iter().map(|(code, n)| format!("{code}:\u{a0}{n}")).collect::<Vec<_>>().join(", ")) ")" } }
    }
}

/// Probes by phase, with both connection policies side by side.
pub fn probes(record: &RunRecord) -> Markup {
    let Some(m) = &record.measurement else { return html! {} };
    html! {
        @for probe in &m.probes {
            section {
                h2 { "Probe " (visible(probe.name.as_str())) }
                p.sub {
                    (visible(&probe.kind)) ", " (words::pace(&probe.kind, probe.rate)) ", deadline " (seconds(probe.timeout_s))
                    ". " (plural(probe.accounting.due, "request")) " due, " (count(probe.accounting.recorded)) " accounted for"
                    @if probe.accounting.late > 0 { ", " (count(probe.accounting.late)) " of them sent late by us and left out" }
                    @if probe.accounting.not_sent > 0 { ", " (count(probe.accounting.not_sent)) " not sent" }
                    "."
                }
                div.scroll tabindex="0" role="region" aria-label={ "Probe " (visible(probe.name.as_str())) } { table {
                    thead { tr { th scope="col" { "Phase" } (stat_heads()) } }
                    tbody {
                        @for phase in &probe.phases {
                            tr { th scope="row" { (phase.phase) } (stat_cells(&phase.stats)) }
                            @for group in probe.groups.iter().filter(|g| g.by == GroupBy::Policy && g.phase == phase.phase) {
                                tr.sub-row { th scope="row" { (policy(&group.key)) } (stat_cells(&group.stats)) }
                            }
                        }
                        tr.total { th scope="row" { "whole run" } (stat_cells(&probe.whole)) }
                    }
                } }
                dl.facts {
                    @if let Some(share) = probe.whole.retrying_client {
                        div { dt { "A client that retries once on a closed connection" } dd { (percent(share)) } }
                    }
                    div { dt { "Downtime" } dd { (seconds(probe.downtime_s)) } }
                    div { dt { "Downtime weighted by its share of failures" } dd { (seconds(probe.weighted_downtime_s)) } }
                    div { dt { "Smallest outage that would have been seen" } dd { (seconds(probe.smallest_visible_outage_s)) } }
                    @for w in &probe.worst_windows {
                        div { dt { "Worst " (seconds(w.window_s)) } dd { (percent(w.availability)) span.dim { " from " (moment(w.from_s)) } } }
                    }
                    @if let Some(b) = &probe.budget {
                        div { dt { "Error budget burned (" (percent(b.objective)) " over " (period(b.over_s)) ")" } dd { (percent(b.burned)) } }
                        @if let Some(events) = b.events_per_month {
                            div { dt { "Such events the objective bears in 30 days" } dd { @if events < 100.0 { (format!("{events:.1}")) } @else { (count(events as u64)) } } }
                        }
                    }
                }
            }
        }
    }
}

/// A period of days is said in days.
fn period(s: f64) -> String {
    let days = (s / 86_400.0).round();
    if days >= 2.0 && (days * 86_400.0 - s).abs() < 1.0 { format!("{days:.0} days") } else { seconds(s) }
}

fn policy(key: &str) -> String {
    match key {
        "new" => "new connections".to_owned(),
        "keep-alive" => "connections kept alive".to_owned(),
        other => visible(other).into_owned(),
    }
}

/// The outage windows with their brackets.
pub fn outages(record: &RunRecord) -> Markup {
    let Some(m) = &record.measurement else { return html! {} };
    html! {
        section {
            h2 { "Outages" }
            @if m.probes.iter().all(|p| p.outages.is_empty()) {
                p { "No probe saw an outage." }
            } @else {
                div.scroll tabindex="0" role="region" aria-label="Outages" { table {
                    thead { tr { th scope="col" { "Probe" } th scope="col" { "Phase" } th.num scope="col" { "Began between" } th.num scope="col" { "Ended between" } th.num scope="col" { "Lasted" } th.num scope="col" { "Failed" } th scope="col" { "Classes" } } }
                    tbody {
                        @for probe in &m.probes { @for o in &probe.outages {
                            tr {
                                td { (visible(probe.name.as_str())) }
                                td { (o.phase) }
                                td.num { (format!("{:.3}–{:.3} s", o.after_s, o.first_failure_s)) }
                                td.num { @match o.until_s { Some(until) => (format!("{:.3}–{until:.3} s", o.last_failure_s)), None => "not over at the end" } }
                                td.num { strong { (seconds(o.duration_s)) } " ± " (seconds(o.uncertainty_s)) }
                                td.num { (count(o.failures)) " of " (count(o.requests)) " (" (percent(o.share())) ")" }
                                td.dim.wide { (classes(&o.classes)) }
                            }
                        } }
                    }
                } }
            }
        }
    }
}

/// The victims: when each was hit, and what followed.
pub fn victims(record: &RunRecord) -> Markup {
    let times = record.measurement.as_ref().map_or(&[][..], |m| &m.victims);
    let is_command = |act| record.act(act).is_some_and(|p| matches!(p.act.target, Target::Command));
    let effects: Vec<_> = record.effects.iter().filter(|e| !is_command(e.act)).collect();
    if effects.is_empty() {
        return html! {};
    }
    html! {
        section {
            h2 { "Victims" }
            p.sub { "The last three columns count from the effect." }
            div.scroll tabindex="0" role="region" aria-label="Victims" { table {
                thead { tr { th scope="col" { "Victim" } th scope="col" { "Fault" } th scope="col" { "Zone" } th scope="col" { "Status" } th.num scope="col" { "Requested" } th.num scope="col" { "Took effect" } th.num scope="col" { "Ejected" } th.num scope="col" { "Replaced" } th.num scope="col" { "In service" } } }
                tbody {
                    @for e in &effects {
                        @let act = record.act(e.act);
                        @let v = times.iter().find(|v| v.act == e.act);
                        tr {
                            td { (act.map_or_else(|| format!("act {}", e.act), |p| visible(&p.act.target.says()).into_owned())) }
                            td { (act.map_or("?", |p| p.act.fault.kind().name())) }
                            td { (act.and_then(|p| p.act.target.instance()).map_or_else(|| "–".to_owned(), |i| visible(i.zone.as_str()).into_owned())) }
                            td {
                                span.pill.(if e.status.happened() { "plain" } else { "doubt" }) { (e.status.word()) }
                                div.dim { @match e.status.why() { Some(why) => (visible(why)), None => { "seen by " (visible(&e.source)) } } }
                            }
                            td.num { (moment(record.seconds(e.requested))) }
                            td.num {
                                @match (v, e.took_effect) {
                                    (Some(v), _) => { (moment(v.effect_by_s)) span.dim { " ± " (seconds(v.effect_by_s - v.effect_after_s)) } },
                                    (None, Some(b)) => { (moment(record.seconds(b.by))) span.dim { " ± " (seconds(b.width().as_secs_f64())) } },
                                    (None, None) => "–",
                                }
                            }
                            td.num { (maybe_seconds(v.and_then(|v| v.ejected_after_s.or(v.last_seen_after_s)))) }
                            td.num { (maybe_seconds(v.and_then(|v| v.replaced_after_s))) }
                            td.num { (maybe_seconds(v.and_then(|v| v.in_service_after_s))) }
                        }
                    }
                }
            } }
            @if let Some(m) = &record.measurement { (capacity(m)) }
        }
    }
}

/// The commands of the method.
pub fn ran(record: &RunRecord) -> Markup {
    let all = commands(record);
    html! {
        @if !all.is_empty() {
            section {
                h2 { "Commands" }
                div.scroll tabindex="0" role="region" aria-label="Commands" { table {
                    thead { tr { th scope="col" { "Step" } th scope="col" { "Command" } th.num scope="col" { "Started" } th.num scope="col" { "Took" } th scope="col" { "Ended" } } }
                    tbody {
                        @for ran in &all {
                            tr {
                                th scope="row" { "step " (ran.step) }
                                td { code { (ran.command) } }
                                td.num { (ran.started) }
                                td.num { (ran.took) }
                                td { span.pill.(if ran.well { "plain" } else { "doubt" }) { (ran.ended) } }
                            }
                        }
                    }
                } }
            }
        }
    }
}

/// What each step did to capacity.
fn capacity(m: &Measurement) -> Markup {
    html! {
        @if !m.capacity_by_step.is_empty() {
            h3 { "Capacity, by step" }
            div.scroll tabindex="0" role="region" aria-label="Capacity, by step" { table {
                thead { tr { th scope="col" { "Step" } th scope="col" { "Took instances of" } th.num scope="col" { "First effect" } th scope="col" { "Capacity, from that effect" } } }
                tbody {
                    @for c in &m.capacity_by_step {
                        tr {
                            th scope="row" { "step " (c.step) }
                            td { (visible(&c.services.iter().map(Service::as_str).collect::<Vec<_>>().join(", "))) }
                            td.num { (moment(c.effect_s)) }
                            td { (step_capacity(c)) }
                        }
                    }
                }
            } }
        }
    }
}
