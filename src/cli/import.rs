//! `firedrill import`: experiments of other tools in our format, with every difference in meaning.

use std::fmt::Write as _;

use super::{
    chaostoolkit::{
        self as toolkit,
        args::{Import, ImportFrom},
    },
    say,
};
use crate::{
    chaostoolkit::{
        import::{self, Imported},
        model::Experiment,
        read,
    },
    file::Source,
    model::verdict::Verdict,
    report::words::whole,
};

/// Turns a file over.
pub fn import(args: &Import) -> u8 {
    let ImportFrom::ChaosToolkit(from) = &args.from;
    let source = match Source::read(&from.file) {
        Ok(source) => source,
        Err(errors) => {
            say::err(&errors.text(say::colour_on_stderr()));
            return Verdict::Invalid.exit_code();
        }
    };
    if toolkit::recognise(&from.file).is_none() {
        say::problem(format!("{}: this is no experiment of the Chaos Toolkit", from.file.display()));
        return Verdict::Invalid.exit_code();
    }
    let read = match read::read(&source) {
        Ok(read) => read,
        Err(errors) => {
            say::err(&errors.text(say::colour_on_stderr()));
            return Verdict::Invalid.exit_code();
        }
    };
    say::err(&read.findings.text(say::colour_on_stderr()));
    let imported = import::import(&read.experiment);
    match &from.output {
        None => say::out(&imported.text),
        Some(path) => {
            // Never over a file that somebody may have worked on.
            let written =
                std::fs::File::create_new(path).and_then(|mut file| std::io::Write::write_all(&mut file, imported.text.as_bytes()));
            if let Err(error) = written {
                say::problem(format!("{}: {error}", path.display()));
                return Verdict::Invalid.exit_code();
            }
        }
    }
    tell(&read.experiment, &imported);
    if imported.incomplete.is_empty() { 0 } else { Verdict::Failed.exit_code() }
}

/// The differences, to standard error: the file itself may go to standard output.
fn tell(experiment: &Experiment, imported: &Imported) {
    let mut text = String::new();
    for difference in &imported.differences {
        let (line, column) = experiment.source.line_column(difference.span.start);
        let kind = if difference.left_out { "not carried" } else { "differs" };
        let _ = writeln!(text, "{}:{line}:{column}: {kind}: {}", whole(&experiment.source.name), whole(&difference.says));
    }
    for (name, was) in &imported.variables {
        let _ = writeln!(text, "a variable to set: {}: it was {}", whole(name), whole(was));
    }
    for why in &imported.incomplete {
        let _ = writeln!(text, "the result cannot run as it is: {}", whole(why));
    }
    say::err(&text);
}
