//! Processes that firedrill did not start, and drills that stop some of them. The world is the state of each process, as the kernel tells it.

use std::{
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use firedrill::platform::process;
use rustix::process::{Pid, Signal, kill_process};

use super::rig::Rig;

/// Sleepers with pid files in a user's folder, and an environment in which they may be chosen.
pub struct Foreign {
    pub rig: Rig,
    sleepers: Vec<Child>,
    door: Door,
}

/// A port that is open until it is closed.
struct Door {
    at: SocketAddr,
    closed: Arc<AtomicBool>,
}

impl Door {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let door = Self { at: listener.local_addr().unwrap(), closed: Arc::default() };
        let closed = door.closed.clone();
        std::thread::spawn(move || {
            for _ in listener.incoming() {
                if closed.load(Ordering::SeqCst) {
                    return;
                }
            }
        });
        door
    }

    fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        // One more, so that it is noticed.
        drop(std::net::TcpStream::connect(self.at));
    }
}

impl Foreign {
    /// So many sleepers; `method` is that of `experiment.yaml`, whose only probe is a port of this test that is always open.
    pub fn new(sleepers: usize, head: &str, method: &str) -> Self {
        let rig = Rig::with("", "");
        let sleepers: Vec<Child> = (0..sleepers).map(|_| sleeper()).collect();
        for (n, child) in sleepers.iter().enumerate() {
            rig.write(&format!("sleeper-{n}.pid"), &child.id().to_string());
        }
        rig.write("firedrill.yaml", "environments:\n  here:\n    platform: { local: {} }\n    foreign: allowed\n");
        let door = Door::open();
        let at = door.at;
        rig.write(
            "experiment.yaml",
            &format!(
                "title: sleepers\nprobes:\n  door: {{ tcp: '{at}', rate: 50/s }}\n\
                 steady-state: [{{ probe: door, availability: '>= 10%' }}]\n{head}\nmethod:\n{method}"
            ),
        );
        Self { rig, sleepers, door }
    }

    /// The target of one sleeper, as it is written in a method.
    pub fn target(n: usize) -> String {
        format!("{{ process: {{ pid-file: sleeper-{n}.pid }} }}")
    }

    /// Each sleeper's number, when it began, and whether it is stopped.
    pub fn world(&self) -> Vec<(i32, u64, char)> {
        let state = |child: &Child| {
            let stat = process::stat(child.id().cast_signed()).expect("it is our child");
            // Running and waiting for a processor are one state of the world.
            (stat.pid, stat.start_time, if stat.stopped() { 'T' } else { 'S' })
        };
        self.sleepers.iter().map(state).collect()
    }

    /// From here on the probe finds its port closed.
    pub fn close_door(&self) {
        self.door.close();
    }

    /// Stops one, and waits until it is.
    pub fn stop(&self, n: usize) {
        let pid = Pid::from_child(&self.sleepers[n]);
        kill_process(pid, Signal::STOP).unwrap();
        while self.world()[n].2 != 'T' {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// How many are stopped.
    pub fn stopped(&self) -> usize {
        self.world().iter().filter(|(.., state)| *state == 'T').count()
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        self.door.close();
        for child in &mut self.sleepers {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn sleeper() -> Child {
    let child = Command::new("sleep").arg("1000").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // Its own command line, and no more that of this process.
    while process::arguments(child.id().cast_signed()).first().is_none_or(|name| !name.ends_with("sleep")) {
        std::thread::sleep(Duration::from_millis(1));
    }
    child
}
