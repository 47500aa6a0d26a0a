//! The shop on Docker, brought up by the real Compose as its README says: HAProxy's cookie, Redis with Sentinels, PostgreSQL with a streaming
//! standby. Each drill gives the verdict that the README gives, for the reason given there.

use std::{
    collections::BTreeSet,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value as Json;

use super::rig::{Ran, firedrill, free_port};
use crate::support::{
    composed::Composed,
    engine::{Engine, HAPROXY, POSTGRES, REDIS, WHAT_TIME},
    quiet::quiet,
};

/// Two in each of three zones.
const SERVERS: usize = 6;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/shop")
}

/// The shop of these Compose files.
struct Shop<'e> {
    engine: &'e Engine,
    project: Composed<'e>,
    port: u16,
}

fn shop<'e>(engine: &'e Engine, files: &[&str], settings: &[(&str, &str)]) -> Shop<'e> {
    let files: Vec<PathBuf> = files.iter().map(|file| folder().join(file)).collect();
    let port = free_port();
    let text = port.to_string();
    let mut variables =
        vec![("SHOP_IMAGE", WHAT_TIME), ("HAPROXY_IMAGE", HAPROXY), ("REDIS_IMAGE", REDIS), ("FIREDRILL", env!("CARGO_BIN_EXE_firedrill"))];
    variables.extend(settings);
    variables.push(("PORT", &text));
    let project = engine.compose_all(&files, &variables);
    await_carts(port);
    Shop { engine, project, port }
}

impl Shop<'_> {
    fn drill(&self, experiment: &str) -> Ran {
        let (project, port) = (format!("project={}", self.project.name()), format!("port={}", self.port));
        firedrill(self.engine, &folder(), &["run", experiment, "--env", "docker", "--var", &project, "--var", &port])
    }
}

fn state(ran: &Ran) -> &Json {
    &ran.result["measurement"]["probes"][0]["state"]
}

/// The drill failed because of this condition, and not because the system was sick before.
fn fails_by(ran: Ran, condition: &str) -> Ran {
    let ran = ran.expect(1, "failed");
    let broken = ran.broken();
    assert!(broken.iter().any(|found| found == condition), "{broken:?}");
    assert!(!broken.iter().any(|found| found.ends_with("in baseline")), "{broken:?}");
    ran
}

#[test]
fn carts_in_memory_are_lost_with_their_server_and_only_they() {
    let _quiet = quiet();
    let engine = Engine::shared();
    let ran = fails_by(shop(&engine, &["compose.yaml"], &[]).drill("instance.yaml"), "cart lost == 0 in the run");
    let [victim] = ran.victims() else { panic!("{}", ran.said) };
    let lived: Vec<(&String, u64)> =
        state(&ran)["lost_by_backend"].as_object().unwrap().iter().map(|(name, n)| (name, n.as_u64().unwrap())).collect();
    let [(name, lost)] = lived.as_slice() else { panic!("{}", state(&ran)) };
    assert!(victim["instance"].as_str().unwrap().starts_with(name.as_str()), "{victim} and {name}");
    assert!(*lost > 0 && state(&ran)["lost"] == *lost && *lost < 30, "{}", state(&ran));
}

#[test]
fn without_the_cookie_carts_in_memory_are_lost_before_anything_is_killed_and_in_a_cookie_none_is() {
    let _quiet = quiet();
    let engine = Engine::shared();
    let ran = shop(&engine, &["compose.yaml"], &[("BALANCE", "round-robin")]).drill("instance.yaml").expect(3, "not-started");
    assert!(ran.result["reason"].as_str().unwrap().contains("cart state-lost"), "{}", ran.said);
    let ran = shop(&engine, &["compose.yaml"], &[("BALANCE", "round-robin"), ("CART", "cookie")]).drill("instance.yaml");
    assert_eq!(state(&ran.expect(0, "passed"))["lost"], 0);
}

#[test]
fn carts_in_redis_outlive_a_zone_but_not_redis_unless_it_has_a_standby() {
    let _quiet = quiet();
    let engine = Engine::shared();
    {
        let alone = shop(&engine, &["compose.yaml", "compose.redis.yaml"], &[]);
        alone.drill("zone.yaml").expect(0, "passed");
        let ran = fails_by(alone.drill("store.yaml"), "cart lost == 0 in the run");
        assert!(state(&ran)["lost"].as_u64().unwrap() >= 60, "{}", state(&ran));
    }
    let standby = shop(&engine, &["compose.yaml", "compose.redis.yaml", "compose.redis-standby.yaml"], &[]);
    let ran = standby.drill("store.yaml").expect(0, "passed");
    assert_eq!((&state(&ran)["lost"], &state(&ran)["unchecked"]), (&0.into(), &0.into()), "{}", state(&ran));
}

#[test]
fn a_standby_that_confirms_loses_no_order() {
    let _quiet = quiet();
    let engine = Engine::shared();
    let (primary, standby) = (free_port().to_string(), free_port().to_string());
    let variables = [
        ("SHOP_IMAGE", WHAT_TIME),
        ("POSTGRES_IMAGE", POSTGRES),
        ("FIREDRILL", env!("CARGO_BIN_EXE_firedrill")),
        ("PRIMARY_PORT", &primary),
        ("STANDBY_PORT", &standby),
    ];
    let project = engine.compose_all(&[folder().join("compose.postgres.yaml")], &variables);
    let follows = || project.compose(&["logs", "--no-color", "standby"]).contains("started streaming WAL");
    assert!(
        (0..300).any(|_| follows() || {
            std::thread::sleep(Duration::from_millis(200));
            false
        }),
        "{}",
        project.compose(&["logs"])
    );
    let vars = [format!("project={}", project.name()), format!("primary-port={primary}"), format!("standby-port={standby}")];
    let arguments = ["run", "database.yaml", "--env", "docker-postgres", "--var", &vars[0], "--var", &vars[1], "--var", &vars[2]];
    let ran = firedrill(&engine, &folder(), &arguments).expect(0, "passed");
    let writes = state(&ran);
    assert!(writes["acknowledged"].as_u64().unwrap() > 300 && writes["lost"] == 0 && writes["unchecked"] == 0, "{writes}");
}

/// Waits until every server has taken something into a cart: until HAProxy knows them all, and they what keeps their carts.
fn await_carts(port: u16) {
    let answer = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(3)))?;
        let session = "0123456789abcdef0123456789abcdef";
        write!(
            stream,
            "POST /cart HTTP/1.1\r\nhost: x\r\ncookie: session={session}\r\ncontent-length: 8\r\nconnection: close\r\n\r\nitem=one"
        )?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        std::io::Result::Ok(text)
    };
    let mut servers = BTreeSet::new();
    for _ in 0..300 {
        let text = answer().unwrap_or_default();
        if text.starts_with("HTTP/1.1 200") {
            servers.extend(text.lines().find_map(|line| line.strip_prefix("x-served-by: ").map(str::to_owned)));
        }
        if servers.len() == SERVERS {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("only {servers:?} took something into a cart within 30 s");
}
