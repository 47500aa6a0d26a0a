//! The values of a run: letters, digits and `-`, unlike those of any other run, and known by their number.

use rand::{TryRng, rngs::SysRng};

/// What each value of one ledger in one run begins with.
#[derive(Debug, Clone)]
pub struct Values {
    prefix: String,
}

impl Values {
    /// Of a new run. The word is drawn anew for each, never from the run's seed: a drill that is made once more with the same seed must not
    /// take the rows of the one before for its own, and only what bears it is ever removed. Words for the user when there is no chance.
    pub fn new() -> Result<Self, String> {
        let run = SysRng.try_next_u64().map_err(|error| format!("this machine gives no random numbers: {error}"))?;
        Ok(Self::of(run))
    }

    fn of(run: u64) -> Self {
        Self { prefix: format!("fd-{run:016x}-") }
    }

    /// What all of them begin with.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The value of a write.
    pub fn value(&self, number: u32) -> String {
        format!("{}{number}", self.prefix)
    }

    /// Which write a value is of; none for what is not of this run, letter by letter.
    pub fn number(&self, value: &str) -> Option<u32> {
        let number = value.strip_prefix(&self.prefix)?.parse().ok()?;
        (self.value(number) == value).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_known_again_and_nothing_else_is() {
        let values = Values::of(0xabc);
        assert_eq!(values.value(7), "fd-0000000000000abc-7");
        for number in [0, 7, u32::MAX] {
            assert_eq!(values.number(&values.value(number)), Some(number));
        }
        for other in ["", "7", "-7", "fd-0000000000000abc-", "fd-0000000000000abc-4294967296", "fd-0000000000000abd-7"] {
            assert_eq!(values.number(other), None, "{other}");
        }
        for other in ["07", "+7", "7 ", "7\n"] {
            assert_eq!(values.number(&format!("{}{other}", values.prefix())), None, "{other}");
        }
        assert_ne!(Values::new().unwrap().prefix(), Values::new().unwrap().prefix());
    }
}
