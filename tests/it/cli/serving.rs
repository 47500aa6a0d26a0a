//! `firedrill serve`: fires, sees what changes, survives what it must, and ends well.

use std::{fs, time::Duration};

use firedrill::clock;
use rustix::process::{Pid, Signal};

use super::rig::{EXPERIMENT, Rig, SYSTEM, Started, eventually};
use crate::support::residue;

/// A moment that is soon, but not before the daemon has read its folder.
fn soon(seconds: i64) -> String {
    clock::moment().saturating_add(jiff::SignedDuration::from_secs(seconds)).unwrap().to_string()
}

fn at(moment: &str) -> String {
    format!("{EXPERIMENT}schedule: {{ at: \"{moment}\", within: 60s }}\n")
}

/// Long enough to be interrupted in the middle of its fault.
fn long(moment: &str) -> String {
    at(moment).replace("    hold: 1s", "    hold: 120s")
}

fn rig() -> Rig {
    let rig = Rig::with(&SYSTEM.replace("    replace: { after: 500ms }\n", ""), EXPERIMENT);
    fs::create_dir(rig.path("drills")).unwrap();
    rig
}

fn serve(rig: &Rig) -> Started {
    let daemon = rig.start(["serve", "drills", "--listen", "off"]);
    daemon.wait_for("scheduled");
    daemon
}

fn ends(daemon: Started) -> String {
    daemon.signal(Signal::TERM);
    let said = daemon.end().code(0);
    format!("{}{}", said.out, said.err)
}

#[test]
fn what_is_due_runs_once_also_after_a_restart() {
    let _quiet = crate::support::quiet::quiet();
    let rig = rig();
    rig.write("drills/zone.yaml", &at(&soon(4)));
    let daemon = serve(&rig);
    daemon.wait_for("drills: 1 scheduled; the next firing is at");
    daemon.wait_for("zone: fires, due at");
    rig.firedrill(["serve", "drills"]).code(3).says("serves").says(&format!("process {}", daemon.pid().as_raw_nonzero()));
    eventually("it ends", || daemon.said_so_far().matches("zone: ").count() >= 2);
    let said = ends(daemon);
    assert_eq!(rig.run_folders().len(), 1, "{said}");
    let daemon = serve(&rig);
    daemon.wait_for("drills: 1 scheduled; nothing fires");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(rig.run_folders().len(), 1);
    ends(daemon);
}

#[test]
fn an_environment_of_a_folder_within_is_no_wrong_name() {
    let _quiet = crate::support::quiet::quiet();
    let rig = rig();
    fs::create_dir_all(rig.path("drills/own")).unwrap();
    let project = fs::read_to_string(rig.path("firedrill.yaml")).unwrap();
    rig.write("drills/own/firedrill.yaml", &project.replace("here:", "there:"));
    rig.write("drills/own/zone.yaml", &at("2999-12-01T10:30:00Z"));
    let daemon = rig.start(["serve", "drills", "--env", "there", "--listen", "off"]);
    daemon.wait_for("scheduled");
    ends(daemon);
}

#[test]
fn the_folder_is_read_again_and_a_broken_file_stops_no_other() {
    let _quiet = crate::support::quiet::quiet();
    let rig = rig();
    rig.write("drills/broken.yaml", &format!("{EXPERIMENT}schedule: {{ cron: \"61 * * * *\" }}\n"));
    rig.write("drills/notes.yaml", "anything: else\n");
    rig.firedrill(["serve", "drills", "--env", "her"]).code(2).says("there is no environment `her`");
    let daemon = serve(&rig);
    daemon.wait_for("`61` does not fit the field for minutes");
    daemon.wait_for("drills: 0 scheduled; nothing fires");
    rig.write("drills/zone.yaml", &at(&soon(6)));
    daemon.wait_for("drills: 1 scheduled; the next firing");
    rig.firedrill(["schedule", "disable", "zone", "--in", "drills"]).code(0);
    daemon.wait_for("drills: 1 scheduled (1 disabled); nothing fires");
    rig.firedrill(["schedule", "enable", "zone", "--in", "drills"]).code(0);
    rig.write("drills/broken.yaml", &format!("{EXPERIMENT}schedule: {{ cron: \"0 0 29 2 *\" }}\n"));
    daemon.wait_for("drills: 2 scheduled");
    daemon.wait_for("zone: fires");
    fs::remove_file(rig.path("drills/broken.yaml")).unwrap();
    eventually("it is gone", || daemon.said_so_far().matches("drills: 1 scheduled;").count() >= 2);
    ends(daemon);
}

#[test]
fn what_is_disabled_at_the_last_moment_does_not_fire_and_a_record_that_was_broken_is_read_again() {
    let _quiet = crate::support::quiet::quiet();
    let rig = rig();
    let fired = rig.path("state/schedule/fired.json");
    fs::create_dir_all(fired.parent().unwrap()).unwrap();
    fs::write(&fired, "{").unwrap();
    rig.write("drills/zone.yaml", &at(&soon(8)));
    let late = soon(12);
    rig.write("drills/late.yaml", &at(&late));
    let daemon = rig.start(["serve", "drills", "--listen", "off"]);
    daemon.wait_for("nothing fires: ");
    fs::remove_file(&fired).unwrap();
    daemon.wait_for("drills: 2 scheduled; the next firing");
    // Somebody writes into the folder all the time: it is not read at every look.
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0.. {
                if stop.load(std::sync::atomic::Ordering::Relaxed) {
                    break;
                }
                rig.write("drills/notes.yaml", &format!("anything: {n}\n"));
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        std::thread::sleep(Duration::from_secs(1));
        rig.firedrill(["schedule", "disable", "zone", "--in", "drills"]).code(0);
        daemon.wait_for("1 disabled");
        // The other one too late for any look at the folder, which is each three seconds now: its switch is asked right before it fires.
        let due: jiff::Timestamp = late.parse().unwrap();
        let before = due.duration_since(clock::moment()) - jiff::SignedDuration::from_millis(400);
        std::thread::sleep(before.try_into().expect("it is not due yet"));
        rig.firedrill(["schedule", "disable", "late", "--in", "drills"]).code(0);
        std::thread::sleep(Duration::from_secs(4));
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(rig.run_folders().len(), 0, "{}", daemon.said_so_far());
    ends(daemon);
}

#[test]
fn two_in_one_place_run_one_after_the_other() {
    let _quiet = crate::support::quiet::quiet();
    let rig = rig();
    let moment = soon(4);
    rig.write("drills/first.yaml", &at(&moment));
    rig.write("drills/second.yaml", &at(&moment));
    let daemon = serve(&rig);
    daemon.wait_for("second: due at");
    daemon.wait_for("second: fires");
    let said = daemon.said_so_far();
    let ended = said.find("first: passed").or_else(|| said.find("first: ").filter(|_| said.matches("first: ").count() >= 2));
    assert!(ended.is_some_and(|ended| ended < said.find("second: fires").unwrap()), "{said}");
    eventually("both ran", || rig.run_folders().len() == 2);
    ends(daemon);
}

/// A daemon whose run has taken one of three servers that another process keeps.
fn acting() -> (Rig, Started, Started) {
    let rig = rig();
    let up = rig.up();
    rig.write("drills/long.yaml", &long(&soon(8)));
    let daemon = serve(&rig);
    eventually("it acts", || rig.serving().len() == 2);
    (rig, up, daemon)
}

#[test]
fn sigterm_halts_the_run_and_undoes_it() {
    let _quiet = crate::support::quiet::quiet();
    let (rig, up, daemon) = acting();
    let said = ends(daemon);
    assert!(said.contains("told to stop and undo") && said.contains("long: aborted"), "{said}");
    residue::same(&rig.serving().len(), &3, "it was started again");
    up.signal(Signal::TERM);
    up.end().code(0);
}

#[test]
fn a_run_whose_daemon_is_killed_halts_and_undoes_itself() {
    let _quiet = crate::support::quiet::quiet();
    let (rig, up, daemon) = acting();
    daemon.signal(Signal::KILL);
    let _ = daemon.end();
    residue::ends("it was started again", || rig.serving().len() == 3);
    residue::ends("nothing is left to undo", || rig.firedrill(["recover"]).out.contains("nothing to recover"));
    up.signal(Signal::TERM);
    up.end().code(0);
}

#[test]
fn what_a_killed_daemon_and_its_run_left_is_undone_at_the_start() {
    let _quiet = crate::support::quiet::quiet();
    let (rig, up, daemon) = acting();
    // Everything of firedrill but the system: the daemon, the run, and the helper that would undo for it.
    let mine: Vec<String> = rig.processes();
    let ours = mine.iter().filter(|process| process.contains("--for-daemon") || process.contains(" deadman"));
    let pids: Vec<i32> = ours.map(|process| process.split(':').next().unwrap().parse().unwrap()).collect();
    assert_eq!(pids.len(), 2, "{mine:?}");
    // Stopped first, so that none of them sees another one end.
    for signal in [Signal::STOP, Signal::KILL] {
        daemon.signal(signal);
        for pid in &pids {
            rustix::process::kill_process(Pid::from_raw(*pid).unwrap(), signal).unwrap();
        }
    }
    let _ = daemon.end();
    assert_eq!(rig.serving().len(), 2, "nobody has undone it");
    let daemon = serve(&rig);
    let said = daemon.said_so_far();
    assert!(said.contains("undone: ") && said.contains("recovered"), "{said}");
    residue::same(&rig.serving().len(), &3, format_args!("{said}"));
    daemon.wait_for("nothing fires");
    assert_eq!(rig.run_folders().len(), 1, "it does not fire twice");
    ends(daemon);
    up.signal(Signal::TERM);
    up.end().code(0);
}
