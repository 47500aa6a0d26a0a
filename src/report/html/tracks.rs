//! The tracks of a probe on the timeline: availability with its outage windows, the latency band, and who answered.

use maud::{Markup, html};

use super::{
    colours::Colours,
    scale::{LEFT, RIGHT, Scale, n},
};
use crate::{
    model::measurement::{Bucket, Gap, OutageWindow, Timeline},
    report::{
        console::style::cut,
        words::{classes, moment, percent, plural, seconds},
    },
};

/// The height of the availability strip.
pub const STRIP: f64 = 30.0;
/// The height of the row of outage windows under it.
pub const WINDOWS: f64 = 20.0;
/// The height of the latency band.
pub const LATENCY: f64 = 74.0;
/// The height of a share track.
pub const SHARE: f64 = 74.0;

/// Fewer, wider buckets: at most `most`. Counts are added; p50 is the mean weighted by what succeeded, p99 the largest.
pub fn condense(timeline: &Timeline, most: usize) -> Timeline {
    let by = timeline.buckets.len().div_ceil(most).max(1);
    let buckets = timeline.buckets.chunks(by).map(|chunk| {
        let mut out = Bucket { backends: vec![0; timeline.backends.len()], zones: vec![0; timeline.zones.len()], ..Bucket::default() };
        let (mut p50_sum, mut p50_n) = (0.0, 0_u32);
        for b in chunk {
            out.requests += b.requests;
            out.ok += b.ok;
            out.late += b.late;
            if let Some(p50) = b.p50_s {
                p50_sum += f64::from(p50) * f64::from(b.ok);
                p50_n += b.ok;
            }
            out.p99_s = match (out.p99_s, b.p99_s) {
                (Some(a), Some(b)) => Some(a.max(b)),
                (a, b) => a.or(b),
            };
            for (sum, n) in out.backends.iter_mut().zip(&b.backends) {
                *sum += n;
            }
            for (sum, n) in out.zones.iter_mut().zip(&b.zones) {
                *sum += n;
            }
        }
        out.p50_s = (p50_n > 0).then(|| (p50_sum / f64::from(p50_n)) as f32);
        out
    });
    Timeline {
        bucket_s: timeline.bucket_s * by as f64,
        buckets: buckets.collect(),
        backends: timeline.backends.clone(),
        zones: timeline.zones.clone(),
    }
}

/// The availability strip: the failed share of each bucket hangs from the top.
pub fn strip(timeline: &Timeline, scale: Scale, top: f64) -> Markup {
    let mut runs: Vec<(usize, usize, u32, u32)> = Vec::new();
    for (i, b) in timeline.buckets.iter().enumerate() {
        match runs.last_mut() {
            // Neighbours without failures (or without requests) are one piece.
            Some((_, to, requests, failed)) if *to == i && *failed == 0 && b.requests == b.ok && (*requests == 0) == (b.requests == 0) => {
                *to = i + 1;
                *requests += b.requests;
            }
            _ => runs.push((i, i + 1, b.requests, b.requests.saturating_sub(b.ok))),
        }
    }
    html! {
        @for (from, to, requests, failed) in runs {
            @let (from_s, to_s) = (from as f64 * timeline.bucket_s, to as f64 * timeline.bucket_s);
            @let (x, x2) = (scale.x(from_s), scale.x(to_s));
            g {
                title {
                    (moment(from_s)) "–" (moment(to_s)) ": "
                    @if requests == 0 { "no requests counted" } @else if failed == 0 { (plural(requests, "request")) ", all ok" } @else { (failed) " of " (requests) " failed" }
                }
                rect class=(if requests == 0 { "none" } else { "ok" }) x=(n(x)) y=(n(top)) width=(n(x2 - x)) height=(n(STRIP)) {}
                @if failed > 0 {
                    @let share = f64::from(failed) / f64::from(requests.max(1));
                    // At least a pixel and a half either way, or a single failure would not be seen.
                    rect.fail x=(n(x)) y=(n(top)) width=(n((x2 - x).max(1.5))) height=(n((STRIP * share).max(3.0))) {}
                }
            }
        }
    }
}

/// The outage windows with their brackets: the whiskers are where start and end may truly lie.
pub fn windows(outages: &[OutageWindow], scale: Scale, top: f64, end: f64) -> Markup {
    let y = top + 8.0;
    let mut free = 0.0_f64;
    html! {
        @for o in outages {
            @let until = o.until_s.unwrap_or(end);
            @let (x1, x2) = (scale.x(o.first_failure_s), scale.x(until).max(scale.x(o.first_failure_s) + 2.0));
            g.window {
                title {
                    "Outage of " (seconds(o.duration_s)) " ± " (seconds(o.uncertainty_s)) ", " (o.failures) " of " (o.requests) " failed ("
                    (classes(&o.classes)) "). It began after " (moment(o.after_s)) " and by " (moment(o.first_failure_s))
                    @if let Some(until) = o.until_s { "; it ended after " (moment(o.last_failure_s)) " and by " (moment(until)) "." }
                    @else { "; it was not over at the end of the run." }
                }
                line x1=(n(scale.x(o.after_s))) x2=(n(x2)) y1=(n(y)) y2=(n(y)) {}
                line x1=(n(scale.x(o.after_s))) x2=(n(scale.x(o.after_s))) y1=(n(y - 2.5)) y2=(n(y + 2.5)) {}
                line.thick x1=(n(x1)) x2=(n(scale.x(o.last_failure_s).max(x1 + 1.5))) y1=(n(y)) y2=(n(y)) {}
                line x1=(n(x2)) x2=(n(x2)) y1=(n(y - 4.0)) y2=(n(y + 4.0)) {}
                @let label = format!("{} ± {}", seconds(o.duration_s), seconds(o.uncertainty_s));
                @let width = 6.3 * label.chars().count() as f64 + 12.0;
                @if x2 + width <= RIGHT && x1 >= free {
                    @let () = free = x2 + width;
                    text x=(n(x2 + 6.0)) y=(n(y + 4.0)) { (label) }
                } @else if x1 - width >= free.max(LEFT) {
                    @let () = free = x2;
                    text x=(n(x1 - 6.0)) y=(n(y + 4.0)) text-anchor="end" { (label) }
                }
            }
        }
    }
}

/// Spans in which we were late: hatched over everything of the run.
pub fn gaps(gaps: &[Gap], scale: Scale, top: f64, bottom: f64) -> Markup {
    html! {
        @for gap in gaps {
            @let (x, x2) = (scale.x(gap.from_s), scale.x(gap.to_s));
            g.gap {
                title {
                    "Not measured: from " (moment(gap.from_s)) " to " (moment(gap.to_s)) " firedrill itself was up to "
                    (seconds(gap.worst_error_s)) " late with " (plural(gap.requests, "request")) ", counted apart."
                }
                rect x=(n(x)) y=(n(top)) width=(n((x2 - x).max(3.0))) height=(n(bottom - top)) fill="url(#hatch)" {}
                @if x2 - x > 84.0 { text x=(n(f64::midpoint(x, x2))) y=(n(top + 12.0)) text-anchor="middle" { "not measured" } }
            }
        }
    }
}

/// The latency band, p50 to p99, on a logarithmic axis.
pub fn latency(timeline: &Timeline, scale: Scale, top: f64) -> Markup {
    let values = timeline.buckets.iter().flat_map(|b| [b.p50_s, b.p99_s]).flatten().map(f64::from).filter(|s| *s > 0.0);
    let (low, high) = values.fold((f64::INFINITY, 0.0_f64), |(low, high), s| (low.min(s), high.max(s)));
    if high <= 0.0 {
        return html! { text.faint x=(n(LEFT + 8.0)) y=(n(top + LATENCY / 2.0)) { "no successful request" } };
    }
    let from = low.log10().floor();
    let to = high.log10().ceil().max(from + 1.0);
    let y = |s: f64| top + LATENCY - LATENCY * ((s.max(1e-9).log10() - from) / (to - from)).clamp(0.0, 1.0);
    let middle = |i: usize| scale.x((i as f64 + 0.5) * timeline.bucket_s);
    // The band breaks where nothing succeeded.
    let points: Vec<_> = timeline
        .buckets
        .iter()
        .enumerate()
        .map(|(i, b)| b.p50_s.zip(b.p99_s).map(|(p50, p99)| (middle(i), y(f64::from(p50)), y(f64::from(p99)))))
        .collect();
    let pieces: Vec<Vec<(f64, f64, f64)>> =
        points.split(Option::is_none).filter(|piece| !piece.is_empty()).map(|piece| piece.iter().flatten().copied().collect()).collect();
    html! {
        @for power in (from as i32)..=(to as i32) {
            @let s = 10_f64.powi(power);
            line.grid x1=(n(LEFT)) x2=(n(RIGHT)) y1=(n(y(s))) y2=(n(y(s))) {}
            text.axis x=(n(LEFT - 6.0)) y=(n(y(s) + 3.5)) text-anchor="end" { (seconds(s)) }
        }
        @for piece in &pieces {
            @let up = piece.iter().map(|(x, _, p99)| format!("{},{}", n(*x), n(*p99)));
            @let down = piece.iter().rev().map(|(x, p50, _)| format!("{},{}", n(*x), n(*p50)));
            polygon.band points=(up.clone().chain(down).collect::<Vec<_>>().join(" ")) {}
            polyline.p99 points=(up.collect::<Vec<_>>().join(" ")) {}
            polyline.p50 points=(piece.iter().map(|(x, p50, _)| format!("{},{}", n(*x), n(*p50))).collect::<Vec<_>>().join(" ")) {}
        }
    }
}

/// Who answered, as stacked shares. `names` are what `of` counts, in its order.
pub fn shares(colours: &Colours, names: &[String], timeline: &Timeline, of: impl Fn(&Bucket) -> &[u32], scale: Scale, top: f64) -> Markup {
    let bucket_s = timeline.bucket_s;
    let mut under = vec![0.0_f64; timeline.buckets.len()];
    let totals: Vec<u32> = timeline.buckets.iter().map(|b| of(b).iter().sum()).collect();
    html! {
        rect.none x=(n(LEFT)) y=(n(top)) width=(n(RIGHT - LEFT)) height=(n(SHARE)) {}
        @for (look, label, held) in colours.layers() {
            @let places: Vec<usize> = (0..names.len()).filter(|place| held.contains(&names[*place])).collect();
            @let share: Vec<f64> = timeline.buckets.iter().zip(&totals).map(|(b, total)| {
                let answers: u32 = places.iter().filter_map(|place| of(b).get(*place)).sum();
                if *total == 0 { 0.0 } else { f64::from(answers) / f64::from(*total) }
            }).collect();
            // Steps, not slopes: a bucket is a count, and between two buckets nothing was measured.
            @let edge = |i: usize, s: f64| format!("{},{}", n(scale.x(i as f64 * bucket_s)), n(top + SHARE * (1.0 - s)));
            @let upper = share.iter().zip(&under).enumerate().flat_map(|(i, (s, u))| [edge(i, u + s), edge(i + 1, u + s)]);
            @let lower = under.iter().enumerate().rev().flat_map(|(i, u)| [edge(i + 1, *u), edge(i, *u)]);
            @let points = upper.chain(lower).collect::<Vec<_>>().join(" ");
            @if !places.is_empty() {
                g {
                    title { (label) ": " (percent(mean(&share))) " of answers over the whole run" }
                    polygon class={ "share " (look.class()) } points=(points) {}
                    @if let Some(over) = look.pattern() { polygon points=(points) fill=(over) {} }
                }
            }
            @if let Some((i, s)) = roomy(&share) {
                @let y = top + SHARE * (1.0 - under[i] - s / 2.0) + 3.6;
                @let x = scale.x((i as f64 + 0.5) * bucket_s).clamp(LEFT + 40.0, RIGHT - 40.0);
                @if s * SHARE >= 11.0 { text class=(look.ink()) x=(n(x)) y=(n(y)) text-anchor="middle" { (cut(&label, 18)) } }
            }
            @let () = under.iter_mut().zip(&share).for_each(|(u, s)| *u += s);
        }
    }
}

fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

/// Where a label fits best: the largest share that holds for some width around it.
fn roomy(share: &[f64]) -> Option<(usize, f64)> {
    let reach = (share.len() / 30).max(1);
    (0..share.len())
        .map(|i| {
            let around = &share[i.saturating_sub(reach)..(i + reach + 1).min(share.len())];
            (i, around.iter().copied().fold(f64::INFINITY, f64::min))
        })
        .max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))
}
