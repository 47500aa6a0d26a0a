//! One connected engine. Every call has a deadline, and this is the one place that reads what went wrong.

use std::{future::Future, io, os::unix::fs::MetadataExt, time::Duration};

use bollard::{ClientVersion, Docker, errors::Error, models::ContainerInspectResponse};
use http::Method;
use serde_json::Value;
use tokio::sync::{Mutex, Semaphore};

use super::{
    endpoint::{Address, Endpoint, Surroundings, endpoints},
    engine_clock::EngineClock,
    exec::memory::Memory,
    record::Record,
    wire::{NotConnected, Wire, turned_away},
};
use crate::{
    clock,
    model::{
        environment::DockerSpec,
        ids::{Region, Zone},
    },
    platform::PlatformError,
};

/// How long an engine may take to say who it is.
const HELLO_LIMIT: Duration = Duration::from_secs(10);
/// How long reading may take: a list, an inspection.
pub const READ_LIMIT: Duration = Duration::from_secs(10);
/// How often the clock is read at first: each reading narrows the doubt.
const CLOCK_READINGS: usize = 3;
/// Calls under way at once on one engine; more wait for their turn.
const MOST_AT_ONCE: usize = 128;
/// Inspections under way at once on an engine of this machine: one that serves fifty connections answers the last of them later than one
/// that serves eight, one question after another. Far away, the way costs more than that.
const LOOKS_HERE: usize = 8;
/// The oldest API that is known to do what is asked of it.
const OLDEST: ClientVersion = ClientVersion { major_version: 1, minor_version: 41 };

/// The component by which Docker's own engine is known: one that only speaks its language names itself otherwise.
const DOCKER: &str = "Engine";
/// What a TLS port of an engine answers in plain text.
const WANTS_TLS: &str = "HTTP request to an HTTPS server";

/// Why a call came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// There is no such thing (404).
    #[error("{0}")]
    Gone(String),
    /// Not in the state that it is in (409).
    #[error("{0}")]
    Conflict(String),
    /// It said no (400, 401, 403).
    #[error("{0}")]
    Refused(String),
    /// It said that it failed (5xx), or something that cannot be read.
    #[error("{0}")]
    Failed(String),
    /// It was never asked: no connection came about.
    #[error("{0}")]
    Unreachable(String),
    /// It was asked, and the connection broke before its answer: it may have done it.
    #[error("{0}")]
    Lost(String),
    /// It was asked, and did not answer in time: it may have done it.
    #[error("{says}")]
    NoAnswer {
        /// In words.
        says: String,
        /// How long it was waited for.
        limit: Duration,
    },
}

impl From<Trouble> for PlatformError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Refused(says) => Self::Refused(says),
            Trouble::Gone(says) | Trouble::Conflict(says) | Trouble::Failed(says) | Trouble::Lost(says) => Self::Failed(says),
            Trouble::Unreachable(says) => Self::Unavailable(says),
            Trouble::NoAnswer { limit, .. } => Self::Timeout(limit),
        }
    }
}

/// One connected engine.
#[derive(Debug)]
pub struct Engine {
    /// The client; use it through [`Engine::call`].
    pub docker: Docker,
    /// The engine's own id: the same whatever address leads to it.
    pub id: String,
    /// The name of its machine.
    pub name: String,
    /// The zone of its containers that carry no zone label.
    pub zone: Option<Zone>,
    /// The region of its containers that carry no region label.
    pub region: Option<Region>,
    /// Where it is, for errors.
    pub endpoint: Endpoint,
    /// Its clock.
    pub clock: EngineClock,
    /// The commands that were run in its containers from here.
    pub commands: Memory,
    /// Held while a container is connected to its networks again, so that one after another gets the addresses that it had.
    pub joining: Mutex<()>,
    /// Taken for each of the many inspections right before an act.
    pub looks: Semaphore,
    /// What happened on it lately.
    pub(super) record: Record,
    wire: Wire,
    turns: Semaphore,
}

impl Engine {
    /// Connects to all engines of an environment at once.
    ///
    /// # Errors
    /// When one of them is not there, too old, or listed twice; it is named.
    pub async fn connect_all(spec: &DockerSpec) -> Result<Vec<Self>, PlatformError> {
        let endpoints = endpoints(spec, &Surroundings::real()).map_err(PlatformError::Unavailable)?;
        let engines = futures_util::future::try_join_all(endpoints.into_iter().map(Self::connect)).await?;
        for (place, engine) in engines.iter().enumerate() {
            if let Some(same) = engines[..place].iter().find(|other| other.id == engine.id) {
                return Err(PlatformError::Unavailable(format!(
                    "{} and {} are the same engine ({}): its containers would count twice; if they are two machines, one is a copy of \
                     the other: remove /etc/docker/key.json and the file engine-id of its data there, and restart it",
                    same.endpoint.address, engine.endpoint.address, engine.id
                )));
            }
        }
        Ok(engines)
    }

    /// Connects to one engine: asks who it is, whether it is new enough, and what its clock shows.
    ///
    /// # Errors
    /// In words that say what can be done.
    pub async fn connect(endpoint: Endpoint) -> Result<Self, PlatformError> {
        let at = || format!("the Docker engine at {} (named by {})", endpoint.address, endpoint.named_by);
        let wire = Wire::new(&endpoint).map_err(|why| PlatformError::Unavailable(format!("{}: {why}", at())))?;
        let docker = wire.client().map_err(|error| PlatformError::Unavailable(format!("{}: {error}", at())))?;
        let mut engine = Self {
            docker,
            id: String::new(),
            name: String::new(),
            zone: endpoint.zone.clone(),
            region: endpoint.region.clone(),
            clock: EngineClock::default(),
            commands: Memory::default(),
            joining: Mutex::default(),
            wire,
            looks: Semaphore::new(match endpoint.address {
                Address::Unix(_) => LOOKS_HERE,
                Address::Tcp { .. } => MOST_AT_ONCE,
            }),
            record: Record::default(),
            turns: Semaphore::new(MOST_AT_ONCE),
            endpoint,
        };
        engine.introduce().await.map_err(|trouble| PlatformError::Unavailable(trouble.to_string()))?;
        Ok(engine)
    }

    async fn introduce(&mut self) -> Result<(), Trouble> {
        let version = self.call("its version", HELLO_LIMIT, self.docker.version()).await.map_err(|trouble| match trouble {
            Trouble::Gone(_) | Trouble::Failed(_) => {
                Trouble::Failed(format!("what answers at {} is no Docker engine: {trouble}", self.endpoint.address))
            }
            other => other,
        })?;
        let components = version.components.unwrap_or_default();
        self.record = Record::of(components.iter().any(|component| component.name == DOCKER));
        let api = version.api_version.unwrap_or_default();
        let release = version.version.unwrap_or_else(|| "of an unknown release".to_owned());
        match parse_version(&api) {
            Some(found) if found >= OLDEST => {}
            found => {
                let speaks = if found.is_some() { format!("speaks API {api}") } else { "does not say which API it speaks".to_owned() };
                return Err(Trouble::Refused(format!(
                    "the Docker engine at {} is too old: it {speaks} (engine {release}); needed is API {OLDEST} or newer (engine 20.10)",
                    self.endpoint.address
                )));
            }
        }
        for _ in 0..CLOCK_READINGS {
            let asked = clock::now();
            let info = self.call("its state", HELLO_LIMIT, self.docker.info()).await?;
            self.clock.reading(asked, info.system_time.as_deref().unwrap_or_default(), clock::now());
            self.name = info.name.unwrap_or_default();
            // Compatible engines may have no id; their address stands for it.
            self.id = info.id.filter(|id| !id.is_empty()).unwrap_or_else(|| self.endpoint.address.to_string());
        }
        Ok(())
    }

    /// Reads the clock once more, where times will be told: it may have been stepped. A failure leaves what is known.
    pub async fn read_clock(&self) {
        let asked = clock::now();
        if let Ok(info) = self.call("its clock", Duration::from_secs(3), self.docker.info()).await {
            self.clock.reading(asked, info.system_time.as_deref().unwrap_or_default(), clock::now());
        }
    }

    /// The container of this id, as it is now.
    pub async fn inspect(&self, id: &str) -> Result<ContainerInspectResponse, Trouble> {
        self.call("a container's state", READ_LIMIT, self.docker.inspect_container(id, None)).await
    }

    /// The container of this id or name in the engine's own words, with all that this build has no name for.
    pub async fn inspect_all(&self, id: &str) -> Result<Value, Trouble> {
        let path = format!("/containers/{id}/json");
        self.call("a container's definition", READ_LIMIT, self.wire.ask(Method::GET, &path, None)).await
    }

    /// Reads something in the engine's own words; `what` as in [`Engine::call`].
    pub async fn get(&self, what: &str, limit: Duration, path: &str) -> Result<Value, Trouble> {
        self.call(what, limit, self.wire.ask(Method::GET, path, None)).await
    }

    /// Asks for something in the engine's own words; `what` as in [`Engine::call`].
    pub async fn post(&self, what: &str, limit: Duration, path: &str, body: &Value) -> Result<Value, Trouble> {
        self.call(what, limit, self.wire.ask(Method::POST, path, Some(body))).await
    }

    /// Makes one call, within `limit`. `what` is what the engine is asked for: "to kill web-1", "a list of containers".
    pub async fn call<T>(&self, what: &str, limit: Duration, call: impl Future<Output = Result<T, Error>>) -> Result<T, Trouble> {
        let turn = async {
            let _turn = self.turns.acquire().await;
            call.await
        };
        let asked = clock::now();
        let answer = tokio::time::timeout(limit, turn).await;
        tracing::trace!(at = asked.0, took = ?clock::now().since(asked), "asked for {what}");
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.trouble(what, error)),
            Err(_) => {
                let says = format!("the engine at {} was asked for {what} and did not answer within {limit:?}", self.endpoint.address);
                Err(Trouble::NoAnswer { says, limit })
            }
        }
    }

    fn does_not_let_us_in(&self, alert: &str) -> String {
        let (at, named) = (&self.endpoint.address, &self.endpoint.named_by);
        format!(
            "the Docker engine at {at} (named by {named}) does not let us in ({alert}): it checks who asks; name a folder with ca.pem, \
             cert.pem and key.pem that it knows, by `tls:` or by DOCKER_TLS_VERIFY and DOCKER_CERT_PATH"
        )
    }

    fn trouble(&self, what: &str, error: Error) -> Trouble {
        let at = &self.endpoint.address;
        match error {
            Error::DockerResponseServerError { message, .. } if message.contains(WANTS_TLS) => Trouble::Unreachable(format!(
                "the Docker engine at {at} (named by {}) speaks TLS, and was spoken to in plain text: name the folder of its \
                 certificates by `tls:` or by DOCKER_TLS_VERIFY and DOCKER_CERT_PATH",
                self.endpoint.named_by
            )),
            Error::DockerResponseServerError { status_code, message } => {
                let message = if message.is_empty() { format!("status {status_code} without a reason") } else { message };
                let says = format!("asked for {what}, the engine said: {}", message.trim());
                match status_code {
                    404 => Trouble::Gone(says),
                    409 => Trouble::Conflict(says),
                    400 | 401 | 403 => Trouble::Refused(says),
                    _ => Trouble::Failed(says),
                }
            }
            Error::IOError { err } => match err.get_ref().and_then(|inner| inner.downcast_ref::<NotConnected>()) {
                Some(NotConnected(why)) => Trouble::Unreachable(match turned_away(why) {
                    Some(alert) => self.does_not_let_us_in(&alert),
                    None => unreachable(&self.endpoint, why),
                }),
                None => Trouble::Lost(format!("the connection to the engine at {at} broke when it was asked for {what}: {err}")),
            },
            Error::HyperResponseError { err } => match turned_away(&err) {
                Some(alert) => Trouble::Unreachable(self.does_not_let_us_in(&alert)),
                None if err.is_incomplete_message() => {
                    Trouble::Lost(format!("the engine at {at} went away when it was asked for {what}: it closed the connection"))
                }
                None => Trouble::Lost(format!("the engine at {at} went away when it was asked for {what}: {}", said(&err))),
            },
            Error::JsonDataError { message, .. } => {
                Trouble::Failed(format!("asked for {what}, the engine at {at} gave an answer that cannot be read: {message}"))
            }
            other => Trouble::Failed(format!("asked for {what}, the engine at {at}: {other}")),
        }
    }
}

/// An error with its causes.
fn said(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

fn parse_version(text: &str) -> Option<ClientVersion> {
    let (major, minor) = text.split_once('.')?;
    Some(ClientVersion { major_version: major.parse().ok()?, minor_version: minor.parse().ok()? })
}

/// Why no connection came about, and what can be done.
fn unreachable(endpoint: &Endpoint, error: &io::Error) -> String {
    let at = &endpoint.address;
    let named = &endpoint.named_by;
    let path = match at {
        Address::Unix(path) => Some(path),
        Address::Tcp { .. } => None,
    };
    match (error.kind(), path) {
        (io::ErrorKind::NotFound, Some(path)) => {
            format!(
                "there is no Docker engine at {at} (named by {named}): {} does not exist; start the engine, or say where it is with \
                 DOCKER_HOST or `hosts:`",
                path.display()
            )
        }
        (io::ErrorKind::ConnectionRefused, Some(path)) => {
            format!("there is no Docker engine at {at} (named by {named}): {} is there, but nobody listens on it", path.display())
        }
        (io::ErrorKind::ConnectionRefused, None) => format!("there is no Docker engine at {at} (named by {named}): connection refused"),
        (io::ErrorKind::PermissionDenied, Some(path)) => format!(
            "no permission to use the Docker engine at {at} (named by {named}): {}; join that group, run as root, or use a rootless \
             engine of your own (`DOCKER_HOST=unix://$XDG_RUNTIME_DIR/docker.sock`)",
            who_may(path)
        ),
        // TLS says what is wrong in a kind of its own.
        (io::ErrorKind::InvalidData, None) => format!("the Docker engine at {at} (named by {named}) is not trusted: {error}"),
        _ => format!("the Docker engine at {at} (named by {named}) cannot be reached: {error}"),
    }
}

/// Who may use a socket: its group, by name where it has one.
fn who_may(path: &std::path::Path) -> String {
    let Ok(meta) = std::fs::metadata(path) else { return format!("{} is in a folder that is closed to you", path.display()) };
    let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
    let name = groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, gid) = (fields.next()?, fields.nth(1)?);
        (gid.parse() == Ok(meta.gid())).then_some(name)
    });
    format!("{} belongs to the group `{}`", path.display(), name.map_or_else(|| meta.gid().to_string(), str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_permission_names_the_group() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engine.sock");
        std::fs::write(&path, "").unwrap();
        let endpoint = Endpoint { zone: None, region: None, address: Address::Unix(path), tls: None, named_by: "DOCKER_HOST".to_owned() };
        let says = unreachable(&endpoint, &io::Error::from(io::ErrorKind::PermissionDenied));
        assert!(says.contains("(named by DOCKER_HOST)") && says.contains("belongs to the group `"), "{says}");
        assert!(says.contains("join that group, run as root, or use a rootless engine"), "{says}");
    }

    #[test]
    fn versions_are_compared_by_their_numbers() {
        let newer = |text: &str| parse_version(text).is_some_and(|found| found >= OLDEST);
        assert!(newer("1.41") && newer("1.100") && newer("2.0"));
        assert!(!newer("1.9") && !newer("1.40") && !newer("") && !newer("x.y"));
    }
}
