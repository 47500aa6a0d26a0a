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

/// What a page's tables quote.
fn quoted(page: &str) -> Vec<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| "));
    rows.flat_map(|row| row.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// The source of a module of this test program; none when there is no such file.
fn module(path: &str) -> Option<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(path.replace("::", "/"));
    [root.with_extension("rs"), root.join("mod.rs")].iter().find_map(|file| fs::read_to_string(file).ok())
}

#[test]
fn every_test_that_the_table_of_promises_names_is_there() {
    let tests: Vec<String> = quoted("docs/safety.md").into_iter().filter(|word| word.contains("::")).collect();
    for test in &tests {
        let (place, name) = test.rsplit_once("::").unwrap();
        let text = module(place).unwrap_or_else(|| panic!("{test}: there is no such module"));
        assert!(text.contains(&format!("fn {name}()")), "{test} is not there");
    }
    assert!(tests.len() > 25, "{tests:?}");
}

#[test]
fn every_test_that_the_page_on_security_names_is_there() {
    // A module, or the beginning of a test's name, as the command takes it.
    let tests: Vec<String> = quoted("SECURITY.md").iter().filter_map(|word| word.strip_prefix("T ").map(str::to_owned)).collect();
    for test in &tests {
        let begins = |(place, name): (&str, &str)| module(place).is_some_and(|text| text.contains(&format!("fn {name}")));
        assert!(module(test).is_some() || test.rsplit_once("::").is_some_and(begins), "{test} is not there");
    }
    assert!(tests.len() > 25, "{tests:?}");
    // What stands behind `--lib` is a file or a folder of the source.
    let units: Vec<String> =
        quoted("SECURITY.md").iter().filter_map(|word| word.strip_prefix("cargo test --lib ").map(str::to_owned)).collect();
    let mut sources = Vec::new();
    crate::hostile::shells::sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut sources);
    for unit in &units {
        let path = unit.replace("::", "/");
        let there = |file: &&std::path::PathBuf| {
            file.with_extension("").ends_with(&path) || file.parent().is_some_and(|folder| folder.ends_with(&path))
        };
        assert!(sources.iter().any(|file| there(&file)), "{unit} is not there");
    }
    assert!(units.len() > 5, "{units:?}");
}
