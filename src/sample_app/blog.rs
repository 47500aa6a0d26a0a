//! A blog with pictures: uploads lie in a folder. On each server's own disk a picture is seen only by who asks the server that took it;
//! in a folder that all servers share, by everybody.
//!
//! * `POST /pictures/NAME` keeps the body under that name, and answers 201 once it is on the disk.
//! * `GET /pictures/NAME` gives it back, or 404. `GET /pictures` is the list of names as JSON.
//! * `/health` answers 200.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;

use super::server::{self, App, RunError, ServerOptions, body, page};

/// The largest picture.
const LARGEST: usize = 1 << 20;
/// The longest name of a picture.
const LONGEST_NAME: usize = 100;

/// The flags of the verb `blog`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// What every server has.
    #[command(flatten)]
    pub server: ServerOptions,
    /// The folder of the pictures; made when it is not there
    #[arg(long, value_name = "FOLDER")]
    pub pictures: PathBuf,
    /// A new server has a new disk: what is in the folder at the start is deleted
    #[arg(long)]
    pub new_disk: bool,
}

/// Runs a server until SIGTERM or SIGINT.
pub fn run(options: &Options) -> Result<(), RunError> {
    server::run(&options.server, async || Blog::new(options))
}

struct Blog {
    pictures: PathBuf,
}

impl Blog {
    fn new(options: &Options) -> Result<Self, RunError> {
        let cannot = |error: io::Error| RunError::Needs(format!("the folder {} cannot be used: {error}", options.pictures.display()));
        if options.new_disk && options.pictures.exists() {
            // Only what this program keeps there: a folder that was named by mistake is not emptied.
            for entry in std::fs::read_dir(&options.pictures).map_err(cannot)? {
                let path = entry.map_err(cannot)?.path();
                if path.extension().is_some_and(|ext| ext == "picture") {
                    std::fs::remove_file(path).map_err(cannot)?;
                }
            }
        }
        std::fs::create_dir_all(&options.pictures).map_err(cannot)?;
        Ok(Self { pictures: options.pictures.clone() })
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        let fine = (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        fine.then(|| self.pictures.join(format!("{name}.picture")))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.pictures)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            names.extend(name.strip_suffix(".picture").map(str::to_owned));
        }
        names.sort();
        Ok(names)
    }
}

impl App for Blog {
    const NAME: &'static str = "blog";

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        let broken = |error: io::Error| page(StatusCode::INTERNAL_SERVER_ERROR, format!("The disk says: {error}\n"));
        match (request.method().clone(), path.as_str()) {
            (Method::GET, "/health") => page(StatusCode::OK, "ok\n"),
            (Method::GET, "/pictures") => match self.list() {
                Ok(names) => page(StatusCode::OK, serde_json::json!({ "pictures": names }).to_string()),
                Err(error) => broken(error),
            },
            (method, path) => {
                let Some(file) = path.strip_prefix("/pictures/").and_then(|name| self.path(name)) else {
                    return page(StatusCode::NOT_FOUND, "There is no such page\n");
                };
                match method {
                    Method::GET => match std::fs::read(file) {
                        Ok(picture) => page(StatusCode::OK, picture),
                        Err(error) if error.kind() == io::ErrorKind::NotFound => page(StatusCode::NOT_FOUND, "There is no such picture\n"),
                        Err(error) => broken(error),
                    },
                    Method::POST => match body(request, LARGEST).await {
                        None => page(StatusCode::PAYLOAD_TOO_LARGE, "A picture has at most a megabyte\n"),
                        Some(picture) => match keep(&file, &picture) {
                            Ok(()) => page(StatusCode::CREATED, "Kept\n"),
                            Err(error) => broken(error),
                        },
                    },
                    _ => page(StatusCode::METHOD_NOT_ALLOWED, "GET and POST are known here\n"),
                }
            }
        }
    }
}

/// Whole or not at all: a reader never sees half a picture.
fn keep(file: &Path, picture: &[u8]) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut fresh = tempfile::NamedTempFile::new_in(folder)?;
    fresh.write_all(picture)?;
    fresh.as_file().sync_data()?;
    fresh.persist(file).map_err(|error| error.error)?;
    Ok(())
}
