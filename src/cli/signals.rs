//! Signals to halt: Ctrl-C, SIGTERM and a closed terminal each count as one call.

use std::io::BufRead;

use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};

use crate::engine::{halt::Halt, mitigated::Mitigated};

/// Listens until the returned set is dropped.
///
/// # Errors
/// When the handlers cannot be installed.
pub fn listen(halt: &Halt) -> std::io::Result<JoinSet<()>> {
    let mut listeners = JoinSet::new();
    for (kind, name) in [
        (SignalKind::interrupt(), "Ctrl-C"),
        (SignalKind::terminate(), "SIGTERM"),
        (SignalKind::hangup(), "the terminal was closed (SIGHUP)"),
    ] {
        let mut stream = signal(kind)?;
        let halt = halt.clone();
        listeners.spawn(async move {
            while stream.recv().await.is_some() {
                halt.call(name);
            }
        });
    }
    Ok(listeners)
}

/// What a game day writes to the drill that it started, with the name of who said it behind.
pub const MITIGATED: &str = "mitigated ";

/// Hears who started this: a word that the fault is mitigated; and halts when standard input ends. On a thread of its own, which nobody
/// waits for: reading cannot be stopped from outside.
pub fn from_starter(halt: &Halt, mitigated: &Mitigated) {
    let (halt, mitigated) = (halt.clone(), mitigated.clone());
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if let Some(by) = line.strip_prefix(MITIGATED) {
                mitigated.say(by);
            }
        }
        halt.call("the process that started it is gone");
    });
}
