//! `firedrill history trend`: the runs of one experiment, oldest first, and each figure as a line of small bars.

use std::fmt::Write as _;

use super::{Trouble, args::TrendArgs, needed, say, short, when};
use crate::{
    cli::args::TableOrJson,
    file::suggest::nearest,
    history::{Filter, Run, Series, Store, Trend, verdict_word},
    measure::compare::Aspect,
    model::quantity::plural,
    report::{
        against::{name, show},
        table::table,
        words::whole,
    },
};

/// Shows it.
pub fn trend(args: &TrendArgs) -> Result<u8, Trouble> {
    let store = needed()?;
    let trend = store.trend(&meant(&store, &args.experiment)?, Some(args.last))?;
    match args.format {
        TableOrJson::Json => say::json(trend),
        TableOrJson::Table => say::out(&text(&trend)),
    }
    Ok(0)
}

/// The title that is meant: that very one, or the only one that a pattern fits.
fn meant(store: &Store, pattern: &str) -> Result<String, Trouble> {
    let all = store.experiments()?;
    if all.iter().any(|experiment| experiment.experiment == pattern) {
        return Ok(pattern.to_owned());
    }
    let fitting = store.list(&Filter { experiment: Some(pattern.to_owned()), ..Filter::default() })?;
    let mut titles: Vec<String> = fitting.into_iter().map(|run| run.experiment).collect();
    titles.sort();
    titles.dedup();
    match titles.as_slice() {
        [one] => Ok(one.clone()),
        [] => {
            let names = || all.iter().map(|experiment| experiment.experiment.as_str());
            let meant = nearest(pattern, names()).map(|title| format!("; did you mean `{title}`?")).unwrap_or_default();
            Err(Trouble::Asked(format!("the history has no run of `{pattern}`{meant}")))
        }
        several => Err(Trouble::Asked(format!(
            "`{pattern}` fits {} experiments: {}",
            several.len(),
            several.iter().map(|title| short(title)).collect::<Vec<_>>().join(", ")
        ))),
    }
}

fn text(trend: &Trend) -> String {
    let aspects: Vec<Aspect> = trend.series.iter().map(|series| series.aspect).collect();
    let mut head = vec!["BEGAN (UTC)".to_owned(), "VERDICT".to_owned()];
    head.extend(aspects.iter().map(|aspect| name(*aspect).to_uppercase()));
    head.push("RUN".to_owned());
    let mut rows = vec![head];
    rows.extend(trend.runs.iter().map(|run| row(run, &aspects)));
    let numbers: Vec<usize> = (2..2 + aspects.len()).collect();
    let mut out =
        format!("{}: {}, the oldest first\n\n{}", short(&trend.experiment), plural(trend.runs.len(), "run"), table(&rows, "  ", &numbers));
    if trend.series.is_empty() {
        out += "\nNone of them came to a verdict about the system, so there is no trend.\n";
        return out;
    }
    let lines: Vec<Vec<String>> = trend.series.iter().map(line).collect();
    let _ = write!(out, "\n{}", table(&lines, "  ", &[]));
    let gaps = trend.runs.iter().filter(|run| !run.judged()).count();
    if gaps > 0 {
        let _ = writeln!(out, "\n{} did not come to a verdict about the system, and counts in no figure (·).", plural(gaps, "run"));
    }
    out
}

fn row(run: &Run, aspects: &[Aspect]) -> Vec<String> {
    let figure = |aspect: &Aspect| run.figures.get(*aspect).map_or_else(|| "–".to_owned(), |range| show(*aspect, range.value));
    let mut row = vec![when(run), verdict_word(run.verdict)];
    row.extend(aspects.iter().map(figure));
    row.push(whole(run.run.as_str()).into_owned());
    row
}

/// One figure: its bars, its numbers, and how the last run stands.
fn line(series: &Series) -> Vec<String> {
    let of = |value| show(series.aspect, value);
    let last = series.last.map_or_else(|| "none".to_owned(), of);
    vec![
        name(series.aspect).to_owned(),
        bars(series),
        format!("min {}", of(series.min)),
        format!("median {}", of(series.median)),
        format!("last {last}"),
        series.stands(),
    ]
}

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// From the lowest of them to the highest; when all are the same, all in the middle.
fn bars(series: &Series) -> String {
    let span = series.max - series.min;
    let bar = |value: f64| {
        let height = if span > 0.0 { (value - series.min) / span * 7.0 } else { 3.0 };
        BARS[(height.round() as usize).min(7)]
    };
    series.values.iter().map(|value| value.map_or('·', bar)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Standing;

    #[test]
    fn bars_go_from_the_lowest_to_the_highest_and_gaps_are_seen() {
        let series = |values: &[Option<f64>], min, max| Series {
            aspect: Aspect::Recovery,
            values: values.to_vec(),
            min,
            median: min,
            max,
            last: None,
            earlier: 3,
            standing: Standing::TooFew,
        };
        assert_eq!(bars(&series(&[Some(1.0), None, Some(1.5), Some(2.0)], 1.0, 2.0)), "▁·▅█");
        assert_eq!(bars(&series(&[Some(1.0), Some(1.0)], 1.0, 1.0)), "▄▄");
        assert!(series(&[], 0.0, 0.0).stands().starts_with("3 earlier runs: fewer than 8"));
    }
}
