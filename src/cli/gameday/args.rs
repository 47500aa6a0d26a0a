//! The command lines of `gameday`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::cli::args::{Place, TextOrJson};

/// `firedrill gameday`.
#[derive(Debug, Subcommand)]
pub enum GamedayVerb {
    /// Conduct a game day: the drills of its agenda, with the people around them.
    Run(RunDay),
    /// Check an agenda and every experiment that it names; exit 2 on any error.
    Check(CheckDay),
    /// Print the agenda, with the victims that each experiment would have now. Touches nothing.
    Plan(PlanDay),
    /// Where a running game day is, and what it waits on.
    Status(StatusDay),
    /// Render the report of a game day again.
    Report(ReportDay),
    /// What a person says to a running day.
    #[command(flatten)]
    Say(Say),
}

/// What a person says to a running day.
#[derive(Debug, Subcommand)]
pub enum Say {
    /// Say go: begin the drill, go on, end the pause.
    Go(Here),
    /// Keep a note, with the time and your name.
    Note(Words),
    /// Keep something that is to be done later.
    Action(Action),
    /// Answer the question.
    Answer(Words),
    /// Begin nothing more for now.
    Pause(Which),
    /// Go on after a pause.
    Resume(Which),
    /// Leave the current item out; a drill that runs halts and undoes.
    Skip(Here),
    /// Say that the fault was noticed.
    Detected(Which),
    /// Say that users do not feel the fault any more.
    Mitigated(Which),
    /// End the day; a drill that runs halts and undoes.
    Abort(Which),
}

/// `firedrill gameday run`.
#[derive(Debug, Args)]
pub struct RunDay {
    /// The agenda.
    #[arg(value_name = "FILE", default_value = "gameday.yaml")]
    pub file: PathBuf,
    /// The folder for the day's folder and the run folders.
    #[arg(long, value_name = "FOLDER", default_value = "firedrill-runs")]
    pub out: PathBuf,
    /// Say go beforehand, wherever a person would be asked before a drill. Questions and decisions are still a person's.
    #[arg(long, short = 'y')]
    pub yes: bool,
    /// Your name, beside what you say; the user's when left out.
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Where everything runs.
    #[command(flatten)]
    pub place: Place,
}

/// `firedrill gameday check`.
#[derive(Debug, Args)]
pub struct CheckDay {
    /// The agenda.
    #[arg(value_name = "FILE", default_value = "gameday.yaml")]
    pub file: PathBuf,
    /// How findings are printed.
    #[arg(long, value_enum, default_value_t = TextOrJson::Text)]
    pub format: TextOrJson,
    /// Where everything would run.
    #[command(flatten)]
    pub place: Place,
}

/// `firedrill gameday plan`.
#[derive(Debug, Args)]
pub struct PlanDay {
    /// The agenda.
    #[arg(value_name = "FILE", default_value = "gameday.yaml")]
    pub file: PathBuf,
    /// Where everything would run.
    #[command(flatten)]
    pub place: Place,
}

/// `firedrill gameday status`.
#[derive(Debug, Args)]
pub struct StatusDay {
    /// The day's id; the one that is running when left out.
    #[arg(value_name = "DAY")]
    pub day: Option<String>,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = TextOrJson::Text)]
    pub format: TextOrJson,
}

/// `firedrill gameday report`.
#[derive(Debug, Args)]
pub struct ReportDay {
    /// A day's folder, its gameday.jsonl, or its id under `firedrill-runs`.
    #[arg(value_name = "DAY")]
    pub day: PathBuf,
    /// The format.
    #[arg(long, value_enum, default_value_t = DayFormat::Markdown)]
    pub format: DayFormat,
    /// Write it here in place of standard output.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Formats of a day's report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DayFormat {
    /// One self-contained page.
    Html,
    /// For a chat, an issue, a wiki.
    Markdown,
    /// For machines.
    Json,
}

/// Which day is spoken to, and by whom.
#[derive(Debug, Args)]
pub struct Which {
    /// The day's id; the one that is running when left out.
    #[arg(value_name = "DAY")]
    pub day: Option<String>,
    /// Your name, beside what you say; the user's when left out.
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
}

/// Something that is about the current item.
#[derive(Debug, Args)]
pub struct Here {
    /// Only when this is the current item.
    #[arg(long, value_name = "NUMBER")]
    pub item: Option<u32>,
    /// To which day.
    #[command(flatten)]
    pub which: Which,
}

/// Something that is written.
#[derive(Debug, Args)]
pub struct Words {
    /// What.
    #[arg(value_name = "TEXT")]
    pub text: String,
    /// To which day.
    #[command(flatten)]
    pub which: Which,
}

/// `firedrill gameday action`.
#[derive(Debug, Args)]
pub struct Action {
    /// What is to be done.
    #[arg(value_name = "TEXT")]
    pub text: String,
    /// Who will do it.
    #[arg(long, value_name = "NAME")]
    pub owner: Option<String>,
    /// To which day.
    #[command(flatten)]
    pub which: Which,
}
