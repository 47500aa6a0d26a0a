//! From a file on the command line to a checked experiment: front end, then what the platform can do, then what its system has.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{args::Place, chaostoolkit, connect, gameday};
use crate::{
    clock,
    file::{
        self, Diagnostic, Diagnostics, LoadOptions, Severity, Source,
        project::{self, Project},
        suggest::{listed, nearest},
        timetable,
    },
    model::{environment::Environment, experiment::Experiment, guardrail::AbortWhen},
    plan::file as plan_file,
    probe::{self, Unusable},
    schedule::Entry,
};

/// A file that may run.
pub struct Checked {
    /// The experiment.
    pub experiment: Experiment,
    /// Where it runs.
    pub environment: Environment,
    /// When it fires by itself, if it does.
    pub schedule: Option<Entry>,
    /// What it is made of beside its own file: the project file and calendars.
    pub beside: Vec<PathBuf>,
    /// Warnings; no error among them.
    pub findings: Diagnostics,
    /// The variables of `--var` that nothing of it takes.
    pub unused: BTreeSet<String>,
    /// That its schedule is over. Told where it is checked: a daemon that has fired it knows.
    pub over: Option<Diagnostic>,
}

/// What is given by `--var` and taken by none of these: a misspelt one changes nothing, and whoever gave it thinks that it did.
pub fn unused<'c>(all: impl IntoIterator<Item = (&'c BTreeSet<String>, &'c Environment)>) -> Diagnostics {
    let mut all = all.into_iter();
    let Some((first, environment)) = all.next() else { return Diagnostics::default() };
    let unused = all.fold(first.clone(), |unused, (other, _)| unused.intersection(other).cloned().collect());
    let error = |name: &String| {
        let mut error = Diagnostic::error(format!("--var {name}: nothing here takes a variable of this name"));
        let known = || environment.vars.keys().map(String::as_str).filter(|known| !unused.contains(*known));
        error.expected(format!("one of {}, or one of the system", listed(known(), "or"))).nearest(nearest(name, known()));
        error
    };
    unused.iter().map(error).collect::<Vec<_>>().into()
}

/// What a file is loaded for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To look at it, perhaps on a machine that has no secrets: what is missing is a warning.
    Look,
    /// To send requests.
    Run,
}

/// Loads and checks a file.
///
/// # Errors
/// Every error of the file at once.
pub fn load(path: &Path, place: &Place, purpose: Purpose) -> Result<Checked, Diagnostics> {
    let mut loaded = file::load(path, &options(place)).map_err(|errors| {
        if chaostoolkit::recognise(path).is_none() {
            return errors;
        }
        let mut error = about(path, "this is an experiment of the Chaos Toolkit");
        error.expected("`firedrill run` carries it out, `firedrill import chaos-toolkit` makes one of ours of it");
        vec![error].into()
    })?;
    // Left in its place: what is checked depends on it.
    let Some(environment) = loaded.environment.clone() else {
        let mut error = Diagnostic::error(format!("nothing says where {} is to run", path.display()));
        error.expected("a firedrill.yaml beside it or above, with `environments:`");
        return Err(vec![error].into());
    };
    let mut findings = std::mem::take(&mut loaded.warnings);
    findings.extend(connect::check(&loaded, &environment));
    findings.extend(secrets(&loaded, purpose));
    findings.extend(receivers(&environment, loaded.sources.get(1), purpose));
    let schedule = timetable::entry(&loaded, path, clock::moment()).unwrap_or_else(|errors| {
        findings.extend(errors);
        None
    });
    let over = match (&loaded.schedule, &schedule, loaded.sources.first()) {
        (Some(written), Some(entry), Some(source)) => timetable::over(written, entry, source, clock::moment()),
        _ => None,
    };
    if findings.has_errors() {
        return Err(findings);
    }
    let projects = loaded.sources.iter().skip(1).map(|source| PathBuf::from(&source.name));
    let beside = projects.chain(timetable::calendars(&loaded)).collect();
    let unused = place.vars.iter().map(|(name, _)| name).filter(|name| !loaded.takes(name)).cloned().collect();
    Ok(Checked { experiment: loaded.experiment, environment, schedule, beside, findings, unused, over })
}

/// The secrets that are not there, or are nothing, each at its place. Nothing is started for a run that could not send them.
fn secrets(loaded: &file::Loaded, purpose: Purpose) -> Diagnostics {
    let mut findings = Vec::new();
    let probes = loaded.experiment.probes.iter().map(|spec| (format!("probes.{}", spec.name), spec.clone()));
    let guards = loaded.experiment.abort_when.iter().enumerate().filter_map(|(n, when)| match when {
        AbortWhen::Asked(guard) => Some((format!("guardrails.abort-when[{n}]"), guard.probe("guard".into()))),
        AbortWhen::Metric { .. } | AbortWhen::BurnRate { .. } => None,
    });
    for (at, spec) in probes.chain(guards) {
        for Unusable { place, problem, empty } in probe::unusable(&spec) {
            // A header is written in any case, and known in lower case.
            let path = format!("{at}.{place}");
            let path = loaded.spans.keys().find(|key| key.eq_ignore_ascii_case(&path)).unwrap_or(&path);
            let mut finding = loaded.error(path, problem);
            finding.expected("a value that is not empty");
            if purpose == Purpose::Look && !empty {
                finding.severity = Severity::Warning;
                finding.note("a run needs it");
            }
            findings.push(finding);
        }
    }
    findings.into()
}

/// The environment, whose receivers of messages can all be told: none without its secrets.
///
/// # Errors
/// When one of them cannot.
pub fn told(environment: Environment, purpose: Purpose) -> Result<Environment, Diagnostics> {
    if environment.notify.is_empty() {
        return Ok(environment);
    }
    let source = project::find(Path::new("experiment.yaml")).map(|path| Source::read(&path)).transpose()?;
    let findings = receivers(&environment, source.as_ref(), purpose);
    if findings.has_errors() { Err(findings) } else { Ok(environment) }
}

/// What keeps messages from being sent from here, each at its place in the project file. Who asked to be told beforehand and is not would be
/// as surprised as if there were no such thing: a run does not begin.
fn receivers(environment: &Environment, source: Option<&Arc<Source>>, purpose: Purpose) -> Diagnostics {
    #[cfg(feature = "notify")]
    let unusable: Vec<Unusable> = environment.notify.iter().flat_map(crate::notify::unusable).collect();
    #[cfg(not(feature = "notify"))]
    let unusable: Vec<Unusable> = {
        let problem = "this build of firedrill sends no messages (it was built without the feature `notify`)".to_owned();
        environment.notify.first().map(|first| Unusable { place: first.place.clone(), problem, empty: false }).into_iter().collect()
    };
    let finding = |Unusable { place, problem, empty }: Unusable| {
        let mut finding = Diagnostic::error(format!("`{place}`: {problem}"));
        finding.place = source.and_then(|source| file::notify::place(source, &place));
        if purpose == Purpose::Look && !empty {
            finding.severity = Severity::Warning;
            finding.note("a run needs it");
        }
        finding
    };
    unusable.into_iter().map(finding).collect::<Vec<_>>().into()
}

/// Checks a file that people write, whichever it is: an experiment, a game day, a `firedrill.yaml` with all its environments, or a system; a plan
/// that was kept, or an experiment of the Chaos Toolkit. The keys at its top say what it is meant to be.
pub fn check(path: &Path, place: &Place) -> Diagnostics {
    if let Some(source) = chaostoolkit::recognise(path) {
        return chaostoolkit::check(&source, place);
    }
    let source = match Source::read(path) {
        Ok(source) => source,
        Err(diagnostics) => return diagnostics,
    };
    // Its errors come from whoever reads it as what it is.
    let root = file::parse(&source, &mut file::Sink::new(&source));
    let has = |key: &str| root.as_ref().is_some_and(|root| root.get(key).is_some());
    if root.as_ref().is_some_and(is_experiment) {
        experiment(path, place)
    } else if root.as_ref().is_some_and(file::gameday::is_gameday) {
        gameday::check(path, place)
    } else if has("environments") || path.file_name().is_some_and(|name| name == project::FILE) {
        environments(&source, place)
    } else if has("services") {
        sound(connect::only_system(path, options(place).vars)).err().unwrap_or_default()
    } else if has("version") && has("steps") {
        // Whether it belongs to an experiment, only `run --plan` can tell: it has both.
        plan_file::parse(&source.text).map_or_else(|error| vec![about(path, &error.to_string())].into(), |_| Diagnostics::default())
    } else {
        experiment(path, place)
    }
}

/// Whether a file is meant to be an experiment, however wrong it may be.
pub fn is_experiment(root: &file::Node) -> bool {
    root.get("method").is_some() || root.get("steady-state").is_some()
}

/// An error about a file as a whole.
fn about(path: &Path, problem: &str) -> Diagnostic {
    let mut error = Diagnostic::error(format!("{}: {problem}", path.display()));
    error.file = Some(path.display().to_string());
    error
}

fn experiment(path: &Path, place: &Place) -> Diagnostics {
    match load(path, place, Purpose::Look) {
        Ok(mut checked) => {
            checked.findings.extend(unused([(&checked.unused, &checked.environment)]));
            checked.findings.extend(checked.over.into_iter().collect::<Vec<_>>().into());
            checked.findings
        }
        Err(diagnostics) => diagnostics,
    }
}

/// Every environment of a project file, and the system files that they name.
fn environments(source: &Arc<Source>, place: &Place) -> Diagnostics {
    let vars = options(place).vars;
    let mut sink = file::Sink::new(source);
    let mut sound_ones = Vec::new();
    let mut schedules = Diagnostics::default();
    if let Some(project) = Project::new(source, &mut sink) {
        schedules = timetable::check_project(&project.schedule, source, clock::moment());
        for name in project.names() {
            let before = sink.count();
            let environment = project.environment(name, &vars, &mut sink);
            sound_ones.extend(environment.map(|(environment, _)| environment).filter(|_| sink.count() == before));
        }
    }
    let mut findings = sink.finish();
    findings.extend(schedules);
    for environment in sound_ones {
        findings.extend(connect::check_system(&environment));
        findings.extend(receivers(&environment, Some(source), Purpose::Look));
    }
    findings
}

/// The environment that the flags mean, without an experiment: `--system`, else firedrill.yaml here or above.
///
/// # Errors
/// When there is none, or it is wrong.
pub fn environment(place: &Place, system: Option<&Path>) -> Result<Environment, Diagnostics> {
    let vars = options(place).vars;
    if let Some(system) = system {
        return sound(connect::only_system(system, vars));
    }
    let Some(path) = project::find(Path::new("experiment.yaml")) else {
        let mut error = Diagnostic::error("there is no firedrill.yaml here or above");
        error.expected("one with `environments:`, or `--system SYSTEM`");
        return Err(vec![error].into());
    };
    let source = Source::read(&path)?;
    let mut sink = file::Sink::new(&source);
    let found = Project::new(&source, &mut sink).map(|project| {
        let name = project.choose(place.env.as_deref())?;
        Ok::<_, Box<Diagnostic>>(project.environment(name, &vars, &mut sink))
    });
    match found {
        Some(Err(error)) => Err(vec![*error].into()),
        Some(Ok(Some((environment, _)))) if !sink.has_errors() => sound(environment),
        _ => Err(sink.finish()),
    }
}

/// The environment, unless its system file is wrong.
fn sound(environment: Environment) -> Result<Environment, Diagnostics> {
    let findings = connect::check_system(&environment);
    if findings.has_errors() { Err(findings) } else { Ok(environment) }
}

fn options(place: &Place) -> LoadOptions {
    LoadOptions { env: place.env.clone(), vars: place.vars.iter().cloned().collect() }
}
