//! Layer 6: one file a verb. The only layer that names a concrete platform and hands it to the engine.

mod against;
pub mod args;
mod ask;
#[cfg(feature = "aws")]
mod aws;
mod chaostoolkit;
mod check;
mod ci;
mod connect;
mod deadman;
mod demo;
pub mod deployer;
mod drill;
mod drill_experiment;
mod fresh;
pub mod gallery;
mod gameday;
mod halt;
#[cfg(feature = "history")]
mod history;
#[cfg(not(feature = "history"))]
#[path = "no_history.rs"]
mod history;
mod import;
mod init;
#[cfg(feature = "docker")]
pub mod keeper;
mod ladder;
mod loading;
#[cfg(feature = "notify")]
mod notify;
mod plan;
mod recover;
mod report;
mod run;
mod runner;
pub mod sample;
mod say;
mod schedule;
mod schema;
#[cfg(feature = "daemon")]
mod serve;
mod shell;
mod signals;
mod targets;
mod threads;
mod trial;
mod up;

use std::ffi::OsString;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::{balancer, model::verdict::Verdict, platform::local, sample_app};
use args::{Cli, LogFormat, Verb};
use sample::Sample;
use threads::Threads;

/// Runs the command line; gives the exit code.
pub fn main(args: impl IntoIterator<Item = OsString>) -> u8 {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // `--help` and `--version` come this way too, with exit code 0; everything else is 2.
            let _ = error.print();
            return u8::try_from(error.exit_code()).unwrap_or(Verdict::Invalid.exit_code());
        }
    };
    log(cli.log_format);
    match cli.verb {
        Verb::Check(args) => check::check(&args),
        Verb::Schema(args) => schema::schema(&args),
        Verb::Import(args) => import::import(&args),
        Verb::Completions(args) => shell::completions(&args),
        Verb::Man(args) => shell::man(&args),
        Verb::Report(args) => report::report(&args),
        Verb::Compare(args) => against::compare_runs(&args, &against::usual()),
        #[cfg(feature = "aws")]
        Verb::Aws(args::Aws::Policy(args)) => aws::policy(&args),
        #[cfg(feature = "daemon")]
        Verb::Serve(args) => Threads::Workers.run(serve::serve(args)),
        #[cfg(feature = "history")]
        Verb::History(args) => history::history(&args),
        #[cfg(feature = "notify")]
        Verb::Notify(verb) => Threads::Workers.run(notify::notify(verb)),
        Verb::Schedule(verb) => schedule::schedule(&verb),
        Verb::Gameday(verb) => Threads::Workers.run(gameday::gameday(verb)),
        Verb::Halt(args) => halt::halt(&args),
        Verb::Plan(args) => Threads::Workers.run(plan::plan(args)),
        Verb::Run(args) => run::run(args),
        Verb::Drill(args) => drill::drill(*args),
        Verb::Targets(args) => Threads::Workers.run(targets::targets(args)),
        Verb::Recover(args) => Threads::Workers.run(recover::recover(args)),
        Verb::Init(args) => Threads::Workers.run(init::init(args)),
        Verb::Demo(args) => Threads::Workers.run(demo::demo(args)),
        Verb::Deployer(args) => Threads::Workers.run(deployer::deployer(args)),
        #[cfg(feature = "docker")]
        Verb::Keeper(args) => Threads::Workers.run(keeper::keeper(args)),
        // These bring a runtime of their own: what they do must come before any thread.
        Verb::Up(args) => up::up(args),
        Verb::Deadman(args) => deadman::deadman(&args),
        Verb::Namespace(args) => ended(local::init::run(&args)),
        Verb::Balancer => ended(balancer::process::run()),
        Verb::Blog(args) => ended(sample_app::blog::run(&args)),
        Verb::Sample(sample) => ended(match sample {
            Sample::Shop(args) => sample_app::shop::run(&args),
            Sample::Redis(args) => sample_app::stores::redis::run(&args),
            Sample::Postgres(args) => sample_app::stores::postgres::run(&args),
            Sample::Failover(args) => sample_app::stores::failover::run(&args),
            Sample::Link(args) => sample_app::stores::link::run(&args),
            Sample::Nginx(args) => sample_app::stores::nginx::run(&args),
            Sample::Api(args) => sample_app::jobs::api::run(&args),
            Sample::Worker(args) => sample_app::jobs::worker::run(&args),
            Sample::Backup(args) => sample_app::jobs::backup::backup(&args),
            Sample::Restore(args) => sample_app::jobs::backup::restore(&args),
            Sample::Chat(args) => sample_app::chat::run(&args),
            Sample::Discovery(args) => sample_app::discovery::run(&args),
            Sample::Upgrade(args) => sample_app::upgrade::run(&args),
            Sample::Real(args) => sample_app::real::run(&args),
        }),
        Verb::WhatTime(args) => ended(sample_app::what_time::run(&args)),
        Verb::NameServer(args) => ended(sample_app::name_server::run(&args)),
    }
}

/// The exit code of a verb that is a process of its own.
fn ended<E: std::fmt::Display>(result: Result<(), E>) -> u8 {
    match result {
        Ok(()) => 0,
        Err(error) => {
            say::problem(error);
            Verdict::NotStarted.exit_code()
        }
    }
}

/// Logs go to standard error, and only when asked for. As JSON, what goes wrong is a line of the log.
fn log(format: LogFormat) {
    say::lines_are_json(format == LogFormat::Json);
    let Ok(wanted) = std::env::var("FIREDRILL_LOG") else { return };
    let filter = EnvFilter::try_new(&wanted)
        .inspect_err(|error| say::problem(format!("FIREDRILL_LOG: {error}; expected `debug`, or a filter like `firedrill=trace`")));
    if let Ok(filter) = filter {
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
        let _ = match format {
            LogFormat::Text => log.try_init(),
            LogFormat::Json => log.json().try_init(),
        };
    }
}
