//! The command lines of `schedule` and `serve`.

use std::path::PathBuf;
#[cfg(feature = "daemon")]
use std::{net::SocketAddr, str::FromStr};

use clap::{Args, Subcommand};

use crate::{
    cli::args::{Place, TextOrJson},
    schedule::simulate::MOST_DAYS,
};

/// `firedrill serve`.
#[cfg(feature = "daemon")]
#[derive(Debug, Clone, Args)]
pub struct Serve {
    /// The folder of experiments; folders in it count too.
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
    /// The folder for run folders.
    #[arg(long, value_name = "FOLDER", default_value = "firedrill-runs")]
    pub out: PathBuf,
    /// Say yes beforehand, for environments that ask for a person's.
    #[arg(long, short = 'y')]
    pub yes: bool,
    /// Where the page and the API are: an address with a port, or `off`.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7070")]
    pub listen: Listen,
    /// The token that lets people and programs in, in a file; else `FIREDRILL_TOKEN`, else one is made for this time.
    #[arg(long, value_name = "FILE")]
    pub listen_token_file: Option<PathBuf>,
    /// A name by which the page is reached; may be given several times. This machine's own names need not be said.
    #[arg(long = "host", value_name = "NAME")]
    pub hosts: Vec<String>,
    /// Where they run.
    #[command(flatten)]
    pub place: Place,
}

/// Where a server listens.
#[cfg(feature = "daemon")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    /// Nowhere.
    Off,
    /// Here.
    At(SocketAddr),
}

#[cfg(feature = "daemon")]
impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        text.parse().map(Self::At).map_err(|_| "expected an address with a port, such as 127.0.0.1:7070, or `off`".to_owned())
    }
}

/// `firedrill schedule`.
#[derive(Debug, Subcommand)]
pub enum ScheduleVerb {
    /// The next firings, and why others are suppressed.
    Explain(Explain),
    /// Who would be hit how often.
    Simulate(Simulate),
    /// Let an experiment fire again.
    Enable(Switch),
    /// Keep an experiment from firing, until it is enabled.
    Disable(Switch),
}

/// Which experiments are looked ahead of, and from when on.
#[derive(Debug, Args)]
pub struct Over {
    /// Experiment files, or folders with experiments; the working directory when left out.
    #[arg(value_name = "PATH")]
    pub files: Vec<PathBuf>,
    /// From this moment on, such as 2026-12-01T00:00:00Z, in place of now.
    #[arg(long, value_name = "MOMENT")]
    pub from: Option<String>,
    /// How they are printed.
    #[arg(long, value_enum, default_value_t = TextOrJson::Text)]
    pub format: TextOrJson,
    /// Where they would run.
    #[command(flatten)]
    pub place: Place,
}

/// `firedrill schedule explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// How many firings.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub count: u16,
    /// Of which experiments, and from when on.
    #[command(flatten)]
    pub over: Over,
}

/// `firedrill schedule simulate`.
#[derive(Debug, Args)]
pub struct Simulate {
    /// How many days.
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_DAYS)))]
    pub days: u32,
    /// Of which experiments, and from when on.
    #[command(flatten)]
    pub over: Over,
}

/// `firedrill schedule enable` and `disable`.
#[derive(Debug, Args)]
pub struct Switch {
    /// The experiment: its name in the folder (its path there, without `.yaml`), or its file.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The folder of experiments.
    #[arg(long = "in", value_name = "FOLDER", default_value = ".")]
    pub folder: PathBuf,
}
