//! The reader of Chaos Toolkit's experiments: any text is one or is refused in words that are safe to show, and what is turned into our format
//! without a gap is understood there.

use firedrill::{
    chaostoolkit::{import, read},
    file::{self, LoadOptions, Source},
};

use super::file::{refused, shown};

/// The first byte says whether the rest is JSON or YAML.
pub fn drive(data: &[u8]) {
    let Some((kind, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let source = Source::new(if kind % 2 == 0 { "fuzz.json" } else { "fuzz.yaml" }, text);
    let read = match read::read(&source) {
        Ok(read) => read,
        Err(errors) => return refused(&errors, text),
    };
    shown(&read.findings, text);
    let imported = import::import(&read.experiment);
    for difference in &imported.differences {
        assert!(difference.span.start <= difference.span.end && difference.span.end <= text.len(), "a place outside of the file");
    }
    // What variables will hold is not known here.
    if imported.incomplete.is_empty()
        && imported.variables.is_empty()
        && let Err(errors) = file::load_source(&Source::new("imported.yaml", imported.text.as_str()), None, &LoadOptions::default())
    {
        panic!("what was turned over cannot be read:\n{errors}\n{}", imported.text);
    }
}
