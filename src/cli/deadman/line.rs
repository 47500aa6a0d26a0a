//! What firedrill tells the helper: a line each.

use crate::model::time::Mono;

/// What the helper says once it watches.
pub(super) const READY: &[u8] = b"ready\n";

/// A line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// firedrill hangs if it is not heard of by then.
    Until(Mono),
    /// Nothing is in effect: it may take its time.
    Free,
    /// The run has ended.
    Ended,
}

impl Line {
    pub(super) fn of(at: Option<Mono>) -> Self {
        at.map_or(Self::Free, Self::Until)
    }

    pub(super) fn written(self) -> String {
        match self {
            Self::Until(at) => format!("until {}\n", at.0),
            Self::Free => "free\n".to_owned(),
            Self::Ended => "ended\n".to_owned(),
        }
    }

    /// `None` for what was torn.
    pub(super) fn read(text: &str) -> Option<Self> {
        match text {
            "free" => Some(Self::Free),
            "ended" => Some(Self::Ended),
            _ => text.strip_prefix("until ")?.parse().ok().map(|at| Self::Until(Mono(at))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_torn_is_nothing() {
        for line in [Line::Until(Mono(u64::MAX)), Line::Free, Line::Ended] {
            assert_eq!(Line::read(line.written().trim_end()), Some(line));
        }
        for torn in ["", "unti", "until ", "until 12x", "ende", "freed"] {
            assert_eq!(Line::read(torn), None, "{torn}");
        }
    }
}
