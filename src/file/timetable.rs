//! What a schedule means: the experiment's and the project's put together, with the calendars beside them read and its times in their zone.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::{
    diagnostic::{Diagnostic, Diagnostics, Note, Severity},
    escape::{quote, safe},
    load::Loaded,
    lower::schedule::{Common, Moment, Off, Project, WITHIN, When, Written},
    source::{Place, Source, Span},
    suggest::{listed, nearest},
};
use crate::{
    clock,
    model::hours::Hours,
    schedule::{Closed, Cover, Entry, Gap, Rule, Window, calendar, roster::Missed, zone},
};

/// Events of calendars are worked out from so long ago ...
const BEFORE: SignedDuration = SignedDuration::from_hours(40 * 24);
/// ... until so far ahead; nobody looks further.
const AHEAD: SignedDuration = SignedDuration::from_hours(1200 * 24);

/// The timetable of an experiment; none when it has no schedule. `now` is near which calendars are worked out.
///
/// # Errors
/// What only shows when everything is put together: a calendar that cannot be read, a group that is not there, a time that the clock skips.
pub fn entry(loaded: &Loaded, path: &Path, now: Timestamp) -> Result<Option<Entry>, Diagnostics> {
    let Some(written) = &loaded.schedule else { return Ok(None) };
    let (own, project) = (&written.common, &loaded.project_schedule);
    let Joined { rule, gap, group, windows, zone, found } = join(written, project, &loaded.sources, now);
    if !found.is_empty() {
        return Err(found.into());
    }
    let hours = loaded.environment.as_ref().and_then(|environment| {
        let written = environment.require.hours.clone()?;
        let hours = Hours::parse(&written).ok()?;
        Some((environment.name.clone(), written, hours))
    });
    let common = &project.common;
    let draws = draws(path, loaded.sources.get(1).map(|source| Path::new(&source.name)));
    Ok(rule.map(|rule| Entry {
        name: draws.clone(),
        draws,
        path: path.to_owned(),
        project: loaded.sources.get(1).map(|source| PathBuf::from(&source.name)),
        group,
        seed: project.seed,
        rule,
        zone,
        working: own.working.clone().or_else(|| common.working.clone()).unwrap_or_default(),
        gap,
        hours,
        closed: Closed::new(windows),
        missed: own.missed.or(common.missed).unwrap_or(Missed::Skip),
        within: own.within.or(common.within).unwrap_or(WITHIN),
        enabled: true,
    }))
}

/// The experiment's and the project's schedules, put together.
struct Joined {
    /// None when its group is not there.
    rule: Option<Rule>,
    gap: Option<Gap>,
    group: Option<String>,
    windows: Vec<Window>,
    zone: TimeZone,
    /// What is wrong with them.
    found: Vec<Diagnostic>,
}

/// What is wrong with a schedule, apart from its form, where the rest of its file is wrong too.
pub fn problems(written: &Written, project: &Project, sources: &[Arc<Source>]) -> Diagnostics {
    join(written, project, sources, clock::moment()).found.into()
}

fn join(written: &Written, project: &Project, sources: &[Arc<Source>], now: Timestamp) -> Joined {
    let own = &written.common;
    let zone = own.zone.clone().or_else(|| project.common.zone.clone()).unwrap_or(TimeZone::UTC);
    let mut found = Vec::new();
    let Some(source) = sources.first() else { return Joined { rule: None, gap: None, group: None, windows: Vec::new(), zone, found } };
    let mut group = None;
    let (rule, gap) = match &written.when {
        When::Rule(rule) => (Some(rule.clone()), written.gap),
        When::At(moments) => (Some(at(moments, &zone, source, &mut found)), written.gap),
        When::Group(wanted, span) => {
            if let Some((name, rule, gap)) = project.groups.iter().find(|(name, ..)| name == wanted) {
                group = Some(name.clone());
                (Some(rule.clone()), *gap)
            } else {
                found.push(no_group(project, wanted, Place { source: Arc::clone(source), span: *span }));
                (None, None)
            }
        }
    };
    let mut windows = closed(own, source, &zone, now, &mut found);
    if let Some(source) = sources.get(1) {
        windows.extend(closed(&project.common, source, &zone, now, &mut found));
    }
    Joined { rule, gap, group, windows, zone, found }
}

/// What somebody should look at who checks a schedule: times that are all over, so that it never fires.
pub fn over(written: &Written, entry: &Entry, source: &Arc<Source>, now: Timestamp) -> Option<Diagnostic> {
    let Rule::At(moments) = &entry.rule else { return None };
    let last = moments.last().filter(|last| **last < now)?;
    let local = last.to_zoned(entry.zone.clone());
    let mut warning =
        Diagnostic::error(format!("this schedule never fires again: the last of its times was {}", local.strftime("%Y-%m-%d %H:%M")));
    warning.expected("a time to come; or no `schedule:`, where it is run by hand");
    warning.severity = Severity::Warning;
    warning.place = Some(Place { source: Arc::clone(source), span: written.span });
    Some(warning)
}

/// By what name the draws of an experiment are made: its path as seen from its project file, without its ending. So they are the same
/// wherever the project lies, and however the file is named on a command line.
fn draws(path: &Path, project: Option<&Path>) -> String {
    let whole = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let file = whole(path);
    let folder = project.and_then(|project| Some(whole(project).parent()?.to_owned()));
    let below = folder.and_then(|folder| Some(file.strip_prefix(folder).ok()?.to_owned()));
    let below = below.unwrap_or_else(|| PathBuf::from(file.file_name().unwrap_or(file.as_os_str())));
    below.with_extension("").display().to_string()
}

/// What is wrong with the schedules of a project file, apart from its form: calendars that cannot be read.
pub fn check_project(project: &Project, source: &Arc<Source>, now: Timestamp) -> Diagnostics {
    let mut found = Vec::new();
    let zone = project.common.zone.clone().unwrap_or(TimeZone::UTC);
    closed(&project.common, source, &zone, now, &mut found);
    found.into()
}

/// The calendars that an experiment's schedule depends on.
pub fn calendars(loaded: &Loaded) -> Vec<PathBuf> {
    let commons = loaded.schedule.iter().map(|written| &written.common).chain([&loaded.project_schedule.common]);
    let beside = commons.zip(&loaded.sources).flat_map(|(common, source)| {
        common.not_on.iter().filter_map(|(off, _)| match off {
            Off::Calendar(path) => Some(source.beside(path)),
            Off::Days { .. } => None,
        })
    });
    beside.collect()
}

/// The moments of `at`. One that the clock skips is refused: nobody can mean it.
fn at(moments: &[(Moment, Span)], zone: &TimeZone, source: &Arc<Source>, found: &mut Vec<Diagnostic>) -> Rule {
    let mut out = Vec::new();
    for (moment, span) in moments {
        match moment {
            Moment::Fixed(at) => out.push(*at),
            Moment::Clock(clock) => match zone::local(zone, *clock) {
                zone::Local::Skipped(jump) => {
                    let name = zone.iana_name().unwrap_or("this zone");
                    let mut error =
                        Diagnostic::error(format!("{} never is in {name}: the clock is put forward there", quote(&clock.to_string())));
                    error.expected(format!("another time, or the moment of the jump: `{jump}`"));
                    error.place = Some(Place { source: Arc::clone(source), span: *span });
                    found.push(error);
                }
                local => out.push(local.moment()),
            },
        }
    }
    out.sort_unstable();
    out.dedup();
    Rule::At(out)
}

fn no_group(project: &Project, wanted: &str, place: Place) -> Diagnostic {
    let names = || project.groups.iter().map(|(name, ..)| name.as_str());
    let mut error = Diagnostic::error(format!("there is no group {}", quote(wanted)));
    error.expected(format!("one of those under `schedule: groups:` in {}: {}", super::project::FILE, listed(names(), "or")));
    error.nearest(nearest(wanted, names()));
    error.place = Some(place);
    error
}

/// The windows in which nothing fires.
fn closed(common: &Common, source: &Arc<Source>, zone: &TimeZone, now: Timestamp, found: &mut Vec<Diagnostic>) -> Vec<Window> {
    let mut out: Vec<Window> = Vec::new();
    out.extend(
        common.freezes.iter().map(|freeze| Window::clock(zone, freeze.from, freeze.to, Cover::Freeze { name: freeze.name.clone() })),
    );
    for (off, span) in &common.not_on {
        match off {
            Off::Days { first, last, written } => out.push(Window::days(zone, *first, *last, Cover::Days { written: written.clone() })),
            Off::Calendar(path) => {
                let place = Place { source: Arc::clone(source), span: *span };
                match events(path, &source.beside(path), zone, now, &place) {
                    Ok(windows) => out.extend(windows),
                    Err(errors) => found.extend(errors),
                }
            }
        }
    }
    out
}

/// The events of a calendar; `place` is where it is named.
fn events(written: &str, path: &Path, zone: &TimeZone, now: Timestamp, place: &Place) -> Result<Vec<Window>, Vec<Diagnostic>> {
    let source = Source::read(path).map_err(|errors| {
        let unread = errors.iter().map(|error| {
            let mut error = error.clone();
            error.message = format!("the calendar cannot be used: {}", error.message);
            error.expected("an iCalendar file (.ics) of at most 1 MiB, by a path that is relative to this file");
            error.place = Some(place.clone());
            error
        });
        unread.collect::<Vec<_>>()
    })?;
    let span = (now.saturating_sub(BEFORE).unwrap_or(now), now.saturating_add(AHEAD).unwrap_or(now));
    calendar::read(&source.text, written, zone, span).map_err(|bad| {
        let told = bad.into_iter().take(20).map(|bad| {
            let mut error = Diagnostic::error(safe(&bad.problem));
            error.expected(bad.expected);
            // A text that is empty still has its first line.
            let (text, start) = source.line(bad.number);
            error.place = Some(Place { source: Arc::clone(&source), span: Span::new(start, start + text.len()) });
            error.notes.push(Note { text: "the calendar is named here".to_owned(), place: Some(place.clone()) });
            error
        });
        told.collect()
    })
}
