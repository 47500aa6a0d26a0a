//! How it is made sure that no process of a system outlives its supervisor, not even the supervisor's SIGKILL.
//!
//! First choice: a PID namespace. The supervisor unshares it before it has any thread; its first child is a tiny init
//! (`super::init`), and the kernel ends everything in the namespace when that init ends, which it does when its stdin, a pipe that
//! only the supervisor holds, ends. A process that may not make a namespace may often make one inside a user namespace.
//!
//! Second choice: the supervisor becomes the reaper of its orphans, so that its descendants stay its descendants, and a keeper in a
//! session of its own remembers them and kills them when the supervisor is gone.
//!
//! After the unshare the kernel refuses new threads in this process (a thread cannot be in another PID namespace than its
//! process's children): the supervisor runs on one thread.

use std::{
    fs, io,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
};

use rustix::{
    process::{getgid, getuid, set_child_subreaper},
    thread::{self, UnshareFlags},
};

/// Which way to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Containment {
    /// A namespace where allowed, else the keeper.
    #[default]
    Auto,
    /// A namespace or an error.
    Namespace,
    /// The keeper.
    Keeper,
}

impl Containment {
    /// What `FIREDRILL_CONTAINMENT` says (`namespace` or `keeper`), else `Auto`.
    pub fn from_environment() -> Self {
        match std::env::var("FIREDRILL_CONTAINMENT").as_deref() {
            Ok("namespace") => Self::Namespace,
            Ok("keeper") => Self::Keeper,
            _ => Self::Auto,
        }
    }
}

/// The process whose end, or whose watch, ends all others. Kept for as long as the supervisor lives.
#[derive(Debug)]
pub struct Contained {
    /// `namespace` or `keeper`.
    pub how: &'static str,
    // Its stdin is the pipe whose end tells it that this process is gone.
    _warden: Child,
    /// Its number, which is no orphan.
    pub warden: u32,
}

/// Contains all later children of this process. To be called before this process has a second thread.
pub fn contain(choice: Containment, program: &Path, system: &str) -> io::Result<Contained> {
    if choice != Containment::Keeper {
        match enter_namespace() {
            Ok(()) => return warden(program, &["namespace"], "namespace"),
            Err(e) if choice == Containment::Namespace => {
                return Err(io::Error::new(e.kind(), format!("a PID namespace is not allowed here: {e}")));
            }
            Err(_) => {}
        }
    }
    set_child_subreaper(rustix::process::Pid::from_raw(1))?;
    let own = std::process::id().to_string();
    warden(program, &["namespace", "--keeper", system, "--supervisor", &own], "keeper")
}

fn warden(program: &Path, arguments: &[&str], how: &'static str) -> io::Result<Contained> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    if how == "namespace" {
        // Ctrl-C at a terminal goes to the whole group in the foreground: this one is not to hear it. (A keeper makes a session.)
        command.process_group(0);
    }
    let mut child = command.spawn().map_err(|e| io::Error::new(e.kind(), format!("{} cannot be started: {e}", program.display())))?;
    let mut line = [0_u8; 6];
    if let Some(out) = &mut child.stdout {
        io::Read::read_exact(out, &mut line)
            .map_err(|_| io::Error::other(format!("`{} {}` did not start", program.display(), arguments.join(" "))))?;
    }
    let warden = child.id();
    Ok(Contained { how, _warden: child, warden })
}

/// Puts all later children into a new PID namespace.
#[expect(deprecated, reason = "the other form is unsafe for the sake of UnshareFlags::FILES, which is not used here")]
fn enter_namespace() -> io::Result<()> {
    let (user, group) = (getuid().as_raw(), getgid().as_raw());
    match thread::unshare(UnshareFlags::NEWPID) {
        Ok(()) => return Ok(()),
        Err(rustix::io::Errno::PERM) if user != 0 => {}
        Err(other) => return Err(other.into()),
    }
    thread::unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWPID)?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("{group} {group} 1"))
}
