//! The server beside the loop that fires: where it listens, who may come in, and a thread of its own that gives way to runs.

use std::{
    fs, io,
    io::Write as _,
    net::{SocketAddr, TcpListener},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use sha2::{Digest as _, Sha256};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    cli::{
        say,
        schedule::args::{Listen, Serve},
    },
    daemon::{
        api::{
            self, App,
            access::Access,
            listen,
            session::{self, SHORTEST, Sessions},
        },
        shelf::Shelf,
        snapshot::{Order, Snapshot},
    },
    redact,
    report::words::whole,
    state_dir,
};

/// Where the token is read from when no file is named.
pub const TOKEN: &str = "FIREDRILL_TOKEN";
/// So much of the processor it leaves to others: a run's measurements come first.
const NICE: i32 = 10;
/// Threads that read files for it at the same time, at most.
const READERS: usize = 8;

/// Why there is no server.
pub enum Refused {
    /// The command line is wrong.
    Invalid(String),
    /// It is right, and cannot be done now.
    NotNow(String),
}

/// A server that is ready to begin.
pub struct Web {
    listener: TcpListener,
    address: SocketAddr,
    token: Token,
}

struct Token {
    text: String,
    /// The file that we made; it goes at the end.
    made: Option<PathBuf>,
}

/// A server that runs; it ends when this is dropped.
pub struct Serving {
    stop: CancellationToken,
    thread: Option<thread::JoinHandle<()>>,
    made: Option<PathBuf>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(made) = &self.made {
            let _ = fs::remove_file(made);
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Web {
    /// Takes the port and the token; none when there is to be no server.
    ///
    /// # Errors
    /// When the command line is wrong, or the port is taken.
    pub fn prepare(args: &Serve) -> Result<Option<Self>, Refused> {
        let Listen::At(address) = args.listen else { return Ok(None) };
        let given = given(args.listen_token_file.as_deref()).map_err(Refused::Invalid)?;
        if !address.ip().is_loopback() {
            if given.is_none() {
                return Err(Refused::Invalid(format!(
                    "--listen {address}: others can reach this address, so a token must be given: --listen-token-file FILE, or {TOKEN}"
                )));
            }
            if args.hosts.is_empty() {
                return Err(Refused::Invalid(format!("--listen {address}: --host NAME must say by which names it is reached")));
            }
        }
        let listener = TcpListener::bind(address).map_err(|error| {
            let hint = match error.kind() {
                io::ErrorKind::AddrInUse => "; --listen 127.0.0.1:0 takes a free port, and --listen off serves no page",
                _ => "",
            };
            Refused::NotNow(format!("{address} cannot be listened at: {error}{hint}"))
        })?;
        let address = listener.local_addr().map_err(|error| Refused::NotNow(error.to_string()))?;
        let token = match given {
            Some(text) => Token { text, made: None },
            None => make(&args.folder).map_err(Refused::NotNow)?,
        };
        // Nothing says it, whatever asks.
        redact::keep(&token.text);
        Ok(Some(Self { listener, address, token }))
    }

    /// Begins, and says how to come in.
    ///
    /// # Errors
    /// When the system does not let us.
    pub fn start(self, args: &Serve, snapshots: watch::Receiver<Arc<Snapshot>>, orders: mpsc::Sender<Order>) -> Result<Serving, String> {
        let sessions = Sessions::new(&self.token.text)?;
        match &self.token.made {
            Some(made) => {
                let link = sessions.link()?;
                say::out(&format!("page: http://{}/enter?link={link}\n", self.address));
                say::out(&format!(
                    "  the link lets one browser in, within 15 minutes; the token lies in {}\n",
                    whole(&made.display().to_string())
                ));
            }
            None => say::out(&format!("page: http://{}/\n", self.address)),
        }
        let access = Access::new(sessions, self.address, &args.hosts);
        let app = Arc::new(App::new(snapshots, orders, Shelf::new(args.out.clone()), access, Box::new(say::out)));
        let stop = CancellationToken::new();
        let (listener, stopped) = (self.listener, stop.clone());
        listener.set_nonblocking(true).map_err(|error| error.to_string())?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(READERS)
            .thread_name("firedrill-page")
            .on_thread_start(|| {
                // Of this thread alone.
                let _ = rustix::process::setpriority_process(None, NICE);
            })
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        let thread = thread::Builder::new().name("firedrill-page".to_owned()).spawn(move || {
            let served = runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                // The list of runs is known before somebody asks for it.
                let reading = app.clone();
                tokio::task::spawn_blocking(move || drop(reading.shelf.newest(usize::MAX)));
                listen::listen(listener, api::router(app), stopped).await;
                io::Result::Ok(())
            });
            runtime.shutdown_background();
            if let Err(error) = served {
                say::problem(format!("the page is not served: {error}"));
            }
        });
        Ok(Serving { stop, thread: Some(thread.map_err(|error| error.to_string())?), made: self.token.made })
    }
}

/// The token that somebody gave.
fn given(file: Option<&Path>) -> Result<Option<String>, String> {
    let (text, from) = match (file, std::env::var(TOKEN)) {
        (Some(file), _) => (fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?, file.display().to_string()),
        (None, Ok(text)) if !text.is_empty() => (text, TOKEN.to_owned()),
        (None, _) => return Ok(None),
    };
    let text = text.trim().to_owned();
    if text.len() < SHORTEST || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("{from}: a token has {SHORTEST} characters or more, without spaces; `openssl rand -hex 32` makes one"));
    }
    if let Some(mode) = file.and_then(|file| fs::metadata(file).ok()).map(|meta| meta.permissions().mode())
        && mode & 0o007 != 0
    {
        say::problem(format!("{from} can be read by everybody (mode {:o})", mode & 0o777));
    }
    Ok(Some(text))
}

/// Makes a token for this time, in a file that only its owner reads.
fn make(folder: &Path) -> Result<Token, String> {
    let text = session::random()?;
    let place = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let digest = Sha256::digest(place.display().to_string().as_bytes());
    let name = session::hex(&digest[..8]);
    let write = || -> io::Result<PathBuf> {
        let path = state_dir::folder("serve")?.join(format!("{name}.token"));
        let _ = fs::remove_file(&path);
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        writeln!(file, "{text}")?;
        Ok(path)
    };
    let made = write().map_err(|error| format!("the token cannot be kept: {error}"))?;
    Ok(Token { text, made: Some(made) })
}
