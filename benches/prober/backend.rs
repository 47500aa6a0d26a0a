//! The tiny backend: answers every request at once and stamps its arrival. On the end of its standard input it writes the stamps.

use std::{
    cell::RefCell,
    io::{Read, Write},
    process::{Child, ChildStdout, Command, Stdio},
    rc::Rc,
};

use firedrill::clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Binds this process to one core, if it has it.
pub fn pin(core: usize) {
    let mut set = rustix::thread::CpuSet::new();
    set.set(core);
    // On a machine with one core everything shares it, and the figures say so.
    let _ = rustix::thread::sched_setaffinity(None, &set);
}

/// The backend's process.
pub fn serve() {
    pin(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let stamps = Rc::new(RefCell::new(Vec::<u64>::with_capacity(1 << 20)));
    let local = tokio::task::LocalSet::new();
    let (ended_tx, ended) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read(&mut [0; 1]);
        let _ = ended_tx.send(());
    });
    let kept = stamps.clone();
    local.block_on(&runtime, async move {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("{}", listener.local_addr().expect("an address"));
        let mut tasks = tokio::task::JoinSet::new();
        let accepting = async {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let _ = stream.set_nodelay(true);
                tasks.spawn_local(answer(stream, kept.clone()));
                while tasks.try_join_next().is_some() {}
            }
        };
        tokio::select! { () = accepting => {}, _ = ended => {} }
    });
    let mut out = std::io::stdout().lock();
    for stamp in stamps.borrow().iter() {
        out.write_all(&stamp.to_le_bytes()).expect("stamps are written");
    }
}

async fn answer(mut stream: tokio::net::TcpStream, stamps: Rc<RefCell<Vec<u64>>>) {
    let mut buffer = Vec::with_capacity(2048);
    loop {
        buffer.clear();
        while !buffer.ends_with(b"\r\n\r\n") {
            if !matches!(stream.read_buf(&mut buffer).await, Ok(n) if n > 0) {
                return;
            }
        }
        stamps.borrow_mut().push(clock::now().0);
        let close = buffer.windows(17).any(|part| part.eq_ignore_ascii_case(b"connection: close"));
        if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-served-by: one\r\n\r\nok").await.is_err() || close {
            return;
        }
    }
}

/// A backend that runs.
pub struct Backend {
    child: Child,
    out: ChildStdout,
    /// Where it listens.
    pub address: String,
}

impl Backend {
    /// Starts one.
    pub fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().expect("a path"))
            .arg("backend")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the backend starts");
        let mut out = child.stdout.take().expect("a pipe");
        let mut address = String::new();
        let mut byte = [0];
        while out.read(&mut byte).is_ok_and(|n| n > 0) && byte[0] != b'\n' {
            address.push(char::from(byte[0]));
        }
        Self { child, out, address }
    }

    /// Ends it: when requests arrived, on the monotonic clock, in order.
    pub fn end(mut self) -> Vec<u64> {
        drop(self.child.stdin.take());
        let mut raw = Vec::new();
        self.out.read_to_end(&mut raw).expect("the stamps");
        let _ = self.child.wait();
        let mut stamps: Vec<u64> = raw.chunks_exact(8).map(|b| u64::from_le_bytes(b.try_into().expect("eight bytes"))).collect();
        stamps.sort_unstable();
        stamps
    }
}
