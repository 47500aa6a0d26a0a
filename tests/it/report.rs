//! Reports of recorded runs, in every format. `UPDATE_GOLDEN=1` writes the expected files anew.

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use firedrill::{
    event::{Event, EventKind},
    report::{
        FanOut, Format, Reporter,
        console::{Console, style::Style},
        fold,
        json_lines::JsonLines,
        render, result_schema,
        write::RunFiles,
    },
};

use crate::support::recorded::Recorded;

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Shared {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(data);
        Ok(data.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn console(events: &[Event], style: Style) -> String {
    let out = Shared::default();
    let mut console = Console::new(out.clone(), style, Some(PathBuf::from("firedrill-runs/x/report.html")));
    for event in events {
        console.event(event).unwrap();
    }
    console.finish().unwrap();
    String::from_utf8(out.0.lock().unwrap().clone()).unwrap()
}

/// Through a file, as a later reader sees it.
fn read_back(events: &[Event]) -> Vec<Event> {
    events.iter().map(|event| firedrill::report::json_lines::as_read_back(event).unwrap()).collect()
}

#[test]
fn recorded_runs_render_as_expected() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut wrong = Vec::new();
    for (name, run) in Recorded::all() {
        let events = read_back(&run.events());
        let record = fold(&events);
        let mut files = vec![(format!("{name}.console.txt"), console(&events, Style::plain(110)))];
        for format in Format::FILES {
            if name == "hostile" && format == Format::Json {
                continue; // Megabytes of the same letter; the schema test reads it.
            }
            files.push((format!("{name}.{}", format.file_name().unwrap()), format.render(&record)));
        }
        for (file, text) in files {
            let path = folder.join(file);
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                fs::write(&path, text).unwrap();
            } else if fs::read_to_string(&path).ok().as_deref() != Some(&text) {
                wrong.push(path.display().to_string());
            }
        }
    }
    assert!(wrong.is_empty(), "these differ (UPDATE_GOLDEN=1 writes them anew): {wrong:#?}");
}

#[test]
fn an_old_run_renders_again_to_the_byte() {
    let dir = tempfile::tempdir().unwrap();
    let fan = FanOut::start(vec![Box::new(JsonLines::create(dir.path()).unwrap()), Box::new(RunFiles::new(dir.path().to_owned()))]);
    for event in (Recorded { failing: true, ..Recorded::default() }).events() {
        fan.send(event);
    }
    assert_eq!(fan.finish(Duration::from_mins(1)), []);
    for format in Format::FILES {
        let first = fs::read_to_string(dir.path().join(format.file_name().unwrap())).unwrap();
        assert!(first.len() > 500);
        assert!(render(dir.path(), format).unwrap() == first, "{format:?} differs");
    }
}

#[test]
fn a_number_that_json_cannot_hold_does_not_cost_the_report() {
    let dir = tempfile::tempdir().unwrap();
    let mut files = RunFiles::new(dir.path().to_owned());
    for mut event in Recorded::default().events() {
        if let EventKind::Measured { measurement } = &mut event.kind {
            measurement.probes[0].downtime_s = f64::NAN;
            measurement.probes[0].outages[0].duration_s = f64::INFINITY;
        }
        files.event(&event).unwrap();
    }
    files.finish().unwrap();
    assert!(fs::read_to_string(dir.path().join("report.html")).unwrap().contains("cannot be read back"));
}

#[test]
fn a_run_that_was_cut_off_anywhere_still_renders_and_is_never_green() {
    let events = Recorded::default().events();
    for end in 0..events.len() {
        let record = fold(&events[..end]);
        for format in [Format::Json, Format::Html, Format::Markdown, Format::Junit, Format::Text] {
            let text = format.render(&record);
            assert!(text.contains("stops before the end"), "{format:?} after {end} events");
        }
        assert!(Format::Junit.render(&record).contains("<error"));
    }
}

#[test]
fn a_cut_last_line_is_left_out_and_another_bad_line_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let lines: Vec<String> = Recorded::default().events().iter().map(|e| serde_json::to_string(e).unwrap()).collect();
    let path = dir.path().join("events.jsonl");
    fs::write(&path, format!("{}\n{}", lines[0], &lines[1][..40])).unwrap();
    assert!(render(dir.path(), Format::Text).unwrap().contains("stops before the end"));
    fs::write(&path, format!("{}\nnonsense\n", lines[0])).unwrap();
    let error = render(&path, Format::Text).unwrap_err().to_string();
    assert!(error.contains("line 2 is not an event"), "{error}");
    fs::write(&path, "").unwrap();
    assert!(render(&path, Format::Text).is_err());
}

#[test]
fn hostile_names_stay_text_everywhere() {
    let (_, run) = Recorded::all().into_iter().find(|(name, _)| *name == "hostile").unwrap();
    let events = run.events();
    let record = fold(&events);
    let raw = |text: &str| text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}');
    let html = Format::Html.render(&record);
    assert!(!html.contains("<img") && !html.contains("</script") && !html.contains("<script") && !raw(&html));
    let markdown = Format::Markdown.render(&record);
    assert!(!markdown.contains("<img") && !markdown.contains("@all") && !raw(&markdown));
    assert!(!markdown.lines().any(|line| line.starts_with("|`")));
    let junit = Format::Junit.render(&record);
    assert!(!junit.contains("<img") && !raw(&junit));
    let plain = console(&events, Style::plain(90));
    assert!(!raw(&plain));
}

#[test]
fn the_html_asks_for_nothing_from_outside() {
    let html = Format::Html.render(&fold(&Recorded::default().events()));
    for word in ["http://", "https://", "<script", "<link", "@import", "<iframe", "onload=", "src="] {
        assert!(!html.contains(word), "{word}");
    }
    assert!(html.contains("default-src 'none'"));
}

#[test]
fn no_console_line_is_wider_than_the_terminal() {
    use unicode_width::UnicodeWidthStr;
    let strip = |text: &str| regex_lite::Regex::new("\x1b\\[[0-9;]*[A-Za-z]|\r").unwrap().replace_all(text, "").into_owned();
    for (name, run) in Recorded::all() {
        for width in [40, 80, 200] {
            for style in [Style::plain(width), Style { color: true, live: true, width }] {
                let text = strip(&console(&run.events(), style));
                let command = "firedrill recover";
                for line in text.lines().filter(|line| !line.trim_start().starts_with(command)) {
                    assert!(line.width() <= width, "{name} at {width}: {line}");
                }
            }
        }
    }
}

#[test]
fn the_result_satisfies_its_schema() {
    let schema = result_schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (name, run) in Recorded::all() {
        let value: serde_json::Value = serde_json::from_str(&Format::Json.render(&fold(&run.events()))).unwrap();
        let errors: Vec<String> = validator.iter_errors(&value).map(|e| format!("{} at {}", e, e.instance_path())).collect();
        assert!(errors.is_empty(), "{name}: {errors:#?}");
    }
    assert!(validator.validate(&serde_json::json!({ "version": 1 })).is_err());
}

#[test]
fn junit_is_green_only_for_a_pass() {
    for (name, run) in Recorded::all() {
        let mut events = run.events();
        let text = Format::Junit.render(&fold(&events));
        let red = text.contains("<failure") || text.contains("<error");
        assert_eq!(red, name != "passing", "{name}");
        events.retain(|event| !matches!(event.kind, EventKind::Acted { .. }));
        assert!(Format::Junit.render(&fold(&events)).contains("<error"), "{name} without effects");
    }
}

/// Whatever is shown while a run lasts, of a run that was cut off, and at its end counts from the first request, not from the start of
/// the planning before it.
#[test]
fn every_format_counts_from_the_first_request() {
    let events = Recorded { failing: true, ..Recorded::default() }.events();
    let whole = fold(&events);
    let first = events.iter().position(|event| matches!(event.kind, EventKind::PhaseStarted { .. })).unwrap();
    assert!(whole.started.unwrap().0 < whole.origin(), "the planning lies before zero");
    for end in first + 1..=events.len() {
        assert_eq!(fold(&events[..end]).origin(), whole.origin(), "after {end} events");
    }
    let shown = console(&events, Style::plain(110));
    for event in &events {
        let EventKind::Tick { .. } = event.kind else { continue };
        let at = format!("{:8.2} s  home: ", whole.seconds(event.at));
        let on_other_clock = format!("{:8.2} s  home: ", event.at.seconds_from(whole.started.unwrap().0));
        assert!(!shown.contains(&on_other_clock), "{on_other_clock} instead of {at}");
    }
    let lines = shown.lines().filter(|line| line.contains(" s  home: ")).count();
    assert!(lines >= 5, "{shown}");
    for text in [shown, Format::Html.render(&whole), Format::Markdown.render(&whole)] {
        assert_eq!(text.matches(firedrill::report::words::ZERO).count(), 1, "{text}");
    }
}

/// What a browser, a keyboard and a screen reader need: no attribute twice (the second is dropped), heads with a scope, every place that
/// scrolls can be reached, every picture says what it shows.
#[test]
fn the_html_is_sound_and_can_be_read_without_seeing_it() {
    let html = Format::Html.render(&fold(&Recorded { failing: true, ..Recorded::default() }.events()));
    let (_, body) = html.split_once("<body>").unwrap();
    let tags = regex_lite::Regex::new("<([a-z0-9]+)((?: [a-zA-Z-]+(?:=\"[^\"]*\")?)*)>").unwrap();
    let attributes = regex_lite::Regex::new(" ([a-zA-Z-]+)(?:=\"[^\"]*\")?").unwrap();
    let mut seen = std::collections::BTreeMap::<&str, u32>::new();
    for tag in tags.captures_iter(body) {
        let names: Vec<&str> = attributes.captures_iter(tag.get(2).unwrap().as_str()).map(|a| a.get(1).unwrap().as_str()).collect();
        let once: std::collections::BTreeSet<&str> = names.iter().copied().collect();
        assert_eq!(once.len(), names.len(), "{}", &tag[0]);
        match tag.get(1).unwrap().as_str() {
            name @ "th" => {
                *seen.entry(name).or_default() += 1;
                assert!(names.contains(&"scope"), "{}", &tag[0]);
            }
            name @ "svg" => {
                *seen.entry(name).or_default() += 1;
                assert!(names.contains(&"aria-label") || names.contains(&"aria-hidden"), "{}", &tag[0]);
            }
            _ if tag[0].contains("class=\"scroll\"") => {
                *seen.entry("scroll").or_default() += 1;
                assert!(["tabindex", "role", "aria-label"].iter().all(|name| names.contains(name)), "{}", &tag[0]);
            }
            _ => {}
        }
    }
    assert!(seen["th"] > 50 && seen["svg"] > 6 && seen["scroll"] >= 7, "{seen:?}");
    assert!(body.contains("aria-label=\"Timeline of the run: warm-up from 0.00 s to 2.00 s, baseline from 2.00 s"), "{body}");
}

#[test]
fn each_end_of_capacity_has_its_own_words() {
    let html = |lost, back, watched| {
        let mut events = Recorded::default().events();
        for event in &mut events {
            if let EventKind::Measured { measurement } = &mut event.kind {
                (measurement.capacity_lost, measurement.capacity_back_after_s, measurement.watched_after_effect_s) = (lost, back, watched);
            }
        }
        let text = Format::Html.render(&fold(&events));
        let (_, card) = text.split_once("<p class=\"label\">Capacity").unwrap();
        card.split_once("</div>").unwrap().0.to_owned()
    };
    let says = |card: String, words: [&str; 2]| assert!(words.iter().all(|word| card.contains(word)), "{card}");
    says(html(true, Some(6.2), Some(9.0)), [" back after</p>", ">6.2 s<"]);
    says(html(true, None, Some(9.0)), [">not back<", "within 9 s of the first effect, when the run ended"]);
    says(html(false, None, Some(9.0)), [">not lost<", "no service was seen with less than it wants"]);
    says(html(false, None, None), [">–<", "no fault took effect"]);
}

#[test]
fn nothing_that_is_one_is_called_many() {
    let mut events = Recorded { untrusted: true, ..Recorded::default() }.events();
    for event in &mut events {
        match &mut event.kind {
            EventKind::Measured { measurement } => {
                measurement.trust.gaps[0].requests = 1;
                measurement.victims.truncate(1);
                measurement.victims[0].last_seen_after_s = None;
                measurement.victims[0].ejected_after_s = None;
                let probe = measurement.probes[0].clone();
                measurement.probes = vec![probe; 13];
                for probe in &mut measurement.probes {
                    (probe.accounting.due, probe.accounting.recorded) = (1, 1);
                    probe.outages.clear();
                }
                measurement.probes[0].outages = vec![Recorded::default().measurement().probes[0].outages[0].clone(); 11];
            }
            EventKind::Tick { probes } => probes.values_mut().for_each(|tick| (tick.requests, tick.ok) = (1, 1)),
            EventKind::Judged { conditions } => conditions.truncate(1),
            _ => {}
        }
    }
    let one = |end: usize| fold(&events[..end]);
    let wrong = regex_lite::Regex::new("(?:^|[^0-9.,])1 (?:more )?(?:[a-z]{3,}s (?:were|are|have|checked)?|are|were|requests|events|probes|rows|outages|acts|conditions|victims)[ ,.<]").unwrap();
    let mut texts: Vec<String> = [Format::Html, Format::Markdown, Format::Junit, Format::Text].map(|f| f.render(&one(events.len()))).into();
    texts.push(Format::Html.render(&one(1)));
    texts.push(console(&events, Style::plain(200)));
    for text in texts {
        let body = text.split_once("<body>").map_or(text.as_str(), |(_, body)| body);
        if let Some(found) = wrong.find(body) {
            let near = body.get(found.start().saturating_sub(30)..(found.end() + 30).min(body.len())).unwrap_or(found.as_str());
            panic!("{near}");
        }
    }
}

/// Each number on the live line of a probe is there whole or not at all, and the strip keeps a place.
#[test]
fn a_narrow_live_view_leaves_out_whole_numbers() {
    let events = Recorded { failing: true, ..Recorded::default() }.events();
    for (width, says) in [(40, "failed"), (60, "failed"), (80, "p99"), (100, "in flight")] {
        let text = console(&events, Style { color: false, live: true, width });
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("home  ") && line.contains("/s")).collect();
        assert!(lines.len() > 5, "{text}");
        for line in lines {
            assert!(line.contains(says) && !line.contains('…'), "{width}: {line}");
        }
    }
}
