//! A real program in the place of this one: `sample real etcd --name …` becomes etcd, wherever the machine has it, or says which package
//! has it.

use std::{os::unix::process::CommandExt as _, process::Command};

use super::{
    programs::{self, Program},
    server::RunError,
};

/// The flags of `sample real`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// The program: etcd, haproxy, nginx or redis-server
    #[arg(value_parser = program)]
    pub program: Program,
    /// Its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<String>,
}

fn program(name: &str) -> Result<Program, String> {
    let known = [programs::ETCD, programs::HAPROXY, programs::NGINX, programs::REDIS];
    known.into_iter().find(|program| program.name == name).ok_or_else(|| format!("there is no `{name}` among the examples' programs"))
}

/// Becomes it; returns only when that is not possible.
pub fn run(options: &Options) -> Result<(), RunError> {
    let path = options.program.found().map_err(RunError::Needs)?;
    let error = Command::new(&path).args(&options.arguments).exec();
    Err(RunError::Needs(format!("{} cannot be started: {error}", path.display())))
}
