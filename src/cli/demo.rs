//! `firedrill demo`: a real drill from the binary alone. The files of `examples/demo` are inside it.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
};

use super::{
    args::{Demo, DemoKind, Place},
    connect, fresh, gallery, ladder, loading,
    runner::{self, Job, Ran},
    say, signals,
};
use crate::{
    engine::{halt::Halt, mitigated::Mitigated},
    model::verdict::Verdict,
};

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
        DemoKind::Ladder => Box::pin(ladder::climb(&args.out)).await,
        DemoKind::Gallery => match gallery::choose(&args.only) {
            Ok(chosen) => Box::pin(gallery::visit(chosen, &args.out)).await,
            Err(unknown) => {
                say::problem(unknown);
                return Verdict::Invalid.exit_code();
            }
        },
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
    let ran = file(&folder.path.join("experiment.yaml"), None, &["port"], &[], out, &halt, false).await?;
    Ok(ran.verdict)
}

/// Loads and runs one file, with a free port for each of these variables.
pub(super) async fn file(
    path: &Path,
    env: Option<&str>,
    ports: &[&str],
    vars: &[(String, String)],
    out: &Path,
    halt: &Halt,
    quiet: bool,
) -> Result<Ran, String> {
    let mut vars = vars.to_vec();
    for (name, port) in ports.iter().zip(free_ports(ports.len())?) {
        vars.push(((*name).to_owned(), port.to_string()));
    }
    let place = Place { env: env.map(str::to_owned), vars };
    let checked = loading::load(path, &place, loading::Purpose::Run).map_err(|diagnostics| diagnostics.to_string())?;
    let (experiment, environment) = (checked.experiment, checked.environment);
    let seed = experiment.seed.map_or_else(fresh::seed, Ok)?;
    let platform = connect::connect(&environment, &experiment).await?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let job = Job { experiment, file: name, environment, plan: None, seed, run: None, mitigated: Mitigated::default() };
    let ran = Box::pin(runner::run(job, &platform, out, halt, quiet)).await;
    platform.disconnect().await;
    ran
}

/// So many ports that are free now. Somebody may take one before the system does; then the system says so and nothing has happened.
fn free_ports(n: usize) -> Result<Vec<u16>, String> {
    // All are held until the last is found, so that no two are the same.
    let listeners: Result<Vec<_>, _> = (0..n).map(|_| TcpListener::bind(("127.0.0.1", 0))).collect();
    let ports = listeners.and_then(|all| all.iter().map(|listener| Ok(listener.local_addr()?.port())).collect());
    ports.map_err(|error| format!("no port is free: {error}"))
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
