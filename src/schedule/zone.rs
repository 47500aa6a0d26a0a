//! From the time that a clock on a wall shows to a moment, where the clock jumps.
//!
//! One rule for everything that repeats: **each time of the clock happens once**. A time that comes twice, when the clock is put back, is
//! the first of the two. A time that is skipped, when the clock is put forward, is the moment of the jump; several skipped times are that
//! one moment.

use jiff::{
    Timestamp,
    civil::DateTime,
    tz::{AmbiguousOffset, TimeZone},
};

/// How a time of the clock lies in a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Local {
    /// As nearly always.
    Once(Timestamp),
    /// The clock jumps over it, at this moment.
    Skipped(Timestamp),
    /// It comes again; the first of the two.
    Twice(Timestamp),
}

impl Local {
    /// The moment, by the rule of this module.
    pub fn moment(self) -> Timestamp {
        match self {
            Self::Once(at) | Self::Skipped(at) | Self::Twice(at) => at,
        }
    }
}

/// How a time of the clock lies in a zone. Beyond the years that can be counted, the last moment there is.
pub fn local(zone: &TimeZone, at: DateTime) -> Local {
    match zone.to_ambiguous_timestamp(at).offset() {
        AmbiguousOffset::Unambiguous { offset } => Local::Once(offset.to_timestamp(at).unwrap_or(Timestamp::MAX)),
        AmbiguousOffset::Fold { before, .. } => Local::Twice(before.to_timestamp(at).unwrap_or(Timestamp::MAX)),
        AmbiguousOffset::Gap { after, .. } => {
            // Read by the later offset, a skipped time lies before the jump, nearer to it than any other.
            let before = after.to_timestamp(at).unwrap_or(Timestamp::MAX);
            Local::Skipped(zone.following(before).next().map_or(before, |jump| jump.timestamp()))
        }
    }
}

/// The moment of a time of the clock, by the rule of this module.
pub fn moment(zone: &TimeZone, at: DateTime) -> Timestamp {
    local(zone, at).moment()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_of_the_clock_is_one_moment() {
        let lisbon = TimeZone::get("Europe/Lisbon").unwrap();
        let at = |text: &str| local(&lisbon, text.parse().unwrap());
        let moment = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(at("2026-03-29T00:59:59"), Local::Once(moment("2026-03-29T00:59:59Z")));
        assert_eq!(at("2026-03-29T01:00"), Local::Skipped(moment("2026-03-29T01:00Z")));
        assert_eq!(at("2026-03-29T01:59"), Local::Skipped(moment("2026-03-29T01:00Z")));
        assert_eq!(at("2026-03-29T02:00"), Local::Once(moment("2026-03-29T01:00Z")));
        assert_eq!(at("2026-10-25T01:30"), Local::Twice(moment("2026-10-25T00:30Z")));
        assert_eq!(at("2026-10-25T02:00"), Local::Once(moment("2026-10-25T02:00Z")));
        // A whole day that never was.
        let apia = TimeZone::get("Pacific/Apia").unwrap();
        assert_eq!(local(&apia, "2011-12-30T12:00".parse().unwrap()), Local::Skipped(moment("2011-12-30T10:00Z")));
    }
}
