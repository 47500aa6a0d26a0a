//! Seconds and shares to places in the picture.

/// The picture's width, in its own units.
pub const WIDTH: f64 = 1120.0;
/// Where time begins.
pub const LEFT: f64 = 118.0;
/// Where time ends.
pub const RIGHT: f64 = 1106.0;

/// The time axis.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    from: f64,
    to: f64,
}

impl Scale {
    /// From and to, in seconds; never empty.
    pub fn new(from: f64, to: f64) -> Self {
        let from = if from.is_finite() { from } else { 0.0 };
        Self { from, to: if to.is_finite() && to > from { to } else { from + 1.0 } }
    }

    /// The place of a moment, kept inside the picture.
    pub fn x(self, s: f64) -> f64 {
        let share = ((s - self.from) / (self.to - self.from)).clamp(0.0, 1.0);
        LEFT + (RIGHT - LEFT) * share
    }

    /// The same picture for times that count from this moment of it.
    pub fn zeroed_at(self, s: f64) -> Self {
        Self { from: self.from - s, to: self.to - s }
    }

    /// Moments for the axis: 4 to 14 round numbers.
    pub fn ticks(self) -> Vec<f64> {
        let rough = (self.to - self.from) / 12.0;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|n| n * power).find(|step| *step >= rough).unwrap_or(rough);
        let first = (self.from / step).ceil();
        (0..20).map(|n| (first + f64::from(n)) * step).take_while(|s| *s <= self.to + step * 1e-6).collect()
    }
}

/// A number for an attribute: two digits are a hundredth of a pixel.
pub fn n(value: f64) -> String {
    let text = format!("{value:.2}");
    let short = text.trim_end_matches('0').trim_end_matches('.');
    if short.is_empty() || short == "-0" { "0".to_owned() } else { short.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        for (from, to) in [(0.0, 0.7), (0.0, 40.0), (-3.0, 61.0), (0.0, 7200.0)] {
            let ticks = Scale::new(from, to).ticks();
            assert!((4..=14).contains(&ticks.len()), "{ticks:?}");
            assert!(ticks.iter().all(|s| (from..=to + 1e-6).contains(s)), "{ticks:?}");
        }
        assert_eq!(Scale::new(0.0, 40.0).ticks()[..3], [0.0, 5.0, 10.0]);
        assert_eq!(n(Scale::new(f64::NAN, f64::NAN).x(0.0)), n(LEFT));
    }
}
