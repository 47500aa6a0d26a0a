//! A terminal of the test's own, in which firedrill runs as it does under a person's hands.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Write},
    os::fd::OwnedFd,
    process::{Child, Command},
    sync::{Arc, Mutex},
};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// The other end of a terminal. Dropped, the terminal is closed.
pub struct Terminal {
    keys: File,
    shown: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    /// Runs a command in a session of its own on a new terminal, which controls it.
    pub fn run(command: &Command) -> (Self, Child) {
        let master: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let open = || OpenOptions::new().read(true).write(true).open(&name).unwrap();
        // `setsid` is no process group's leader here, so it becomes the command itself.
        let mut session = Command::new("setsid");
        session.arg("--ctty").arg(command.get_program()).args(command.get_args());
        session.stdin(open()).stdout(open()).stderr(open());
        if let Some(folder) = command.get_current_dir() {
            session.current_dir(folder);
        }
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => session.env(name, value),
                None => session.env_remove(name),
            };
        }
        let child = session.spawn().unwrap();
        drop(session);
        let keys = File::from(master);
        let shown = Arc::<Mutex<Vec<u8>>>::default();
        // The reader has an own descriptor, and a terminal is closed with the last one: it asks for each byte whether it is still wanted.
        let (mut from, kept) = (keys.try_clone().unwrap(), Arc::downgrade(&shown));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                let mut fds = [rustix::event::PollFd::new(&from, rustix::event::PollFlags::IN)];
                let soon = rustix::event::Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
                let ready = rustix::event::poll(&mut fds, Some(&soon)).is_ok_and(|n| n > 0);
                let Some(kept) = kept.upgrade() else { return };
                if ready {
                    match from.read(&mut buffer) {
                        Ok(n @ 1..) => kept.lock().unwrap().extend_from_slice(&buffer[..n]),
                        _ => return,
                    }
                }
            }
        });
        (Self { keys, shown }, child)
    }

    /// Presses keys: `\x03` is Ctrl-C, `\x1a` is Ctrl-Z.
    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// What stands on it.
    pub fn shows(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }
}
