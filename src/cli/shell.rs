//! `firedrill completions SHELL` and `firedrill man`: what shells and manual pages know of the command line. Verbs that are for firedrill itself are in neither.

use std::{io, path::PathBuf};

use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;

use super::{
    args::{Cli, EXIT_CODES},
    say,
};
use crate::model::verdict::Verdict;

/// `firedrill completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// For which shell.
    #[arg(value_enum)]
    pub shell: Shell,
}

/// `firedrill man`.
#[derive(Debug, Args)]
pub struct Man {
    /// Write a page for each verb into this folder, in place of the first page on standard output.
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
}

/// Prints the completions of a shell.
pub fn completions(args: &Completions) -> u8 {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut command(), "firedrill", &mut text);
    say::out(&String::from_utf8_lossy(&text));
    0
}

/// Prints the manual, or writes its pages.
pub fn man(args: &Man) -> u8 {
    match pages(args) {
        Ok(said) => {
            say::out(&said);
            0
        }
        Err(why) => {
            say::problem(why);
            Verdict::Error.exit_code()
        }
    }
}

fn pages(args: &Man) -> Result<String, String> {
    let Some(folder) = &args.out else {
        let mut text = Vec::new();
        clap_mangen::Man::new(command()).render(&mut text).map_err(|error| error.to_string())?;
        return Ok(String::from_utf8_lossy(&text).into_owned());
    };
    let written = |error: io::Error| format!("{}: {error}", folder.display());
    std::fs::create_dir_all(folder).map_err(written)?;
    clap_mangen::generate_to(command(), folder).map_err(written)?;
    Ok(format!("the pages are in {0}: man -l {0}/firedrill.1\n", folder.display()))
}

/// The command line without what is hidden.
fn command() -> Command {
    visible(&Cli::command()).version(env!("CARGO_PKG_VERSION")).after_help(EXIT_CODES).disable_help_subcommand(true)
}

/// A verb without its hidden flags and verbs: what is made from it would list them.
fn visible(verb: &Command) -> Command {
    let verbs = verb.get_subcommands().filter(|verb| !verb.is_hide_set()).map(visible);
    let flags = verb.get_arguments().filter(|flag| !flag.is_hide_set()).cloned();
    let mut out = Command::new(verb.get_name().to_owned()).args(flags).subcommands(verbs);
    if let Some(about) = verb.get_about() {
        out = out.about(about.clone());
    }
    if let Some(about) = verb.get_long_about() {
        out = out.long_about(about.clone());
    }
    out.subcommand_required(verb.is_subcommand_required_set())
}
