//! `limit`, `slow` and `loss`.

use std::{io::Read, net::TcpListener, time::Duration};

use firedrill::{
    clock,
    model::{fault::Fault, quantity::Share},
    platform::docker::network::machine,
};

use super::rig::{done, inject, instance, platform, prepare, refused, undone};
use crate::{
    conformance::conforms,
    support::{
        engine::{Engine, SMALL},
        project::Container,
    },
};

const BYTES: usize = 400_000;

/// How long a container needs to send so many bytes to this machine.
fn sending(container: &Container<'_>, gateway: &str) -> Duration {
    let listener = TcpListener::bind((gateway, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let script = format!("head -c {BYTES} /dev/zero >/dev/tcp/{gateway}/{port}");
    std::thread::scope(|scope| {
        scope.spawn(|| container.exec(&["bash", "-c", &script]));
        let (mut stream, _) = listener.accept().unwrap();
        let begun = clock::now();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        assert_eq!(all.len(), BYTES);
        clock::now().since(begun)
    })
}

#[tokio::test]
async fn a_limit_limits_and_goes() {
    let engine = Engine::shared();
    let project = engine.project("limit");
    let container = project.container("web").image(SMALL).start();
    let gateway = container.inspect("{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}");
    let platform = platform(&project).await;
    let victim = instance(&platform, &container.name).await;
    let limit = Fault::Limit { rate: 100_000 };
    let act = prepare(&platform, limit.clone(), &victim).await;
    let rival = prepare(&platform, Fault::Limit { rate: 1_000_000 }, &victim).await;
    done(&platform, &act).await;
    // 400 kB at 100 kB/s; the bucket and the queue of the kernel's socket hold less than half of it.
    assert!(sending(&container, &gateway) > Duration::from_secs(2));
    let why = refused(&platform, limit, &victim).await;
    assert!(why.contains("shaped already") && why.contains("another fault of firedrill"), "{why}");
    // One that was prepared before the other was done does not take its place, and its undo does not take the other away.
    let effect = inject(&platform, &rival).await;
    assert!(effect.status.why().is_some_and(|why| why.contains("shaped already")), "{effect:?}");
    super::rig::nothing(&platform, &rival).await;
    assert!(sending(&container, &gateway) > Duration::from_secs(2));
    undone(&platform, &act).await;
    assert!(sending(&container, &gateway) < Duration::from_secs(2));
}

#[tokio::test]
async fn a_limit_conforms() {
    let engine = Engine::shared();
    let project = engine.project("limits");
    project.container("web").image(SMALL).start();
    conforms(&platform(&project).await, 1, &Fault::Limit { rate: 1_000_000 }).await;
}

/// Not every kernel has netem; one that has not is named before anything is done.
#[tokio::test]
async fn delay_and_loss_conform_or_are_refused_by_name() {
    let engine = Engine::shared();
    let project = engine.project("netem");
    let container = project.container("web").image(SMALL).start();
    let platform = platform(&project).await;
    let cannot = machine::cannot_delay().await;
    let faults =
        [Fault::Slow { latency: Duration::from_millis(100), jitter: Duration::from_millis(20) }, Fault::Loss { share: Share(0.5) }];
    for (step, fault) in (1..).step_by(10).zip(faults) {
        match &cannot {
            None => conforms(&platform, step, &fault).await,
            Some(why) => {
                let said = refused(&platform, fault, &instance(&platform, &container.name).await).await;
                assert!(said.contains(why) && said.contains("netem"), "{said}");
            }
        }
    }
}
