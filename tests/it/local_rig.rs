//! A local system on real processes, with a state directory of its own; everything of it ends with the test.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use firedrill::{
    model::{
        act::{Act, Effect, Prepared, Target},
        fault::Fault,
        ids::ActId,
        instance::Instance,
    },
    platform::{
        Platform,
        local::{LocalOptions, LocalPlatform, client::Client, rendezvous::Rendezvous},
    },
};

pub const BINARY: &str = env!("CARGO_BIN_EXE_firedrill");

/// Two instances in each of two zones of two regions, behind the balancer `www` (named so that a
/// service's instance comes first in the inventory).
pub const SITE: &str = r#"
name: site
regions: { north: [a], south: [b] }
services:
  web:
    command: ["${firedrill}", what-time, --listen, "${instance.address}", --instance, "${instance.id}", --zone, "${instance.zone}"]
    zones: { a: 2, b: 2 }
    health: { http: /health, every: 50ms, timeout: 1s, starts-within: 20s }
balancers:
  www:
    listen: "${edge}"
    service: web
    check: { http: /health, every: 10s, timeout: 5s, rise: 1, fall: 3 }
"#;

/// A folder with a system's file and a state directory.
pub struct Rig {
    pub folder: tempfile::TempDir,
    /// A free address of 127.0.0.1: `${edge}` in the file.
    pub edge: std::net::SocketAddr,
    up: Option<Child>,
}

impl Rig {
    /// A system that does not run yet.
    pub fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let edge = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let text = text.replace("${edge}", &edge.to_string()).replace("${folder}", &folder.path().to_string_lossy());
        std::fs::write(folder.path().join("system.yaml"), text).unwrap();
        Self { folder, edge, up: None }
    }

    /// One that `firedrill up` keeps, and the platform attached to it.
    pub async fn up(text: &str) -> (Self, LocalPlatform) {
        let mut rig = Self::new(text);
        rig.up = Some(rig.command().spawn().unwrap());
        let client = Client::new(rig.place().socket());
        eventually("the system is up", async || client.status().await.is_ok_and(|s| s.ready)).await;
        let platform = rig.attach().await;
        (rig, platform)
    }

    pub fn file(&self) -> PathBuf {
        self.path("system.yaml")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn state(&self) -> PathBuf {
        self.path("state")
    }

    pub fn place(&self) -> Rendezvous {
        Rendezvous::within(&self.state(), &self.file(), &std::collections::BTreeMap::default()).unwrap()
    }

    /// `firedrill up` of this system.
    pub fn command(&self) -> Command {
        let mut command = Command::new(BINARY);
        command.arg("up").arg(self.file()).env("FIREDRILL_STATE_DIR", self.state());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// The supervisor that `up` started.
    pub fn supervisor(&mut self) -> &mut Child {
        self.up.as_mut().unwrap()
    }

    pub async fn attach(&self) -> LocalPlatform {
        let options = LocalOptions { system: Some(self.file()), state: Some(self.state()), ..LocalOptions::default() };
        LocalPlatform::attach_or_start(options).await.unwrap()
    }

    /// The living processes that came from this state directory.
    pub fn processes(&self) -> Vec<i32> {
        let mark = format!("FIREDRILL_STATE_DIR={}", self.state().display());
        let carries =
            |pid: &i32| std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default().split(|b| *b == 0).any(|e| e == mark.as_bytes());
        firedrill::platform::local::process::all().iter().filter(|s| s.alive()).map(|s| s.pid).filter(carries).collect()
    }

    pub async fn nothing_runs(&self) {
        eventually("nothing of the system runs", async || self.processes().is_empty()).await;
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if let Some(mut child) = self.up.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

pub async fn find(platform: &LocalPlatform, id: &str) -> Option<Arc<Instance>> {
    platform.inventory().await.unwrap().instances.into_iter().find(|i| i.id.as_str() == id)
}

/// Prepares a fault on one instance.
pub async fn on(platform: &LocalPlatform, fault: Fault, instance: Arc<Instance>) -> Prepared {
    let act = Act { id: ActId { step: 1, act: 1 }, fault, target: Target::Instance(instance) };
    let undo = platform.prepare(&act).await.unwrap();
    Prepared { act, undo }
}

/// Prepares, injects and verifies a fault on one instance.
pub async fn hit(platform: &LocalPlatform, fault: Fault, id: &str) -> (Prepared, Effect) {
    let instance = find(platform, id).await.unwrap();
    let act = on(platform, fault, instance).await;
    let acts = std::slice::from_ref(&act);
    let effects = platform.inject(acts).await;
    let effect = platform.verify(acts, effects).await.remove(0);
    (act, effect)
}

pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..400 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never: {what}");
}

/// The text of a file that may not be there yet.
pub fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
