//! Texts that may be secrets, resolved once at launch. The values never reach an error, a log or a report.

use std::path::Path;

use crate::model::probe::Text;

/// A secret file is a token or a password, not a data set.
const LARGEST: u64 = 1 << 20;

/// The value of a text; the error names the place, never the value.
pub fn resolve(text: &Text, what: &str) -> Result<String, String> {
    match text {
        Text::Plain(text) => Ok(text.clone()),
        Text::Env(name) => match std::env::var(name) {
            // Sent empty, a token would fail as a wrong one does: the system would be blamed.
            Ok(value) if value.is_empty() => Err(format!("{what}: the environment variable `{name}` is empty")),
            Ok(value) => Ok(value),
            Err(std::env::VarError::NotPresent) => Err(format!("{what}: the environment variable `{name}` is not set")),
            Err(std::env::VarError::NotUnicode(_)) => Err(format!("{what}: the environment variable `{name}` is not UTF-8")),
        },
        Text::File(path) => {
            let cannot = |why: &dyn std::fmt::Display| format!("{what}: cannot read the file `{path}`: {why}");
            let size = std::fs::metadata(Path::new(path)).map_err(|error| cannot(&error))?.len();
            if size > LARGEST {
                return Err(cannot(&format!("it has {size} bytes, the most is {LARGEST}")));
            }
            let mut value = std::fs::read_to_string(path).map_err(|error| cannot(&error))?;
            if value.ends_with('\n') {
                value.pop();
                if value.ends_with('\r') {
                    value.pop();
                }
            }
            if value.is_empty() { Err(format!("{what}: the file `{path}` is empty")) } else { Ok(value) }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_loses_its_last_newline_only() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"to\nken\n\n").unwrap();
        assert_eq!(resolve(&Text::File(file.path().display().to_string()), "header").unwrap(), "to\nken\n");
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = resolve(&Text::Env("FIREDRILL_NO_SUCH_VARIABLE".to_owned()), "header `x`").unwrap_err();
        assert_eq!(error, "header `x`: the environment variable `FIREDRILL_NO_SUCH_VARIABLE` is not set");
        let empty = tempfile::NamedTempFile::new().unwrap();
        let error = resolve(&Text::File(empty.path().display().to_string()), "header `x`").unwrap_err();
        assert!(error.starts_with("header `x`: the file ") && error.ends_with(" is empty"), "{error}");
        let error = resolve(&Text::File("/no/such/file".to_owned()), "body").unwrap_err();
        assert!(error.starts_with("body: cannot read the file `/no/such/file`: "), "{error}");
    }
}
