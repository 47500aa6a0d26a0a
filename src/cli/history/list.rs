//! `firedrill history`: past runs, the newest first.

use super::{NONE_YET, Trouble, args::List, opened, say, short, when};
use crate::{
    cli::args::TableOrJson,
    file::suggest::nearest,
    history::{Filter, Run, Store, verdict_word},
    measure::compare::Aspect,
    report::{
        against::show,
        table::table,
        words::{count, visible},
    },
};

/// Lists them.
pub fn list(args: &List) -> Result<u8, Trouble> {
    let filter = Filter {
        experiment: args.experiment.clone(),
        environment: args.env.clone(),
        verdict: args.verdict,
        since: args.since,
        last: Some(args.last),
    };
    let store = opened()?;
    let runs = store.as_ref().map(|store| store.list(&filter)).transpose()?.unwrap_or_default();
    if args.format == TableOrJson::Json {
        say::json(runs);
        return Ok(0);
    }
    match &store {
        None => say::out(&format!("{NONE_YET}\n")),
        Some(store) if runs.is_empty() => say::out(&format!("{}\n", none_of(store, args)?)),
        Some(_) => say::out(&rows(&runs)),
    }
    Ok(0)
}

/// The words for an empty list, with the title that may have been meant.
fn none_of(store: &Store, args: &List) -> Result<String, Trouble> {
    let all = store.experiments()?;
    let Some(pattern) = args.experiment.as_deref().filter(|_| !all.is_empty()) else {
        return Ok(if all.is_empty() { NONE_YET } else { "no run of the history is like that" }.to_owned());
    };
    let meant = nearest(pattern, all.iter().map(|experiment| experiment.experiment.as_str()));
    let part = all.iter().map(|experiment| experiment.experiment.as_str()).find(|title| title.contains(pattern));
    let meant = match (meant, part) {
        (Some(title), _) => format!("; did you mean `{}`?", short(title)),
        (None, Some(_)) => format!("; a part of a title is asked for with stars: `*{}*`", visible(pattern)),
        (None, None) => String::new(),
    };
    Ok(format!("no run of the history is like that{meant}"))
}

fn rows(runs: &[Run]) -> String {
    const HEAD: [&str; 9] =
        ["BEGAN (UTC)", "VERDICT", "EXPERIMENT", "AVAILABILITY", "FAILED", "LONGEST OUTAGE", "P99", "RECOVERED AFTER", "RUN"];
    let mut rows = vec![HEAD.map(str::to_owned).to_vec()];
    for run in runs {
        let figure = |aspect| run.figures.get(aspect).map_or_else(|| "–".to_owned(), |range| show(aspect, range.value));
        rows.push(vec![
            when(run),
            verdict_word(run.verdict),
            short(&run.experiment),
            figure(Aspect::Availability),
            run.figures.failures.map_or_else(|| "–".to_owned(), count),
            figure(Aspect::LongestOutage),
            figure(Aspect::P99),
            figure(Aspect::Recovery),
            visible(run.run.as_str()).into_owned(),
        ]);
    }
    table(&rows, "", &[3, 4, 5, 6, 7])
}
