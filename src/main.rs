//! Arguments → runtime → outcome → exit code. The only place that ends the process.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(firedrill::cli::main(std::env::args_os()))
}
