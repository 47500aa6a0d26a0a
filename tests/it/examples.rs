//! The experiments that are shipped: each file is checked, satisfies its JSON Schema, and can be planned. That they give the
//! verdicts that their README promises is tried in `gallery`, and in `ladder` (one rung of each kind).

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use firedrill::{
    clock::Clock,
    engine::planning,
    file::{self, LoadOptions, Sink, Source, lower::http, project::Project, schema},
    model::{environment::PlatformSpec, experiment::Bind, plan::Work},
    platform::{
        fake::{FakePlatform, World},
        local::{spec::SystemSpec, spec_file},
    },
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What a YAML file of the examples is. Compose's files are Compose's business.
enum Is {
    Experiment,
    Gameday,
    Project,
    System,
}

/// Every YAML file of the examples, by what its first level of keys says.
fn files() -> Vec<(PathBuf, Is)> {
    let mut folders = vec![root().join("examples"), root().join("experiments")];
    let mut out = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "yaml") && !path.file_name().unwrap().to_string_lossy().starts_with("compose.")
            {
                let text = fs::read_to_string(&path).unwrap();
                // A template of CloudFormation is AWS's business.
                if text.starts_with("AWSTemplateFormatVersion:") {
                    continue;
                }
                let has = |key: &str| text.lines().any(|line| line.starts_with(key));
                let is = match (has("method:"), has("environments:"), has("services:")) {
                    (false, false, false) if has("gameday:") => Is::Gameday,
                    (true, false, false) => Is::Experiment,
                    (false, true, false) => Is::Project,
                    (false, false, true) => Is::System,
                    _ => panic!("{}: neither an experiment nor a project nor a system", path.display()),
                };
                out.push((path, is));
            }
        }
    }
    out.sort_by(|a, b| a.0.cmp(&b.0));
    out
}

fn experiments() -> Vec<PathBuf> {
    let found: Vec<PathBuf> = files().into_iter().filter(|(_, is)| matches!(is, Is::Experiment)).map(|(path, _)| path).collect();
    assert!(found.len() >= 11, "{found:?}");
    found
}

/// The environments an experiment is for: its own, those of its rows in the gallery, or every one of its project.
fn environments(experiment: &Path) -> Vec<Option<String>> {
    let examples = root().join("examples");
    for example in firedrill::cli::gallery::EXAMPLES {
        if let Ok(file) = experiment.strip_prefix(examples.join(example.name)) {
            // Those on AWS name their environment themselves; the gallery runs what needs no account.
            if file.starts_with("aws") {
                return vec![None];
            }
            let rows = example.rows.iter().filter(|row| Path::new(row.file) == file);
            let named: Vec<_> = rows.map(|row| Some(row.environment.to_owned())).collect();
            assert!(!named.is_empty(), "{}: no row of the gallery runs it", experiment.display());
            return named;
        }
    }
    let text = fs::read_to_string(experiment).unwrap();
    if text.lines().any(|line| line.starts_with("environment:")) {
        return vec![None];
    }
    let project = file::project::find(experiment).expect("a firedrill.yaml");
    let source = Source::read(&project).unwrap();
    let mut sink = Sink::new(&source);
    let project = Project::new(&source, &mut sink).unwrap();
    project.names().map(|name| Some(name.to_owned())).collect()
}

/// The world that a system file describes, on the fake platform.
fn world(spec: &SystemSpec) -> World {
    let mut world = World::builder(&spec.name);
    for service in &spec.services {
        for (zone, replicas) in &service.zones {
            world = world.service(service.name.as_str(), spec.region(zone).as_str(), &[zone.as_str()], *replicas);
        }
        for (key, value) in &service.labels {
            world = world.label(service.name.as_str(), key, value);
        }
    }
    for balancer in &spec.balancers {
        let name = balancer.name.as_str();
        world = world.service(name, "local", &["local"], 1).label(name, "firedrill.role", "balancer");
    }
    world.build()
}

/// What `firedrill schema OF` prints.
fn printed_schema(of: &str) -> serde_json::Value {
    let output = Command::new(env!("CARGO_BIN_EXE_firedrill")).args(["schema", of]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_schema_of_systems_refuses_what_reading_refuses() {
    let schema = jsonschema::validator_for(&printed_schema("system")).unwrap();
    // What is a matter of form; that a zone is in one region, say, no schema can tell.
    for name in [
        "unknown-key",
        "service-unknown-key",
        "name-missing",
        "services-list",
        "command-missing",
        "command-text",
        "replicas-text",
        "zones-list",
        "restart-policy",
        "duration-bare",
        "duration-negative",
        "env-not-map",
    ] {
        let source = Source::read(&root().join(format!("tests/bad/{name}.system.yaml"))).unwrap();
        let node = file::parse(&source, &mut Sink::new(&source)).unwrap();
        assert!(!schema.is_valid(&http::json(&node)), "{name}");
    }
}

#[test]
fn every_file_satisfies_its_schema() {
    let schemas = [
        jsonschema::validator_for(&schema::experiment()).unwrap(),
        jsonschema::validator_for(&schema::project()).unwrap(),
        jsonschema::validator_for(&printed_schema("system")).unwrap(),
        jsonschema::validator_for(&printed_schema("gameday")).unwrap(),
    ];
    for (path, is) in files() {
        let source = Source::read(&path).unwrap();
        let node = file::parse(&source, &mut Sink::new(&source)).unwrap();
        let which = match is {
            Is::Experiment => 0,
            Is::Project => 1,
            Is::System => 2,
            Is::Gameday => 3,
        };
        let faults: Vec<String> = schemas[which].iter_errors(&http::json(&node)).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(faults.is_empty(), "{}:\n{}", path.display(), faults.join("\n"));
    }
}

#[test]
fn every_game_day_passes_the_check_as_a_user_runs_it() {
    let days: Vec<PathBuf> = files().into_iter().filter(|(_, is)| matches!(is, Is::Gameday)).map(|(path, _)| path).collect();
    assert!(!days.is_empty());
    for path in days {
        let output = Command::new(env!("CARGO_BIN_EXE_firedrill")).arg("check").arg(&path).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn every_experiment_passes_the_check_as_a_user_runs_it() {
    for path in experiments() {
        for environment in environments(&path) {
            let mut check = Command::new(env!("CARGO_BIN_EXE_firedrill"));
            check.arg("check").arg(&path);
            // What an experiment says that it takes from its user's environment.
            check.env("ACCOUNTS_DB", "postgres://shop@accounts.example/shop").env("CARTS_URL", "redis://carts.example:6379");
            if let Some(environment) = &environment {
                check.args(["--env", environment]);
            }
            let output = check.output().unwrap();
            let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert_eq!(output.status.code(), Some(0), "{} in {environment:?}:\n{said}", path.display());
            assert!(!said.contains("warning"), "{} in {environment:?}:\n{said}", path.display());
        }
    }
}

#[tokio::test]
async fn every_experiment_can_be_planned_within_its_caps() {
    for path in experiments() {
        for env in environments(&path) {
            let loaded = file::load(&path, &LoadOptions { env, vars: BTreeMap::new() }).unwrap();
            let environment = loaded.environment.expect("an environment");
            let system = match &environment.platform {
                PlatformSpec::Local { system: Some(system) } => system,
                // What is there is what Compose makes of its files, or what AWS has: `docker::examples` and `aws` run them.
                PlatformSpec::Docker(_) | PlatformSpec::Aws(_) => continue,
                other @ PlatformSpec::Local { .. } => panic!("{} is for {other:?}", path.display()),
            };
            let spec = spec_file::load(system, &environment.vars).unwrap();
            let platform = FakePlatform::new(world(&spec), Clock::start());
            let before = platform.snapshot().unwrap();
            for seed in 0..20 {
                let plan = planning::plan(&loaded.experiment, &platform, seed)
                    .await
                    .unwrap_or_else(|refused| panic!("{} in {} with seed {seed}: {refused}", path.display(), environment.name));
                let command = plan.steps.iter().any(|step| matches!(step.work, Work::Command(_)));
                let bound = loaded.experiment.bind == Bind::AtStep;
                assert!(command || bound || plan.acts().next().is_some(), "{}: nothing is done", path.display());
                for (place, step) in plan.steps.iter().enumerate() {
                    let Work::Faults(faults) = &step.work else { continue };
                    for fault in faults.iter().filter(|fault| !fault.bound_at_step) {
                        assert!(!fault.acts.is_empty(), "{}: {:?} has no act", path.display(), fault.fault);
                        // One that lasts until the end of the method is followed by what happens meanwhile.
                        let lasts = fault.hold.is_some() || place + 1 < plan.steps.len();
                        assert!(lasts, "{}: {:?} says no hold", path.display(), fault.fault);
                    }
                }
            }
            assert_eq!(platform.snapshot().unwrap(), before, "planning touches nothing");
        }
    }
}

/// What the READMEs show as commands exists.
#[test]
fn the_files_that_the_readmes_name_are_there() {
    let mut named = 0;
    for readme in ["README.md", "docs/schedule.md", "examples/what-time/README.md", "examples/scheduled/README.md", "experiments/README.md"]
    {
        let text = fs::read_to_string(root().join(readme)).unwrap();
        for word in text.split(|c: char| c.is_whitespace() || matches!(c, '`' | '(' | ')' | '|' | ',')) {
            let word = word.trim_end_matches(['.', ':', ';']);
            if (word.starts_with("examples/") || word.starts_with("experiments/") || word.starts_with("scripts/")) && !word.contains('*') {
                assert!(root().join(word).exists(), "{readme} names {word}, which is not there");
                named += 1;
            }
        }
    }
    assert!(named > 10, "only {named} files are named");
}
