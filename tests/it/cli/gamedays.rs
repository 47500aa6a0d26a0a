//! Game days through the real binary: conducted by people in other terminals, at a terminal of their own, ended early, and killed.

use std::{
    fs,
    io::{Read, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
};

use rustix::process::Signal;
use serde_json::Value;

use super::{
    rig::{EXPERIMENT, Rig, SYSTEM, Said, Started, eventually, names},
    terminal::Terminal,
};
use crate::support::residue;

/// No server is replaced: only an undo brings a killed one back.
fn rig(agenda: &str) -> Rig {
    let rig = Rig::with(&SYSTEM.replace("    replace: { after: 500ms }\n", ""), EXPERIMENT);
    rig.write("gameday.yaml", &format!("gameday: Losing a server\nowner: ana\nagenda:\n{agenda}"));
    rig.write("long.yaml", &EXPERIMENT.replace("    hold: 1s", "    hold: 120s"));
    rig
}

fn begin(rig: &Rig) -> Started {
    let day = rig.start(["gameday", "run", "--by", "ana"]);
    day.wait_for("the game day begins");
    day
}

fn speak(rig: &Rig, words: &[&str]) -> Said {
    rig.firedrill(["gameday"].iter().chain(words))
}

/// What is known of the running day; nothing when it is over.
fn status(rig: &Rig) -> Option<Value> {
    let said = speak(rig, &["status", "--format", "json"]);
    (said.status.code() == Some(0)).then(|| serde_json::from_str(&said.out).unwrap())
}

/// Waits until the fault of an item is in effect; whether it came to that. A machine that is busy with other tests may not be steady enough
/// for a drill to begin, which is not what is tested here.
fn in_effect(rig: &Rig, item: usize) -> bool {
    let mut came = false;
    eventually("the fault is in effect, or the drill is over", || {
        let Some(day) = status(rig) else { return true };
        let drill = &day["items"][item - 1]["drill"];
        came = !drill["in_effect"].is_null();
        came || !drill["ended"].is_null()
    });
    came
}

fn folder(rig: &Rig) -> PathBuf {
    let days: Vec<PathBuf> = rig.run_folders().into_iter().filter(|path| path.display().to_string().contains("gameday-")).collect();
    assert_eq!(days.len(), 1, "{days:?}");
    days[0].clone()
}

fn result(rig: &Rig) -> Value {
    serde_json::from_str(&fs::read_to_string(folder(rig).join("result.json")).unwrap()).unwrap()
}

fn socket(rig: &Rig) -> PathBuf {
    let folder = rig.path("state/gamedays");
    let sockets: Vec<String> =
        names(&folder).into_iter().filter(|name| Path::new(name).extension().is_some_and(|end| end == "sock")).collect();
    assert_eq!(sockets.len(), 1, "{sockets:?}");
    folder.join(&sockets[0])
}

/// What is answered to one line at the socket, to its end.
fn raw(rig: &Rig, line: &str) -> String {
    let mut stream = UnixStream::connect(socket(rig)).unwrap();
    // Who refuses a line that is too long does not read all of it.
    let _ = stream.write_all(format!("{line}\n").as_bytes());
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

const DAY: &str = "  - announce: We begin
  - experiment: experiment.yaml
    owner: ben
    confirm: true
    countdown: 1s
    expect: passed
    if-failed: go-on
  - ask: What did users see?
    options: [nothing, errors]
  - experiment: experiment.yaml
    mitigate: { at-most: 60s }
    expect: failed
    if-failed: go-on
  - { experiment: experiment.yaml, seed: 3, if-failed: go-on }
";

#[test]
fn three_drills_are_conducted_by_people_in_other_terminals() {
    let _quiet = crate::support::quiet::quiet();
    for _ in 0..6 {
        let rig = rig(DAY);
        let day = begin(&rig);
        day.wait_for("[2] waits for a go");
        assert_eq!(fs::metadata(socket(&rig)).unwrap().permissions().mode() & 0o777, 0o600);
        let stream = socket(&rig);
        let watcher = std::thread::spawn(move || {
            let mut stream = UnixStream::connect(stream).unwrap();
            stream.write_all(b"{\"by\":\"w\",\"ask\":\"watch\"}\n").unwrap();
            let mut all = String::new();
            stream.read_to_string(&mut all).unwrap();
            all
        });
        for line in ["not json", "{\"by\":\"eve\",\"ask\":\"explode\"}", &format!("\"{}\"", "x".repeat(80_000))] {
            assert!(raw(&rig, line).contains("\"answer\":\"refused\""), "{line}");
        }
        speak(&rig, &["go", "--item", "4"]).code(2).says("item 4 is not the current one: that is item 2");
        speak(&rig, &["detected"]).code(2).says("no drill runs");
        speak(&rig, &["note", &"x".repeat(5000)]).code(2).says("at most 4000");
        speak(&rig, &["go", "--by", "eve"]).code(0);
        day.wait_for("[3] waits for an answer");
        speak(&rig, &["answer", "nothin"]).code(2).says("did you mean `nothing`?");
        speak(&rig, &["answer", "nothing"]).code(0);
        if !in_effect(&rig, 4) {
            continue;
        }
        speak(&rig, &["note", "users see <script>\u{1b}]0;x\u{7} 502", "--by", "dora"]).code(0);
        speak(&rig, &["detected", "--by", "dora"]).code(0).says("after the fault took effect");
        speak(&rig, &["detected"]).code(2).says("dora noticed it before");
        speak(&rig, &["mitigated", "--by", "dora"]).code(0).says("the drill undoes what is left");
        speak(&rig, &["action", "Alert sooner", "--owner", "ben"]).code(0);
        let said = day.end();
        let result = result(&rig);
        let drills = result["drills"].as_array().unwrap();
        assert_eq!(drills.len(), 3, "{result:#}");
        assert_eq!(said.status.code().map(i64::from), result["exit_code"].as_i64(), "{}", said.out);
        let codes = drills.iter().map(|drill| {
            let run: Value = serde_json::from_str(
                &fs::read_to_string(folder(&rig).join(drill["folder"].as_str().unwrap()).join("result.json")).unwrap(),
            )
            .unwrap();
            assert_eq!(run["verdict"], drill["verdict"]);
            run["verdict"].as_str().unwrap().to_owned()
        });
        let codes: Vec<String> = codes.collect();
        let worst = ["error", "failed", "not-started", "passed"].into_iter().find(|word| codes.iter().any(|code| code == word)).unwrap();
        assert_eq!(result["verdict"], worst, "{codes:?}");
        assert_eq!(drills[0]["as_predicted"], drills[0]["verdict"] == "passed");
        assert_eq!(drills[1]["as_predicted"], drills[1]["verdict"] == "failed");
        let (noticed, mitigated) = (drills[1]["detected_after_s"].as_f64().unwrap(), drills[1]["mitigated_after_s"].as_f64().unwrap());
        assert!(0.0 < noticed && noticed < mitigated, "{noticed} {mitigated}");
        assert!(drills[0]["mitigated_after_s"].is_null() && drills[1]["people_mitigate"] == true);
        assert_eq!(result["actions"][0]["owner"], "ben");
        assert_eq!(result["record"]["items"][1]["confirmed"]["by"], "eve");
        assert_eq!(result["record"]["items"][2]["answered"]["text"], "nothing");
        assert!(said.out.contains("502  — dora") && !said.out.contains('\u{1b}'), "{}", said.out);

        let events = fs::read_to_string(folder(&rig).join("gameday.jsonl")).unwrap();
        let seen = watcher.join().unwrap();
        assert_eq!(seen.split_once('\n').unwrap().1, events, "who watches sees every event");
        let numbers: Vec<u64> =
            events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["number"].as_u64().unwrap()).collect();
        assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());

        let html = fs::read_to_string(folder(&rig).join("report.html")).unwrap();
        assert!(!html.contains("<script") && html.contains("users see &lt;script&gt;"));
        for drill in drills {
            assert!(html.contains(&format!("href=\"{}/report.html\"", drill["folder"].as_str().unwrap())));
        }
        let day = folder(&rig).display().to_string();
        let again = rig.firedrill(["gameday", "report", &day, "--format", "html"]).code(0).out;
        assert!(again == html, "the report is made again from the record alone");
        rig.firedrill(["gameday", "report", &day]).code(0).says("Action items").says("Alert sooner");
        assert!(names(&rig.path("state/gamedays")).is_empty());
        speak(&rig, &["status"]).code(2).says("no game day is running");
        return;
    }
    panic!("this machine is too busy for a drill: six in a row did not begin");
}

/// A day whose first drill has taken one of three servers that another process keeps.
fn acting() -> (Rig, Started, Started) {
    for _ in 0..6 {
        let rig = rig("  - experiment: long.yaml\n  - announce: never said\n");
        let up = rig.up();
        let day = begin(&rig);
        if in_effect(&rig, 1) {
            assert_eq!(rig.serving().len(), 2, "one is dead");
            return (rig, up, day);
        }
        let _ = speak(&rig, &["abort"]);
        let _ = day.end();
        up.signal(Signal::TERM);
        up.end().code(0);
    }
    panic!("this machine is too busy for a drill: six in a row did not begin");
}

#[test]
fn abort_in_the_middle_of_a_drill_undoes_it_and_ends_the_day_with_a_report() {
    ended_early("eve", |rig, _| drop(speak(rig, &["abort", "--by", "eve"]).code(0)));
}

#[test]
fn control_c_where_the_day_runs_is_an_abort() {
    ended_early("Ctrl-C", |_, day| day.signal(Signal::INT));
}

/// Ends a day in the middle of a drill; `by` is who or what the report says it was.
fn ended_early(by: &str, end: impl Fn(&Rig, &Started)) {
    let _quiet = crate::support::quiet::quiet();
    let (rig, up, day) = acting();
    end(&rig, &day);
    let said = day.end().code(4);
    assert!(said.out.contains(&format!("Ended early by {by}")) && !said.out.contains("never said"), "{}", said.out);
    residue::same(&rig.serving().len(), &3, "it was started again");
    let result = result(&rig);
    assert_eq!((&result["verdict"], &result["drills"][0]["verdict"]), (&Value::from("aborted"), &Value::from("aborted")));
    assert_eq!(result["record"]["items"][1]["state"], "to-come");
    rig.owes_nothing();
    up.signal(Signal::TERM);
    up.end().code(0);
}

#[test]
fn a_drill_whose_day_is_killed_halts_and_undoes_itself() {
    let _quiet = crate::support::quiet::quiet();
    let (rig, up, day) = acting();
    day.signal(Signal::KILL);
    let _ = day.end();
    residue::ends("it was started again", || rig.serving().len() == 3);
    eventually("nothing is left to undo", || rig.firedrill(["recover"]).out.contains("nothing to recover"));
    speak(&rig, &["status"]).code(2).says("is gone; `firedrill gameday report");
    let killed = folder(&rig);
    rig.firedrill(["gameday", "report", &killed.display().to_string()]).code(0).says("the process of the day died");
    // What it left at its seat goes when the next day begins.
    rig.write("gameday.yaml", "gameday: Only words\nagenda: [{ announce: hello }]\n");
    rig.firedrill(["gameday", "run"]).code(3).says("hello");
    assert!(names(&rig.path("state/gamedays")).is_empty());
    up.signal(Signal::TERM);
    up.end().code(0);
}

#[test]
fn a_pause_holds_everything_and_what_is_skipped_does_not_run() {
    let rig =
        rig("  - pause: 10m\n  - { experiment: experiment.yaml, countdown: 20m }\n  - checklist: [a, b]\n  - experiment: long.yaml\n");
    let day = begin(&rig);
    day.wait_for("a pause; `go` ends it");
    speak(&rig, &["resume"]).code(2).says("`go` ends this pause");
    speak(&rig, &["go"]).code(0);
    day.wait_for("[2] begins in 20m 0s");
    speak(&rig, &["pause", "--by", "eve"]).code(0);
    speak(&rig, &["pause"]).code(2).says("paused already");
    speak(&rig, &["status"]).code(0).says("paused by eve");
    speak(&rig, &["skip", "--item", "2"]).code(0);
    eventually("the next item waits for the end of the pause", || status(&rig).unwrap()["current"] == 3);
    speak(&rig, &["go"]).code(2).says("`resume` first");
    speak(&rig, &["resume"]).code(0);
    day.wait_for("[3] waits for a go");
    speak(&rig, &["go"]).code(0);
    day.wait_for("[4] run ");
    speak(&rig, &["skip"]).code(0).says("halts and undoes");
    day.end().code(4).says("1 of 2 experiments ran");
    let result = result(&rig);
    assert_eq!(result["record"]["items"][1]["state"], "skipped");
    assert_eq!(result["record"]["items"][3]["drill"]["verdict"], "aborted");
    rig.nothing_runs();
}

#[test]
fn an_item_waits_for_its_time_of_the_clock_in_the_zone_of_the_day() {
    // A zone in which it is noon now: its afternoon is still to come.
    let east = 12 - firedrill::clock::moment().to_zoned(jiff::tz::TimeZone::UTC).hour();
    let zone = format!("Etc/GMT{}{}", if east >= 0 { '-' } else { '+' }, east.abs());
    let rig = rig("  - { announce: long ago, at: \"10:00\" }\n  - { announce: later, at: \"14:30\" }\n  - announce: at once\n");
    let agenda = fs::read_to_string(rig.path("gameday.yaml")).unwrap();
    rig.write("gameday.yaml", &agenda.replace("owner: ana\n", &format!("owner: ana\ntimezone: {zone}\n")));
    let day = begin(&rig);
    eventually("it waits for the second", || status(&rig).is_some_and(|day| day["current"] == 2));
    speak(&rig, &["status"]).code(0).says("14:30");
    let said = day.said_so_far();
    assert!(said.contains("long ago") && !said.contains("at once"), "{said}");
    speak(&rig, &["skip"]).code(0);
    let said = day.end().code(3);
    assert!(said.out.contains("at once"), "{}", said.out);
}

#[test]
fn what_follows_a_drill_that_does_not_end_as_predicted() {
    // Nobody answers there: the baseline is not steady, and the drill does not start.
    for if_failed in ["go-on", "stop", "ask"] {
        let rig = rig(&format!("  - {{ experiment: dead.yaml, if-failed: {if_failed} }}\n  - announce: to be said\n"));
        let dead = EXPERIMENT.replace("${url}/", "http://127.0.0.1:9/").replace("baseline: 1s", "baseline: 200ms");
        rig.write("dead.yaml", &dead);
        let day = begin(&rig);
        if if_failed == "ask" {
            day.wait_for("`go` goes on");
            speak(&rig, &["go"]).code(0);
        }
        let said = day.end().code(3);
        assert_eq!(said.out.contains("to be said"), if_failed != "stop", "{if_failed}: {}", said.out);
        assert_eq!(result(&rig)["drills"][0]["verdict"], "not-started", "{if_failed}");
    }
}

#[test]
fn a_day_with_one_wrong_experiment_does_not_begin() {
    let rig = rig("  - experiment: experiment.yaml\n  - experiment: wrong.yaml\n  - { experiment: nowhere.yaml, env: there }\n");
    rig.write("wrong.yaml", &EXPERIMENT.replace("kill:", "kil:"));
    for verb in ["run", "check", "plan"] {
        let said = speak(&rig, &[verb]).code(2);
        for words in ["did you mean `kill`?", "gameday.yaml:5:17", "`nowhere.yaml` cannot be read", "the agenda names the experiment here"]
        {
            assert!(said.err.contains(words), "{words}: {}", said.err);
        }
    }
    assert!(rig.run_folders().is_empty());
    assert!(!rig.path("state/gamedays").exists());
    rig.write("gameday.yaml", "gameday: x\nagenda: [{ experiment: experiment.yaml, env: there }]\n");
    rig.firedrill(["check", "gameday.yaml"]).code(2).says("there is no environment `there`").says("gameday.yaml:2:24");
}

#[test]
fn the_words_are_typed_where_the_day_runs() {
    let rig = rig("  - checklist: [dashboards are open]\n  - announce: thanks\n");
    let (mut terminal, mut child) = Terminal::run(&rig.command(["gameday", "run"]));
    eventually("it waits for a go", || terminal.shows().contains("waits for a go"));
    terminal.press("goo\r");
    eventually("it says what it knows", || terminal.shows().contains("did you mean `go`?"));
    terminal.press("note all is green\r");
    terminal.press("go\r");
    let mut status = None;
    eventually("it ends", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    assert_eq!(status.unwrap().code(), Some(3), "{}", terminal.shows());
    assert!(terminal.shows().contains("thanks"), "{}", terminal.shows());
    assert_eq!(result(&rig)["notes"][0]["text"], "all is green");
}
