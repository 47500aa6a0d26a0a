//! What a name looks like wherever answers are shown by who gave them: the same in each probe, and in the legend.
//!
//! Colours differ in lightness as well as in hue, so that readers who see few colours tell them apart too. More names than colours
//! get a pattern over the colour; names beyond all of these share one look.

use std::collections::BTreeSet;

use maud::{Markup, html};

use crate::report::words::visible;

/// How many patterns lie over the colours, after the plain ones.
const PATTERNS: usize = 3;

/// The looks of all names of one kind.
pub struct Colours {
    /// `s` for backends, `z` for zones: the classes of `style.css` begin with it.
    kind: &'static str,
    /// How many colours that kind has there.
    count: usize,
    names: Vec<String>,
}

/// One look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// The kind's letter.
    kind: &'static str,
    colour: usize,
    pattern: usize,
}

impl Look {
    /// The class of the filled shape.
    pub fn class(self) -> String {
        format!("{}{}", self.kind, self.colour)
    }

    /// The class of text on it.
    pub fn ink(self) -> String {
        format!("inside {}-ink{}", self.kind, self.colour)
    }

    /// What fills the same shape once more, on top.
    pub fn pattern(self) -> Option<String> {
        (self.pattern > 0).then(|| format!("url(#over{})", self.pattern))
    }
}

impl Colours {
    /// Of backends, in the order of their names.
    pub fn backends<'a>(names: impl Iterator<Item = &'a String>) -> Self {
        Self::of("s", 8, names)
    }

    /// Of zones.
    pub fn zones<'a>(names: impl Iterator<Item = &'a String>) -> Self {
        Self::of("z", 4, names)
    }

    fn of<'a>(kind: &'static str, count: usize, names: impl Iterator<Item = &'a String>) -> Self {
        Self { kind, count, names: names.collect::<BTreeSet<_>>().into_iter().cloned().collect() }
    }

    /// The layers of a stack: each with its look, its label, and the names that it holds.
    pub fn layers(&self) -> Vec<(Look, String, &[String])> {
        let all = self.count * (PATTERNS + 1);
        let own = if self.names.len() <= all { self.names.len() } else { all - 1 };
        let look = |n: usize| Look { kind: self.kind, colour: n % self.count, pattern: n / self.count };
        let mut layers: Vec<_> = (0..own).map(|n| (look(n), visible(&self.names[n]).into_owned(), &self.names[n..=n])).collect();
        if own < self.names.len() {
            layers.push((look(own), format!("{} others", self.names.len() - own), &self.names[own..]));
        }
        layers
    }

    /// Every look with its label; nothing without names.
    pub fn legend(&self, title: &str) -> Markup {
        html! {
            @if !self.names.is_empty() {
                ul.legend aria-label=(title) {
                    li.of aria-hidden="true" { (title) }
                    @for (look, label, _) in self.layers() {
                        li {
                            svg.swatch width="18" height="11" aria-hidden="true" {
                                rect class=(look.class()) width="18" height="11" {}
                                @if let Some(over) = look.pattern() { rect width="18" height="11" fill=(over) {} }
                            }
                            (label)
                        }
                    }
                }
            }
        }
    }
}

/// The patterns, for the `defs` of a picture. Lines and dots of the panel's colour let the colour under them be seen.
pub fn patterns() -> Markup {
    html! {
        @for (n, turn) in [(1, "rotate(45)"), (2, "rotate(-45)")] {
            pattern id={ "over" (n) } width="5" height="5" patternUnits="userSpaceOnUse" patternTransform=(turn) {
                line.over x1="0" y1="0" x2="0" y2="5" {}
            }
        }
        pattern id="over3" width="5" height="5" patternUnits="userSpaceOnUse" { circle.over cx="2.5" cy="2.5" r="1.2" {} }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What eyes without one kind of cone make of linear RGB (Machado, Oliveira and Fernandes 2009, severity 1), and ordinary eyes.
    const EYES: [[[f64; 3]; 3]; 4] = [
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [[0.152_286, 1.052_583, -0.204_868], [0.114_503, 0.786_281, 0.099_216], [-0.003_882, -0.048_116, 1.051_998]],
        [[0.367_322, 0.860_646, -0.227_968], [0.280_085, 0.672_501, 0.047_413], [-0.011_820, 0.042_940, 0.968_881]],
        [[1.255_528, -0.076_749, -0.178_779], [-0.078_411, 0.930_809, 0.147_602], [0.004_733, 0.691_367, 0.303_900]],
    ];

    fn linear(hex: &str) -> [f64; 3] {
        [1, 3, 5].map(|i| {
            let c = f64::from(u8::from_str_radix(&hex[i..i + 2], 16).unwrap()) / 255.0;
            if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        })
    }

    /// The colour in Oklab, where a distance is how different two colours look.
    fn seen(eye: &[[f64; 3]; 3], rgb: [f64; 3]) -> [f64; 3] {
        let dot = |row: &[f64; 3], v: [f64; 3]| row.iter().zip(v).map(|(a, b)| a * b).sum::<f64>();
        let rgb = eye.each_ref().map(|row| dot(row, rgb).clamp(0.0, 1.0));
        let lms = [
            [0.412_221_470_8, 0.536_332_536_3, 0.051_445_992_9],
            [0.211_903_498_2, 0.680_699_545_1, 0.107_396_956_6],
            [0.088_302_461_9, 0.281_718_837_6, 0.629_978_700_5],
        ]
        .map(|row| dot(&row, rgb).cbrt());
        [
            [0.210_454_255_3, 0.793_617_785_0, -0.004_072_046_8],
            [1.977_998_495_1, -2.428_592_205_0, 0.450_593_709_9],
            [0.025_904_037_1, 0.782_771_766_2, -0.808_675_766_0],
        ]
        .map(|row| dot(&row, lms))
    }

    /// The values of `--s0`, `--s1`, … in each theme of the style sheet.
    fn themes(kind: &str) -> Vec<Vec<String>> {
        let found = regex_lite::Regex::new(&format!("--{kind}(\\d):(#[0-9a-f]{{6}})")).unwrap();
        let mut themes: Vec<Vec<String>> = Vec::new();
        for value in found.captures_iter(crate::report::html::STYLE) {
            if &value[1] == "0" {
                themes.push(Vec::new());
            }
            themes.last_mut().unwrap().push(value[2].to_owned());
        }
        themes
    }

    #[test]
    fn eyes_that_see_few_colours_tell_them_apart_in_both_themes() {
        for (kind, colours) in [("s", 8), ("z", 4)] {
            let themes = themes(kind);
            assert_eq!(themes.iter().map(Vec::len).collect::<Vec<_>>(), [colours, colours], "light and dark");
            for theme in themes {
                for eye in &EYES {
                    let seen: Vec<_> = theme.iter().map(|hex| seen(eye, linear(hex))).collect();
                    for (a, b) in (0..colours).flat_map(|a| (0..a).map(move |b| (a, b))) {
                        let apart = seen[a].iter().zip(seen[b]).map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt();
                        // 0.02 is about what can be told side by side.
                        assert!(apart > 0.12, "{} and {} are {apart:.3} apart", theme[a], theme[b]);
                    }
                }
            }
        }
    }

    #[test]
    fn no_two_names_look_alike_and_the_legend_has_them_all() {
        for many in [1_usize, 6, 8, 9, 32, 33, 64] {
            let names: Vec<String> = (0..many).map(|n| format!("web-{n:02}")).collect();
            // Whatever order a probe met them in.
            let colours = Colours::backends(names.iter().rev().chain(&names));
            let layers = colours.layers();
            assert_eq!(layers.iter().map(|(.., names)| names.len()).sum::<usize>(), many);
            let looks: Vec<Look> = layers.iter().map(|(look, ..)| *look).collect();
            assert!(looks.iter().enumerate().all(|(n, look)| !looks[..n].contains(look)), "{looks:?}");
            assert!(looks.iter().all(|look| look.pattern <= PATTERNS), "{looks:?}");
            let legend = colours.legend("Backends").into_string();
            assert!(layers.iter().all(|(_, label, _)| legend.contains(label)), "{legend}");
            assert_eq!(legend.contains("others"), many > 32);
        }
    }
}
