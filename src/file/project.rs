//! `firedrill.yaml`: the environments that experiments run in.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    diagnostic::{Diagnostic, Sink},
    escape::quote,
    lower::{history, schedule},
    notify,
    read::{self, Fields},
    source::{Source, Span},
    suggest::{listed, nearest},
    table::{Kind, Table, key, must},
    vars::{Later, Vars},
    yaml::{Node, Value},
};
use crate::model::{
    environment::{Environment, PlatformSpec, Require},
    hours::Hours,
    retention::Retention,
};

/// The name of the file.
pub const FILE: &str = "firedrill.yaml";

/// The keys of the file.
pub static PROJECT: Table = Table::new(
    "the project file",
    &[
        key("version", Kind::Integer, "the version of the format; the newest when left out"),
        must("environments", Kind::Map(&ENVIRONMENT_FORM), "the environments by name"),
        key("notify", Kind::List(&notify::NOTIFY_FORM), "who is told about runs"),
        key("schedule", Kind::Table(&SCHEDULE), "what the schedules of all experiments have in common; only the daemon reads it"),
        key("history", Kind::Table(&history::HISTORY), "how much of the history of its runs is kept"),
    ],
);

static SCHEDULE: Table = Table::new(
    "`schedule` of the project",
    &[
        key("seed", Kind::Integer, "the seed of all random times; 0 when left out"),
        key("groups", Kind::Map(&Kind::Table(&schedule::GROUP)), "by name, groups of experiments of which each time one is drawn"),
    ],
)
.also(&schedule::COMMON);

static ENVIRONMENT_FORM: Kind = Kind::Table(&ENVIRONMENT);

static ENVIRONMENT: Table = Table::new(
    "an environment",
    &[
        must("platform", Kind::Table(&PLATFORM), "what the targets are"),
        key("vars", Kind::Map(&Kind::Text), "values for `${name}` in experiment files"),
        key("require", Kind::Table(&REQUIRE), "what must be given before a run"),
        key("foreign", Kind::Words(&["allowed", "forbidden"]), "whether processes that the tool did not start may be chosen"),
    ],
);

static PLATFORM: Table = Table::new(
    "`platform`",
    &[
        key("local", Kind::Either(&[Kind::Text, Kind::Table(&LOCAL)]), "local processes: the path of a system.yaml"),
        key("docker", Kind::Table(&super::docker::DOCKER), "containers of one or several Docker engines"),
        key("aws", Kind::Table(&super::aws::AWS), "instances of an AWS account"),
    ],
)
.one_of(&["local", "docker", "aws"]);

static LOCAL: Table =
    Table::new("`local`", &[key("system", Kind::Text, "the path of the system.yaml; none when only foreign processes are targets")]);

static REQUIRE: Table = Table::new(
    "`require`",
    &[
        key("confirm", Kind::Bool, "`true`: a person's yes, or `--yes`"),
        key("hours", Kind::Text, "only within these hours, like `Mon-Thu 10:00-16:00 Europe/Lisbon`"),
    ],
);

/// The project file for an experiment: beside it, or in the nearest folder above.
pub fn find(experiment: &Path) -> Option<PathBuf> {
    let folder = experiment.parent().unwrap_or(Path::new(""));
    let here = folder.ancestors().map(|f| f.join(FILE)).find(|f| f.is_file());
    here.or_else(|| {
        // A relative path ends at the working directory; the folders above it count too.
        let whole = std::path::absolute(folder).ok()?;
        whole.ancestors().map(|f| f.join(FILE)).find(|f| f.is_file())
    })
}

/// The project file of an experiment, and how much of the history of its runs is kept. What is wrong with the file was told when the
/// experiment was loaded; here the usual is meant then.
pub fn retention(experiment: &Path) -> (Option<PathBuf>, Retention) {
    let Some(path) = find(experiment) else { return (None, Retention::default()) };
    let project = Source::read(&path).ok().and_then(|source| Project::new(&source, &mut Sink::new(&source)));
    (Some(path), project.and_then(|project| project.history).unwrap_or_default())
}

/// A project file that was read.
#[derive(Debug)]
pub struct Project {
    /// Its text.
    pub source: Arc<Source>,
    /// What the schedules of all experiments have in common.
    pub schedule: schedule::Project,
    /// How much of the history of its runs is kept, where it says so.
    pub history: Option<Retention>,
    environments: Vec<(String, Span, Node)>,
    notify: Option<Node>,
}

impl Project {
    /// Reads the tree. Each environment is read when it is chosen, and all of them when the file itself is checked.
    pub fn new(source: &Arc<Source>, sink: &mut Sink) -> Option<Self> {
        let root = super::yaml::parse(source, sink)?;
        let fields = Fields::new(&root, &PROJECT, sink)?;
        if let Some(version) = fields.integer("version", sink).filter(|v| *v != super::lower::experiment::VERSION) {
            let span = fields.node("version").map_or(fields.span, |n| n.span);
            sink.error(span, format!("version {version} of the format is not known to this build")).expected("version 1");
        }
        let node = fields.node("environments")?;
        let entries = read::map(node, "environments by name", sink)?;
        if entries.is_empty() {
            sink.error(node.span, "there are no environments")
                .expected("at least one, like `laptop: { platform: { local: system.yaml } }`");
        }
        for entry in entries {
            read::name(&entry.key, entry.key_span, sink);
        }
        let environments = entries.iter().map(|e| (e.key.clone(), e.key_span, e.value.clone())).collect();
        let schedule = fields.get("schedule", sink, schedules).unwrap_or_default();
        let history = fields.get("history", sink, history::retention);
        Some(Self { source: Arc::clone(source), schedule, history, environments, notify: fields.node("notify").cloned() })
    }

    /// The names of the environments.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.environments.iter().map(|(name, ..)| name.as_str())
    }

    /// The environment of this name, or the only one. `Err` says what is wrong with the choice.
    pub fn choose(&self, name: Option<&str>) -> Result<&str, Box<Diagnostic>> {
        let names = || listed(self.names(), "or");
        match (name, self.environments.as_slice()) {
            (Some(name), all) => all.iter().find(|(n, ..)| n == name).map(|(n, ..)| n.as_str()).ok_or_else(|| {
                let mut error = Diagnostic::error(format!("there is no environment {}", quote(name)));
                error.expected(format!("one of those in {}: {}", self.source.name, names())).nearest(nearest(name, self.names()));
                Box::new(error)
            }),
            (None, [(only, ..)]) => Ok(only),
            (None, _) => {
                let mut error =
                    Diagnostic::error(format!("{} has several environments, and nothing says which one is meant", self.source.name));
                error.expected(format!("`environment:` in the experiment or `--env`: {}", names()));
                Err(Box::new(error))
            }
        }
    }

    /// Reads one environment; `given` are the values of `--var`, which win.
    pub fn environment(&self, name: &str, given: &BTreeMap<String, String>, sink: &mut Sink) -> Option<(Environment, Vars)> {
        let (_, span, node) = self.environments.iter().find(|(n, ..)| n == name)?;
        let (mut environment, vars) = environment(name, *span, node, given, sink)?;
        if let Some(node) = &self.notify {
            let known: Vec<&str> = self.names().collect();
            environment.notify = notify::notifications(node, name, &known, &vars, sink).unwrap_or_default();
        }
        Some((environment, vars))
    }
}

fn environment(name: &str, span: Span, node: &Node, given: &BTreeMap<String, String>, sink: &mut Sink) -> Option<(Environment, Vars)> {
    if node.is_null() {
        return read::wrong(node, "an environment: a map like `{ platform: { local: system.yaml } }`", sink);
    }
    let fields = Fields::new(node, &ENVIRONMENT, sink)?;
    let (vars, spans) = fields.get("vars", sink, vars).unwrap_or_default();
    let mut raw = vars;
    raw.extend(given.iter().map(|(k, v)| (k.clone(), v.clone())));
    let (vars, bad) = Vars::resolve(&raw);
    for bad in &bad {
        let at = spans.get(&bad.name).copied().unwrap_or(span);
        let what = if given.contains_key(&bad.name) { format!("--var {}: {}", bad.name, bad.problem) } else { bad.problem.clone() };
        sink.error(at, what).expected("the name of another variable, without a circle").nearest(bad.nearest.as_deref());
    }
    let mut platform_node = fields.node("platform")?.clone();
    vars.fill(&mut platform_node, Later::Nothing, sink);
    let platform = platform(&platform_node, sink)?;
    let require = fields.get("require", sink, require).unwrap_or_default();
    let foreign = fields.get("foreign", sink, |node, sink| read::word(node, &["allowed", "forbidden"], sink)) == Some("allowed");
    Some((Environment { name: name.to_owned(), platform, vars: vars.values().clone(), require, foreign, notify: Vec::new() }, vars))
}

type RawVars = (BTreeMap<String, String>, BTreeMap<String, Span>);

/// Variables as written, with their places. Also for the `vars` of other files.
pub fn vars(node: &Node, sink: &mut Sink) -> Option<RawVars> {
    let mut out = RawVars::default();
    for entry in read::map(node, "variables and their values", sink)? {
        let fine = entry.key.len() <= 63 && entry.key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        if !fine {
            sink.error(entry.key_span, format!("{} is not the name of a variable", quote(&entry.key)))
                .expected("at most 63 letters, digits, `_` and `-`");
            continue;
        }
        if let Some(text) = read::text(&entry.value, sink) {
            out.0.insert(entry.key.clone(), text.to_owned());
            out.1.insert(entry.key.clone(), entry.value.span);
        }
    }
    Some(out)
}

fn schedules(node: &Node, sink: &mut Sink) -> Option<schedule::Project> {
    let fields = Fields::new(node, &SCHEDULE, sink)?;
    let common = schedule::common(&fields, sink);
    let seed = fields.integer("seed", sink).unwrap_or_default();
    let mut groups = Vec::new();
    if let Some(node) = fields.node("groups") {
        for entry in read::map(node, "groups by name", sink)? {
            let name = read::name(&entry.key, entry.key_span, sink);
            if let (Some(name), Some((rule, gap))) = (name, schedule::group(&entry.value, sink)) {
                groups.push((name, rule, gap));
            }
        }
    }
    Some(schedule::Project { common, seed, groups })
}

fn platform(node: &Node, sink: &mut Sink) -> Option<PlatformSpec> {
    let fields = Fields::new(node, &PLATFORM, sink)?;
    if let Some(local) = fields.node("local") {
        let path = match &local.value {
            Value::Map(_) => Fields::new(local, &LOCAL, sink)?.get("system", sink, read::line),
            _ if local.is_null() => None,
            _ => Some(read::line(local, sink)?),
        };
        return Some(PlatformSpec::Local { system: path.map(|p| sink.source().beside(p)) });
    }
    if let Some(docker) = fields.node("docker") {
        return super::docker::docker(docker, sink).map(|spec| PlatformSpec::Docker(Box::new(spec)));
    }
    let aws = fields.node("aws")?;
    super::aws::aws(aws, sink).map(|spec| PlatformSpec::Aws(Box::new(spec)))
}

fn require(node: &Node, sink: &mut Sink) -> Option<Require> {
    let fields = Fields::new(node, &REQUIRE, sink)?;
    let hours = fields.get("hours", sink, |node, sink| {
        let text = read::line(node, sink)?;
        if let Err(why) = Hours::parse(text) {
            sink.error(node.span, why).expected("days, hours and a time zone, like `Mon-Thu 10:00-16:00 Europe/Lisbon`");
        }
        Some(text.to_owned())
    });
    Some(Require { confirm: fields.flag("confirm", sink), hours })
}
