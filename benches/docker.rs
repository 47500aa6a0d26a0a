//! The figures of the Docker platform, each beside its bar: `cargo bench --bench docker`, or with the names of some groups:
//! `zone-kill`, `haproxy`, `outages`. As root: each group starts an engine of its own, with images that `scripts/lab` makes, and ends it.
//!
//! Other work on the machine shows in the figures: run it alone.

#[path = "../tests/it/docker/agreement.rs"]
#[cfg(feature = "docker")]
#[expect(dead_code, reason = "the tests use more of it")]
mod agreement;
#[path = "docker/haproxy.rs"]
#[cfg(feature = "docker")]
mod haproxy;
#[path = "docker/outages.rs"]
#[cfg(feature = "docker")]
mod outages;
#[path = "../tests/it/docker/rig.rs"]
#[cfg(feature = "docker")]
#[expect(dead_code, reason = "the tests use more of it")]
mod rig;
#[path = "docker/support.rs"]
#[cfg(feature = "docker")]
#[expect(dead_code, reason = "the tests use more of it")]
mod support;
#[path = "../tests/it/docker/syslog.rs"]
#[cfg(feature = "docker")]
mod syslog;
#[path = "docker/zone_kill.rs"]
#[cfg(feature = "docker")]
mod zone_kill;

/// An engine with every image.
#[cfg(feature = "docker")]
fn full_engine() -> support::engine::Engine {
    let engine = support::engine::Engine::start();
    let mut load = std::process::Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/lab"));
    load.arg("load").arg(engine.folder()).arg("all").env("FIREDRILL_LAB_BINARY", env!("CARGO_BIN_EXE_firedrill"));
    assert!(load.status().unwrap().success(), "scripts/lab could not make the images");
    engine
}

#[cfg(feature = "docker")]
fn main() {
    let groups: [(&str, fn()); 3] = [("zone-kill", zone_kill::print), ("haproxy", haproxy::print), ("outages", outages::print)];
    let asked: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    for name in &asked {
        assert!(groups.iter().any(|(group, _)| group == name), "no group `{name}`: zone-kill, haproxy, outages");
    }
    for (name, print) in groups {
        if asked.is_empty() || asked.iter().any(|a| a == name) {
            print();
        }
    }
}

#[cfg(not(feature = "docker"))]
fn main() {
    println!("this build has no platform `docker`");
}
