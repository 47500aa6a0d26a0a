//! `firedrill up`: a local system in the foreground.

use super::{args::Up, say};
use crate::{
    model::verdict::Verdict,
    platform::local::{
        Containment,
        up::{self, UpArgs, UpError},
    },
};

/// Keeps a system running until it is told to end.
pub fn up(args: Up) -> u8 {
    let arguments = UpArgs {
        system: args.system,
        vars: args.vars.into_iter().collect(),
        for_run: args.for_run,
        containment: Containment::from_environment(),
        program: None,
    };
    match up::run(&arguments) {
        Ok(()) => 0,
        Err(UpError::Invalid(diagnostics)) => {
            say::err(&diagnostics.text(say::colour_on_stderr()));
            Verdict::Invalid.exit_code()
        }
        Err(error) => {
            say::problem(error);
            Verdict::NotStarted.exit_code()
        }
    }
}
