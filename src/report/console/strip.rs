//! The availability strip of a probe: one block a tick. Height says how much succeeded; a failure also has its own colour,
//! and a tick without requests is a dot.

use std::collections::VecDeque;

use super::style::{Style, Tone};
use crate::event::Tick;

/// Ticks that are kept.
const KEPT: usize = 200;

/// A probe's last ticks.
#[derive(Debug, Default)]
pub struct Strip {
    ticks: VecDeque<(u64, u64)>,
}

impl Strip {
    /// Takes a tick.
    pub fn take(&mut self, tick: &Tick) {
        if self.ticks.len() == KEPT {
            self.ticks.pop_front();
        }
        self.ticks.push_back((tick.requests, tick.ok));
    }

    /// The last `columns` ticks, painted.
    pub fn draw(&self, columns: usize, style: Style) -> String {
        let mut out = " ".repeat(columns.saturating_sub(self.ticks.len()));
        for (requests, ok) in self.ticks.iter().skip(self.ticks.len().saturating_sub(columns)) {
            let (tone, block) = block(*requests, *ok);
            out.push_str(&style.paint(tone, block));
        }
        out
    }
}

fn block(requests: u64, ok: u64) -> (Tone, &'static str) {
    const BLOCKS: [&str; 7] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇"];
    if requests == 0 {
        (Tone::Dim, "·")
    } else if ok >= requests {
        (Tone::Good, "█")
    } else {
        (Tone::Bad, BLOCKS[(ok * 7 / requests).min(6) as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_in_many_is_never_a_full_block() {
        assert_eq!(block(0, 0).1, "·");
        assert_eq!(block(10, 10).1, "█");
        assert_eq!(block(1_000_000, 999_999).1, "▇");
        assert_eq!(block(10, 0).1, "▁");
    }

    #[test]
    fn the_strip_has_the_asked_width() {
        let mut strip = Strip::default();
        for _ in 0..3 {
            strip.take(&Tick { requests: 1, ok: 1, ..Tick::default() });
        }
        assert_eq!(strip.draw(5, Style::plain(80)), "  ███");
        assert_eq!(strip.draw(2, Style::plain(80)), "██");
    }
}
