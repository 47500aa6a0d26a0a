//! A first experiment for what runs on an engine, which is then planned there.

use std::{fs, process::Stdio, time::Duration};

use crate::{
    cli::rig::Said,
    support::engine::{Engine, SMALL, WHAT_TIME},
};

#[test]
fn init_finds_a_project_and_writes_a_drill_of_one_of_several_that_is_planned() {
    let engine = Engine::start();
    let project = engine.project("first");
    let _alone = project.container("store").image(SMALL).start();
    let doors: Vec<_> = (0..2).map(|_| project.container("my_web").image(WHAT_TIME).port(8080).start()).collect();
    for door in &doors {
        let at = door.port(8080);
        for _ in 0..300 {
            if std::net::TcpStream::connect(at).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let firedrill = |args: &[&str]| {
        let mut command = engine.command(env!("CARGO_BIN_EXE_firedrill"));
        command.args(args).current_dir(folder.path()).env("FIREDRILL_STATE_DIR", folder.path().join("state"));
        Said::of(command.stdin(Stdio::null()).output().unwrap())
    };
    let said = firedrill(&["init"]).code(0);
    let found = format!("Compose project {}: my_web × 2, store × 1; 127.0.0.1:", project.name());
    assert!(said.out.contains(&found) && said.out.contains("(HTTP 200)"), "{}", said.out);
    let drill = fs::read_to_string(folder.path().join("first-drill.yaml")).unwrap();
    assert!(drill.contains("- kill: { labels: { com.docker.compose.service: my_web }, take: 1 }"), "{drill}");
    let planned = firedrill(&["plan", "first-drill.yaml"]).code(0);
    assert!(planned.out.contains("1 of 2 that match") && planned.out.contains(&format!("{}-my_web-", project.name())), "{}", planned.out);
}
