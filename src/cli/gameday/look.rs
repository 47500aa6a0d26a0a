//! The verbs that only look: `check`, `plan`, `status` and `report`.

use std::{fmt::Write as _, path::Path};

use super::{
    agenda::{self, Drill},
    args::{CheckDay, DayFormat, PlanDay, ReportDay, StatusDay},
};
use crate::{
    cli::{
        args::{Place, TextOrJson},
        connect,
        loading::Purpose,
        say,
    },
    engine::planning,
    file::Diagnostics,
    gameday::{Client, seat},
    model::{
        gameday::What,
        quantity::{plural, show_duration},
        verdict::Verdict,
    },
    plan::show,
    report::{
        gameday::{self, lines, write::DayReport},
        words::whole,
    },
};

/// Everything that is said about an agenda and its experiments.
pub fn check(path: &Path, place: &Place) -> Diagnostics {
    match agenda::load(path, place, Purpose::Look) {
        Ok(agenda) => agenda.findings,
        Err(findings) => findings,
    }
}

/// `firedrill gameday check`.
pub fn check_verb(args: &CheckDay) -> u8 {
    let (findings, items) = match agenda::load(&args.file, &args.place, Purpose::Look) {
        Ok(agenda) => (agenda.findings, Some((agenda.items.len(), agenda.drills.iter().flatten().count()))),
        Err(findings) => (findings, None),
    };
    match args.format {
        TextOrJson::Json => say::json(findings.json()),
        TextOrJson::Text => {
            say::err(&findings.text(say::colour_on_stderr()));
            if let Some((items, drills)) = items {
                say::out(&format!("{}, {} checked: fine\n", plural(items, "item"), plural(drills, "experiment")));
            }
        }
    }
    if items.is_some() { 0 } else { Verdict::Invalid.exit_code() }
}

/// `firedrill gameday plan`.
pub async fn plan(args: &PlanDay) -> u8 {
    let agenda = match agenda::load(&args.file, &args.place, Purpose::Look) {
        Ok(agenda) => agenda,
        Err(findings) => {
            say::err(&findings.text(say::colour_on_stderr()));
            return Verdict::Invalid.exit_code();
        }
    };
    say::err(&agenda.findings.text(say::colour_on_stderr()));
    say::out(&format!("{}\n", whole(&agenda.day.title)));
    let mut code = 0;
    for (item, drill) in agenda.items.iter().zip(&agenda.drills) {
        let mut about = String::new();
        if let Some(owner) = &item.item.owner {
            let _ = write!(about, " ({owner})");
        }
        if let Some(at) = item.item.at {
            let _ = write!(about, ", not before {at} {}", agenda.day.timezone);
        }
        let kind = match &item.item.what {
            What::Experiment(_) => "experiment",
            What::Announce { .. } => "announce",
            What::Pause { .. } => "pause",
            What::Ask { .. } => "ask",
            What::Checklist { .. } => "checklist",
        };
        say::out(&format!("\n{}. {kind}: {}{}\n", item.number, whole(&item.says), whole(&about)));
        let Some(drill) = drill else { continue };
        say::out(&format!("   {}\n", whole(&before(drill))));
        match planned(drill).await {
            Ok(shown) => shown.lines().for_each(|line| say::out(&format!("   {line}\n"))),
            Err(why) => {
                say::problem(format!("item {}: {why}", item.number));
                code = Verdict::NotStarted.exit_code();
            }
        }
    }
    code
}

/// What stands between an item and its drill.
fn before(drill: &Drill) -> String {
    let mut parts = vec![format!("in {}", drill.environment.name)];
    if drill.item.confirm || drill.environment.require.confirm {
        parts.push("after a person's go".to_owned());
    }
    parts.extend(drill.item.countdown.map(|from| format!("counted down from {}", show_duration(from))));
    parts.extend(drill.item.expect.map(|expect| format!("predicted: {expect}")));
    parts.extend(drill.item.mitigate.map(|most| format!("people mitigate, for at most {}", show_duration(most))));
    parts.join("; ")
}

/// The plan that a drill would carry out now, as text.
///
/// # Errors
/// When none can be made.
pub async fn planned(drill: &Drill) -> Result<String, String> {
    let platform = connect::connect(&drill.environment, &drill.experiment).await?;
    let planned = planning::plan(&drill.experiment, platform.platform(), drill.seed).await.map_err(|refused| refused.to_string());
    platform.disconnect().await;
    planned.map(|plan| show::show(&plan, false))
}

/// `firedrill gameday status`.
pub async fn status(args: &StatusDay) -> u8 {
    let seat = match seat::find(args.day.as_deref()) {
        Ok(seat) => seat,
        Err(why) => {
            say::problem(why);
            return Verdict::Invalid.exit_code();
        }
    };
    match Client::new(&seat.socket(), &super::by(None)).status().await {
        Ok(day) => {
            match args.format {
                TextOrJson::Json => say::json(day),
                TextOrJson::Text => say::out(&lines::status(&day)),
            }
            0
        }
        Err(error) => {
            say::problem(format!("the game day {} does not answer: {error}", seat.day));
            Verdict::Error.exit_code()
        }
    }
}

/// `firedrill gameday report`.
pub fn report(args: &ReportDay) -> u8 {
    let usual =
        || ["firedrill-runs/gameday-", "firedrill-runs/"].map(|start| Path::new(&format!("{start}{}", args.day.display())).to_owned());
    let folder = if args.day.exists() { None } else { usual().into_iter().find(|path| path.exists()) };
    let folder = folder.unwrap_or_else(|| args.day.clone());
    let format = match args.format {
        DayFormat::Html => DayReport::Html,
        DayFormat::Markdown => DayReport::Markdown,
        DayFormat::Json => DayReport::Json,
    };
    let written = gameday::load(&folder).and_then(|day| {
        let text = format.render(&day, if folder.is_dir() { &folder } else { folder.parent().unwrap_or(Path::new(".")) });
        match &args.output {
            None => {
                say::out(&text);
                Ok(())
            }
            Some(path) => {
                std::fs::write(path, text).map_err(|error| std::io::Error::new(error.kind(), format!("{}: {error}", path.display())))
            }
        }
    });
    match written {
        Ok(()) => 0,
        Err(error) => {
            say::problem(error);
            Verdict::Invalid.exit_code()
        }
    }
}
