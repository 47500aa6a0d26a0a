//! What became of state, in words: one row a count, the same in every format. And what the run found out about the system.

use super::words::{count, moment, percent, plural, seconds};
use crate::model::state::{Afterwards, Sessions, Sockets, Span, StateFindings, Writes};

/// A count with its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What was counted.
    pub what: &'static str,
    /// The number, and what belongs to it. Holds names that the system gave: to be shown with care.
    pub says: String,
    /// Whether users lost something.
    pub bad: bool,
}

fn row(what: &'static str, says: String) -> Row {
    Row { what, says, bad: false }
}

fn loss(what: &'static str, n: u64, says: String) -> Row {
    Row { what, says, bad: n > 0 }
}

/// The rows of a probe's findings, in reading order.
pub fn rows(found: &StateFindings) -> Vec<Row> {
    match found {
        StateFindings::Sessions(found) => sessions(found),
        StateFindings::Writes(found) => writes(found),
        StateFindings::Sockets(found) => sockets(found),
    }
}

fn within(span: Option<Span>) -> String {
    span.map(|span| format!(", between {} and {}", moment(span.from_s), moment(span.to_s))).unwrap_or_default()
}

fn of(n: u64, all: u64) -> String {
    if all == 0 { count(n) } else { format!("{} of {} ({})", count(n), count(all), percent(n as f64 / all as f64)) }
}

fn sessions(found: &Sessions) -> Vec<Row> {
    let lived: Vec<String> = found
        .lost_by_backend
        .iter()
        .map(|(name, n)| format!("{} on {}", count(*n), if name.is_empty() { "an instance that is not known" } else { name }))
        .collect();
    let lived = if lived.is_empty() { String::new() } else { format!(": {}", lived.join(", ")) };
    let mut rows = vec![
        row("sessions started", count(found.started)),
        row("sessions continued", of(found.continued, found.started)),
        loss("sessions lost", found.lost, format!("{}{lived}{}", of(found.lost, found.started), within(found.lost_within))),
    ];
    if found.given_up > 0 {
        rows.push(loss("given up by their users", found.given_up, of(found.given_up, found.started)));
    }
    if found.unchecked > 0 {
        let says = format!("{}: the last look at them did not come through", of(found.unchecked, found.started));
        rows.push(loss("not known at the end", found.unchecked, says));
    }
    rows.extend([
        loss("forced log-ins", found.forced_log_ins, count(found.forced_log_ins)),
        row("sticky cookie changed", count(found.sticky_changes)),
    ]);
    rows
}

fn writes(found: &Writes) -> Vec<Row> {
    let visible = found.visible_after.map_or_else(
        || "never".to_owned(),
        |after| format!("p50 {}, p99 {}, at most {}", seconds(after.p50), seconds(after.p99), seconds(after.max)),
    );
    let mut rows = vec![
        row("writes acknowledged", of(found.acknowledged, found.attempted)),
        loss(
            "acknowledged and lost",
            found.lost,
            format!(
                "{}{}",
                of(found.lost, found.acknowledged),
                match found.lost_within {
                    Some(span) => format!(", acknowledged between {} and {}", moment(span.from_s), moment(span.to_s)),
                    None => String::new(),
                }
            ),
        ),
        loss("stale for a while", found.stale, format!("{} ({} missed them)", count(found.stale), plural(found.stale_reads, "reading"))),
        loss("duplicated", found.duplicated, count(found.duplicated)),
        loss("never read back", found.never_read, count(found.never_read)),
    ];
    if found.unchecked > 0 {
        let says = format!("{}: no last reading told whether they are there", count(found.unchecked));
        rows.push(loss("not known at the end", found.unchecked, says));
    }
    rows.extend([row("not acknowledged, but done", count(found.appeared)), row("visible after", visible)]);
    rows.extend(found.afterwards.map(|what| row("left in the store", afterwards(what, &found.prefix))));
    rows
}

/// What is left of the values in their store.
fn afterwards(what: Afterwards, prefix: &str) -> String {
    let each = format!("; each begins with `{prefix}`");
    match what {
        Afterwards::Removed(values) => format!("nothing: {} removed", plural(values, "value")),
        Afterwards::Kept => format!("all values, as `keep` says{each}"),
        Afterwards::NotOurs => format!("all values: firedrill removes only what is in a hash or a table of its own{each}"),
        Afterwards::NotRemoved(why) => format!("values that could not be removed ({}){each}", why.name()),
    }
}

fn sockets(found: &Sockets) -> Vec<Row> {
    let away = found.away.map(|away| format!("; away for p50 {}, at most {}", seconds(away.p50), seconds(away.max))).unwrap_or_default();
    vec![
        row("connections opened", count(found.opened)),
        loss("connections cut", found.cut, format!("{}{}{away}", count(found.cut), within(found.cut_within))),
        loss("never open again", found.never_back, count(found.never_back)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_told_with_their_place_and_time() {
        let mut found = Sessions { started: 40, continued: 27, lost: 13, forced_log_ins: 13, ..Sessions::default() };
        found.lost_by_backend.insert("web-a-1".to_owned(), 13);
        Span::with(&mut found.lost_within, 12.5);
        Span::with(&mut found.lost_within, 12.0);
        let told = rows(&StateFindings::Sessions(found));
        assert_eq!(told[2].says, "13 of 40 (32.5 %): 13 on web-a-1, between 12.00 s and 12.50 s");
        assert!(told[2].bad && !told[0].bad);
        let told = rows(&StateFindings::Writes(Writes { attempted: 10, acknowledged: 9, ..Writes::default() }));
        assert_eq!((told[1].says.as_str(), told[1].bad), ("0 of 9 (0 %)", false));
        let told =
            |found: Writes| rows(&StateFindings::Writes(found)).into_iter().map(|row| format!("{}: {}", row.what, row.says)).collect();
        let plain: Vec<String> = told(Writes::default());
        assert!(plain.iter().all(|row| !row.starts_with("not known") && !row.starts_with("left in")), "{plain:?}");
        let unknown: Vec<String> = told(Writes { unchecked: 2, ..Writes::default() });
        assert_eq!(unknown[5], "not known at the end: 2: no last reading told whether they are there");
    }

    #[test]
    fn what_is_left_is_told() {
        let left = |afterwards| {
            let found = Writes { prefix: "fd-1-".to_owned(), afterwards: Some(afterwards), ..Writes::default() };
            rows(&StateFindings::Writes(found)).pop().unwrap().says
        };
        assert_eq!(left(Afterwards::Removed(1)), "nothing: 1 value removed");
        assert_eq!(left(Afterwards::Kept), "all values, as `keep` says; each begins with `fd-1-`");
        let refused = Afterwards::NotRemoved(crate::model::sample::SampleOutcome::Refused);
        assert_eq!(left(refused), "values that could not be removed (refused); each begins with `fd-1-`");
    }
}
