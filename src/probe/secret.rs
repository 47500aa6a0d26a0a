//! Texts that may be secrets, resolved once at launch, and looked for before. The values never reach an error, a log or a report, not even
//! when a system says them back: see `redact`.

use std::path::Path;

use crate::{
    model::{
        journey::{JourneyStep, StepBody},
        probe::{ProbeKind, ProbeSpec, Text},
        store::LedgerStore,
    },
    redact,
};

/// A secret file is a token or a password, not a data set.
const LARGEST: u64 = 1 << 20;

/// A secret that cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    /// Its place within the probe: `headers.authorization`, `body`.
    pub place: String,
    /// What is wrong, without the value.
    pub problem: String,
    /// Whether it is there, and is nothing: that is wrong on every machine. What is not there may be there where the run is made.
    pub empty: bool,
}

/// The secrets of a probe that could not be sent now.
pub fn unusable(spec: &ProbeSpec) -> Vec<Unusable> {
    let texts: Vec<(String, &Text)> = match &spec.kind {
        ProbeKind::Http(http) => headers("", &http.headers).chain(http.body.iter().map(|text| ("body".to_owned(), text))).collect(),
        ProbeKind::Journey(journey) => journey.steps.iter().enumerate().flat_map(|(place, step)| of_step(place, step)).collect(),
        ProbeKind::Redis(redis) => vec![("redis".to_owned(), &redis.url)],
        ProbeKind::Postgres(postgres) => vec![("postgres".to_owned(), &postgres.url)],
        ProbeKind::Ledger(ledger) => of_ledger(&ledger.store),
        other => headers("", other.headers()).collect(),
    };
    let missing = |(place, text)| find(text).err().map(|(problem, empty)| Unusable { place, problem, empty });
    texts.into_iter().filter_map(missing).collect()
}

fn headers<'t>(at: &str, headers: &'t [(String, Text)]) -> impl Iterator<Item = (String, &'t Text)> {
    headers.iter().map(move |(name, text)| (format!("{at}headers.{name}"), text))
}

fn of_ledger(store: &LedgerStore) -> Vec<(String, &Text)> {
    match store {
        LedgerStore::Http(http) => {
            let list = http.list.iter().flat_map(|list| headers("ledger.http.list.", &list.headers));
            headers("ledger.http.write.", &http.write.headers).chain(headers("ledger.http.read.", &http.read.headers)).chain(list).collect()
        }
        LedgerStore::Redis(redis) => servers("redis", &redis.url, redis.read_from.as_ref()),
        LedgerStore::Postgres(postgres) => servers("postgres", &postgres.url, postgres.read_from.as_ref()),
    }
}

fn servers<'t>(store: &str, url: &'t Text, read_from: Option<&'t Text>) -> Vec<(String, &'t Text)> {
    [(format!("ledger.{store}"), url)].into_iter().chain(read_from.map(|text| ("ledger.read-from".to_owned(), text))).collect()
}

fn of_step(place: usize, step: &JourneyStep) -> Vec<(String, &Text)> {
    let at = format!("journey.steps[{place}].");
    let mut out: Vec<_> = headers(&at, &step.headers).collect();
    match &step.body {
        Some(StepBody::Form(fields)) => out.extend(fields.iter().map(|(name, text)| (format!("{at}form.{name}"), text))),
        Some(StepBody::Text(text)) => out.push((format!("{at}body"), text)),
        Some(StepBody::Json(_)) | None => {}
    }
    out
}

/// The value of a text; the error names the place, never the value.
pub fn resolve(text: &Text, what: &str) -> Result<String, String> {
    find(text).map_err(|(problem, _)| format!("{what}: {problem}"))
}

/// The value; else what is wrong, and whether it is there and empty. Sent empty, a token would fail as a wrong one does: the system
/// would be blamed.
pub fn find(text: &Text) -> Result<String, (String, bool)> {
    let (value, what) = match text {
        Text::Plain(text) => return Ok(text.clone()),
        Text::Env(name) => {
            let what = format!("the environment variable `{name}`");
            match std::env::var(name) {
                Ok(value) => (value, what),
                Err(std::env::VarError::NotPresent) => return Err((format!("{what} is not set"), false)),
                Err(std::env::VarError::NotUnicode(_)) => return Err((format!("{what} is not UTF-8"), false)),
            }
        }
        Text::File(path) => {
            let cannot = |why: &dyn std::fmt::Display| (format!("cannot read the file `{path}`: {why}"), false);
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
            (value, format!("the file `{path}`"))
        }
    };
    if value.trim().is_empty() {
        return Err((format!("{what} is empty"), true));
    }
    redact::keep(&value);
    Ok(value)
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
