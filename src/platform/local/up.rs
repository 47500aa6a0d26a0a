//! `firedrill up SYSTEM`: the supervisor in the foreground, until Ctrl-C, SIGTERM, or (for a run) the end of stdin.

use std::{
    collections::BTreeMap,
    fs::DirBuilder,
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::PathBuf,
};

use tokio::{
    io::AsyncReadExt,
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    task::JoinSet,
};

use super::{
    containment::{Containment, contain},
    rendezvous::Rendezvous,
    server, spec_file,
    supervisor::{self, Message, Setup, Supervisor},
    system_vars,
};
use crate::{
    file::Diagnostics,
    model::observation::{Observation, Observed},
};

/// What the verb is asked for.
#[derive(Debug, Clone)]
pub struct UpArgs {
    /// The system's file.
    pub system: PathBuf,
    /// Values that win over the file's own `vars`.
    pub vars: BTreeMap<String, String>,
    /// End when stdin ends: what started this is gone.
    pub for_run: bool,
    /// How processes are contained.
    pub containment: Containment,
    /// The binary that `${firedrill}` stands for; this one unless told.
    pub program: Option<PathBuf>,
}

/// Why a system did not come up or did not end well. Nothing of it runs, unless the words say so.
#[derive(Debug, thiserror::Error)]
pub enum UpError {
    /// The file is wrong.
    #[error("{}", .0.text(false))]
    Invalid(Diagnostics),
    /// It runs already.
    #[error("{system} already runs: its supervisor is process {pid}")]
    Runs {
        /// The file.
        system: PathBuf,
        /// Whose it is.
        pid: String,
    },
    /// Something did not start, or died at once, or did not become healthy.
    #[error("{0}")]
    Failed(String),
    /// The machine said no.
    #[error("{doing}: {error}")]
    Machine {
        /// What was tried.
        doing: &'static str,
        /// What it said.
        error: io::Error,
    },
}

fn machine(doing: &'static str) -> impl FnOnce(io::Error) -> UpError {
    move |error| UpError::Machine { doing, error }
}

/// Runs a system until it is told to end. Blocks. To be called from a process without other threads, outside of any runtime: see
/// `containment`.
pub fn run(arguments: &UpArgs) -> Result<(), UpError> {
    let spec = spec_file::load(&arguments.system, &arguments.vars).map_err(UpError::Invalid)?;
    if !arguments.for_run {
        system_vars::all_used(&arguments.system, &arguments.vars).map_err(UpError::Invalid)?;
    }
    let place = Rendezvous::of(&arguments.system, &arguments.vars).map_err(machine("cannot prepare the control socket"))?;
    let taken = match place.take().map_err(machine("cannot take the system's lock"))? {
        Ok(taken) => taken,
        Err(pid) => return Err(UpError::Runs { system: arguments.system.clone(), pid }),
    };
    let program = match &arguments.program {
        Some(program) => program.clone(),
        None => std::env::current_exe().map_err(machine("cannot find the path of this binary"))?,
    };
    place.tidy();
    let mark = place.mark(std::process::id());
    let logs = place.logs();
    DirBuilder::new().recursive(true).mode(0o700).create(&logs).map_err(machine("cannot make a folder for the output"))?;
    let data = place.data().map_err(machine("cannot make a folder for the system's data"))?;
    let contained = contain(arguments.containment, &program, &mark).map_err(machine("cannot contain the system's processes"))?;
    let setup = Setup {
        spec,
        program,
        scope: place.system.clone(),
        mark: mark.clone(),
        logs,
        data: data.path().to_owned(),
        containment: contained.how,
        warden: contained.warden.cast_signed(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(machine("cannot start"))?;
    let ended = runtime.block_on(foreground(setup, &place, arguments.for_run));
    // Its processes are gone; what they kept goes too.
    drop(data);
    drop(taken);
    ended
}

async fn foreground(setup: Setup, place: &Rendezvous, for_run: bool) -> Result<(), UpError> {
    let listener = server::listen(&place.socket()).map_err(machine("cannot listen on the control socket"))?;
    let (supervisor, outbox) = Supervisor::new(setup);
    let mut tasks = JoinSet::new();
    tasks.spawn(server::serve(listener, outbox.clone()));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(machine("cannot listen for signals"))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(machine("cannot listen for signals"))?;
    let stopper = outbox.clone();
    tasks.spawn(async move {
        let why = tokio::select! {
            _ = interrupt.recv() => "interrupted",
            _ = terminate.recv() => "asked to end by SIGTERM",
            () = stdin_ends(), if for_run => "what started it has ended",
        };
        let _ = stopper.send(Message::Stop { why: why.to_owned() });
    });
    if !for_run {
        tasks.spawn(print(outbox.clone()));
    }
    supervisor.run().await.map(|_| ()).map_err(UpError::Failed)
}

/// Prints what happens, until the system ends. After a terminal that stood still, what it missed is told as missed, and it goes on.
async fn print(outbox: mpsc::UnboundedSender<Message>) {
    loop {
        let (sender, mut observations) = supervisor::watch();
        if outbox.send(Message::Watch { sender }).is_err() {
            return;
        }
        while let Some(observation) = observations.recv().await {
            // The terminal may be gone; the system goes on.
            let _ = writeln!(io::stdout(), "{}", line(&observation));
        }
    }
}

/// Returns when stdin, a pipe, has ended. Without a thread: this process may have none.
async fn stdin_ends() {
    let Ok(pipe) = rustix::io::dup(rustix::stdio::stdin()) else { return };
    match tokio::net::unix::pipe::Receiver::from_owned_fd(pipe) {
        Ok(mut pipe) => while matches!(pipe.read(&mut [0_u8; 64]).await, Ok(1..)) {},
        // Not a pipe: nothing that could end.
        Err(_) => std::future::pending().await,
    }
}

/// An observation as a line on the terminal.
pub fn line(observation: &Observation) -> String {
    let says = match &observation.what {
        Observed::Died { instance, how, .. } => format!("{instance} {how}"),
        Observed::Ejected { instance, why, .. } => format!("{instance} is ejected: {why}"),
        Observed::Admitted { instance, .. } => format!("{instance} is admitted"),
        Observed::Launched { instance, replaces: Some(old), .. } => format!("{instance} is launched in place of {old}"),
        Observed::Launched { instance, .. } => format!("{instance} is launched"),
        Observed::InService { instance, .. } => format!("{instance} serves"),
        Observed::OutOfService { instance, why, .. } => format!("{instance} does not serve: {why}"),
        Observed::Capacity { service, serving, desired } => format!("{service}: {serving} of {desired} serve"),
        Observed::Note { text } | Observed::Alarm { text } => text.clone(),
    };
    format!("{:>12}  {says}", observation.source)
}
