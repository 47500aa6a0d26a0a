//! `firedrill history show`: all that is known of one run.

use std::path::Path;

use super::{
    Trouble,
    args::Show,
    find,
    folder::{self, State},
    needed, say, when,
};
use crate::{
    cli::args::TableOrJson,
    history::Run,
    measure::compare::Aspect,
    report::{
        against::{name, range},
        table::table,
        words::{count, maybe_seconds, visible, whole},
    },
};

/// Shows it.
pub fn show(args: &Show) -> Result<u8, Trouble> {
    let run = find(&needed()?, &args.run)?;
    match args.format {
        TableOrJson::Json => say::json(run),
        TableOrJson::Table => say::out(&lines(&run)),
    }
    Ok(0)
}

fn lines(run: &Run) -> String {
    let text = |text: &Option<String>| text.as_deref().map_or_else(|| "–".to_owned(), |text| whole(text).into_owned());
    let number = |number: Option<u64>| number.map_or_else(|| "–".to_owned(), count);
    let mut rows: Vec<[String; 2]> = vec![
        ["run".to_owned(), whole(run.run.as_str()).into_owned()],
        ["experiment".to_owned(), visible(&run.experiment).into_owned()],
        ["verdict".to_owned(), run.verdict.to_string()],
        ["why".to_owned(), whole(&run.reason).into_owned()],
        ["began".to_owned(), format!("{} UTC", when(run))],
        ["took".to_owned(), maybe_seconds(run.took_s)],
        ["file".to_owned(), text(&run.file)],
        ["project".to_owned(), text(&run.project)],
        ["environment".to_owned(), text(&run.environment)],
        ["platform".to_owned(), text(&run.platform)],
        ["seed".to_owned(), run.seed.map_or_else(|| "–".to_owned(), |seed| seed.to_string())],
        ["fired by".to_owned(), if run.scheduled { "its schedule" } else { "a call" }.to_owned()],
        ["commit".to_owned(), text(&run.commit)],
        ["tool".to_owned(), whole(&run.tool).into_owned()],
        ["requests".to_owned(), number(run.figures.requests)],
        ["failed".to_owned(), number(run.figures.failures)],
    ];
    rows.extend(Aspect::ALL.map(|aspect| [name(aspect).to_owned(), figure(run, aspect)]));
    rows.push(["report".to_owned(), report(run)]);
    let rows: Vec<Vec<String>> = rows.into_iter().map(Vec::from).collect();
    table(&rows, "", &[])
}

fn figure(run: &Run, aspect: Aspect) -> String {
    let told = range(aspect, run.figures.get(aspect));
    match aspect {
        Aspect::Availability | Aspect::P99 if run.figures.get(aspect).is_some() => format!("{told}, the worst probe in the fault phase"),
        Aspect::Capacity if run.figures.capacity_lost && run.figures.capacity.is_none() => "not back when the run ended".to_owned(),
        _ => told,
    }
}

/// Where the report lies.
fn report(run: &Run) -> String {
    let Some(path) = &run.folder else { return "it has no folder".to_owned() };
    let shown = whole(path);
    match folder::state(Path::new(path), &run.run) {
        State::Ours => match ["report.html", "journal.json"].iter().find(|name| Path::new(path).join(name).is_file()) {
            Some(name) => format!("{shown}/{name}"),
            None => format!("{shown} (without a report; `firedrill report {shown}` makes one)"),
        },
        State::Gone => format!("{shown} is gone"),
        State::Refused(why) => format!("{shown}: {}", whole(&why)),
    }
}
