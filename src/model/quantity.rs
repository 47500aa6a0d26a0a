//! Quantities as people write them: `2s`, `1m30s`, `250ms`, `99.5%`, `200/s`, `64KiB`.
//!
//! Parsing never guesses: a bare number is not a duration, `10 %` with a space is accepted, `10%%` is not.

use std::{fmt, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A share between 0 and 1, written as `99.5%`.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Share(pub f64);

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Six digits are more than anybody writes, and hide the noise of 0.995 × 100.
        let text = format!("{:.6}", self.0 * 100.0);
        let text = text.trim_end_matches('0').trim_end_matches('.');
        write!(f, "{text}%")
    }
}

/// Requests per second.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Rate(pub f64);

impl Rate {
    /// The time between two requests.
    pub fn interval(self) -> Duration {
        Duration::from_secs_f64(1.0 / self.0)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", self.0)
    }
}

/// Why a quantity could not be read: what was wrong and an example of a right one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}; write it like `{example}`")]
pub struct BadQuantity {
    /// What is wrong with the text.
    pub problem: String,
    /// A value of the right form.
    pub example: &'static str,
}

fn bad<T>(problem: impl Into<String>, example: &'static str) -> Result<T, BadQuantity> {
    Err(BadQuantity { problem: problem.into(), example })
}

/// The longest duration a file may name: a drill is not a month long, and arithmetic on it never overflows.
pub const LONGEST: Duration = Duration::from_hours(31 * 24);

/// The longest time that something may be kept.
const LONGEST_AGE: Duration = Duration::from_hours(36_500 * 24);

/// Reads `250ms`, `2s`, `1.5s`, `1m30s`, `2h`, `30d`; units ns, us, ms, s, m, h, d in falling order.
pub fn duration(text: &str) -> Result<Duration, BadQuantity> {
    time(text, "2s", LONGEST, "31 days")
}

/// Reads how old something may be, as [`duration`] does, but up to a hundred years: `90d`, `400d`, `12h`.
pub fn age(text: &str) -> Result<Duration, BadQuantity> {
    time(text, "90d", LONGEST_AGE, "36,500 days")
}

fn time(text: &str, example: &'static str, longest: Duration, longest_in_words: &str) -> Result<Duration, BadQuantity> {
    let text = text.trim();
    if text.is_empty() {
        return bad("a duration is missing", example);
    }
    let mut rest = text;
    let mut total = 0.0_f64;
    let mut last_unit = f64::INFINITY;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let Ok(number) = number.parse::<f64>() else {
            return bad(format!("`{text}` is not a duration"), example);
        };
        let tail = tail.trim_start();
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic() && c != 'µ').unwrap_or(tail.len());
        let (unit, after) = tail.split_at(letters);
        let seconds = match unit {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            "" => return bad(format!("`{text}` has no unit (ms, s, m, h or d)"), example),
            other => return bad(format!("`{other}` is not a unit of time (ms, s, m, h or d)"), example),
        };
        if seconds >= last_unit {
            return bad(format!("the units of `{text}` are not in falling order"), "1m30s");
        }
        last_unit = seconds;
        total += number * seconds;
        rest = after.trim_start();
    }
    if total > longest.as_secs_f64() {
        return bad(format!("`{text}` is longer than {longest_in_words}"), example);
    }
    Ok(Duration::from_nanos((total * 1e9).round() as u64))
}

/// Reads `99.5%`: between 0 % and 100 %.
pub fn share(text: &str) -> Result<Share, BadQuantity> {
    const EXAMPLE: &str = "99.5%";
    let Some(number) = text.trim().strip_suffix('%') else {
        return bad(format!("`{text}` has no percent sign"), EXAMPLE);
    };
    match plain_number(number.trim_end()) {
        Some(n) if (0.0..=100.0).contains(&n) => Ok(Share(n / 100.0)),
        Some(_) => bad(format!("`{text}` is not between 0% and 100%"), EXAMPLE),
        None => bad(format!("`{text}` is not a percentage"), EXAMPLE),
    }
}

/// Reads `200/s`, `30/m`, `0.5/s`: above zero, at most 100,000/s.
pub fn rate(text: &str) -> Result<Rate, BadQuantity> {
    const EXAMPLE: &str = "200/s";
    let Some((number, unit)) = text.split_once('/') else {
        return bad(format!("`{text}` is not a rate"), EXAMPLE);
    };
    let Some(number) = plain_number(number.trim()) else {
        return bad(format!("`{text}` is not a rate"), EXAMPLE);
    };
    let per_second = match unit.trim() {
        "s" => number,
        "m" | "min" => number / 60.0,
        "h" => number / 3600.0,
        other => return bad(format!("`/{other}` is not a unit of rates (/s, /m or /h)"), EXAMPLE),
    };
    if per_second <= 0.0 {
        return bad("a rate must be above zero", EXAMPLE);
    }
    if per_second > 100_000.0 {
        return bad(format!("`{text}` is above 100,000/s"), EXAMPLE);
    }
    Ok(Rate(per_second))
}

/// Reads `64KiB`, `1MiB`, `500B`, `10KB` into bytes, at most 1 GiB.
pub fn bytes(text: &str) -> Result<u64, BadQuantity> {
    const EXAMPLE: &str = "64KiB";
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let Ok(number) = number.parse::<u64>() else {
        return bad(format!("`{text}` is not a size"), EXAMPLE);
    };
    let factor = match unit.trim() {
        "B" => 1,
        "KB" | "kB" => 1_000,
        "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "" => return bad(format!("`{text}` has no unit (B, KiB, MiB)"), EXAMPLE),
        other => return bad(format!("`{other}` is not a unit of size (B, KiB, MiB)"), EXAMPLE),
    };
    match number.checked_mul(factor) {
        Some(n) if n <= 1 << 30 => Ok(n),
        _ => bad(format!("`{text}` is more than 1GiB"), EXAMPLE),
    }
}

/// Reads `64KiB/s`, `1MB/s`, `10Mbit/s` into bytes per second, at most 1 GiB. A size alone is meant per second, too.
pub fn bandwidth(text: &str) -> Result<u64, BadQuantity> {
    const EXAMPLE: &str = "64KiB/s";
    let text = text.trim();
    let per_second = text.strip_suffix("/s").unwrap_or(text).trim_end();
    if let Some((_, unit)) = text.split_once('/').filter(|(_, unit)| *unit != "s") {
        return bad(format!("`/{unit}` is not a unit of bandwidth (KiB/s, MB/s, Mbit/s)"), EXAMPLE);
    }
    for (unit, bits) in [("kbit", 1_000), ("Mbit", 1_000_000), ("Gbit", 1_000_000_000)] {
        let Some(number) = per_second.strip_suffix(unit) else { continue };
        let Ok(number) = number.trim_end().parse::<u64>() else { return bad(format!("`{text}` is not a bandwidth"), EXAMPLE) };
        return match number.checked_mul(bits / 8) {
            Some(n) if n <= 1 << 30 => Ok(n),
            _ => bad(format!("`{text}` is more than 1GiB/s"), EXAMPLE),
        };
    }
    bytes(per_second).map_err(|refused| BadQuantity { example: EXAMPLE, ..refused })
}

/// Digits with at most one point: no sign, no exponent, no `inf` and no `nan`, which `f64::from_str` would take.
pub fn plain_number(text: &str) -> Option<f64> {
    let fine = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '.');
    if fine { text.parse().ok() } else { None }
}

/// A number with its noun: `1 act`, `2 acts`, `1,200 processes`. Every message that counts things takes its words from here.
pub fn plural(n: impl TryInto<u64>, noun: &str) -> String {
    let n = n.try_into().unwrap_or(u64::MAX);
    let ending = match n {
        1 => "",
        _ if noun.ends_with("ss") => "es",
        _ => "s",
    };
    format!("{} {noun}{ending}", count(n))
}

/// A number with its thousands separated: `4,012`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A duration as people write it: the two largest units, or one with up to three digits (`1.84 s`, `320 ms`, `2m 5s`).
pub fn show_duration(d: Duration) -> String {
    let s = d.as_secs_f64();
    if d.is_zero() {
        "0 s".to_owned()
    } else if s < 1e-3 {
        format!("{} µs", trim(s * 1e6, 0))
    } else if s < 1.0 {
        format!("{} ms", trim(s * 1e3, usize::from(s < 0.01)))
    } else if s < 10.0 {
        format!("{} s", trim(s, 2))
    } else if s < 60.0 {
        format!("{} s", trim(s, 1))
    } else if s < 3600.0 {
        let whole = s.round() as u64;
        format!("{}m {}s", whole / 60, whole % 60)
    } else {
        let whole = (s / 60.0).round() as u64;
        format!("{}h {}m", whole / 60, whole % 60)
    }
}

fn trim(n: f64, digits: usize) -> String {
    let text = format!("{n:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_never_many() {
        assert_eq!(
            [plural(0_u8, "act"), plural(1_usize, "act"), plural(2_u64, "process"), plural(1_234_567_u64, "request")],
            ["0 acts", "1 act", "2 processes", "1,234,567 requests"]
        );
    }

    #[test]
    fn durations_are_read_with_their_units() {
        for (text, ms) in [("2s", 2000), ("250ms", 250), ("1.5s", 1500), ("1m30s", 90_000), ("2 h", 7_200_000), ("1d", 86_400_000)] {
            assert_eq!(duration(text).unwrap(), Duration::from_millis(ms), "{text}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_refused_with_an_example() {
        for text in ["", "2", "s", "2x", "1s1m", "-1s", "1e3s", "1.2.3s", "99d"] {
            assert!(duration(text).is_err(), "{text}");
        }
        for text in ["99", "101%", "-1%", "nan%", "%", "1e1%"] {
            assert!(share(text).is_err(), "{text}");
        }
        for text in ["0/s", "5", "5/x", "inf/s", "200000/s", "-1/s"] {
            assert!(rate(text).is_err(), "{text}");
        }
        assert_eq!(age("400d").unwrap(), Duration::from_hours(9600));
        assert!(age("40000d").is_err() && age("400").is_err());
        assert_eq!(duration("2").unwrap_err().to_string(), "`2` has no unit (ms, s, m, h or d); write it like `2s`");
    }

    #[test]
    fn quantities_print_as_they_are_written() {
        assert_eq!(Share(0.995).to_string(), "99.5%");
        assert_eq!(Share(1.0).to_string(), "100%");
        assert_eq!(show_duration(Duration::from_millis(1840)), "1.84 s");
        assert_eq!(show_duration(Duration::from_millis(320)), "320 ms");
        assert_eq!(show_duration(Duration::from_secs(125)), "2m 5s");
        assert_eq!(bytes("64KiB").unwrap(), 65_536);
        let read = ["64KiB", "64KiB/s", "1MB/s", "8 Mbit/s", "1Gbit"].map(|text| bandwidth(text).unwrap());
        assert_eq!(read, [65_536, 65_536, 1_000_000, 1_000_000, 125_000_000]);
        for text in ["1MB/h", "1", "Mbit/s", "1.5Mbit", "99Gbit/s", "/s"] {
            assert!(bandwidth(text).is_err(), "{text}");
        }
    }
}
