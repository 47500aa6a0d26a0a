//! The reader of Chaos Toolkit's experiments: any text is one or is refused in words that are safe to show, and what is turned into our format
//! without a gap is understood there.

use std::collections::BTreeMap;

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
    if imported.incomplete.is_empty() {
        let vars: BTreeMap<String, String> = imported.variables.keys().map(|name| (name.clone(), "1".to_owned())).collect();
        let options = LoadOptions { env: None, vars };
        if let Err(errors) = file::load_source(&Source::new("imported.yaml", imported.text.as_str()), None, &options) {
            panic!("what was turned over cannot be read:\n{errors}\n{}", imported.text);
        }
    }
}
