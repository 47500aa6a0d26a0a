//! Where the engines are, from the file and from what the docker command keeps.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use firedrill::{
    model::{
        environment::{DockerHost, DockerSpec},
        fault::FaultKind,
    },
    platform::docker::{
        capabilities,
        endpoint::{Address, Endpoint, Surroundings, Tls, endpoints},
    },
};
use sha2::{Digest, Sha256};

fn found(spec: &DockerSpec, vars: &[(&str, &str)]) -> Result<Vec<Endpoint>, String> {
    let vars: BTreeMap<&str, &str> = vars.iter().copied().collect();
    endpoints(spec, &Surroundings { var: &|name| vars.get(name).map(|value| (*value).to_owned()) })
}

fn usual(vars: &[(&str, &str)]) -> Result<Endpoint, String> {
    found(&DockerSpec::default(), vars).map(|mut all| all.remove(0))
}

fn address(vars: &[(&str, &str)]) -> String {
    usual(vars).map_or_else(|why| why, |endpoint| endpoint.address.to_string())
}

/// A home with contexts, as the docker command writes them.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &str {
        self.0.path().to_str().unwrap()
    }

    fn docker(&self) -> PathBuf {
        self.0.path().join(".docker")
    }

    fn context(&self, name: &str, docker: &str) -> PathBuf {
        let folder = Sha256::digest(name.as_bytes()).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        let meta = self.docker().join("contexts/meta").join(&folder);
        fs::create_dir_all(&meta).unwrap();
        let text = format!(r#"{{ "Name": "{name}", "Metadata": {{}}, "Endpoints": {{ "docker": {docker} }} }}"#);
        fs::write(meta.join("meta.json"), text).unwrap();
        self.docker().join("contexts/tls").join(folder).join("docker")
    }

    fn current(&self, name: &str) {
        fs::create_dir_all(self.docker()).unwrap();
        fs::write(self.docker().join("config.json"), format!(r#"{{ "auths": {{}}, "currentContext": "{name}" }}"#)).unwrap();
    }
}

fn certificates(folder: &Path, names: &[&str]) {
    fs::create_dir_all(folder).unwrap();
    for name in names {
        fs::write(folder.join(name), "").unwrap();
    }
}

#[test]
fn without_a_word_it_is_the_usual_socket() {
    assert_eq!(address(&[]), "unix:///var/run/docker.sock");
    assert_eq!(address(&[("DOCKER_HOST", "")]), "unix:///var/run/docker.sock", "an empty variable says nothing");
    let home = Home::new();
    assert_eq!(address(&[("HOME", home.path())]), "unix:///var/run/docker.sock");
}

#[test]
fn addresses_are_read_as_the_docker_command_reads_them() {
    let cases = [
        ("unix:///run/user/1000/docker.sock", "unix:///run/user/1000/docker.sock"),
        ("tcp://10.0.0.5:2376", "tcp://10.0.0.5:2376"),
        ("tcp://10.0.0.5", "tcp://10.0.0.5:2375"),
        ("tcp://10.0.0.5:1234/", "tcp://10.0.0.5:1234"),
        ("10.0.0.5:2375", "tcp://10.0.0.5:2375"),
        ("tcp://[::1]:2375", "tcp://[::1]:2375"),
        ("http://far:8080", "tcp://far:8080"),
    ];
    for (written, read) in cases {
        assert_eq!(address(&[("DOCKER_HOST", written)]), read, "{written}");
    }
    for bad in ["unix://", "tcp://", "tcp://:2375", "tcp://a:b", "tcp://a:0", "tcp://a:99999", "npipe:////./pipe/docker", "tcp://a/b"] {
        let why = usual(&[("DOCKER_HOST", bad)]).unwrap_err();
        assert!(why.starts_with(&format!("DOCKER_HOST says `{bad}`: ")), "{why}");
    }
    let why = usual(&[("DOCKER_HOST", "ssh://root@far")]).unwrap_err();
    assert!(why.contains("does not speak ssh; forward the socket"), "{why}");
}

#[test]
fn the_variable_wins_over_the_context_and_that_over_the_current_one() {
    let home = Home::new();
    home.context("far", r#"{ "Host": "tcp://far:2375", "SkipTLSVerify": false }"#);
    home.context("near", r#"{ "Host": "unix:///near.sock" }"#);
    home.current("far");
    let at = ("HOME", home.path());
    assert_eq!(address(&[at]), "tcp://far:2375");
    assert_eq!(address(&[at, ("DOCKER_CONTEXT", "near")]), "unix:///near.sock");
    assert_eq!(address(&[at, ("DOCKER_CONTEXT", "default")]), "unix:///var/run/docker.sock");
    assert_eq!(address(&[at, ("DOCKER_CONTEXT", "near"), ("DOCKER_HOST", "unix:///x.sock")]), "unix:///x.sock");
    let config = home.docker().to_str().unwrap().to_owned();
    assert_eq!(address(&[("HOME", "/nowhere"), ("DOCKER_CONFIG", &config)]), "tcp://far:2375");
    let why = usual(&[at, ("DOCKER_CONTEXT", "fra")]).unwrap_err();
    assert_eq!(why, "the docker command has no context `fra`; it has: `default`, `far` and `near`; did you mean `far`?");
}

#[test]
fn who_answers_is_always_checked() {
    let home = Home::new();
    let tls = home.context("far", r#"{ "Host": "tcp://far:2376", "SkipTLSVerify": false }"#);
    certificates(&tls, &["ca.pem", "cert.pem", "key.pem"]);
    home.context("lax", r#"{ "Host": "tcp://far:2376", "SkipTLSVerify": true }"#);
    let at = ("HOME", home.path());
    let expected = Tls { ca: Some(tls.join("ca.pem")), client: Some((tls.join("cert.pem"), tls.join("key.pem"))) };
    assert_eq!(usual(&[at, ("DOCKER_CONTEXT", "far")]).unwrap().tls, Some(expected));
    assert!(usual(&[at, ("DOCKER_CONTEXT", "lax")]).unwrap_err().contains("does not check who answers"));

    let folder = home.0.path().join("certificates");
    certificates(&folder, &["ca.pem"]);
    let path = folder.to_str().unwrap();
    let host = ("DOCKER_HOST", "tcp://far");
    let verified = usual(&[host, ("DOCKER_TLS_VERIFY", "1"), ("DOCKER_CERT_PATH", path)]).unwrap();
    assert_eq!(verified.tls, Some(Tls { ca: Some(folder.join("ca.pem")), client: None }));
    assert_eq!(verified.address.to_string(), "tcp://far:2376", "the port of TLS");
    assert!(usual(&[host, ("DOCKER_TLS", "1")]).unwrap_err().contains("set DOCKER_TLS_VERIFY=1"));
    certificates(&folder, &["cert.pem"]);
    let why = usual(&[host, ("DOCKER_TLS_VERIFY", "1"), ("DOCKER_CERT_PATH", path)]).unwrap_err();
    assert!(why.contains("key.pem is missing"), "{why}");
    let why = usual(&[host, ("DOCKER_TLS_VERIFY", "1"), ("DOCKER_CERT_PATH", "/nowhere")]).unwrap_err();
    assert!(why.contains("/nowhere holds neither ca.pem nor cert.pem and key.pem"), "{why}");
}

#[test]
fn hosts_of_the_file_do_not_ask_the_environment() {
    let home = Home::new();
    home.context("far", r#"{ "Host": "tcp://far:2375" }"#);
    let host = |zone: &str, host: Option<&str>, context: Option<&str>| DockerHost {
        zone: Some(zone.into()),
        region: Some("here".into()),
        host: host.map(str::to_owned),
        context: context.map(str::to_owned),
        tls: None,
    };
    let spec = DockerSpec { hosts: vec![host("a", Some("unix:///a.sock"), None), host("b", None, Some("far"))], ..DockerSpec::default() };
    let all = found(&spec, &[("HOME", home.path()), ("DOCKER_HOST", "tcp://other:1"), ("DOCKER_TLS_VERIFY", "1")]).unwrap();
    let seen: Vec<_> = all.iter().map(|e| (e.zone.as_ref().unwrap().as_str(), e.address.to_string(), e.tls.is_some())).collect();
    assert_eq!(seen, [("a", "unix:///a.sock".to_owned(), false), ("b", "tcp://far:2375".to_owned(), false)]);
}

#[test]
fn what_needs_this_machine_is_said_when_the_file_is_checked() {
    let endpoint = |address| Endpoint { zone: None, region: None, address, tls: None, named_by: String::new() };
    let near = endpoint(Address::Unix("/run/docker.sock".into()));
    let far = endpoint(Address::Tcp { host: "far".into(), port: 2375 });
    let (local, mixed) = (capabilities(std::slice::from_ref(&near)), capabilities(&[near, far]));
    for kind in [FaultKind::Kill, FaultKind::Stop, FaultKind::Pause, FaultKind::Restart, FaultKind::ZoneOutage] {
        assert!(local.can(kind) && mixed.can(kind), "{kind}");
    }
    assert!(!local.can(FaultKind::Failover) && local.why_not.contains_key(&FaultKind::Failover));
    assert!(!local.foreign);
}
