//! `firedrill report`: an old run again, from its events alone.

use std::path::{Path, PathBuf};

use super::{
    args::{ReportArgs, ReportFormat},
    say,
};
use crate::{
    model::verdict::Verdict,
    report::{Format, write},
};

/// Renders a run again.
pub fn report(args: &ReportArgs) -> u8 {
    let format = match args.format {
        ReportFormat::Console => Format::Text,
        ReportFormat::Html => Format::Html,
        ReportFormat::Markdown => Format::Markdown,
        ReportFormat::Junit => Format::Junit,
        ReportFormat::Json => Format::Json,
    };
    let rendered = write::render(&find(&args.run), format);
    let written = rendered.and_then(|text| match &args.output {
        None => {
            say::out(&text);
            Ok(())
        }
        Some(path) => std::fs::write(path, text).map_err(|error| std::io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
    });
    match written {
        Ok(()) => 0,
        Err(error) => {
            say::problem(error);
            Verdict::Invalid.exit_code()
        }
    }
}

/// A path as given, or a run's id under the usual folder.
fn find(run: &Path) -> PathBuf {
    let usual = Path::new("firedrill-runs").join(run);
    if !run.exists() && usual.exists() { usual } else { run.to_owned() }
}
