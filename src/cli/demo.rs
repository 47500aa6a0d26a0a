//! `firedrill demo`: a real drill from the binary alone. The files of `examples/demo` are inside it.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
};

use super::{
    args::{Demo, DemoKind, Place},
    connect, fresh, ladder, loading,
    runner::{self, Job, Ran},
    say, signals,
};
use crate::{engine::halt::Halt, model::verdict::Verdict};

/// The files of the demo, as they lie in the repository.
const FILES: [(&str, &str); 3] = [
    ("experiment.yaml", include_str!("../../examples/demo/experiment.yaml")),
    ("firedrill.yaml", include_str!("../../examples/demo/firedrill.yaml")),
    ("system.yaml", include_str!("../../examples/demo/system.yaml")),
];

/// Runs a demo.
pub async fn demo(args: Demo) -> u8 {
    let done = match args.which {
        DemoKind::Zone => zone(&args.out).await.map(Verdict::exit_code),
        DemoKind::Ladder => ladder::climb(&args.out).await,
    };
    match done {
        Ok(code) => code,
        Err(why) => {
            say::problem(why);
            Verdict::NotStarted.exit_code()
        }
    }
}

async fn zone(out: &Path) -> Result<Verdict, String> {
    let folder = Scratch::with(&FILES)?;
    say::out("Six servers in three zones behind a load balancer. A whole zone is going to die while 300 requests a second come in.\n\n");
    let halt = Halt::default();
    let _signals = signals::listen(&halt).map_err(|error| format!("signals cannot be handled: {error}"))?;
    let ran = file(&folder.path.join("experiment.yaml"), None, out, &halt, false).await?;
    Ok(ran.verdict)
}

/// Loads and runs one file on a free port.
pub(super) async fn file(path: &Path, env: Option<&str>, out: &Path, halt: &Halt, quiet: bool) -> Result<Ran, String> {
    let place = Place { env: env.map(str::to_owned), vars: vec![("port".to_owned(), free_port()?.to_string())] };
    let checked = loading::load(path, &place, loading::Purpose::Run).map_err(|diagnostics| diagnostics.to_string())?;
    let (experiment, environment) = (checked.experiment, checked.environment);
    let seed = experiment.seed.map_or_else(fresh::seed, Ok)?;
    let platform = connect::connect(&environment, &experiment).await?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let job = Job { experiment, file: name, environment, plan: None, seed };
    let ran = Box::pin(runner::run(job, &platform, out, halt, quiet)).await;
    platform.disconnect().await;
    ran
}

/// A port that is free now. Somebody may take it before the balancer does; then the system says so and nothing has happened.
fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    listener.map(|address| address.port()).map_err(|error| format!("no port is free: {error}"))
}

/// A folder of embedded files that goes when it is dropped.
pub(super) struct Scratch {
    pub(super) path: PathBuf,
}

impl Scratch {
    pub(super) fn with(files: &[(&str, &str)]) -> Result<Self, String> {
        let path = std::env::temp_dir().join(format!("firedrill-demo-{}", fresh::run_id()?));
        let made = std::fs::create_dir(&path).and_then(|()| {
            for (name, text) in files {
                let file = path.join(name);
                if let Some(parent) = file.parent() {
                    std::fs::create_dir_all(parent)?;
                }
                std::fs::write(file, text)?;
            }
            Ok(())
        });
        made.map(|()| Self { path: path.clone() }).map_err(|error| format!("{}: {error}", path.display()))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
