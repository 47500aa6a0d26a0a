//! What the documentation shows is read as it stands: an example that the binary refuses is worse than none.

use std::{fs, path::Path};

use firedrill::file::{LoadOptions, Sink, Source, gameday, load, load_source, project::Project, timetable};

/// The blocks of a page in a language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
    let start = format!("```{language}\n");
    text.split(&start).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn every_experiment_and_every_probe_of_the_pages_is_one() {
    let mut seen = 0;
    for page in ["README.md", "docs/probes.md"] {
        for block in blocks(page, "yaml") {
            if !block.contains("probes:") {
                continue;
            }
            // An environment is a file beside the experiment, and pages have none.
            let lines: Vec<&str> = block.lines().filter(|line| !line.starts_with("environment:")).collect();
            let mut text = lines.join("\n") + "\n";
            if !block.contains("title:") {
                text.insert_str(0, "title: A page of the documentation\n");
            }
            if !block.contains("steady-state:") {
                let probe = text.lines().find_map(|line| line.strip_prefix("  ")?.strip_suffix(':')).unwrap().to_owned();
                text = format!("{text}steady-state:\n  - {{ probe: {probe}, availability: \">= 99%\" }}\n");
            }
            if !block.contains("method:") {
                text.push_str("method:\n  - kill: { service: web }\n");
            }
            seen += 1;
            let options = LoadOptions { vars: [("url".to_owned(), "http://127.0.0.1:8080".to_owned())].into(), ..LoadOptions::default() };
            let loaded = load_source(&Source::new(page, text.clone()), None, &options);
            assert!(loaded.is_ok(), "{page}: {}\n{text}", loaded.err().map(|error| error.to_string()).unwrap_or_default());
        }
    }
    assert!(seen >= 6, "{seen} blocks");
}

#[test]
fn every_schedule_of_the_page_is_one() {
    const EXPERIMENT: &str = "title: A page\nprobes:\n  home: { http: \"http://127.0.0.1:8080/\" }\nsteady-state:\n  - { probe: home, availability: \">= 99%\" }\nmethod:\n  - kill: web\n";
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("holidays.ics"), "BEGIN:VCALENDAR\nEND:VCALENDAR\n").unwrap();
    let file = folder.path().join("x.yaml");
    let project = folder.path().join("firedrill.yaml");
    let blocks = blocks("docs/schedule.md", "yaml");
    assert!(blocks.len() >= 5, "{}", blocks.len());
    for block in blocks {
        let common = block.contains("groups:");
        fs::write(&project, format!("environments:\n  laptop: {{ platform: {{ local: {{ }} }} }}\n{}", if common { &block } else { "" }))
            .unwrap();
        fs::write(&file, format!("{EXPERIMENT}{}", if common { "schedule: { group: web }\n" } else { &block })).unwrap();
        let loaded = load(&file, &LoadOptions::default()).unwrap_or_else(|error| panic!("{error}\n{block}"));
        let entry =
            timetable::entry(&loaded, &file, "2026-11-28T00:00:00Z".parse().unwrap()).unwrap_or_else(|error| panic!("{error}\n{block}"));
        assert!(entry.is_some(), "{block}");
    }
}

#[test]
fn the_notifications_of_the_page_are_read_by_every_environment() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("firedrill.yaml");
    let block = blocks("docs/notifications.md", "yaml").remove(0);
    fs::write(&project, &block).unwrap();
    let source = Source::read(&project).unwrap();
    let mut sink = Sink::new(&source);
    let project = Project::new(&source, &mut sink).unwrap();
    let told = |name: &str, sink: &mut Sink| project.environment(name, &std::collections::BTreeMap::new(), sink).unwrap().0.notify.len();
    assert_eq!((told("staging", &mut sink), told("production", &mut sink)), (2, 3));
    assert!(!sink.has_errors(), "{}", sink.finish());
}

#[test]
fn the_agenda_of_the_page_is_one() {
    let blocks = blocks("docs/gameday.md", "yaml");
    assert!(!blocks.is_empty());
    for block in blocks {
        let read = gameday::load_source(&Source::new("docs/gameday.md", block.clone()));
        assert!(read.is_ok(), "{}\n{block}", read.err().map(|error| error.to_string()).unwrap_or_default());
    }
}

/// The tests that a page's tables name, such as `cli::locks::of_two_…`.
fn named(page: &str) -> Vec<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| "));
    let words = rows.flat_map(|row| row.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>());
    words.filter(|word| word.contains("::")).collect()
}

#[test]
fn every_test_that_the_table_of_promises_names_is_there() {
    let tests = named("docs/safety.md");
    for test in &tests {
        let (module, name) = test.rsplit_once("::").unwrap();
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(module.replace("::", "/")).with_extension("rs");
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{test}: {}: {error}", file.display()));
        assert!(text.contains(&format!("fn {name}()")), "{test} is not in {}", file.display());
    }
    assert!(tests.len() > 25, "{tests:?}");
}
