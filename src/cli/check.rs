//! `firedrill check`: every finding of every file at once; nothing is touched.

use super::{
    args::{Check, TextOrJson},
    loading, say,
};
use crate::{file::Diagnostics, model::verdict::Verdict};

/// Checks files.
pub fn check(args: &Check) -> u8 {
    let mut findings = Diagnostics::default();
    for file in &args.files {
        findings.extend(loading::check(file, &args.place));
    }
    let bad = findings.has_errors();
    match args.format {
        TextOrJson::Json => say::json(findings.json()),
        TextOrJson::Text => {
            say::err(&findings.text(say::colour_on_stderr()));
            if !bad {
                let n = args.files.len();
                say::out(&format!("{n} {} checked: fine\n", if n == 1 { "file" } else { "files" }));
            }
        }
    }
    if bad { Verdict::Invalid.exit_code() } else { 0 }
}
