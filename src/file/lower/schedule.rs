//! The schedule: only the daemon reads it, but its form is checked with the rest of the file.

use jiff::{civil, tz::TimeZone};

use crate::{
    file::{
        diagnostic::Sink,
        escape::quote,
        read::{self, Fields},
        table::{Kind, Table, key},
        yaml::Node,
    },
    model::quantity::plain_number,
};

/// The keys of `schedule`.
pub static SCHEDULE: Table = Table::new(
    "`schedule`",
    &[
        key("cron", Kind::Text, "five fields (minute, hour, day, month, weekday), or six with seconds first"),
        key("times", Kind::Text, "how often, at random times: `1 per weekday`"),
        key("between", Kind::Text, "the hours that random times are drawn from: `10:00-16:00`"),
        key("probability", Kind::Text, "the chance, from 0 to 1, that a time is used"),
        key("timezone", Kind::Text, "the zone of all times, like `Europe/Lisbon`"),
        key("not-on", Kind::List(&Kind::Text), "days to leave out: dates, `from..to`, or an .ics file"),
        key("if-missed", Kind::Words(&["skip", "run-once"]), "what is done when the machine was off; `skip` when left out"),
    ],
)
.one_of(&["cron", "times"]);

/// Reports what is wrong with a schedule.
pub fn check(node: &Node, sink: &mut Sink) -> Option<()> {
    let fields = Fields::new(node, &SCHEDULE, sink)?;
    fields.get("cron", sink, |node, sink| {
        let text = read::line(node, sink)?;
        if let Err((problem, expected)) = cron(text) {
            sink.error(node.span, problem).expected(expected);
        }
        Some(())
    });
    fields.get("times", sink, |node, sink| checked(node, "a number and a period, like `1 per weekday`", sink, times));
    fields.get("between", sink, |node, sink| checked(node, "two times of a day, like `10:00-16:00`", sink, hours));
    fields.get("probability", sink, |node, sink| {
        checked(node, "a number above 0 and up to 1, like `0.3`", sink, |t| plain_number(t).is_some_and(|p| p > 0.0 && p <= 1.0))
    });
    fields
        .get("timezone", sink, |node, sink| checked(node, "a time zone like `Europe/Lisbon` or `UTC`", sink, |t| TimeZone::get(t).is_ok()));
    fields.get("not-on", sink, |node, sink| {
        for item in read::one_or_many(node) {
            checked(item, "a date, two dates like `2026-12-20..2027-01-06`, or an .ics file", sink, days);
        }
        Some(())
    });
    fields.get("if-missed", sink, |node, sink| read::word(node, &["skip", "run-once"], sink).map(|_| ()));
    if fields.has("between") && fields.has("cron") {
        sink.error(fields.key_span("between"), "`between` cannot stand beside `cron`")
            .expected("`times` with `between`, or the hours in `cron`");
    }
    if fields.has("times") && !fields.has("between") {
        sink.error(fields.key_span("times"), "`times` needs the hours to draw from").expected("`between: \"10:00-16:00\"`");
    }
    Some(())
}

fn checked(node: &Node, expected: &str, sink: &mut Sink, fine: impl Fn(&str) -> bool) -> Option<()> {
    let text = read::line(node, sink)?;
    if !fine(text) {
        sink.error(node.span, format!("{} does not fit here", quote(text))).expected(expected);
    }
    Some(())
}

fn times(text: &str) -> bool {
    let mut words = text.split_whitespace();
    let number = words.next().and_then(|n| n.parse::<u32>().ok()).is_some_and(|n| (1..=100).contains(&n));
    number
        && words.next() == Some("per")
        && words.next().is_some_and(|p| ["hour", "day", "weekday", "week", "month"].contains(&p))
        && words.next().is_none()
}

fn hours(text: &str) -> bool {
    let time = |t: &str| civil::Time::strptime("%H:%M", t.trim()).ok();
    text.split_once('-').and_then(|(from, to)| Some((time(from)?, time(to)?))).is_some_and(|(from, to)| from < to)
}

fn days(text: &str) -> bool {
    let date = |t: &str| t.trim().parse::<civil::Date>().ok();
    match text.split_once("..") {
        _ if text.to_lowercase().ends_with(".ics") => true,
        Some((from, to)) => date(from).zip(date(to)).is_some_and(|(from, to)| from <= to),
        None => date(text).is_some(),
    }
}

struct CronField {
    name: &'static str,
    low: u32,
    high: u32,
    words: &'static [&'static str],
}

const CRON: [CronField; 6] = [
    CronField { name: "seconds", low: 0, high: 59, words: &[] },
    CronField { name: "minutes", low: 0, high: 59, words: &[] },
    CronField { name: "hours", low: 0, high: 23, words: &[] },
    CronField { name: "days", low: 1, high: 31, words: &[] },
    CronField {
        name: "months",
        low: 1,
        high: 12,
        words: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    },
    CronField { name: "weekdays", low: 0, high: 7, words: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] },
];

fn cron(text: &str) -> Result<(), (String, String)> {
    let parts: Vec<&str> = text.split_whitespace().collect();
    let kinds = match parts.len() {
        5 => &CRON[1..],
        6 => &CRON[..],
        n => {
            let expected = "five fields (minute, hour, day, month, weekday), or six with seconds first, like `30 10 * * Mon-Thu`";
            return Err((format!("{} has {n} field{}", quote(text), if n == 1 { "" } else { "s" }), expected.to_owned()));
        }
    };
    for (part, kind) in parts.iter().zip(kinds) {
        if !part.split(',').all(|item| cron_item(item, kind)) {
            let words = if kind.words.is_empty() { String::new() } else { format!(" or names like `{}`", kind.words[1]) };
            return Err((
                format!("{} does not fit the field for {}", quote(part), kind.name),
                format!("`*`, numbers from {} to {}{words}, `a-b`, `*/n`, or several of these joined by `,`", kind.low, kind.high),
            ));
        }
    }
    Ok(())
}

fn cron_item(item: &str, kind: &CronField) -> bool {
    let (range, step) = item.split_once('/').map_or((item, None), |(r, s)| (r, Some(s)));
    if step.is_some_and(|s| s.parse::<u32>().ok().is_none_or(|n| n == 0 || n > kind.high)) {
        return false;
    }
    let value = |t: &str| -> Option<u32> {
        let word = t.to_lowercase();
        if let Some(at) = kind.words.iter().position(|w| *w == word) {
            return Some(at as u32 + kind.low);
        }
        t.parse().ok().filter(|n| (kind.low..=kind.high).contains(n))
    };
    match range.split_once('-') {
        _ if range == "*" => true,
        Some((from, to)) => value(from).zip(value(to)).is_some_and(|(from, to)| from <= to),
        None => value(range).is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cron_lines_are_checked_field_by_field() {
        for fine in ["30 10 * * Mon-Thu", "0 */15 9-17 * * 1-5", "5,10 0 1 jan *"] {
            assert_eq!(cron(fine), Ok(()), "{fine}");
        }
        for bad in ["", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "*/0 * * * *", "5-1 * * * *", "* * * * Foo"] {
            assert!(cron(bad).is_err(), "{bad}");
        }
    }
}
