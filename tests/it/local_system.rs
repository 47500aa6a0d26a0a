//! A local system as a whole: who is started again, where instances listen, who may control it, and that nothing outlives it.

use std::{
    os::unix::{fs::PermissionsExt, process::CommandExt},
    process::{Command, Stdio},
};

use firedrill::{
    model::{fault::Fault, instance::InstanceState, selector::ProcessMatch},
    platform::{
        Platform,
        local::{LocalOptions, LocalPlatform},
    },
};

use super::local_rig::{BINARY, Rig, SITE, eventually, find, hit, on, read};

#[tokio::test]
async fn a_restart_policy_starts_again_what_it_is_for() {
    // Ends when its file appears: well in `always`, badly in `failing`, well in `well` (whose policy is for failures), badly in `never`.
    let service = |name: &str, code: u8, policy: &str| {
        format!(
            "  {name}:\n    command: [sh, -c, \"echo up >> ${{folder}}/{name}; while ! [ -e ${{folder}}/go ]; do sleep 0.02; done; [ $(wc -l < ${{folder}}/{name}) -gt 1 ] && exec sleep 1000; exit {code}\"]\n    restart: {{ policy: {policy}, delay: 50ms }}\n"
        )
    };
    let text = format!(
        "name: policies\nservices:\n{}{}{}{}",
        service("always", 0, "always"),
        service("failing", 3, "on-failure"),
        service("well", 0, "on-failure"),
        service("never", 3, "no")
    );
    let (rig, platform) = Rig::up(&text).await;
    std::fs::write(rig.path("go"), "").unwrap();
    for name in ["well", "never"] {
        eventually(name, async || find(&platform, &format!("{name}-local-1")).await.unwrap().state == InstanceState::Stopped).await;
    }
    for name in ["always", "failing"] {
        eventually(name, async || read(&rig.path(name)) == "up\nup\n").await;
        eventually(name, async || find(&platform, &format!("{name}-local-1")).await.unwrap().state == InstanceState::Running).await;
    }
    for name in ["well", "never"] {
        assert_eq!(read(&rig.path(name)), "up\n", "{name} is not started again");
    }
}

#[tokio::test]
async fn each_instance_has_an_address_of_its_own_and_one_in_use_is_told() {
    let port = std::net::TcpListener::bind("127.0.1.1:0").unwrap().local_addr().unwrap().port();
    let text = format!(
        "name: each\nservices:\n  web:\n    command: [\"${{firedrill}}\", what-time, --listen, \"${{instance.address}}\"]\n    replicas: 3\n    address: {{ each: 127.0.1.0, port: {port} }}\n    health: {{ tcp: true, every: 50ms }}\n    stop-grace: 1s\n"
    );
    let (rig, platform) = Rig::up(&text).await;
    let addresses: Vec<_> = platform.inventory().await.unwrap().each().filter_map(|i| i.address.clone()).collect();
    assert_eq!(addresses, [1, 2, 3].map(|k| format!("127.0.1.{k}:{port}")));
    for address in &addresses {
        std::net::TcpStream::connect(address).unwrap();
    }
    // Another system that wants the same.
    let second = Rig::new(&text);
    let output = second.command().output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains(&format!("the address 127.0.1.1:{port} is in use by another process")), "{said}");
    second.nothing_runs().await;
    assert!(!rig.processes().is_empty(), "the first one still runs");
}

#[tokio::test]
async fn a_system_for_a_run_ends_when_the_run_is_gone() {
    for containment in ["namespace", "keeper"] {
        let rig = Rig::new(SITE);
        let mut run = Command::new("sh");
        // The shell stands for the run: it holds the other end of the system's stdin, and is killed without a chance to say goodbye.
        let script = format!("sleep 1000 | FIREDRILL_CONTAINMENT={containment} {BINARY} up {} --for-run", rig.file().display());
        run.args(["-c", &script]).env("FIREDRILL_STATE_DIR", rig.state()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut run = run.process_group(0).spawn().unwrap();
        let client = firedrill::platform::local::client::Client::new(rig.place().socket());
        eventually("the system is up", async || client.status().await.is_ok_and(|s| s.ready)).await;
        let holder = firedrill::platform::local::process::all()
            .into_iter()
            .find(|s| s.parent == run.id().cast_signed() && read(format!("/proc/{}/comm", s.pid).as_ref()) == "sleep\n")
            .unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_raw(holder.pid).unwrap(), rustix::process::Signal::KILL).unwrap();
        run.wait().unwrap();
        rig.nothing_runs().await;
        assert!(!rig.place().socket().exists(), "it ended in order ({containment})");
    }
}

#[tokio::test]
async fn another_user_is_not_answered() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let (rig, platform) = Rig::up("name: own\nservices:\n  web:\n    command: [sleep, '1000']\n").await;
    let system = rig.file();
    let ask = |uid: u32| {
        let mut ask = Command::new(BINARY);
        ask.args(["targets", "--system"]).arg(&system).env("FIREDRILL_STATE_DIR", rig.state()).uid(uid).gid(uid);
        ask.output().unwrap()
    };
    assert_eq!(ask(0).status.code(), Some(0));
    // Opened up as far as it goes, so that nothing but the supervisor itself is left to refuse.
    for (path, mode) in
        [(rig.folder.path().to_owned(), 0o755), (rig.state(), 0o755), (rig.state().join("local"), 0o755), (rig.place().socket(), 0o666)]
    {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let refused = ask(65534);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(3), "{said}");
    assert!(said.contains("closed the connection without an answer"), "{said}");
    assert_eq!(find(&platform, "web-local-1").await.unwrap().state, InstanceState::Running);
}

#[tokio::test]
async fn a_foreign_process_is_found_by_its_executable_and_arguments() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("db-server");
    std::fs::copy("/bin/sleep", &program).unwrap();
    let mut wanted = Command::new(&program).arg("1001").spawn().unwrap();
    let mut other = Command::new(&program).arg("1002").spawn().unwrap();
    let executable = format!("{}/db-*", folder.path().canonicalize().unwrap().display());
    let foreign = vec![ProcessMatch::Command { executable, arguments: Some("^1001$".to_owned()) }];
    let platform = LocalPlatform::attach_or_start(LocalOptions { foreign, ..LocalOptions::default() }).await.unwrap();
    let found = platform.inventory().await.unwrap().instances;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].service.0, "db-server");
    let acts = [on(&platform, Fault::Kill { signal: None }, found[0].clone()).await];
    let effects = platform.inject(&acts).await;
    assert!(platform.verify(&acts, effects).await[0].status.happened());
    assert!(!wanted.wait().unwrap().success());
    assert!(other.try_wait().unwrap().is_none(), "the one with other arguments is left alone");
    other.kill().unwrap();
    other.wait().unwrap();
}

#[tokio::test]
async fn two_supervisors_at_the_same_moment_are_one() {
    let rig = Rig::new("name: one\nservices:\n  web:\n    command: [sleep, '1000']\n");
    let mut both = [rig.command().spawn().unwrap(), rig.command().spawn().unwrap()];
    let platform = loop {
        let platform = rig.attach().await;
        if platform.inventory().await.is_ok_and(|i| !i.instances.is_empty()) {
            break platform;
        }
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    };
    eventually("one of them gave way", async || both.iter_mut().any(|child| child.try_wait().unwrap().is_some())).await;
    let lasting = both.iter_mut().filter_map(|c| c.try_wait().unwrap().is_none().then_some(c)).collect::<Vec<_>>();
    assert_eq!(lasting.len(), 1);
    assert_eq!(find(&platform, "web-local-1").await.unwrap().state, InstanceState::Running);
    for child in lasting {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    rig.nothing_runs().await;
}

/// Ignores SIGTERM, forks without end, leaves its session twice over without its environment, and writes much.
const HOSTILE: &str = r#"
name: hostile
services:
  web:
    command: [sh, -c, "trap '' TERM; (setsid env -i sh -c '(setsid sleep 1234 &) ; exec sleep 1235' &) ; (head -c 100000000 /dev/zero | tr '\\0' 'x') ; while :; do sleep 0.5 & sleep 0.01; done"]
    stop-grace: 100ms
  neighbour:
    command: [sleep, "1000"]
"#;

#[tokio::test]
async fn a_hostile_service_is_killed_alone_and_nothing_of_it_outlives_the_supervisor() {
    let (mut rig, platform) = Rig::up(HOSTILE).await;
    let supervisor = rig.supervisor().id().cast_signed();
    let neighbour = find(&platform, "neighbour-local-1").await.unwrap();
    let born = || {
        let listing = firedrill::platform::local::process::all();
        firedrill::platform::local::process::descendants_of(&listing, supervisor)
            .into_iter()
            .map(|s| (s.pid, s.start_time))
            .collect::<Vec<_>>()
    };
    eventually("it forks", async || born().len() > 6).await;
    let (_, effect) = hit(&platform, Fault::Kill { signal: None }, "web-local-1").await;
    assert!(effect.status.happened(), "{effect:?}");
    assert_eq!(find(&platform, "neighbour-local-1").await.unwrap().identity, neighbour.identity, "the neighbour is whole");
    assert_eq!(find(&platform, "neighbour-local-1").await.unwrap().state, InstanceState::Running);
    let logs: u64 = std::fs::read_dir(rig.place().logs()).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).sum();
    assert!(logs < 8 * 1024 * 1024, "{logs} bytes of output are kept");

    let all = born();
    assert!(!all.is_empty());
    rig.supervisor().kill().unwrap();
    rig.supervisor().wait().unwrap();
    eventually("nothing is left", async || {
        let listing = firedrill::platform::local::process::all();
        !listing.iter().any(|s| s.alive() && all.contains(&(s.pid, s.start_time)))
    })
    .await;
    rig.nothing_runs().await;
}

#[tokio::test]
async fn a_watcher_that_does_not_read_is_told_what_it_missed_and_costs_the_others_nothing() {
    use firedrill::{
        model::act::Group,
        platform::local::{client::Client, control::Request, supervisor::BEHIND_AT_MOST},
    };
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

    let (rig, platform) = Rig::up("name: one\nservices:\n  web:\n    command: [sleep, '1000']\n").await;
    let mut idle = tokio::net::UnixStream::connect(rig.place().socket()).await.unwrap();
    idle.write_all(b"{\"request\":\"watch\"}\n").await.unwrap();
    let mut idle = BufReader::new(idle);
    let mut line = String::new();
    idle.read_line(&mut line).await.unwrap();
    assert_eq!(line, "\n", "it watches");

    let mut reading = platform.observe().await.unwrap();
    let client = Client::new(rig.place().socket());
    let told = BEHIND_AT_MOST + 2000;
    // Each of these is an observation: a note.
    for _ in 0..told {
        let suspend = Request::SuspendReplacement { holder: "x".to_owned(), group: Group::default() };
        client.ask(&suspend).await.unwrap();
        reading.recv().await.expect("the one that reads misses nothing");
    }
    let mut lines = Vec::new();
    let whole = async {
        let mut rest = idle.lines();
        while let Some(line) = rest.next_line().await.unwrap() {
            lines.push(line);
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), whole).await.expect("its stream ends");
    assert!(lines.len() > BEHIND_AT_MOST && lines.len() < told, "{} of {told}", lines.len());
    assert!(lines.last().unwrap().contains("observations behind"), "{:?}", lines.last());
}
