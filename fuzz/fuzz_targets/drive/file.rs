//! The file front end: any text is either an experiment (a project, a system, a game day) or refused in words that are safe to show.

use std::collections::BTreeMap;

use firedrill::{
    file::{self, Diagnostics, LoadOptions, Sink, Source, escape, gameday, project::Project, write},
    platform::local::spec_file,
};

/// The first byte says what kind of file the rest is.
pub fn drive(data: &[u8]) {
    let Some((kind, text)) = data.split_first() else { return };
    // What is not UTF-8 is refused before anything else, which takes no search to find.
    let Ok(text) = std::str::from_utf8(text) else { return };
    let source = Source::new("fuzz.yaml", text);
    match kind % 4 {
        0 => experiment(&source),
        1 => project(&source),
        3 => gameday(&source),
        _ => {
            if let Err(errors) = spec_file::load_source(&source, &BTreeMap::new()) {
                refused(&errors, text);
            }
        }
    }
}

fn experiment(source: &std::sync::Arc<Source>) {
    let vars = [("url", "http://127.0.0.1:8080"), ("port", "8080")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let options = LoadOptions { env: None, vars: BTreeMap::from(vars) };
    let loaded = match file::load_source(source, None, &options) {
        Ok(loaded) => loaded,
        Err(errors) => return refused(&errors, &source.text),
    };
    shown(&loaded.warnings, &source.text);
    for (path, span) in &loaded.spans {
        assert!(span.start <= span.end && span.end <= source.text.len(), "the place of {path} is outside of the file");
    }
    // What was understood is written as a file that is understood as the same.
    let written = write::experiment(&loaded.experiment);
    match file::load_source(&Source::new("written.yaml", written.as_str()), None, &LoadOptions::default()) {
        Ok(again) => assert_eq!(loaded.experiment, again.experiment, "written as\n{written}"),
        Err(errors) => panic!("what was written cannot be read:\n{errors}\n{written}"),
    }
}

fn project(source: &std::sync::Arc<Source>) {
    let mut sink = Sink::new(source);
    if let Some(project) = Project::new(source, &mut sink) {
        let names: Vec<String> = project.names().map(str::to_owned).collect();
        for name in names {
            let _ = project.environment(&name, &BTreeMap::new(), &mut sink);
        }
    } else {
        assert!(sink.has_errors(), "refused without a word");
    }
    shown(&sink.finish(), &source.text);
}

fn gameday(source: &std::sync::Arc<Source>) {
    match gameday::load_source(source) {
        Ok(written) => {
            shown(&written.warnings, &source.text);
            assert_eq!(written.places.len(), written.day.agenda.len(), "an item without a place");
            assert!(
                written.places.iter().all(|span| span.start <= span.end && span.end <= source.text.len()),
                "a place outside of the file"
            );
        }
        Err(errors) => refused(&errors, &source.text),
    }
}

pub fn refused(errors: &Diagnostics, text: &str) {
    assert!(errors.has_errors(), "refused without a word");
    shown(errors, text);
}

/// Nothing in it obeys a terminal, and every place is in the text.
pub fn shown(diagnostics: &Diagnostics, text: &str) {
    for place in diagnostics.iter().filter_map(|d| d.place.as_ref()) {
        assert!(place.span.start <= place.span.end && place.span.end <= text.len(), "a place outside of the file");
    }
    let plain = diagnostics.text(false);
    assert!(!plain.chars().any(|c| c != '\n' && escape::unsafe_char(c)), "unsafe to show: {plain:?}");
    let coloured = diagnostics.text(true);
    assert!(!coloured.contains("\u{1b}]"), "unsafe to show: {coloured:?}");
    let _ = diagnostics.json().to_string();
}
