//! A user who may not speak to the engine.

use std::{
    fs::{self, Permissions},
    os::unix::{
        fs::{PermissionsExt, chown},
        net::UnixListener,
        process::CommandExt,
    },
    path::Path,
};

use super::rig::{Said, User, said};

/// Nobody's number on Debian; it needs no name.
const NOBODY: u32 = 65534;

fn as_nobody(user: &User, program: &Path, arguments: &[&str]) -> Said {
    // Groups of root's are given up with the user.
    said(user.command_of(program, arguments).uid(NOBODY).gid(NOBODY))
}

#[test]
fn no_permission_is_said_with_what_to_do() {
    assert!(rustix::process::geteuid().is_root(), "this test becomes another user, for which it must be root");
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), Permissions::from_mode(0o755)).unwrap();
    // Where the binary was built, nobody may have no way in.
    let program = place.path().join("firedrill");
    fs::copy(env!("CARGO_BIN_EXE_firedrill"), &program).unwrap();
    let socket = place.path().join("docker.sock");
    let _engine = UnixListener::bind(&socket).unwrap();
    fs::set_permissions(&socket, Permissions::from_mode(0o600)).unwrap();

    let user = User::new(&format!("  staging:\n    platform: {{ docker: {{ hosts: [{{ host: 'unix://{}' }}] }} }}\n", socket.display()));
    user.experiment("kill.yaml", "  - kill: { service: web }\n    hold: 1s\n");
    chown(user.folder(), Some(NOBODY), Some(NOBODY)).unwrap();
    let words = [
        "no permission to use the Docker engine at unix://",
        "(named by firedrill.yaml)",
        "belongs to the group `root`; join that group, run as root, or use a rootless engine of your own",
    ];
    for arguments in
        [&["targets", "--env", "staging"][..], &["run", "kill.yaml", "--env", "staging"], &["plan", "kill.yaml", "--env", "staging"]]
    {
        as_nobody(&user, &program, arguments).expect(3, &words);
    }

    fs::create_dir(place.path().join("closed")).unwrap();
    fs::set_permissions(place.path().join("closed"), Permissions::from_mode(0o700)).unwrap();
    let closed = place.path().join("closed/docker.sock");
    let _other = UnixListener::bind(&closed).unwrap();
    let said = said(user.command_of(&program, &["targets", "--env", "staging"]).uid(NOBODY).gid(NOBODY));
    said.expect(3, &words);
    fs::write(
        user.folder().join("firedrill.yaml"),
        format!("environments:\n  staging:\n    platform: {{ docker: {{ hosts: [{{ host: 'unix://{}' }}] }} }}\n", closed.display()),
    )
    .unwrap();
    as_nobody(&user, &program, &["targets", "--env", "staging"]).expect(3, &["is in a folder that is closed to you"]);
}
