//! `stress`: what is taken is seen from outside, and given back.

use std::time::Duration;

use firedrill::{
    model::{act::EffectStatus, fault::Fault},
    platform::Platform,
};

use super::rig::{Far, done, inject, instance, nothing, platform, prepare, refused, undone};
use crate::{
    conformance::conforms,
    support::{engine::Engine, project::Container},
};

const MB: u64 = 1_000_000;

/// Milliseconds of the processor and bytes of memory that the processes of a container's control group have, as this machine's kernel
/// counts them: all processes whose control group names it.
fn used(container: &Container<'_>) -> (u64, u64, usize) {
    let (mut ticks, mut memory, mut count) = (0, 0, 0);
    for entry in std::fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
        let read = |file: &str| std::fs::read_to_string(entry.path().join(file)).unwrap_or_default();
        if !read("cgroup").contains(&container.id) {
            continue;
        }
        count += 1;
        let stat = read("stat");
        let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        ticks += [11, 12].iter().filter_map(|n| fields.get(*n)?.parse::<u64>().ok()).sum::<u64>();
        let rss = read("status").lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().trim_end_matches(" kB").parse::<u64>().ok());
        memory += rss.unwrap_or(0) * 1024;
    }
    (ticks * 10, memory, count)
}

#[tokio::test]
async fn all_of_it_is_taken_and_given_back() {
    let engine = Engine::shared();
    let project = engine.project("stress");
    let container = project.container("web").start();
    let platform = platform(&project).await;
    let victim = instance(&platform, &container.name).await;
    let (_, memory, processes) = used(&container);
    let free = || container.exec(&["sh", "-c", "df -k /var/tmp | tail -n 1"]);
    let kilobytes = |line: &str| line.split_whitespace().nth(2).unwrap().parse::<u64>().unwrap();
    let disk = kilobytes(&free());
    let act = prepare(&platform, Fault::Stress { cpu: Some(1), memory: Some(60 * MB), disk: Some(200 * MB) }, &victim).await;
    assert!(act.undo.says().contains("1 busy loops"), "{}", act.undo.says());
    assert_eq!(used(&container).2, processes, "preparing starts nothing");
    done(&platform, &act).await;

    let (cpu, held, more) = used(&container);
    assert!(held > memory + 55 * MB, "{held} bytes are held, {memory} were before");
    assert!(more >= processes + 6, "{more} processes, {processes} before");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(used(&container).0 >= cpu + 50, "the processor is kept busy");
    // Others use this disk too, but not 100 MB in a moment.
    assert!(kilobytes(&free()) > disk + 100_000, "{} kB used, {disk} before", kilobytes(&free()));
    assert_eq!(container.exec(&["sh", "-c", "ls -A /var/tmp"]), "", "its file has no name");
    let again = inject(&platform, &act).await;
    assert!(matches!(&again.status, EffectStatus::Refused { why } if why.contains("already")), "{again:?}");
    assert_eq!(used(&container).2, more);

    // Another process, as a recovery would.
    let other = super::rig::platform(&project).await;
    undone(&other, &act).await;
    let (_, held, left) = used(&container);
    assert_eq!(left, processes, "not even a zombie is left");
    assert!(held < memory + 20 * MB, "{held} bytes are still held");
    assert!(kilobytes(&free()) < disk + 100_000, "{} kB used, {disk} before", kilobytes(&free()));
    nothing(&other, &act).await;
}

#[tokio::test]
async fn stresses_conform() {
    let engine = Engine::shared();
    let project = engine.project("stresses");
    // Neither root nor its own folder to write to.
    project.container("web").flag("--user").flag("65534").start();
    let platform = platform(&project).await;
    conforms(&platform, 1, &Fault::Stress { cpu: Some(2), memory: None, disk: None }).await;
    conforms(&platform, 11, &Fault::Stress { cpu: None, memory: Some(20 * MB), disk: None }).await;
    conforms(&Far::of(&project).await.platform, 21, &Fault::Stress { cpu: None, memory: None, disk: Some(10 * MB) }).await;
}

#[tokio::test]
async fn one_that_loses_its_head_is_still_ended() {
    let engine = Engine::shared();
    let project = engine.project("headless");
    let container = project.container("web").start();
    let platform = platform(&project).await;
    let act =
        prepare(&platform, Fault::Stress { cpu: Some(1), memory: Some(MB), disk: None }, &instance(&platform, &container.name).await).await;
    done(&platform, &act).await;
    // The first process, by its script: the loops end without it, the rest by the undo.
    let script = "for p in /proc/[0-9]*; do read -r x x x parent x <$p/stat; [ \"$parent\" != 0 ] || [ \"${p#/proc/}\" = 1 ] || \
                  [ \"${p#/proc/}\" = $$ ] || kill -9 ${p#/proc/}; done";
    container.exec(&["sh", "-c", script]);
    platform.revert(&act).await.expect("it is undone");
    let all = container.exec(&["sh", "-c", "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | grep -c FIREDRILL_STRESS || true"]);
    assert_eq!(all, "0");
}

#[tokio::test]
async fn what_is_not_there_is_said_and_too_much_is_no_pass() {
    let engine = Engine::shared();
    let project = engine.project("short");
    let lacking = project.container("web").start();
    lacking.exec(&["rm", "/usr/bin/wc"]);
    let platform = platform(&project).await;
    let cpu = Fault::Stress { cpu: Some(1), memory: None, disk: None };
    let why = refused(&platform, cpu, &instance(&platform, &lacking.name).await).await;
    assert!(why.contains("has no `wc`") && why.contains("needs sh, head, tail"), "{why}");
    let small = project.container("small").flag("--tmpfs").flag("/var/tmp:size=1m").start();
    let act =
        prepare(&platform, Fault::Stress { cpu: None, memory: None, disk: Some(5 * MB) }, &instance(&platform, &small.name).await).await;
    let effect = inject(&platform, &act).await;
    assert!(matches!(&effect.status, EffectStatus::Unknown { why } if why.contains("of 5000000 bytes of disk")), "{effect:?}");
    undone(&platform, &act).await;
}
