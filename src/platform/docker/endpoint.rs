//! Where the engines are: the hosts of the file, or what the `docker` command would use (its environment variables and contexts).

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::{
    file::suggest::{listed, nearest},
    model::{
        environment::{DockerHost, DockerSpec},
        ids::{Region, Zone},
    },
};

/// Where the `docker` command looks when nobody says anything.
const DEFAULT: &str = "unix:///var/run/docker.sock";

/// One engine to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The zone of its containers that carry no zone label.
    pub zone: Option<Zone>,
    /// The region of its containers that carry no region label.
    pub region: Option<Region>,
    /// Where it listens.
    pub address: Address,
    /// How it proves who it is, and we to it; none is plain text.
    pub tls: Option<Tls>,
    /// Who named this address: `DOCKER_HOST`, ``the context `far` ``; for errors.
    pub named_by: String,
}

/// An address of an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A socket file.
    Unix(PathBuf),
    /// Host and port.
    Tcp {
        /// A name or an IP address, without brackets.
        host: String,
        /// The port.
        port: u16,
    },
}

/// The files of a TLS connection. Who answers is always checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Who may sign the engine's certificate; the system's authorities when absent.
    pub ca: Option<PathBuf>,
    /// Our certificate and its key, for an engine that asks for one.
    pub client: Option<(PathBuf, PathBuf)>,
}

impl Endpoint {
    /// Whether the engine can be on this machine: what acts on processes and network namespaces needs that.
    pub fn is_local(&self) -> bool {
        matches!(self.address, Address::Unix(_))
    }

    /// The variables by which the `docker` command, and whoever follows it, finds this engine.
    pub fn variables(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::from([("DOCKER_HOST".to_owned(), self.address.to_string())]);
        if let Some(tls) = &self.tls {
            all.insert("DOCKER_TLS_VERIFY".to_owned(), "1".to_owned());
            // They lie in one folder, under the names that Docker gives them.
            let file = tls.ca.as_deref().or(tls.client.as_ref().map(|(cert, _)| cert.as_path()));
            if let Some(folder) = file.and_then(Path::parent) {
                all.insert("DOCKER_CERT_PATH".to_owned(), folder.display().to_string());
            }
        }
        all
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { host, port } if host.contains(':') => write!(f, "tcp://[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
        }
    }
}

/// What a process finds around itself. A value, so that tests need not change the environment of their process.
pub struct Surroundings<'a> {
    /// The value of an environment variable.
    pub var: &'a dyn Fn(&str) -> Option<String>,
}

impl Surroundings<'_> {
    /// Those of this process.
    pub fn real() -> Self {
        Surroundings { var: &|name| std::env::var(name).ok() }
    }

    fn var(&self, name: &str) -> Option<String> {
        (self.var)(name).filter(|value| !value.is_empty())
    }

    /// The folder of the `docker` command's configuration.
    fn config(&self) -> Option<PathBuf> {
        let named = self.var("DOCKER_CONFIG").map(PathBuf::from);
        named.or_else(|| self.var("HOME").map(|home| Path::new(&home).join(".docker")))
    }
}

/// The engines that an environment means. Reads files of the `docker` command; asks no engine.
///
/// # Errors
/// In words, when a context or an address does not say where an engine is.
pub fn endpoints(spec: &DockerSpec, around: &Surroundings<'_>) -> Result<Vec<Endpoint>, String> {
    if spec.hosts.is_empty() {
        return Ok(vec![usual(around)?]);
    }
    spec.hosts.iter().map(|host| of_file(host, around)).collect()
}

fn of_file(host: &DockerHost, around: &Surroundings<'_>) -> Result<Endpoint, String> {
    let mut found = match (&host.host, &host.context) {
        (Some(address), _) => plain(address, None, "firedrill.yaml")?,
        (None, Some(name)) => context(name, around)?,
        (None, None) => return Err("a Docker host of firedrill.yaml says neither `host` nor `context`".to_owned()),
    };
    if let Some(folder) = &host.tls {
        found.tls = Some(certificates(folder)?);
    }
    Ok(Endpoint { zone: host.zone.clone(), region: host.region.clone(), ..found })
}

/// What the `docker` command would use: `DOCKER_HOST`, then `DOCKER_CONTEXT`, then the current context, then the usual socket.
fn usual(around: &Surroundings<'_>) -> Result<Endpoint, String> {
    if around.var("DOCKER_HOST").is_some() {
        return by_variables(around);
    }
    match around.var("DOCKER_CONTEXT") {
        Some(name) => context(&name, around),
        None => match current_context(around)? {
            Some(name) => context(&name, around),
            None => by_variables(around),
        },
    }
}

fn by_variables(around: &Surroundings<'_>) -> Result<Endpoint, String> {
    let tls = match (around.var("DOCKER_TLS_VERIFY"), around.var("DOCKER_TLS")) {
        (Some(_), _) => {
            let folder = around.var("DOCKER_CERT_PATH").map(PathBuf::from).or_else(|| around.config());
            Some(certificates(
                &folder.ok_or("DOCKER_TLS_VERIFY is set, but neither DOCKER_CERT_PATH nor HOME says where the certificates are")?,
            )?)
        }
        (None, Some(_)) => {
            return Err("DOCKER_TLS without DOCKER_TLS_VERIFY does not check who answers; set DOCKER_TLS_VERIFY=1".to_owned());
        }
        (None, None) => None,
    };
    match around.var("DOCKER_HOST") {
        Some(address) => plain(&address, tls, "DOCKER_HOST"),
        None => plain(DEFAULT, None, "the docker command's default"),
    }
}

/// From an address as written. A socket file has no TLS.
fn plain(text: &str, tls: Option<Tls>, named_by: &str) -> Result<Endpoint, String> {
    let wrong = |why: &str| format!("{named_by} says `{text}`: {why}");
    let (scheme, rest) = text.split_once("://").unwrap_or(("tcp", text));
    let rest = rest.trim_end_matches('/');
    let system_authorities = || Tls { ca: None, client: None };
    let (address, tls) = match scheme {
        "unix" if rest.is_empty() => return Err(wrong("it names no socket; expected `unix:///run/docker.sock`")),
        "unix" => (Address::Unix(PathBuf::from(rest)), None),
        "tcp" => (host_and_port(rest, if tls.is_some() { 2376 } else { 2375 }).map_err(|why| wrong(&why))?, tls),
        "http" => (host_and_port(rest, 80).map_err(|why| wrong(&why))?, None),
        "https" => (host_and_port(rest, 443).map_err(|why| wrong(&why))?, Some(tls.unwrap_or_else(system_authorities))),
        "ssh" => {
            let why = "firedrill does not speak ssh; forward the socket (`ssh -L /tmp/far.sock:/run/docker.sock …`) and name \
                       `unix:///tmp/far.sock`";
            return Err(wrong(why));
        }
        _ => return Err(wrong("expected `unix:///PATH` or `tcp://HOST:PORT`")),
    };
    Ok(Endpoint { zone: None, region: None, address, tls, named_by: named_by.to_owned() })
}

fn host_and_port(text: &str, default: u16) -> Result<Address, String> {
    let bad = || "expected `tcp://HOST:PORT`".to_owned();
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or_else(bad)?;
            (host, port.strip_prefix(':'))
        }
        None => match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    if host.is_empty() || host.contains('/') {
        return Err(bad());
    }
    let port = match port {
        Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or_else(|| format!("`{port}` is not a port"))?,
        None => default,
    };
    Ok(Address::Tcp { host: host.to_owned(), port })
}

/// The certificates of a folder, under the names that Docker gives them.
fn certificates(folder: &Path) -> Result<Tls, String> {
    let file = |name: &str| Some(folder.join(name)).filter(|path| path.is_file());
    let client = match (file("cert.pem"), file("key.pem")) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => None,
        (found, _) => {
            let missing = if found.is_some() { "key.pem" } else { "cert.pem" };
            return Err(format!("{} holds only one of cert.pem and key.pem: {missing} is missing", folder.display()));
        }
    };
    let tls = Tls { ca: file("ca.pem"), client };
    if tls.ca.is_none() && tls.client.is_none() {
        return Err(format!("{} holds neither ca.pem nor cert.pem and key.pem", folder.display()));
    }
    Ok(tls)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    current_context: Option<String>,
}

fn current_context(around: &Surroundings<'_>) -> Result<Option<String>, String> {
    let Some(path) = around.config().map(|folder| folder.join("config.json")) else { return Ok(None) };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    let config: Config = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(config.current_context.filter(|name| !name.is_empty()))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Meta {
    name: String,
    #[serde(default)]
    endpoints: std::collections::BTreeMap<String, MetaEndpoint>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MetaEndpoint {
    host: Option<String>,
    #[serde(default, rename = "SkipTLSVerify")]
    skip_tls_verify: bool,
}

/// A context of the `docker` command. `default` is what the variables say.
fn context(name: &str, around: &Surroundings<'_>) -> Result<Endpoint, String> {
    if name == "default" {
        return by_variables(around);
    }
    let contexts = around.config().ok_or_else(|| format!("the context `{name}` cannot be looked up: HOME is not set"))?.join("contexts");
    let folder = Sha256::digest(name.as_bytes()).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    let path = contexts.join("meta").join(&folder).join("meta.json");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(no_context(name, &contexts)),
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    let meta: Meta = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    let docker = meta.endpoints.get("docker").ok_or_else(|| format!("the context `{name}` names no Docker engine"))?;
    if docker.skip_tls_verify {
        return Err(format!("the context `{name}` does not check who answers (SkipTLSVerify): firedrill does not act through it"));
    }
    let certificate_folder = contexts.join("tls").join(&folder).join("docker");
    let tls = if certificate_folder.is_dir() { Some(certificates(&certificate_folder)?) } else { None };
    plain(docker.host.as_deref().unwrap_or(DEFAULT), tls, &format!("the context `{name}`"))
}

fn no_context(name: &str, contexts: &Path) -> String {
    let metas = std::fs::read_dir(contexts.join("meta")).into_iter().flatten().flatten();
    let mut names: Vec<String> = metas
        .filter_map(|entry| std::fs::read_to_string(entry.path().join("meta.json")).ok())
        .filter_map(|text| serde_json::from_str::<Meta>(&text).ok())
        .map(|meta| meta.name)
        .collect();
    names.push("default".to_owned());
    names.sort();
    let near = nearest(name, names.iter().map(String::as_str)).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    format!("the docker command has no context `{name}`; it has: {}{near}", listed(names.iter().map(String::as_str), "and"))
}
