//! The variables of a system's file: which ones it has a use for, and what they come to.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::spec_file::{LATER, texts};
use crate::file::{
    Diagnostic, Diagnostics, Sink, Source,
    escape::quote,
    parse,
    suggest::{listed, nearest},
    vars::Vars,
};

/// The variables of one file.
struct Used {
    /// Those of its `vars:`, with their values.
    declared: BTreeMap<String, String>,
    /// Those that stand somewhere as `${name}`.
    mentioned: BTreeSet<String>,
}

impl Used {
    /// `None` for a file that cannot be read: `spec_file::load` tells why.
    fn by(path: &Path) -> Option<Self> {
        let source = Source::read(path).ok()?;
        let mut sink = Sink::new(&source);
        let root = parse(&source, &mut sink)?;
        let declared = root.get("vars").map(|node| texts(node, "variables", &mut sink)).unwrap_or_default();
        let names = source.text.split("${").skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name.trim());
        let mentioned = names.filter(|name| !LATER.contains(name)).map(str::to_owned).collect();
        Some(Self { declared, mentioned })
    }

    fn has(&self, name: &str) -> bool {
        self.declared.contains_key(name) || self.mentioned.contains(name)
    }
}

/// The values of the variables that a system's file declares or mentions, whoever gave them: two callers mean the same system when
/// these are the same. An environment's other variables (a URL, say) are none of its business.
pub fn effective(path: &Path, given: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let Some(used) = Used::by(path) else { return given.clone() };
    let mut raw = used.declared.clone();
    raw.extend(given.iter().map(|(k, v)| (k.clone(), v.clone())));
    let (vars, _) = Vars::resolve(&raw);
    vars.values().iter().filter(|(name, _)| used.has(name)).map(|(k, v)| (k.clone(), v.clone())).collect()
}

/// An error for each variable that was given to this file alone and that it has no use for: a typing error. (An environment's
/// variables are for its experiments too, so they are not asked about.)
///
/// # Errors
/// One for each such variable.
pub fn all_used(path: &Path, given: &BTreeMap<String, String>) -> Result<(), Diagnostics> {
    let Some(used) = Used::by(path) else { return Ok(()) };
    let mut raw = used.declared.clone();
    raw.extend(given.iter().map(|(k, v)| (k.clone(), v.clone())));
    let known: BTreeSet<&str> = used.declared.keys().chain(&used.mentioned).map(String::as_str).collect();
    // A variable may be there for another one's sake: `--var port='${base}1' --var base=808`.
    let referred = |name: &str| raw.iter().any(|(other, value)| other != name && value.contains(&format!("${{{name}}}")));
    let errors: Vec<Diagnostic> = given
        .keys()
        .filter(|name| !used.has(name) && !referred(name))
        .map(|name| {
            let mut error = Diagnostic::error(format!("--var: {} has no variable {}", path.display(), quote(name)));
            if known.is_empty() {
                error.expected("no `--var`: this file has no variables");
            } else {
                error.expected(listed(known.iter().copied(), "or"));
            }
            error.nearest(nearest(name, known.iter().copied()));
            error
        })
        .collect();
    if errors.is_empty() { Ok(()) } else { Err(errors.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str, given: &[(&str, &str)]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("system.yaml");
        std::fs::write(&path, text).unwrap();
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        all_used(&path, &given).err().map(|errors| errors.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_variable_that_the_file_has_no_use_for_is_a_typing_error() {
        let file = "name: x\nvars: { port: 8080 }\nservices: { web: { command: [\"${program}\", \"${instance.id}\"] } }\n";
        assert_eq!(judged(file, &[("port", "1"), ("program", "x")]), "");
        assert_eq!(judged(file, &[("port", "${base}1"), ("base", "808")]), "", "there for another one's sake");
        let said = judged(file, &[("prot", "1")]);
        assert!(said.contains("has no variable `prot`") && said.contains("did you mean `port`?"), "{said}");
        assert!(judged(file, &[("instance.id", "1")]).contains("has no variable"), "that is the supervisor's to fill in");
        assert!(judged("name: x\nservices: { web: { command: [a] } }\n", &[("port", "1")]).contains("this file has no variables"));
    }
}
