//! The platform on a project; an engine that seems to be on another machine; acts, one after another.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use firedrill::{
    model::{
        act::{Act, Effect, Prepared, Target},
        environment::{DockerHost, DockerSpec},
        fault::Fault,
        ids::ActId,
        instance::Instance,
    },
    platform::{Platform, PlatformError, Reverted, docker::DockerPlatform},
};
use tokio::{
    net::{TcpListener, UnixStream},
    task::JoinSet,
};

use crate::support::project::Project;

/// The platform, as an environment with this project would connect to it.
pub async fn platform(project: &Project<'_>) -> DockerPlatform {
    connected(project, project.engine().address()).await
}

async fn connected(project: &Project<'_>, address: String) -> DockerPlatform {
    let host = DockerHost { host: Some(address), ..DockerHost::default() };
    let spec = DockerSpec { project: Some(project.name().to_owned()), hosts: vec![host], ..DockerSpec::default() };
    DockerPlatform::connect(spec).await.expect("connected")
}

/// The same engine by TCP: to the platform it may be anywhere.
pub struct Far {
    pub platform: DockerPlatform,
    _way: JoinSet<()>,
}

impl Far {
    pub async fn of(project: &Project<'_>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("tcp://{}", listener.local_addr().unwrap());
        let mut way = JoinSet::new();
        way.spawn(carry(listener, project.engine().socket()));
        Self { platform: connected(project, address).await, _way: way }
    }
}

async fn carry(listener: TcpListener, socket: PathBuf) {
    let mut open = JoinSet::new();
    while let Ok((mut near, _)) = listener.accept().await {
        let mut far = UnixStream::connect(&socket).await.unwrap();
        open.spawn(async move {
            let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
        });
    }
}

/// An instance by name.
pub async fn instance(platform: &DockerPlatform, name: &str) -> Arc<Instance> {
    let all = platform.inventory().await.expect("an inventory").instances;
    all.iter().find(|i| i.name == name).unwrap_or_else(|| panic!("{name} is not among {all:?}")).clone()
}

/// Prepares a fault on one instance.
pub async fn try_prepare(platform: &DockerPlatform, fault: Fault, victim: &Arc<Instance>) -> Result<Prepared, PlatformError> {
    let act = Act { id: ActId { step: 1, act: 1 }, fault, target: Target::Instance(Arc::clone(victim)) };
    let undo = platform.prepare(&act).await?;
    Ok(Prepared { act, undo })
}

/// The same; it can be prepared.
pub async fn prepare(platform: &DockerPlatform, fault: Fault, victim: &Arc<Instance>) -> Prepared {
    try_prepare(platform, fault, victim).await.expect("it can be prepared")
}

/// Why a fault cannot be prepared.
pub async fn refused(platform: &DockerPlatform, fault: Fault, victim: &Arc<Instance>) -> String {
    match try_prepare(platform, fault, victim).await {
        Err(PlatformError::Refused(why)) => why,
        other => panic!("not refused: {other:?}"),
    }
}

/// Does it, whatever comes of it.
pub async fn inject(platform: &DockerPlatform, act: &Prepared) -> Effect {
    let acts = std::slice::from_ref(act);
    let effects = platform.inject(acts).await;
    platform.verify(acts, effects).await.remove(0)
}

/// Does it; it happens.
pub async fn done(platform: &DockerPlatform, act: &Prepared) -> Effect {
    let effect = inject(platform, act).await;
    assert!(effect.status.happened(), "{effect:?}");
    effect
}

/// Undoes it: what it says, if there was something to undo.
pub async fn undone(platform: &DockerPlatform, act: &Prepared) -> String {
    match platform.revert(act).await.expect("it is undone") {
        Reverted::Restored { says } => says,
        Reverted::NothingToUndo { why } => panic!("nothing to undo: {why}"),
    }
}

/// The status line of one request on a connection of its own.
pub fn get(address: SocketAddr) -> Result<String, ErrorKind> {
    let limit = Duration::from_secs(2);
    let ask = || {
        let mut stream = TcpStream::connect_timeout(&address, limit)?;
        stream.set_read_timeout(Some(limit))?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        std::io::Result::Ok(text.lines().next().unwrap_or_default().to_owned())
    };
    ask().map_err(|error| error.kind())
}

/// Asks until there is an answer.
pub fn answers(address: SocketAddr) {
    for _ in 0..100 {
        if get(address).is_ok_and(|line| line.contains("200")) {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{address} does not answer: {:?}", get(address));
}

/// There is nothing to undo: why.
pub async fn nothing(platform: &DockerPlatform, act: &Prepared) -> String {
    match platform.revert(act).await.expect("it is undone") {
        Reverted::Restored { says } => panic!("there was something to undo: {says}"),
        Reverted::NothingToUndo { why } => why,
    }
}
