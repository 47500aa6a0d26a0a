//! Programs of this machine that change a container's network namespace: `nsenter`, `tc`, `iptables`. Argument lists, no shell, and a
//! deadline over each call.

use std::{
    process::{Output, Stdio},
    time::Duration,
};

use tokio::{io::AsyncWriteExt, process::Command};

use crate::{
    failpoint::{self, Fail},
    platform::PlatformError,
};

/// The longest that one call may take; each is a few system calls.
const LIMIT: Duration = Duration::from_secs(5);

/// Runs a program to its end and gives what it wrote.
///
/// # Errors
/// `Unavailable` when it is not installed, `Timeout`, or `Failed` with what it said.
pub async fn run(words: &[&str]) -> Result<String, PlatformError> {
    run_with(words, "").await
}

/// The same, for a program that changes something; it reads `input`.
///
/// # Errors
/// As [`run`].
pub async fn change(words: &[&str], input: &str) -> Result<String, PlatformError> {
    let fail = failpoint::visit("host-tool");
    failpoint::crash(fail, Fail::Before);
    if fail == Some(Fail::Io) {
        return Err(PlatformError::Failed("a fail point".to_owned()));
    }
    let done = run_with(words, input).await;
    failpoint::crash(fail, Fail::After);
    if fail == Some(Fail::Lost) { Err(PlatformError::Timeout(LIMIT)) } else { done }
}

async fn run_with(words: &[&str], input: &str) -> Result<String, PlatformError> {
    let Some((name, arguments)) = words.split_first() else { return Err(PlatformError::Failed("the command is empty".to_owned())) };
    let mut command = Command::new(name);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).env("LC_ALL", "C").kill_on_drop(true);
    let output = match tokio::time::timeout(LIMIT, output(&mut command, input)).await {
        Err(_) => return Err(PlatformError::Timeout(LIMIT)),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(PlatformError::Unavailable(format!("`{name}` is needed on this machine, and is not installed")));
        }
        Ok(Err(error)) => return Err(PlatformError::Failed(format!("`{name}` cannot be started: {error}"))),
        Ok(Ok(output)) => output,
    };
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', " / ");
    let said = if said.is_empty() { output.status.to_string() } else { said };
    Err(PlatformError::Failed(format!("`{}`: {said}", words.join(" "))))
}

async fn output(command: &mut Command, input: &str) -> std::io::Result<Output> {
    let mut child = command.spawn()?;
    if let Some(mut pipe) = child.stdin.take() {
        // A program that ends without reading says why itself. What is written here is smaller than a pipe.
        let _ = pipe.write_all(input.as_bytes()).await;
    }
    child.wait_with_output().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failure_says_what_the_program_said() {
        assert_eq!(run(&["echo", "a b"]).await.unwrap(), "a b\n");
        assert_eq!(change(&["cat"], "in\n").await.unwrap(), "in\n");
        let missing = run(&["no-such-program-of-firedrill"]).await.unwrap_err();
        assert!(matches!(&missing, PlatformError::Unavailable(why) if why.contains("not installed")), "{missing:?}");
        let failed = run(&["ls", "/no/such/folder"]).await.unwrap_err();
        assert!(failed.to_string().contains("No such file"), "{failed}");
    }
}
