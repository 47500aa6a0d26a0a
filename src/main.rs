//! Arguments → runtime → outcome → exit code. The only place that ends the process.

use std::process::ExitCode;

fn main() -> ExitCode {
    one_heap();
    ExitCode::from(firedrill::cli::main(std::env::args_os()))
}

/// glibc gives each of our dozen threads a heap of its own, which keeps what that thread freed: a tenth of what a drill holds. One serves all
/// of them; what is small does not reach it, as each thread keeps that at hand.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "the variable that says the same would be inherited by whatever a drill starts")]
fn one_heap() {
    // SAFETY: it takes two numbers and touches nothing of ours; no other thread runs yet.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn one_heap() {}
