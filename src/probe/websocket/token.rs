//! The text that no other request sends, in this run or another: so an answer is found among whatever else arrives.

/// Makes the texts of one probe, and finds them again.
#[derive(Debug)]
pub struct Tokens {
    begin: String,
}

/// The digits of a request's number.
const DIGITS: usize = 8;

impl Tokens {
    /// `run` tells this run from others, whose messages a server may still have.
    pub fn new(run: u64, probe: u16) -> Self {
        Self { begin: format!("firedrill-{run:016x}-{probe:04x}-") }
    }

    /// The text of a request. Of one length, so that none is part of another.
    pub fn of(&self, number: u32) -> String {
        format!("{}{number:08x}", self.begin)
    }

    /// The requests whose texts a message holds.
    pub fn within<'t>(&'t self, message: &'t str) -> impl Iterator<Item = u32> + 't {
        message.match_indices(&self.begin).filter_map(|(at, begin)| {
            let from = at + begin.len();
            u32::from_str_radix(message.get(from..from + DIGITS)?, 16).ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_in_whatever_a_server_makes_of_them() {
        let tokens = Tokens::new(7, 2);
        let message = format!("{{\"from\":\"ü\",\"text\":\"{}\"}} {} {}", tokens.of(1), tokens.of(u32::MAX), tokens.begin);
        assert_eq!(tokens.within(&message).collect::<Vec<_>>(), [1, u32::MAX]);
        assert_eq!(tokens.within(&Tokens::new(8, 2).of(1)).count(), 0, "of another run");
        assert_eq!(tokens.within(&Tokens::new(7, 3).of(1)).count(), 0, "of another probe");
        assert_eq!(tokens.within(&format!("{}üüüüüüüü", tokens.begin)).count(), 0);
    }
}
