//! An engine that asks for certificates, by every way in which a user may say where they lie.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

use super::rig::{User, said};
use crate::support::engine::{Engine, SMALL};

/// An authority, with what it signed.
struct Authority(PathBuf);

impl Authority {
    fn new(folder: PathBuf) -> Self {
        fs::create_dir(&folder).unwrap();
        let made = Self(folder);
        let name = ["-subj", "/CN=the lab", "-keyout", "authority.key", "-out", "ca.pem", "-addext", "keyUsage=critical,keyCertSign"];
        made.openssl(
            &[&["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"], &name[..]].concat(),
        );
        made
    }

    /// A folder with `ca.pem`, `cert.pem` and `key.pem`, as Docker wants it.
    fn signs(&self, who: &str, extensions: &str) -> PathBuf {
        let folder = self.0.join(who);
        fs::create_dir(&folder).unwrap();
        fs::write(self.0.join("extensions"), extensions).unwrap();
        let path = |name: &str| folder.join(name).display().to_string();
        let (key, request, cert) = (path("key.pem"), path("request"), path("cert.pem"));
        let subject = format!("/CN={who}");
        self.openssl(&[
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-subj",
            &subject,
            "-keyout",
            &key,
            "-out",
            &request,
        ]);
        self.openssl(&[
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            "ca.pem",
            "-CAkey",
            "authority.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            "extensions",
            "-out",
            &cert,
        ]);
        fs::copy(self.0.join("ca.pem"), folder.join("ca.pem")).unwrap();
        folder
    }

    fn openssl(&self, arguments: &[&str]) {
        let output = Command::new("openssl").args(arguments).current_dir(&self.0).output();
        let output = output.expect("there is no `openssl` program: `scripts/lab install` gets it");
        assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// A free port; whoever takes it first has it.
fn port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

fn file(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

#[test]
fn certificates_are_found_used_and_checked() {
    let place = tempfile::tempdir().unwrap();
    let authority = Authority::new(place.path().join("authority"));
    let server = authority.signs("server", "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n");
    let client = authority.signs("client", "extendedKeyUsage=clientAuth\n");
    let stranger = Authority::new(place.path().join("stranger")).signs("client", "extendedKeyUsage=clientAuth\n");
    // Knows whom to trust, and has nothing to show.
    let bare = place.path().join("bare");
    fs::create_dir(&bare).unwrap();
    fs::copy(client.join("ca.pem"), bare.join("ca.pem")).unwrap();

    let port = port();
    let address = format!("tcp://127.0.0.1:{port}");
    let (ca, cert, key) = (file(&server, "ca.pem"), file(&server, "cert.pem"), file(&server, "key.pem"));
    let engine = Engine::start_with(&["--tlsverify", "--tlscacert", &ca, "--tlscert", &cert, "--tlskey", &key, "--host", &address]);
    engine.docker(&["run", "-d", "--network", "none", "--name", "solo", SMALL]);

    let environment = |name: &str, host: &str| format!("  {name}:\n    platform: {{ docker: {{ {host} }} }}\n");
    let with = |name: &str, folder: &Path| environment(name, &format!("hosts: [{{ host: '{address}', tls: '{}' }}]", folder.display()));
    let user = User::new(
        &[
            with("good", &client),
            with("stranger", &stranger),
            with("bare", &bare),
            environment("plain", &format!("hosts: [{{ host: '{address}' }}]")),
            environment("context", "hosts: [{ context: far }]"),
            environment("usual", "name: solo"),
        ]
        .concat(),
    );

    user.says(&["targets", "--env", "good"]).expect(0, &["solo"]);
    user.experiment("kill.yaml", "  - kill: { service: solo, take: 1 }\n    hold: 500ms\n");
    user.passes(&["run", "kill.yaml", "--env", "good"]);

    let targets = ["targets", "--env", "usual"];
    let variables = |folder: &Path| {
        let mut command = user.command(&targets);
        command.env("DOCKER_HOST", &address).env("DOCKER_TLS_VERIFY", "1").env("DOCKER_CERT_PATH", folder);
        said(&mut command)
    };
    variables(&client).expect(0, &["solo"]);
    variables(&stranger).expect(3, &["(named by DOCKER_HOST) is not trusted"]);

    // A context that the docker program itself made.
    let far = format!("host={address},ca={},cert={},key={}", file(&client, "ca.pem"), file(&client, "cert.pem"), file(&client, "key.pem"));
    let config = user.folder().join(".docker");
    let mut create = Command::new("docker");
    create.args(["context", "create", "far", "--docker", &far]).env("DOCKER_CONFIG", &config).env("HOME", user.folder());
    for variable in ["DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"] {
        create.env_remove(variable);
    }
    said(&mut create).expect(0, &["far"]);
    user.says(&["targets", "--env", "context"]).expect(0, &["solo"]);
    said(user.command(&targets).env("DOCKER_CONTEXT", "far")).expect(0, &["solo"]);

    user.says(&["targets", "--env", "stranger"]).expect(3, &["(named by firedrill.yaml) is not trusted", "invalid peer certificate"]);
    user.says(&["targets", "--env", "bare"]).expect(3, &[&address, "does not let us in", "cert.pem and key.pem"]);
    user.says(&["targets", "--env", "plain"]).expect(3, &[&address, "speaks TLS", "`tls:`", "DOCKER_TLS_VERIFY"]);
    assert_eq!(engine.docker(&["inspect", "--format", "{{.State.Status}}", "solo"]), "running");
}
