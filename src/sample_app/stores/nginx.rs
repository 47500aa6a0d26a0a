//! `sample nginx`: becomes nginx with the settings of a file in which `${NAME}` stands for what is given, as nginx itself has no variables
//! for addresses it listens on.

use std::{fs, path::PathBuf, process::Command};

use super::{become_program, fresh};
use crate::sample_app::{programs, server::RunError};

/// The flags of `sample nginx`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// The file of its settings
    #[arg(long, value_name = "FILE")]
    pub settings: PathBuf,
    /// A folder for its files; what an earlier one left there is deleted
    #[arg(long, value_name = "FOLDER")]
    pub data: PathBuf,
    /// What `${NAME}` in the settings stands for
    #[arg(value_name = "NAME=VALUE", value_parser = pair)]
    pub values: Vec<(String, String)>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Becomes nginx.
pub fn run(options: &Options) -> Result<(), RunError> {
    let program = programs::NGINX.found().map_err(RunError::Needs)?;
    let text = fs::read_to_string(&options.settings)
        .map_err(|error| RunError::Needs(format!("{} cannot be read: {error}", options.settings.display())))?;
    let text = filled(&text, options).map_err(RunError::Needs)?;
    fresh(&options.data)?;
    let file = options.data.join("nginx.conf");
    fs::write(&file, text).map_err(|error| RunError::Needs(format!("{} cannot be written: {error}", file.display())))?;
    let mut command = Command::new(program);
    command.arg("-p").arg(&options.data).arg("-c").arg(&file).args(["-e", "stderr", "-g", "daemon off;"]);
    Err(become_program(&mut command))
}

fn filled(text: &str, options: &Options) -> Result<String, String> {
    let mut filled = text.replace("${data}", &options.data.to_string_lossy());
    for (name, value) in &options.values {
        filled = filled.replace(&format!("${{{name}}}"), value);
    }
    match filled.split_once("${") {
        Some((_, rest)) => Err(format!("nothing is given for `${{{}}}`", rest.split('}').next().unwrap_or_default())),
        None => Ok(filled),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_filled_and_what_is_missing_is_told() {
        let options = |values: &[(&str, &str)]| Options {
            settings: PathBuf::new(),
            data: PathBuf::from("/d"),
            values: values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        };
        let text = "pid ${data}/pid; listen ${listen}; set $x $host;";
        assert_eq!(filled(text, &options(&[("listen", "127.0.0.1:1")])).unwrap(), "pid /d/pid; listen 127.0.0.1:1; set $x $host;");
        assert_eq!(filled(text, &options(&[])).unwrap_err(), "nothing is given for `${listen}`");
    }
}
