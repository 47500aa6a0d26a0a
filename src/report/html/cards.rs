//! The key numbers: what somebody reads who reads nothing else.

use maud::{Markup, html};

use crate::{
    model::{measurement::Measurement, steady_state::Phase},
    report::{
        console::style::cut,
        record::RunRecord,
        words::{interval, maybe_seconds, percent, plural, seconds, visible},
    },
};

struct Card {
    label: &'static str,
    value: String,
    note: String,
}

/// The cards; none when nothing was measured.
pub fn render(record: &RunRecord) -> Markup {
    let Some(m) = &record.measurement else { return html! {} };
    html! {
        section.cards aria-label="Key numbers" {
            @for card in cards(m) {
                div.card {
                    p.label { (card.label) }
                    p.value { (card.value) }
                    p.note { (card.note) }
                }
            }
        }
    }
}

fn cards(m: &Measurement) -> Vec<Card> {
    let mut cards = Vec::new();
    let several = m.probes.len() > 1;
    let by = |name: &str| if several { format!("probe {}", cut(&visible(name), 40)) } else { String::new() };
    let worst = m
        .probes
        .iter()
        .filter_map(|p| p.phases.iter().find(|s| s.phase == Phase::Fault)?.stats.availability.map(|a| (p, a)))
        .min_by(|a, b| a.1.value.total_cmp(&b.1.value));
    if let Some((probe, a)) = worst {
        let by = if several { format!(", {}", by(probe.name.as_str())) } else { String::new() };
        cards.push(Card { label: "Availability in the fault", value: percent(a.value), note: format!("95 %: {}{by}", interval(&a)) });
    }
    let longest =
        m.probes.iter().flat_map(|p| p.outages.iter().map(move |o| (p, o))).max_by(|a, b| a.1.duration_s.total_cmp(&b.1.duration_s));
    cards.push(if let Some((probe, o)) = longest {
        Card {
            label: "Longest outage",
            value: seconds(o.duration_s),
            note: format!(
                "± {}, {} failed{}",
                seconds(o.uncertainty_s),
                percent(o.share()),
                if several { format!(", {}", by(probe.name.as_str())) } else { String::new() }
            ),
        }
    } else {
        let smallest = m.probes.iter().map(|p| p.smallest_visible_outage_s).fold(0.0, f64::max);
        Card { label: "Longest outage", value: "none".to_owned(), note: format!("one of {} would have been seen", seconds(smallest)) }
    });
    let first = m.probes.iter().filter_map(|p| Some((p, p.first_error_after_s?))).min_by(|a, b| a.1.total_cmp(&b.1));
    cards.push(Card {
        label: "Time to first error",
        value: first.map_or_else(|| "no error".to_owned(), |(_, s)| seconds(s)),
        note: first.map_or_else(String::new, |(p, _)| by(p.name.as_str())),
    });
    let ejected: Vec<f64> = m.victims.iter().filter_map(|v| v.ejected_after_s.or(v.last_seen_after_s)).collect();
    cards.push(Card {
        label: "Time to ejection",
        value: maybe_seconds(ejected.iter().copied().reduce(f64::max)),
        note: match (ejected.len(), m.victims.len()) {
            (_, 0) => "no victims".to_owned(),
            (n, all) if n == all => "until no victim was sent to".to_owned(),
            (n, all) => format!("seen for {n} of {}", plural(all, "victim")),
        },
    });
    cards.push(capacity(m));
    cards.push(Card {
        label: "Recovered after",
        value: maybe_seconds(m.recovered_after_s),
        note: if m.recovered_after_s.is_some() { "from the last undo to steady".to_owned() } else { "not seen".to_owned() },
    });
    cards
}

/// Of all steps together; the table of victims has each step.
fn capacity(m: &Measurement) -> Card {
    let (label, value, note) = match (m.capacity_back_after_s, m.capacity_lost) {
        _ if m.watched_after_effect_s.is_none() => ("Capacity", "–".to_owned(), "no fault took effect".to_owned()),
        (Some(after), _) => ("Capacity back after", seconds(after), "from the first effect, over all steps".to_owned()),
        (None, false) => ("Capacity", "not lost".to_owned(), "no service was seen with less than it wants".to_owned()),
        (None, true) => {
            let watched = m.watched_after_effect_s.map(|s| format!("within {} of the first effect, ", seconds(s))).unwrap_or_default();
            ("Capacity", "not back".to_owned(), format!("{watched}when the run ended"))
        }
    };
    Card { label, value, note }
}
