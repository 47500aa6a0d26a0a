//! The command line: verbs and flags. What they do is one file a verb beside this one.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

#[cfg(feature = "history")]
use super::history::args::HistoryArgs;
#[cfg(feature = "docker")]
use super::keeper;
#[cfg(feature = "notify")]
use super::notify::NotifyVerb;
#[cfg(feature = "daemon")]
use super::schedule::args::Serve;
use super::{
    against::{Against, CompareArgs},
    chaostoolkit::args::{Import, ToolkitArgs},
    deadman, deployer,
    gameday::args::GamedayVerb,
    init::Init,
    sample::Sample,
    schedule::args::ScheduleVerb,
    shell::{Completions, Man},
};
use crate::{model::quantity, platform::local, sample_app};

/// Chaos engineering with numbers you can trust.
///
/// firedrill kills processes, containers or machines as an experiment file says, while probes measure what users feel;
/// then it undoes everything and gives a verdict.
#[derive(Debug, Parser)]
#[command(name = "firedrill", version, max_term_width = 110, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
    /// How the log (`FIREDRILL_LOG`) and what goes wrong are written to standard error.
    #[arg(long, global = true, value_enum, value_name = "FORMAT", default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// How the log and what goes wrong are written to standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs: each line is a JSON object.
    Json,
}

/// What `--help` says at the end.
pub const EXIT_CODES: &str = "\
Exit codes: 0 passed, 1 failed, 2 the command line or the file is wrong (nothing was touched), 3 not started (nothing was touched),
4 aborted, 5 error, 6 residue: something could not be undone.
Environment: FIREDRILL_STATE_DIR (journals, locks and the history), FIREDRILL_LOG (log filter, such as debug), NO_COLOR.";

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run a real drill on local processes, nothing to install: six instances in three zones, a zone dies.
    Demo(Demo),
    /// Look at what runs here, and write a firedrill.yaml and a first small experiment. Touches nothing that runs.
    Init(Init),
    /// Check experiment files; exit 2 on any error.
    Check(Check),
    /// Print the exact victims of an experiment, how each act is undone, and what the caps allow. Touches nothing.
    Plan(PlanArgs),
    /// Run one or more experiments; also those of the Chaos Toolkit.
    Run(Run),
    /// An ad-hoc drill without a file: `firedrill drill kill --service web --take 1 --probe http://127.0.0.1:8080/`.
    Drill(Box<Drill>),
    /// List what could be chosen: instances with their service, zone, state and identity.
    Targets(Targets),
    /// Render the report of an old run again.
    Report(ReportArgs),
    /// Undo what an interrupted run left behind. Running it twice does no harm.
    Recover(Recover),
    /// Hold a run that is over against earlier ones. Exit code 1 when something got worse than is tolerated.
    Compare(CompareArgs),
    /// Past runs: listed, one shown, two compared, the trend of an experiment.
    #[cfg(feature = "history")]
    History(HistoryArgs),
    /// Stop running drills and have them undo everything.
    Halt(HaltArgs),
    /// Game days: an agenda of drills, announcements, countdowns, confirmations and notes, and one report for the day.
    #[command(subcommand)]
    Gameday(GamedayVerb),
    /// What fires by itself and when: explain, simulate, enable, disable.
    #[command(subcommand)]
    Schedule(ScheduleVerb),
    /// Watch a folder of experiments, and run them when they are due, until it is told to stop.
    #[cfg(feature = "daemon")]
    Serve(Serve),
    /// Messages about runs, as firedrill.yaml names who is told.
    #[cfg(feature = "notify")]
    #[command(subcommand)]
    Notify(NotifyVerb),
    /// Turn an experiment of another tool into our format, and list every difference in meaning.
    Import(Import),
    /// Print a JSON Schema: of the files that people write, of results, events or plans.
    Schema(Schema),
    /// For drills on AWS.
    #[cfg(feature = "aws")]
    #[command(subcommand)]
    Aws(Aws),
    /// Print the completions of a shell.
    Completions(Completions),
    /// Print the manual page, or write a page for each verb.
    Man(Man),
    /// Keep a local system running in the foreground, until Ctrl-C.
    Up(Up),
    /// (internal) The balancer process of a local system.
    #[command(hide = true)]
    Balancer,
    /// (internal) The first process of a local system's namespace.
    #[command(hide = true)]
    Namespace(local::init::InitArgs),
    /// (internal) Undoes a run when its firedrill is gone or hangs.
    #[command(hide = true)]
    Deadman(deadman::DeadmanArgs),
    /// (internal) The deployment tool of the examples, for command steps.
    #[command(hide = true)]
    Deployer(deployer::Deployer),
    /// (internal) Replaces dead containers in the examples.
    #[cfg(feature = "docker")]
    #[command(hide = true)]
    Keeper(keeper::Keeper),
    /// (internal) The blog of the examples.
    #[command(hide = true)]
    Blog(sample_app::blog::Options),
    /// (internal) The applications of the examples, and the stores that they need.
    #[command(hide = true, subcommand)]
    Sample(Sample),
    /// (internal) The sample site of the examples: tells the time.
    #[command(hide = true)]
    WhatTime(sample_app::what_time::Options),
    /// (internal) The name server of the examples: says what a file says.
    #[command(hide = true)]
    NameServer(sample_app::name_server::Options),
}

/// `firedrill aws`.
#[cfg(feature = "aws")]
#[derive(Debug, Subcommand)]
pub enum Aws {
    /// Print the least IAM policy that exactly this experiment needs in its environment.
    Policy(AwsPolicy),
}

/// `firedrill aws policy`.
#[cfg(feature = "aws")]
#[derive(Debug, Args)]
pub struct AwsPolicy {
    /// The experiment file.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Where it would run.
    #[command(flatten)]
    pub place: Place,
}

/// `firedrill up`.
#[derive(Debug, Args)]
pub struct Up {
    /// The system's file.
    #[arg(value_name = "SYSTEM")]
    pub system: PathBuf,
    /// A variable of the system; wins over the file's.
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = variable)]
    pub vars: Vec<(String, String)>,
    /// (internal) End when standard input ends: the run that started this is gone.
    #[arg(long, hide = true)]
    pub for_run: bool,
}

/// Where an experiment runs.
#[derive(Debug, Clone, Default, Args)]
pub struct Place {
    /// The environment of firedrill.yaml to run in.
    #[arg(long, value_name = "NAME")]
    pub env: Option<String>,
    /// A variable for `${NAME}`; wins over the environment's.
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = variable)]
    pub vars: Vec<(String, String)>,
}

/// Where results go, and what is asked.
#[derive(Debug, Clone, Args)]
pub struct Output {
    /// The folder for run folders.
    #[arg(long, value_name = "FOLDER", default_value = "firedrill-runs")]
    pub out: PathBuf,
    /// Also write the JUnit report here (all files in one).
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Also write the Markdown report here (all files in one).
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    /// Also append the Markdown report to this file; in GitHub's workflows, to the step's summary.
    #[arg(long, value_name = "FILE", env = "GITHUB_STEP_SUMMARY", hide_env_values = true)]
    pub summary: Option<PathBuf>,
    /// Say yes beforehand, where a person would be asked.
    #[arg(long, short = 'y')]
    pub yes: bool,
}

/// `firedrill demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// Which demo.
    #[arg(value_enum, default_value_t = DemoKind::Zone)]
    pub which: DemoKind,
    /// Only these of the gallery: an example (`shop`), or one of its rows (`shop/sticky`).
    #[arg(value_name = "ROW")]
    pub only: Vec<String>,
    /// The folder for run folders.
    #[arg(long, value_name = "FOLDER", default_value = "firedrill-runs")]
    pub out: PathBuf,
}

/// The demos.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DemoKind {
    /// Six instances in three zones; one zone dies; users hardly notice.
    Zone,
    /// One drill climbs six architectures, from one server to three zones, and a table compares them.
    Ladder,
    /// Every example system, right and wrong ones, each with its drill, and a table of the verdicts. Some need programs of Debian's
    /// packages (redis-server, postgresql): without them the row says what to install.
    Gallery,
}

/// `firedrill check`.
#[derive(Debug, Args)]
pub struct Check {
    /// Experiment files.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// How findings are printed.
    #[arg(long, value_enum, default_value_t = TextOrJson::Text)]
    pub format: TextOrJson,
    /// Where it would run.
    #[command(flatten)]
    pub place: Place,
}

/// `firedrill plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// The experiment file.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The seed of all draws.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Also keep the plan in this file, for `run --plan`.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// How the plan is printed.
    #[arg(long, value_enum, default_value_t = TextOrJson::Text)]
    pub format: TextOrJson,
    /// Where it would run.
    #[command(flatten)]
    pub place: Place,
}

/// `firedrill run`.
#[derive(Debug, Args)]
pub struct Run {
    /// Experiment files; all are checked before the first one runs.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The seed of all draws.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Act on exactly the victims of this plan (of `firedrill plan -o`).
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// (internal) Halt when standard input ends: the daemon that started this is gone.
    #[arg(long, hide = true)]
    pub for_daemon: bool,
    /// (internal) The id of the run, which the game day that started this gave it.
    #[arg(long, hide = true, value_name = "RUN", value_parser = run_id)]
    pub run_id: Option<String>,
    /// (internal) The faults stay until the game day that started this says that they are mitigated, for at most so long.
    #[arg(long, hide = true, value_name = "DURATION", value_parser = duration)]
    pub until_mitigated: Option<std::time::Duration>,
    /// Results.
    #[command(flatten)]
    pub output: Output,
    /// Where it runs.
    #[command(flatten)]
    pub place: Place,
    /// What they are held against.
    #[command(flatten)]
    pub against: Against,
    /// How Chaos Toolkit's experiments run.
    #[command(flatten)]
    pub toolkit: ToolkitArgs,
}

/// `firedrill drill`.
#[derive(Debug, Args)]
pub struct Drill {
    /// The fault: kill, stop, pause, restart, partition, zone-outage, region-outage, suspend-replacement, slow, loss.
    #[arg(value_name = "FAULT")]
    pub fault: String,
    /// Only this service.
    #[arg(long)]
    pub service: Option<String>,
    /// Only this zone, or `random`.
    #[arg(long)]
    pub zone: Option<String>,
    /// Only this region, or `random`.
    #[arg(long)]
    pub region: Option<String>,
    /// Only names that match this pattern, such as `web-*`.
    #[arg(long)]
    pub name: Option<String>,
    /// Only this instance.
    #[arg(long)]
    pub id: Option<String>,
    /// How many: a number, a percentage, or `all`.
    #[arg(long, default_value = "1")]
    pub take: String,
    /// How long the fault lasts before it is undone.
    #[arg(long, default_value = "10s")]
    pub hold: String,
    /// Measure this URL (or `host:port`) meanwhile; may be given several times.
    #[arg(long, value_name = "URL")]
    pub probe: Vec<String>,
    /// Requests per second of each probe.
    #[arg(long, default_value = "200/s")]
    pub rate: String,
    /// The availability that must hold in every phase.
    #[arg(long, default_value = "99%")]
    pub availability: String,
    /// The extra latency of `slow`.
    #[arg(long, default_value = "200ms")]
    pub latency: String,
    /// The share of requests that `loss` loses.
    #[arg(long, default_value = "10%")]
    pub share: String,
    /// How `partition` cuts off: connections `hang`, are refused (`refuse`), or it is taken off its networks (`disconnect`; containers).
    #[arg(long, default_value = "hang")]
    pub mode: String,
    /// How much of a service may be affected at most.
    #[arg(long, value_name = "SHARE")]
    pub max_affected: Option<String>,
    /// The seed of all draws.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Write the experiment file of this drill here.
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
    /// The local system, when no firedrill.yaml names one.
    #[arg(long, value_name = "SYSTEM")]
    pub system: Option<PathBuf>,
    /// Results.
    #[command(flatten)]
    pub output: Output,
    /// Where it runs.
    #[command(flatten)]
    pub place: Place,
}

/// `firedrill targets`.
#[derive(Debug, Args)]
pub struct Targets {
    /// How they are printed.
    #[arg(long, value_enum, default_value_t = TableOrJson::Table)]
    pub format: TableOrJson,
    /// The local system, when no firedrill.yaml names one.
    #[arg(long, value_name = "SYSTEM")]
    pub system: Option<PathBuf>,
    /// Where.
    #[command(flatten)]
    pub place: Place,
}

/// `firedrill report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// A run folder, an events.jsonl file, or a run's id under `firedrill-runs`.
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// The format.
    #[arg(long, value_enum, default_value_t = ReportFormat::Console)]
    pub format: ReportFormat,
    /// Write it here in place of standard output.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Formats of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the names of formats")]
pub enum ReportFormat {
    Console,
    Html,
    Markdown,
    Junit,
    Json,
}

/// `firedrill recover`.
#[derive(Debug, Args)]
pub struct Recover {
    /// A journal's path or a run's id; every unfinished run when left out.
    #[arg(value_name = "JOURNAL")]
    pub journal: Option<String>,
    /// A local system to look in for what runs left whose journals are lost; those that `firedrill up` keeps are looked in anyway.
    #[arg(long, value_name = "SYSTEM")]
    pub system: Option<PathBuf>,
    /// Where else to look for what runs left whose journals are lost.
    #[command(flatten)]
    pub place: Place,
}

/// `firedrill halt`.
#[derive(Debug, Args)]
pub struct HaltArgs {
    /// The run's id; every running drill of this user when left out.
    #[arg(value_name = "RUN")]
    pub run: Option<String>,
}

/// `firedrill schema`.
#[derive(Debug, Args)]
pub struct Schema {
    /// Of what.
    #[arg(value_enum, default_value_t = SchemaOf::Experiment)]
    pub of: SchemaOf,
}

/// What has a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// Experiment files.
    Experiment,
    /// `firedrill.yaml`.
    Project,
    /// Agendas of game days.
    Gameday,
    /// A line of `gameday.jsonl`.
    DayEvent,
    /// Files of local systems, for `firedrill up`.
    System,
    /// `result.json`.
    Result,
    /// A line of `events.jsonl`.
    Event,
    /// Plans of `firedrill plan -o`.
    Plan,
}

/// Text for people or JSON for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the names of formats")]
pub enum TextOrJson {
    Text,
    Json,
}

/// A table for people or JSON for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the names of formats")]
pub enum TableOrJson {
    Table,
    Json,
}

fn duration(text: &str) -> Result<std::time::Duration, String> {
    quantity::duration(text).map_err(|bad| bad.problem)
}

fn run_id(text: &str) -> Result<String, String> {
    let fine = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if fine { Ok(text.to_owned()) } else { Err("expected letters, digits and `-`".to_owned()) }
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}
