//! Signals to halt: Ctrl-C, SIGTERM and a closed terminal each count as one call.

use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};

use crate::engine::halt::Halt;

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

/// Halts when standard input ends. On a thread of its own, which nobody waits for: reading cannot be stopped from outside.
pub fn at_end_of_input(halt: &Halt) {
    let halt = halt.clone();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        halt.call("the daemon that started it is gone");
    });
}
