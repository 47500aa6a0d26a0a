//! The timeline: everything on one clock. Drawn here, as SVG, so that the file needs no script.

use maud::{Markup, html};

use super::{
    colours::{self, Colours},
    marks::{LANE, Marks},
    scale::{LEFT, RIGHT, Scale, WIDTH, n},
    tracks::{self, LATENCY, SHARE, STRIP, WINDOWS},
};
use crate::{
    model::{
        measurement::{PhaseSpan, ProbeMeasurement},
        steady_state::Phase,
    },
    report::{
        console::style::cut,
        record::RunRecord,
        words::{ZERO, moment, plural, visible},
    },
};

/// Strips that are drawn; more probes are in the tables.
const PROBES: usize = 12;
/// Buckets across: two units each.
const BUCKETS: usize = 480;
/// Buckets across for shares, which are noisy when narrow.
const SHARE_BUCKETS: usize = 110;

/// The section; nothing when nothing happened.
pub fn render(record: &RunRecord) -> Markup {
    let phases = spans(record);
    let Some(end) = phases.iter().map(|p| p.to_s).reduce(f64::max) else { return html! {} };
    let start = phases.iter().map(|p| p.from_s).fold(0.0, f64::min);
    let scale = Scale::new(start, end);
    let marks = Marks::of(record, scale);
    let probes: &[ProbeMeasurement] = record.measurement.as_ref().map_or(&[], |m| &m.probes);
    let top = 26.0;
    let tracks_top = top + 8.0 + LANE * marks.lanes as f64 + 8.0;
    let bottom = tracks_top + probes.iter().take(PROBES).map(height).sum::<f64>();
    let mut y = tracks_top;
    let drawn = || probes.iter().take(PROBES);
    let looks = Looks {
        zones: Colours::zones(drawn().flat_map(|probe| &probe.timeline.zones)),
        backends: Colours::backends(drawn().flat_map(|probe| &probe.timeline.backends)),
    };
    html! {
        section.whole {
            h2 { "Timeline" }
            p.sub { (ZERO) " Point at anything for its numbers." }
            div.scroll tabindex="0" role="region" aria-label="Timeline, scrolls sideways" {
                svg.timeline viewBox={ "0 0 " (WIDTH) " " (n(bottom + 30.0)) } role="img" aria-label=(in_words(&phases, probes)) {
                    defs {
                        pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                            rect.hatch-back width="7" height="7" {}
                            line.hatch x1="0" y1="0" x2="0" y2="7" {}
                        }
                        (colours::patterns())
                    }
                    @for p in &phases { (phase(p, scale, bottom)) }
                    (axis(scale, tracks_top, bottom))
                    (marks.guides(scale, top + 8.0, bottom))
                    @for probe in probes.iter().take(PROBES) {
                        (tracks_of(probe, &looks, scale, y, end))
                        @let () = y += height(probe);
                    }
                    @if let Some(m) = &record.measurement { (tracks::gaps(&m.trust.gaps, scale, tracks_top, bottom)) }
                    (marks.draw(scale, top + 8.0, &moment))
                }
            }
            @if probes.len() > PROBES { p.sub { "The tables below have " (plural(probes.len() - PROBES, "more probe")) "." } }
            @if !probes.is_empty() { (legend()) (looks.zones.legend("Zones")) (looks.backends.legend("Backends")) }
        }
    }
}

/// One look a name, whichever probe saw it.
struct Looks {
    zones: Colours,
    backends: Colours,
}

/// The picture for those who do not see it. Its numbers are in the tables.
fn in_words(phases: &[PhaseSpan], probes: &[ProbeMeasurement]) -> String {
    let spans: Vec<String> = phases.iter().map(|p| format!("{} from {} to {}", p.phase, moment(p.from_s), moment(p.to_s))).collect();
    let shown = match probes {
        [] => String::new(),
        probes => format!(" Availability, outages, latency and who answered, of {}.", plural(probes.len(), "probe")),
    };
    format!("Timeline of the run: {}.{shown} The tables below have the numbers.", spans.join(", "))
}

/// The phases: measured, or from their events when the run did not get that far.
fn spans(record: &RunRecord) -> Vec<PhaseSpan> {
    if let Some(m) = &record.measurement
        && !m.phases.is_empty()
    {
        return m.phases.clone();
    }
    let last = record.last.map_or(0.0, |(at, _)| record.seconds(at));
    let starts: Vec<f64> = record.phases.iter().map(|(_, at)| record.seconds(*at)).collect();
    record
        .phases
        .iter()
        .enumerate()
        .map(|(i, (phase, _))| PhaseSpan { phase: *phase, from_s: starts[i], to_s: starts.get(i + 1).copied().unwrap_or(last) })
        .collect()
}

fn phase(p: &PhaseSpan, scale: Scale, bottom: f64) -> Markup {
    let (x, x2) = (scale.x(p.from_s), scale.x(p.to_s));
    let letters = ((x2 - x - 8.0) / 6.8).max(0.0) as usize;
    html! {
        g.phase.(match p.phase { Phase::Fault => "p-fault", Phase::WarmUp => "p-warm", _ => "p-calm" }) {
            title { (p.phase) ": " (moment(p.from_s)) " to " (moment(p.to_s)) }
            rect.band x=(n(x)) y="0" width=(n(x2 - x)) height=(n(bottom)) {}
            rect.head x=(n(x + 0.5)) y="0" width=(n((x2 - x - 1.0).max(0.5))) height="20" rx="3" {}
            @if letters >= p.phase.name().len().min(6) { text x=(n(x + 7.0)) y="14" { (cut(p.phase.name(), letters)) } }
        }
    }
}

fn axis(scale: Scale, top: f64, bottom: f64) -> Markup {
    html! {
        g {
            @for s in scale.ticks() {
                @let x = scale.x(s);
                line.grid x1=(n(x)) x2=(n(x)) y1=(n(top)) y2=(n(bottom + 4.0)) {}
                text.axis x=(n(x)) y=(n(bottom + 18.0)) text-anchor=(if x > RIGHT - 12.0 { "end" } else { "middle" }) { (n(s)) " s" }
            }
            line.base x1=(n(LEFT)) x2=(n(RIGHT)) y1=(n(bottom)) y2=(n(bottom)) {}
        }
    }
}

/// Space for a probe's name above its tracks.
const HEAD: f64 = 22.0;
const GAP: f64 = 14.0;

fn height(probe: &ProbeMeasurement) -> f64 {
    let t = &probe.timeline;
    let shares = [!t.zones.is_empty(), !t.backends.is_empty()].iter().filter(|has| **has).count() as f64;
    HEAD + STRIP + WINDOWS + LATENCY + GAP + shares * (SHARE + GAP)
}

fn tracks_of(probe: &ProbeMeasurement, looks: &Looks, scale: Scale, top: f64, end: f64) -> Markup {
    let fine = tracks::condense(&probe.timeline, BUCKETS);
    let coarse = tracks::condense(&probe.timeline, SHARE_BUCKETS);
    let strip = top + HEAD;
    let latency = strip + STRIP + WINDOWS;
    let mut y = latency + LATENCY + GAP;
    let label = |y: f64, text: &str| html! { text.label x="0" y=(n(y)) { (text) } };
    html! {
        g.probe {
            text.name x="0" y=(n(top + 14.0)) { (cut(&visible(probe.name.as_str()), 40)) }
            (label(strip + 13.0, "availability"))
            (label(strip + 26.0, "per bucket"))
            (tracks::strip(&fine, scale, strip))
            (tracks::windows(&probe.outages, scale, strip + STRIP, end))
            (label(latency + 12.0, "latency"))
            (label(latency + 25.0, "p50–p99"))
            (tracks::latency(&fine, scale, latency))
            @if !coarse.zones.is_empty() {
                (label(y + 12.0, "answers"))
                (label(y + 25.0, "by zone"))
                (tracks::shares(&looks.zones, &coarse.zones, &coarse, |b| &b.zones, scale, y))
                @let () = y += SHARE + GAP;
            }
            @if !coarse.backends.is_empty() {
                (label(y + 12.0, "answers"))
                (label(y + 25.0, "by backend"))
                (tracks::shares(&looks.backends, &coarse.backends, &coarse, |b| &b.backends, scale, y))
            }
        }
    }
}

fn legend() -> Markup {
    html! {
        ul.legend {
            li { span.key.k-ok {} "succeeded" }
            li { span.key.k-fail {} "failed, hanging from the top: the longer, the larger the share" }
            li { span.key.k-window {} "outage window, thin where its start or end may lie" }
            li { span.key.k-none {} "nothing counted" }
            li { span.key.k-hatch {} "not measured: firedrill itself was late" }
        }
    }
}
