//! The `process` provider: a program in a process group of its own, which is ended whole when its time is over. A program that ends by itself
//! may leave others behind: starting one may be what it is for.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value as Json, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::Command,
};

use super::{Failed, MOST_KEPT, seconds};
use crate::{
    chaostoolkit::{
        leftover::MARK,
        model::{Arguments, Process},
        substitute::{Values, words},
    },
    model::{ids::RunId, quantity::show_duration},
};

/// The program that a path or a name in `PATH` means, if it can be run. `~/` is the home folder.
pub fn find(path: &str) -> Option<PathBuf> {
    let runs = |path: &Path| path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok();
    let home = path.strip_prefix("~/").and_then(|rest| Some(std::env::home_dir()?.join(rest)));
    let path = home.unwrap_or_else(|| PathBuf::from(path));
    if path.components().count() > 1 || path.is_absolute() {
        return runs(&path).then_some(path);
    }
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(&path)).find(|path| runs(path))
}

/// Its process group, ended when this is dropped before [`Group::gone`].
struct Group(Option<Pid>);

impl Group {
    /// Its first process is reaped: the number may be another's now.
    fn gone(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Runs it to its end.
pub(super) async fn run(process: &Process, values: &Values, limit: Duration, of: &RunId) -> Result<Json, Failed> {
    let (path, _) = &process.path;
    let program = find(path).ok_or_else(|| Failed::new(format!("`{path}` is not a program that can be run")))?;
    let limit = process.timeout.and_then(|(given, _)| seconds(given)).unwrap_or(limit);
    let mut command = command(&program, &process.arguments.0, values);
    let mut child = command
        .env(MARK, of.as_str())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| Failed::new(format!("`{path}` could not be started: {error}")))?;
    let group = Group(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
    let (out, err) = (child.stdout.take(), child.stderr.take());
    // Until both streams end: what it started in the background may still write.
    let ended = tokio::time::timeout(limit, async {
        let (out, err) = tokio::join!(read(out), read(err));
        let status = child.wait().await;
        group.gone();
        (out, err, status)
    })
    .await;
    let Ok((out, err, status)) = ended else {
        return Err(Failed::new(format!("it took longer than {}, and was ended", show_duration(limit))));
    };
    let status = status.map_err(|error| Failed::new(format!("`{path}` could not be waited for: {error}")))?;
    let code = status.code().unwrap_or_else(|| -std::os::unix::process::ExitStatusExt::signal(&status).unwrap_or(0));
    Ok(json!({ "status": code, "stdout": out?, "stderr": err? }))
}

fn command(program: &Path, arguments: &Arguments, values: &Values) -> Command {
    let fill = |value: &Json| if values.is_empty() { value.clone() } else { values.fill(value) };
    let list = match arguments {
        Arguments::Shell(text) => match fill(&Json::String(text.clone())) {
            Json::Array(items) => items,
            Json::Object(map) => map.into_iter().flat_map(|(key, value)| [Json::String(key), value]).collect(),
            Json::Null => Vec::new(),
            filled => {
                let mut shell = Command::new("/bin/sh");
                shell.arg("-c").arg(format!("{} {}", program.display(), words(&filled)));
                return shell;
            }
        },
        Arguments::List(items) => items.iter().map(fill).collect(),
        Arguments::Pairs(pairs) => pairs.iter().flat_map(|(key, value)| [Json::String(key.clone()), fill(value)]).collect(),
    };
    let mut command = Command::new(program);
    command.args(list.iter().filter(|item| !item.is_null() && item.as_str() != Some("")).map(words));
    command
}

/// A stream to its end; more than may be kept is thrown away, so that who writes is not held up.
async fn read(stream: Option<impl AsyncRead + Unpin>) -> Result<String, Failed> {
    let Some(mut stream) = stream else { return Ok(String::new()) };
    let mut kept = Vec::new();
    let mut all = 0_usize;
    let mut chunk = vec![0_u8; 16 * 1024];
    while let Ok(n @ 1..) = stream.read(&mut chunk).await {
        all += n;
        let room = MOST_KEPT.saturating_sub(kept.len());
        kept.extend_from_slice(&chunk[..n.min(room)]);
    }
    if all > MOST_KEPT {
        return Err(Failed::new(format!("it wrote {all} bytes, of which at most {MOST_KEPT} are kept")));
    }
    // Bytes that are no UTF-8 are taken as Latin-1: every byte is some text.
    Ok(String::from_utf8(kept).unwrap_or_else(|error| error.into_bytes().into_iter().map(char::from).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock, file::Span};

    fn sh(script: &str, timeout: Option<f64>) -> Process {
        Process {
            path: ("sh".to_owned(), Span::default()),
            arguments: (Arguments::List(vec![json!("-c"), json!(script), json!("sh"), json!(""), json!(7), json!(true)]), Span::default()),
            timeout: timeout.map(|seconds| (seconds, Span::default())),
        }
    }

    const LONG: Duration = Duration::from_mins(1);

    #[tokio::test]
    async fn a_program_gives_its_status_and_what_it_wrote() {
        let done = run(&sh("echo $# $1 $2; printf '\\351' >&2; exit 7", None), &Values::default(), LONG, &RunId::from("t")).await.unwrap();
        assert_eq!(done, json!({ "status": 7, "stdout": "2 7 True\n", "stderr": "é" }));
        let done = run(&sh("kill -9 $$", None), &Values::default(), LONG, &RunId::from("t")).await.unwrap();
        assert_eq!(done["status"], json!(-9));
    }

    #[tokio::test]
    async fn its_whole_group_ends_with_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("mark");
        let script = format!("(sleep 2; touch {}) & sleep 30", mark.display());
        let start = clock::now();
        let failed = run(&sh(&script, Some(0.2)), &Values::default(), LONG, &RunId::from("t")).await.unwrap_err();
        assert!(failed.why.contains("longer than 200 ms"), "{failed:?}");
        assert!(clock::now().since(start) < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(2500)).await;
        assert!(!mark.exists());
    }

    #[tokio::test]
    async fn what_writes_without_end_is_drained_and_refused() {
        let failed = run(&sh("head -c 3000000 /dev/zero", None), &Values::default(), LONG, &RunId::from("t")).await.unwrap_err();
        assert!(failed.why.contains("3000000 bytes"), "{failed:?}");
    }

    #[test]
    fn programs_are_found_as_a_shell_finds_them() {
        assert!(find("sh").is_some() && find("/bin/sh").is_some());
        assert!(find("no-such-program-here").is_none() && find("/etc/passwd").is_none() && find("").is_none());
    }
}
