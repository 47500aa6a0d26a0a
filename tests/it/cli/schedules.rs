//! `firedrill schedule`: what fires when, why not, and for whom.

use std::fs;

use serde_json::Value;

use super::rig::{EXPERIMENT, Rig, Said};

const FROM: &str = "2026-11-28T00:00:00Z";

/// A folder `drills` with an experiment for each schedule, and a project with what they have in common.
fn rig(project: &str, drills: &[(&str, &str)]) -> Rig {
    let rig = Rig::new();
    let text = fs::read_to_string(rig.path("firedrill.yaml")).unwrap();
    rig.write("firedrill.yaml", &format!("{text}{project}"));
    fs::create_dir_all(rig.path("drills/web")).unwrap();
    for (name, schedule) in drills {
        rig.write(&format!("drills/{name}.yaml"), &format!("{EXPERIMENT}{schedule}\n"));
    }
    rig
}

fn explain(rig: &Rig, more: &[&str]) -> Said {
    let mut args = vec!["schedule", "explain", "drills", "--from", FROM];
    args.extend(more);
    rig.firedrill(args).code(0)
}

fn json(said: &Said) -> Value {
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {}", said.out))
}

#[test]
fn the_next_firings_are_told_with_what_is_suppressed_and_why() {
    let rig = rig(
        "schedule:\n  timezone: Europe/Lisbon\n  not-on: [holidays.ics, 2026-12-24..2027-01-01]\n  freeze:\n    - { name: release 12, from: 2026-12-02T08:00, to: 2026-12-02T18:00 }\n",
        &[
            ("zone", "schedule: { cron: \"30 10 * * Mon-Thu\" }"),
            ("web/chance", "schedule: { times: 1 per weekday, between: \"10:00-16:00\", probability: 0.3, min-gap: 2 weekdays }"),
        ],
    );
    rig.write("holidays.ics", "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:20201208\nRRULE:FREQ=YEARLY\nSUMMARY:Immaculate Conception\nEND:VEVENT\nEND:VCALENDAR\n");
    let said = explain(&rig, &[]);
    assert!(said.out.starts_with("The next 20 firings after 2026-11-28 00:00:00 UTC:\n"), "{}", said.out);
    for line in [
        "  Mon 2026-11-30 10:30:00 WET  fires       zone        cron 30 10 * * Mon-Thu",
        "  Wed 2026-12-02 10:30:00 WET  suppressed  zone        freeze window of release 12, until Wed 2026-12-02 18:00:00 WET",
        "  Tue 2026-12-08 10:30:00 WET  suppressed  zone        Immaculate Conception (holidays.ics), until Wed 2026-12-09 00:00:00 WET",
        "  Thu 2026-12-24 10:30:00 WET  suppressed  zone        5 times until Thu 2026-12-31 10:30:00 WET; not on 2026-12-24..2027-01-01, until Sat 2027-01-02 00:00:00 WET",
    ] {
        assert!(said.out.contains(line), "{line}\n{}", said.out);
    }
    let list = json(&explain(&rig, &["--format", "json"]));
    let times = list["times"].as_array().unwrap();
    let fires: Vec<&Value> = times.iter().filter(|line| line["suppressed"].as_array().unwrap().is_empty()).collect();
    assert_eq!(fires.len(), 20);
    let of = |name: &str| times.iter().filter(|line| line["experiment"] == name).collect::<Vec<_>>();
    let drawn = of("web/chance");
    let unlucky: Vec<f64> = drawn.iter().filter_map(|line| line["suppressed"][0]["probability"]["drawn"].as_f64()).collect();
    assert!(!unlucky.is_empty() && unlucky.iter().all(|drawn| *drawn >= 0.3), "{unlucky:?}");
    // The same from another folder, of one file, and at another time: what is drawn depends on nothing else.
    let alone =
        rig.firedrill(["schedule", "explain", "drills/web/chance.yaml", "--from", FROM, "--format", "json", "--count", "3"]).code(0);
    let firsts: Vec<&Value> =
        drawn.iter().filter(|line| line["suppressed"].as_array().unwrap().is_empty()).map(|line| &line["at"]).take(3).collect();
    let alone = json(&alone);
    let again: Vec<&Value> = alone["times"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|line| line["suppressed"].as_array().unwrap().is_empty())
        .map(|line| &line["at"])
        .collect();
    assert!(firsts.len() >= 2 && again[..firsts.len()] == firsts[..], "{firsts:?} {again:?}");
}

#[test]
fn what_is_disabled_does_not_fire_until_it_is_enabled() {
    let rig = rig("", &[("zone", "schedule: { cron: \"30 10 * * *\" }"), ("other", "schedule: { cron: \"0 11 * * *\" }")]);
    rig.firedrill(["schedule", "disable", "zone", "--in", "drills"]).code(0).says("drills/zone.yaml: disabled");
    rig.firedrill(["schedule", "disable", "drills/zone.yaml"]).code(0).says("disabled already");
    let said = explain(&rig, &["--count", "2"]).says("2 times until").says("disabled").says("zone: not among these; never");
    assert_eq!(said.out.matches("  fires  ").count(), 2, "{}", said.out);
    rig.firedrill(["schedule", "enable", "zone", "--in", "drills"]).code(0).says("enabled");
    let said = explain(&rig, &["--count", "2"]);
    assert!(!said.out.contains("disabled"), "{}", said.out);
    rig.firedrill(["schedule", "disable", "zoen", "--in", "drills"]).code(2).says("there is no experiment `zoen`");
    fs::write(rig.path("state/schedule/disabled.json"), "{ not json").unwrap();
    rig.firedrill(["schedule", "explain", "drills"]).code(5).says("cannot be understood");
    fs::write(rig.path("state/schedule/disabled.json"), r#"{ "version": 9, "disabled": {} }"#).unwrap();
    rig.firedrill(["schedule", "explain", "drills"]).code(5).says("of version 9");
}

#[test]
fn the_hours_of_the_environment_count() {
    let rig = rig("", &[("zone", "schedule: { cron: \"30 10,20 * * *\" }")]);
    let project = fs::read_to_string(rig.path("firedrill.yaml")).unwrap();
    rig.write("firedrill.yaml", &format!("{project}    require: {{ hours: \"Mon-Fri 09:00-17:00 UTC\" }}\n"));
    explain(&rig, &["--count", "3"])
        .says("outside the hours of environment here (Mon-Fri 09:00-17:00 UTC)")
        .says("Mon 2026-11-30 10:30:00 UTC  fires");
}

#[test]
fn a_year_is_played_and_everybody_is_hit_as_often_as_meant() {
    let group = "schedule:\n  groups:\n    web: { mean-time-between: 4 weekdays, between: \"09:00-15:00\", min-gap: 2 weekdays }\n";
    let member = "schedule: { group: web }";
    let rig = rig(group, &[("a", member), ("web/b", member), ("daily", "schedule: { cron: \"0 10 * * 1-5\" }")]);
    let said = rig.firedrill(["schedule", "simulate", "drills", "--from", "2026-01-01T00:00:00Z", "--days", "365"]).code(0);
    let daily = said.out.lines().find(|line| line.contains("daily")).unwrap();
    let cells: Vec<&str> = daily.split_whitespace().collect();
    assert_eq!(cells[1..9], ["261", "52", "52", "52", "53", "52", "0", "0"], "{}", said.out);
    let said =
        rig.firedrill(["schedule", "simulate", "drills", "--from", "2026-01-01T00:00:00Z", "--days", "1000", "--format", "json"]).code(0);
    let played = json(&said);
    let of = |name: &str| played["experiments"].as_array().unwrap().iter().find(|tally| tally["experiment"] == name).unwrap().clone();
    let (a, b) = (of("a"), of("web/b"));
    let (a_fires, b_fires) = (a["fires"].as_u64().unwrap(), b["fires"].as_u64().unwrap());
    // 715 working days; on average 4 of them until the next chance is drawn, and 1 more that the gap keeps free.
    assert!((110..=180).contains(&(a_fires + b_fires)), "{a_fires} + {b_fires}");
    assert!(a_fires.abs_diff(b_fires) < 45, "one of both each time: {a_fires} and {b_fires}");
    assert!(a["suppressed"]["probability"].as_u64().unwrap() > 100 && a["suppressed"]["min-gap"].as_u64().unwrap() > 5, "{a}");
    for tally in [&a, &b] {
        assert!(tally["by_weekday"].get("Sat").is_none() && tally["by_weekday"].get("Sun").is_none(), "{tally}");
        assert!(tally["shortest_gap"].as_i64().unwrap() > 18 * 3600, "{tally}");
    }
}

#[test]
fn what_is_right_is_explained_beside_what_is_broken() {
    let rig = rig("", &[("zone", "schedule: { cron: \"30 10 * * *\" }"), ("bad", "schedule: { crn: \"30 10 * * *\" }")]);
    let said = rig.firedrill(["schedule", "explain", "drills", "--from", FROM]).code(2).says("did you mean `cron`?");
    assert!(said.out.starts_with("The next 20 firings") && said.out.contains("fires       zone"), "{}", said.out);
    assert!(said.err.contains("is not among these"), "{}", said.err);
    // Who is hit how often cannot be said without the broken one.
    let said = rig.firedrill(["schedule", "simulate", "drills", "--from", FROM]).code(2).says("did you mean `cron`?");
    assert!(!said.out.contains("zone"), "{}", said.out);
}

#[test]
fn times_that_are_all_over_are_warned_of() {
    let rig = rig("", &[("old", "schedule: { at: [2020-12-01T10:30, 2021-01-02T11:00] }"), ("new", "schedule: { at: 2999-12-01T10:30 }")]);
    rig.firedrill(["check", "drills/old.yaml"]).code(0).says("never fires again: the last of its times was 2021-01-02 11:00");
    let said = rig.firedrill(["check", "drills/new.yaml"]).code(0);
    assert!(!said.err.contains("again"), "{}", said.err);
}

#[test]
fn the_schedules_that_are_shipped_fire_on_working_days_and_never_on_days_off() {
    let rig = Rig::new();
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scheduled");
    let list = json(&rig.firedrill(["schedule", "explain", shipped, "--from", FROM, "--count", "60", "--format", "json"]).code(0));
    let times = list["times"].as_array().unwrap();
    let fires = |line: &&Value| line["suppressed"].as_array().unwrap().is_empty();
    assert_eq!(times.iter().filter(fires).count(), 60);
    for name in ["kill", "hang", "zone"] {
        assert!(times.iter().filter(fires).any(|line| line["experiment"] == name), "{name}");
    }
    for line in times.iter().filter(fires) {
        let day = &line["at"].as_str().unwrap()[..10];
        assert!(!("2026-12-21"..="2027-01-03").contains(&day) && !("2027-03-15"..="2027-03-19").contains(&day), "{day}");
    }
    rig.firedrill(["schedule", "simulate", shipped, "--days", "30"]).code(0);
}

#[test]
fn a_calendar_that_cannot_be_read_is_told_with_its_line() {
    let rig = rig("schedule: { not-on: web.ics }\n", &[("zone", "schedule: { cron: \"30 10 * * *\" }")]);
    rig.write("web.ics", "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:someday\nEND:VEVENT\nEND:VCALENDAR\n");
    for args in [&["schedule", "explain", "drills"][..], &["check", "drills/zone.yaml"], &["check", "firedrill.yaml"]] {
        rig.firedrill(args.iter().copied()).code(2).says("`someday` is neither a day nor a time").says("web.ics:3:1");
    }
}
