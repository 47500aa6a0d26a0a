//! `partition`: a real connection hangs or is refused, and after the undo the same address answers as before.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use firedrill::{
    model::{
        act::EffectStatus,
        fault::{Fault, PartitionMode},
    },
    platform::{Platform, Reverted},
};

use super::rig::{Far, answers, done, get, inject, instance, platform, prepare, refused, undone};
use crate::{
    conformance::conforms,
    support::{
        engine::{Engine, SMALL, WHAT_TIME},
        project::{Container, Project},
    },
};

const HANG: Fault = Fault::Partition { mode: PartitionMode::Hang };
const DISCONNECT: Fault = Fault::Partition { mode: PartitionMode::Disconnect };
const REFUSE: Fault = Fault::Partition { mode: PartitionMode::Refuse };

fn site<'p>(project: &'p Project<'_>) -> (Container<'p>, SocketAddr) {
    let site = project.container("web").zone("a").image(WHAT_TIME).command(&["--listen", "0.0.0.0:8080"]).start();
    let address = format!("{}:8080", site.ip(&format!("{}_default", project.name()))).parse().unwrap();
    answers(address);
    (site, address)
}

fn outward(site: &Container<'_>, to: SocketAddr) -> bool {
    let script = format!("exec 3<>/dev/tcp/{}/{}", to.ip(), to.port());
    site.try_exec(&["timeout", "2", "bash", "-c", &script])
}

#[tokio::test]
async fn a_partition_that_hangs_hangs_and_passes_again() {
    let engine = Engine::shared();
    let project = engine.project("hang");
    let (site, address) = site(&project);
    let (_, neighbour) = self::site(&project);
    let platform = platform(&project).await;
    let act = prepare(&platform, HANG, &instance(&platform, &site.name).await).await;
    assert!(act.undo.says().contains(&site.name), "{}", act.undo.says());
    assert!(outward(&site, neighbour));
    let mut open = TcpStream::connect(address).unwrap();
    open.set_read_timeout(Some(Duration::from_secs(1))).unwrap();

    let effect = done(&platform, &act).await;
    assert!(effect.source.contains("network namespace"), "{effect:?}");
    assert_eq!(get(address), Err(ErrorKind::TimedOut), "a new connection hangs");
    open.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let heard = open.read(&mut [0; 10]).unwrap_err().kind();
    assert!(matches!(heard, ErrorKind::WouldBlock | ErrorKind::TimedOut), "an open connection hangs: {heard:?}");
    assert!(!outward(&site, neighbour), "it cannot reach others either");
    assert!(get(neighbour).is_ok(), "nobody else is hit");
    // Its own loopback and its health check are as before.
    assert!(outward(&site, "127.0.0.1:8080".parse().unwrap()));

    // Another process, as a recovery would.
    let other = super::rig::platform(&project).await;
    assert!(undone(&other, &act).await.contains("pass again"));
    assert!(get(address).unwrap().contains("200"), "the same address answers");
    open.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    assert!(open.read(&mut [0; 10]).unwrap() > 0, "the open connection goes on");
    assert!(outward(&site, neighbour));
}

#[tokio::test]
async fn a_partition_that_refuses_refuses_at_once() {
    let engine = Engine::shared();
    let project = engine.project("refuse");
    let (site, address) = site(&project);
    let platform = platform(&project).await;
    let act = prepare(&platform, REFUSE, &instance(&platform, &site.name).await).await;
    let mut open = TcpStream::connect(address).unwrap();
    open.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    done(&platform, &act).await;
    assert_eq!(get(address), Err(ErrorKind::ConnectionRefused));
    // An open connection ends at its next packet.
    open.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    assert_eq!(open.read(&mut [0; 10]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    let (_, neighbour) = self::site(&project);
    assert!(!outward(&site, neighbour) && outward(&site, "127.0.0.1:8080".parse().unwrap()));
    undone(&platform, &act).await;
    assert!(get(address).unwrap().contains("200"), "the same address answers");
}

#[tokio::test]
async fn partitions_conform() {
    let engine = Engine::shared();
    let project = engine.project("partitions");
    let _site = site(&project);
    let platform = platform(&project).await;
    conforms(&platform, 1, &HANG).await;
    conforms(&platform, 11, &REFUSE).await;
    conforms(&platform, 21, &DISCONNECT).await;
    let far = Far::of(&project).await;
    conforms(&far.platform, 31, &REFUSE).await;
    conforms(&far.platform, 41, &DISCONNECT).await;
}

#[tokio::test]
async fn a_far_engine_disconnects_and_connects_at_the_same_addresses() {
    let engine = Engine::shared();
    let project = engine.project("far");
    let range =
        engine.docker(&["network", "inspect", "--format", "{{(index .IPAM.Config 0).Subnet}}", &format!("{}_default", project.name())]);
    // A subnet that somebody chose, in the engine's own range and beyond what it gives away first.
    let octet = range.split('.').nth(1).unwrap().to_owned();
    let subnet = format!("10.{octet}.{}.0/24", 200 + std::process::id() % 50);
    let own = format!("{}_own", project.name());
    let label = format!("com.docker.compose.project={}", project.name());
    engine.docker(&["network", "create", "--label", &label, "--subnet", &subnet, &own]);
    let (site, _) = site(&project);
    let address = subnet.replace(".0/24", ".77");
    engine.docker(&["network", "connect", "--ip", &address, "--alias", "clock", "--alias", "watch", &own, &site.id]);
    let asker = project.container("asker").image(SMALL).start();
    engine.docker(&["network", "connect", &own, &asker.id]);
    let shape = || {
        let template = "{{range $name, $at := .NetworkSettings.Networks}}{{$name}} {{$at.IPAddress}} {{$at.MacAddress}} {{$at.Aliases}} {{$at.Links}} {{end}}";
        site.inspect(template)
    };
    let (before, direct) = (shape(), format!("{address}:8080").parse().unwrap());
    answers(direct);

    let far = Far::of(&project).await;
    let victim = instance(&far.platform, &site.name).await;
    let why = refused(&far.platform, HANG, &victim).await;
    assert!(why.contains("`mode: refuse`") && why.contains("on this machine"), "{why}");
    let act = prepare(&far.platform, REFUSE, &victim).await;
    assert!(act.undo.says().contains(&format!("{own} at {address}")), "{}", act.undo.says());
    done(&far.platform, &act).await;
    assert_eq!(site.inspect("{{len .NetworkSettings.Networks}}"), "0");
    assert!(get(direct).is_err());
    assert!(!asker.try_exec(&["getent", "hosts", "clock"]), "its names are gone");

    let says = undone(&far.platform, &act).await;
    let after = shape();
    let of = |all: &str, network: &str| all.split("] ").filter(|part| part.contains(network)).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(of(&after, &own), of(&before, &own), "the address that was chosen, its MAC, its names");
    // On a network without a subnet of its own this engine gives addresses itself; then it is said.
    assert!(after == before || says.contains("instead of"), "{says}: {before} / {after}");
    assert!(get(direct).unwrap().contains("200"));
    for name in ["clock", "watch", "web"] {
        assert!(asker.exec(&["getent", "hosts", name]).starts_with("10."), "{name}");
    }
}

#[tokio::test]
async fn who_shares_a_network_is_not_cut_off() {
    let engine = Engine::shared();
    let project = engine.project("shared");
    let (site, _) = site(&project);
    let alone = project.container("alone").start();
    let label = format!("com.docker.compose.project={}", project.name());
    let side = format!("{}-side", project.name());
    let run = |name: &str, network: &str| {
        engine.docker(&[
            "run",
            "-d",
            "--label",
            &label,
            "--label",
            "com.docker.compose.service=side",
            "--name",
            name,
            "--network",
            network,
            SMALL,
        ]);
    };
    run(&side, &format!("container:{}", site.name));
    let host = format!("{}-host", project.name());
    run(&host, "host");
    let none = format!("{}-none", project.name());
    run(&none, "none");
    let platform = platform(&project).await;
    for fault in [HANG, REFUSE, DISCONNECT, Fault::Limit { rate: 1_000_000 }] {
        let (sides, hosts) = ("that one would be hit too", "the machine's own network");
        for (name, words) in [(&site.name, side.as_str()), (&side, sides), (&host, hosts), (&none, "uses no network")] {
            let why = refused(&platform, fault.clone(), &instance(&platform, name).await).await;
            assert!(why.contains(words), "{fault:?} on {name}: {why}");
        }
    }
    prepare(&platform, HANG, &instance(&platform, &alone.name).await).await;
}

#[tokio::test]
async fn another_life_is_not_cut_off() {
    let engine = Engine::shared();
    let project = engine.project("lives");
    let (site, address) = site(&project);
    let platform = platform(&project).await;
    let act = prepare(&platform, HANG, &instance(&platform, &site.name).await).await;
    engine.docker(&["restart", "-t", "1", &site.id]);
    let effect = inject(&platform, &act).await;
    assert!(matches!(effect.status, EffectStatus::Vanished { .. }), "{effect:?}");
    let again = prepare(&platform, HANG, &instance(&platform, &site.name).await).await;
    done(&platform, &again).await;
    // A start takes the namespace and the rules away: nothing is left to undo, and nothing is in the way.
    engine.docker(&["restart", "-t", "1", &site.id]);
    let reverted = platform.revert(&again).await.unwrap();
    assert!(matches!(&reverted, Reverted::NothingToUndo { why } if why.contains("anew")), "{reverted:?}");
    answers(address);
}
