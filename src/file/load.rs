//! An experiment file and its environment, loaded together.

use std::{collections::BTreeMap, fmt::Write as _, path::Path, sync::Arc};

use super::{
    diagnostic::{Diagnostic, Diagnostics, Severity, Sink},
    escape::quote,
    lower::{self, schedule::Written},
    project::{self, Project},
    read, run_time,
    source::{Place, Source, Span},
    timetable,
    vars::Vars,
    yaml::{self, Node, Value},
};
use crate::model::{
    environment::{Environment, PlatformSpec},
    experiment::Experiment,
};

/// The remark about an environment that the command line chose, and that is not there.
pub const ASKED_FOR: &str = "it was asked for with `--env`";

/// What the command line says about loading.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// `--env`: wins over `environment:` in the file.
    pub env: Option<String>,
    /// `--var name=value`: wins over the environment's.
    pub vars: BTreeMap<String, String>,
}

/// An experiment with where it came from.
#[derive(Debug)]
pub struct Loaded {
    /// The experiment.
    pub experiment: Experiment,
    /// Where it runs; `None` only when there is no `firedrill.yaml` and no environment was asked for.
    pub environment: Option<Environment>,
    /// The variables that were put in.
    pub vars: Vars,
    /// When it fires by itself, as written; what that means, [`super::timetable`] says.
    pub schedule: Option<Written>,
    /// What its project file says about schedules.
    pub project_schedule: lower::schedule::Project,
    /// The experiment's text, and the project's if there is one.
    pub sources: Vec<Arc<Source>>,
    /// The place of each value by its path, `method[0].kill.service`; of each key, with `#key` behind it.
    pub spans: BTreeMap<String, Span>,
    /// What somebody should look at, though the file can be used.
    pub warnings: Diagnostics,
}

impl Loaded {
    /// The place of a value, or of the nearest thing around it that has one.
    pub fn place(&self, path: &str) -> Option<Place> {
        let mut path = path;
        loop {
            if let Some(span) = self.spans.get(path) {
                return Some(Place { source: Arc::clone(self.sources.first()?), span: *span });
            }
            path = &path[..path.rfind(['.', '[', '#'])?];
        }
    }

    /// Whether a variable of this name stands anywhere in the experiment, its project or its system: else nothing takes what is given for it.
    pub fn takes(&self, name: &str) -> bool {
        let system = match self.environment.as_ref().map(|environment| &environment.platform) {
            Some(PlatformSpec::Local { system: Some(path) }) => std::fs::read_to_string(path).unwrap_or_default(),
            _ => String::new(),
        };
        self.sources.iter().map(|source| source.text.as_str()).chain([system.as_str()]).any(|text| has_word(text, name))
    }

    /// An error at a place of the experiment file.
    pub fn error(&self, path: &str, message: impl Into<String>) -> Diagnostic {
        let mut error = Diagnostic::error(message);
        error.place = self.place(path);
        error
    }
}

/// Whether a text has this word, and not only a longer one with it inside.
fn has_word(text: &str, word: &str) -> bool {
    let within = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    text.match_indices(word).any(|(at, _)| !text[..at].ends_with(within) && !text[at + word.len()..].starts_with(within))
}

/// Loads an experiment file. All errors of the file, and of its environment, at once.
pub fn load(path: &Path, options: &LoadOptions) -> Result<Loaded, Diagnostics> {
    let source = Source::read(path)?;
    load_source(&source, project::find(path).as_deref(), options)
}

/// Loads an experiment that was read before, with the project file at `project`, if any.
pub fn load_source(source: &Arc<Source>, project: Option<&Path>, options: &LoadOptions) -> Result<Loaded, Diagnostics> {
    let mut sink = Sink::new(source);
    let root = yaml::parse(source, &mut sink);
    let mut sources = vec![Arc::clone(source)];
    let (environment, others) = match environment(root.as_ref(), project, options, &mut sources, &mut sink) {
        Ok(found) => (found, Vec::new()),
        Err(errors) => (None, errors),
    };
    let failed = !others.is_empty();
    let Some(mut root) = root else { return Err(both(sink, others)) };
    let (environment, vars, project_schedule) = match environment {
        Some((environment, vars, schedule)) => (Some(environment), vars, schedule),
        None => (None, given(options)?, lower::schedule::Project::default()),
    };
    // Without its environment nothing is known about the variables, and whatever is said of a text with one may be false.
    let unknown = if failed { holes(&root) } else { Vec::new() };
    let before = sink.count();
    if !failed {
        run_time::fill(&vars, &mut root, &mut sink);
    }
    let unfilled = sink.count() > before;
    let spans = spans(&root);
    let experiment = lower::experiment(&root, &mut sink);
    let schedule = root.get("schedule").and_then(|node| lower::schedule::written(node, &mut sink));
    let mut own = sink.finish();
    if unfilled {
        own = without_consequences(&own);
    } else if failed {
        own = without(&own, &unknown);
    }
    // A calendar that cannot be read is told with the rest.
    if let Some(written) = schedule.as_ref().filter(|_| own.has_errors() && !failed) {
        own.extend(timetable::problems(written, &project_schedule, &sources));
    }
    let mut all = own;
    all.extend(others.into());
    match experiment {
        Some(experiment) if !all.has_errors() => {
            Ok(Loaded { experiment, environment, vars, schedule, project_schedule, sources, spans, warnings: all })
        }
        _ => Err(all),
    }
}

fn both(sink: Sink, others: Vec<Diagnostic>) -> Diagnostics {
    let mut all = sink.finish();
    all.extend(others.into());
    all
}

fn given(options: &LoadOptions) -> Result<Vars, Diagnostics> {
    let (vars, bad) = Vars::resolve(&options.vars);
    if bad.is_empty() {
        return Ok(vars);
    }
    Err(bad.into_iter().map(|b| Diagnostic::error(format!("--var {}: {}", b.name, b.problem))).collect::<Vec<_>>().into())
}

type Found = Option<(Environment, Vars, lower::schedule::Project)>;

fn environment(
    root: Option<&Node>,
    project: Option<&Path>,
    options: &LoadOptions,
    sources: &mut Vec<Arc<Source>>,
    experiment: &mut Sink,
) -> Result<Found, Vec<Diagnostic>> {
    let named = root.and_then(|r| r.get("environment")).filter(|n| n.text().is_some());
    let name = options.env.as_deref().or_else(|| named.and_then(Node::text));
    // An error of the choice is shown where the choice was made.
    let at = |mut error: Diagnostic| {
        if options.env.is_none()
            && let Some(node) = named
        {
            error.place = Some(Place { source: Arc::clone(experiment.source()), span: node.span });
        } else if options.env.is_some() {
            error.note(ASKED_FOR);
        } else if let Some(root) = root {
            error.place = Some(Place { source: Arc::clone(experiment.source()), span: root.span });
        }
        vec![error]
    };
    let Some(path) = project else {
        let Some(name) = name else { return Ok(None) };
        let mut error = Diagnostic::error(format!("the environment {} is not defined: there is no {} here", quote(name), project::FILE));
        error.expected(format!("a {} beside the experiment or in a folder above, with `environments: {{ {name}: … }}`", project::FILE));
        return Err(at(error));
    };
    let source = Source::read(path).map_err(|errors| errors.iter().cloned().collect::<Vec<_>>())?;
    sources.push(Arc::clone(&source));
    let mut sink = Sink::new(&source);
    let mut chosen = None;
    if let Some(project) = Project::new(&source, &mut sink) {
        match project.choose(name) {
            Ok(name) => {
                let found = project.environment(name, &options.vars, &mut sink);
                chosen = found.map(|(environment, vars)| (environment, vars, project.schedule));
            }
            // Where there is none at all, every choice is wrong.
            Err(_) if project.names().next().is_none() => {}
            Err(error) => return Err([at(*error), sink.finish().iter().cloned().collect()].concat()),
        }
    }
    if sink.has_errors() || chosen.is_none() {
        return Err(sink.finish().iter().cloned().collect());
    }
    Ok(chosen)
}

/// Drops errors about texts in which a variable has no value: they say the same thing twice.
fn without_consequences(all: &Diagnostics) -> Diagnostics {
    let unfilled = |d: &Diagnostic| d.message.starts_with("the variable `${") || d.message.starts_with("`${` without");
    let holes: Vec<Span> = all.iter().filter(|d| unfilled(d)).filter_map(|d| d.place.as_ref().map(|p| p.span)).collect();
    let kept = all.iter().filter(|d| unfilled(d) || !speaks_of(d, &holes));
    kept.cloned().collect::<Vec<_>>().into()
}

/// Drops errors about these places, and about what they are in.
fn without(all: &Diagnostics, holes: &[Span]) -> Diagnostics {
    all.iter().filter(|d| !speaks_of(d, holes)).cloned().collect::<Vec<_>>().into()
}

/// Whether it is an error about one of these places, or about what one is in.
fn speaks_of(d: &Diagnostic, holes: &[Span]) -> bool {
    let span = d.place.as_ref().map(|place| place.span);
    d.severity == Severity::Error && span.is_some_and(|s| holes.iter().any(|h| s.start <= h.start && h.end <= s.end))
}

/// The places of texts with a variable in them.
fn holes(node: &Node) -> Vec<Span> {
    match &node.value {
        Value::Scalar(scalar) => {
            if scalar.text.contains("${") {
                vec![node.span]
            } else {
                Vec::new()
            }
        }
        Value::Seq(items) => items.iter().flat_map(holes).collect(),
        Value::Map(entries) => entries.iter().flat_map(|entry| holes(&entry.value)).collect(),
    }
}

/// The place of every value and key by its path.
fn spans(root: &Node) -> BTreeMap<String, Span> {
    fn walk(node: &Node, path: &mut String, out: &mut BTreeMap<String, Span>) {
        if !path.is_empty() {
            out.insert(path.clone(), read::head(node));
        }
        let length = path.len();
        match &node.value {
            Value::Scalar(_) => {}
            Value::Seq(items) => {
                for (number, item) in items.iter().enumerate() {
                    let _ = write!(path, "[{number}]");
                    walk(item, path, out);
                    path.truncate(length);
                }
            }
            Value::Map(entries) => {
                for entry in entries {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(&entry.key);
                    walk(&entry.value, path, out);
                    out.insert(format!("{path}#key"), entry.key_span);
                    path.truncate(length);
                }
            }
        }
    }
    let mut out = BTreeMap::new();
    walk(root, &mut String::new(), &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        file::{Known, check},
        model::{capabilities::Capabilities, environment::PlatformSpec, fault::FaultKind},
    };

    const EXPERIMENT: &str = r#"
title: Losing a zone costs users at most two seconds of errors
environment: laptop
probes:
  home:
    http: ${url}/
    rate: 200/s
    expect: { status: 200, body: { contains: "o'clock" } }
steady-state:
  - { probe: home, availability: ">= 99.5%" }
  - { recovered-within: 30s }
method:
  - kill: { service: web, zone: random, take: all }
    hold: 20s
"#;
    const PROJECT: &str = r#"
environments:
  laptop: { platform: { local: sys/system.yaml }, vars: { host: "127.0.0.1", url: "http://${host}:${port}", port: 8080 } }
  staging: { platform: { docker: { project: what-time } }, require: { confirm: true, hours: "Mon-Thu 10:00-16:00 Europe/Lisbon" } }
"#;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("experiments")).unwrap();
        std::fs::write(folder.path().join("experiments/zone.yaml"), EXPERIMENT).unwrap();
        std::fs::write(folder.path().join(project::FILE), PROJECT).unwrap();
        folder
    }

    #[test]
    fn an_experiment_is_loaded_with_the_environment_of_a_folder_above() {
        let folder = folder();
        let options = LoadOptions { env: None, vars: BTreeMap::from([("port".to_owned(), "81".to_owned())]) };
        let loaded = load(&folder.path().join("experiments/zone.yaml"), &options).unwrap();
        let environment = loaded.environment.as_ref().unwrap();
        assert_eq!(environment.platform, PlatformSpec::Local { system: Some(folder.path().join("sys/system.yaml")) });
        let crate::model::probe::ProbeKind::Http(http) = &loaded.experiment.probes[0].kind else { panic!() };
        assert_eq!(http.url, "http://127.0.0.1:81/");
        assert_eq!(loaded.place("method[0].kill.zone").unwrap().source.line_column(loaded.spans["method[0].kill.zone"].start), (13, 33));
    }

    #[test]
    fn checks_point_into_the_file() {
        let folder = folder();
        let loaded = load(&folder.path().join("experiments/zone.yaml"), &LoadOptions::default()).unwrap();
        let mut capabilities = Capabilities {
            platform: "fake",
            faults: vec![FaultKind::Kill],
            why_not: BTreeMap::new(),
            no_mode: BTreeMap::new(),
            keeps_place: false,
            shifts: false,
            foreign: false,
        };
        let known = Known { services: vec!["web".to_owned()], zones: vec!["a".to_owned()], regions: Vec::new(), replaced: Vec::new() };
        assert!(check(&loaded, &capabilities, Some(&known)).is_empty());
        capabilities.faults = vec![FaultKind::Stop];
        let text = check(&loaded, &capabilities, Some(&Known::default())).to_string();
        assert!(text.contains("zone.yaml:13:5") && text.contains("cannot do `kill`") && text.contains("no service `web`"), "{text}");
    }

    #[test]
    fn the_command_line_chooses_the_environment() {
        let folder = folder();
        let path = folder.path().join("experiments/zone.yaml");
        let env = |name: &str| LoadOptions { env: Some(name.to_owned()), ..LoadOptions::default() };
        let errors = load(&path, &env("stagin")).unwrap_err().to_string();
        assert!(errors.contains("did you mean `staging`?") && errors.contains("`--env`"), "{errors}");
        let errors = load(&path, &env("staging")).unwrap_err().to_string();
        assert!(errors.contains("`${url}` has no value"), "{errors}");
    }

    /// Prints what loading costs; the bar (20 ms for the whole of `check`) is in the benchmarks.
    #[test]
    fn a_file_that_is_as_large_as_allowed_is_read_in_bounded_time() {
        let mut text = include_str!("testdata/everything.yaml").replace("environment: laptop\n", "");
        let start = crate::clock::now();
        load_source(&Source::new("t.yaml", text.as_str()), None, &LoadOptions::default()).unwrap();
        println!("one file: {:?}", crate::clock::now().since(start));
        text.push_str(&"# é filler\n".repeat((1 << 20) / 13 - 1000));
        let start = crate::clock::now();
        load_source(&Source::new("t.yaml", text), None, &LoadOptions::default()).unwrap();
        let took = crate::clock::now().since(start);
        println!("a file of 1 MiB: {took:?}");
        assert!(took < std::time::Duration::from_secs(10), "{took:?}");
    }
}
