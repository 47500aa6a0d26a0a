//! The runs of one experiment, oldest first, and how its last one stands among them.

use rusqlite::types::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{HistoryError, Store, query::limit, run::Run};
use crate::{
    measure::compare::{Aspect, Change, Figures, Range, Tolerance, compare_figures},
    model::quantity::plural,
};

/// Earlier runs below which nothing is said about the last one: of few, one is soon the best or the worst by luck.
pub const ENOUGH: usize = 8;

/// The runs of one experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Trend {
    /// The experiment's title.
    pub experiment: String,
    /// Its runs, the oldest first.
    pub runs: Vec<Run>,
    /// A series for each aspect that one of them has a figure for.
    pub series: Vec<Series>,
}

/// One figure over all runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Series {
    /// Of what.
    pub aspect: Aspect,
    /// One for each run; none where the run has no such figure, or did not come to a verdict about the system.
    pub values: Vec<Option<f64>>,
    /// The lowest.
    pub min: f64,
    /// The middle one.
    pub median: f64,
    /// The highest.
    pub max: f64,
    /// That of the last run that came to a verdict about the system.
    pub last: Option<f64>,
    /// How many runs before that one have this figure.
    pub earlier: usize,
    /// How that one stands among those.
    pub standing: Standing,
}

/// How a run stands among the earlier ones. It is outside what they vary when it lies beyond all of them, its own interval and theirs counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// There are too few earlier ones to say: fewer than [`ENOUGH`].
    TooFew,
    /// Among them, or so near that it cannot be told.
    Within,
    /// Worse than all of them.
    Worse,
    /// Better than all of them.
    Better,
    /// It has no such figure.
    Untold,
}

impl Series {
    /// How the last run stands, in words.
    pub fn stands(&self) -> String {
        let earlier = || plural(self.earlier, "earlier run");
        match self.standing {
            Standing::TooFew => format!("{}: fewer than {ENOUGH} say nothing about the last one", earlier()),
            Standing::Within => format!("within what {} vary", earlier()),
            Standing::Worse => format!("worse than all of {}", earlier()),
            Standing::Better => format!("better than all of {}", earlier()),
            Standing::Untold => "the last one has no such figure".to_owned(),
        }
    }
}

impl Store {
    /// The trend of an experiment, by its title, over its last so many runs.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub fn trend(&self, experiment: &str, last: Option<u64>) -> Result<Trend, HistoryError> {
        let values = vec![Value::Text(experiment.to_owned()), Value::Integer(limit(last))];
        let mut runs = self.rows("WHERE experiment = ? ORDER BY began_ns DESC, run DESC LIMIT ?", values)?;
        runs.reverse();
        Ok(Trend { experiment: experiment.to_owned(), series: series(&runs), runs })
    }
}

fn series(runs: &[Run]) -> Vec<Series> {
    let judged: Vec<&Figures> = runs.iter().filter(|run| run.judged()).map(|run| &run.figures).collect();
    let Some((last, earlier)) = judged.split_last() else { return Vec::new() };
    let mut before = Figures::default();
    for aspect in Aspect::ALL {
        *before.get_mut(aspect) = Range::all(earlier.iter().filter_map(|figures| figures.get(aspect)).map(Some));
    }
    let told = compare_figures(&before, last, &Tolerance::NONE);
    let one = |aspect| {
        let value = |run: &Run| run.figures.get(aspect).filter(|_| run.judged()).map(|range| range.value);
        let values: Vec<Option<f64>> = runs.iter().map(value).collect();
        let mut known: Vec<f64> = values.iter().flatten().copied().collect();
        known.sort_by(f64::total_cmp);
        let (min, max) = (*known.first()?, *known.last()?);
        let median = f64::midpoint(known[(known.len() - 1) / 2], known[known.len() / 2]);
        let earlier = earlier.iter().filter(|figures| figures.get(aspect).is_some()).count();
        let change = told.lines.iter().find(|line| line.aspect == aspect).map(|line| line.change);
        let standing = match change {
            _ if earlier < ENOUGH => Standing::TooFew,
            Some(Change::Worse) => Standing::Worse,
            Some(Change::Better) => Standing::Better,
            Some(Change::Same) => Standing::Within,
            Some(Change::Untold) | None => Standing::Untold,
        };
        Some(Series { aspect, values, min, median, max, last: last.get(aspect).map(|range| range.value), earlier, standing })
    };
    Aspect::ALL.into_iter().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{history::run::tests::run, model::verdict::Verdict};

    fn runs(availabilities: &[f64]) -> Vec<Run> {
        (0..).zip(availabilities).map(|(n, share)| run(&n.to_string(), "x", n, *share)).collect()
    }

    fn of(series: &[Series], aspect: Aspect) -> &Series {
        series.iter().find(|series| series.aspect == aspect).unwrap()
    }

    #[test]
    fn the_last_is_outside_only_when_no_interval_lets_it_in() {
        let usual = [0.97, 0.98, 0.96, 0.97, 0.98, 0.97, 0.96, 0.97];
        for (last, standing) in [
            (0.97, Standing::Within),
            (0.95, Standing::Within),
            (0.93, Standing::Worse),
            (0.999, Standing::Within),
            (1.01, Standing::Better),
        ] {
            let all = series(&runs(&[&usual[..], &[last]].concat()));
            let one = of(&all, Aspect::Availability);
            assert_eq!((one.standing, one.earlier, one.last), (standing, 8, Some(last)), "{last}");
        }
        let few = series(&runs(&[0.97, 0.98, 0.1]));
        assert_eq!(of(&few, Aspect::Availability).standing, Standing::TooFew);
        assert!(few.iter().all(|series| series.aspect != Aspect::P99), "no run has one");
    }

    #[test]
    fn runs_without_a_verdict_about_the_system_are_gaps() {
        let mut all = runs(&[0.9, 0.5, 0.7, 0.2]);
        all[1].verdict = Verdict::Error;
        all[3].verdict = Verdict::Aborted;
        let all = series(&all);
        let one = of(&all, Aspect::Availability);
        assert_eq!(one.values, [Some(0.9), None, Some(0.7), None]);
        assert_eq!((one.min, one.median, one.max, one.last), (0.7, 0.8, 0.9, Some(0.7)));
        assert!(series(&[]).is_empty());
    }

    #[test]
    fn what_always_came_back_and_did_not_is_worse_than_all() {
        let mut all = runs(&[0.97; 9]);
        all[8].figures.recovery = None;
        let all = series(&all);
        let one = of(&all, Aspect::Recovery);
        assert_eq!((one.standing, one.last), (Standing::Worse, None));
    }
}
