//! Configuration and secrets, looked up once before anything is done. Secrets are known to `redact` from here on.

use serde_json::{Map, Value as Json};

use super::{
    model::{Experiment, Setting, SettingValue},
    substitute::Values,
};
use crate::{
    file::{Diagnostic, Diagnostics, Place, Sink, Span, suggest::nearest},
    redact,
};

/// The values for `${name}`, but for those that a probe must be asked for. `overrides` are `NAME[:TYPE]=VALUE`, and win over the file.
///
/// # Errors
/// Everything that is missing or does not fit, at its place.
pub fn settle(experiment: &Experiment, overrides: &[(String, String)]) -> Result<Values, Diagnostics> {
    let mut sink = Sink::new(&experiment.source);
    let mut given = Map::new();
    let mut unknown = Vec::new();
    for (written, value) in overrides {
        let (name, kind) = written.rsplit_once(':').map_or((written.as_str(), None), |(name, kind)| (name, Some(kind)));
        if !experiment.configuration.iter().any(|setting| setting.name == name) {
            let mut error = Diagnostic::error(format!("the configuration has no `{name}`, so --var cannot set it"));
            error.file = Some(experiment.source.name.clone());
            error.nearest(nearest(name, experiment.configuration.iter().map(|s| s.name.as_str())));
            unknown.push(error);
            continue;
        }
        match converted(kind, &Json::String(value.clone())) {
            Ok(value) => {
                given.insert(name.to_owned(), value);
            }
            Err(why) => unknown.push(Diagnostic::error(format!("--var {written}: {why}"))),
        }
    }
    let mut values = Values::default();
    for setting in &experiment.configuration {
        let value = match given.get(&setting.name) {
            Some(value) => Some(value.clone()),
            None => looked_up(setting, &mut sink),
        };
        values.configuration.extend(value.map(|value| (setting.name.clone(), value)));
    }
    for scope in &experiment.secrets {
        if let SettingValue::Scope(settings) = &scope.value {
            values.secrets.push(secrets(settings, &mut sink));
        }
    }
    for value in values.secrets.iter().flat_map(Map::values) {
        keep(value);
    }
    let mut findings = sink.finish();
    findings.extend(unknown.into());
    if findings.has_errors() { Err(findings) } else { Ok(values) }
}

fn secrets(settings: &[Setting], sink: &mut Sink) -> Map<String, Json> {
    let value = |setting: &Setting, sink: &mut Sink| match &setting.value {
        SettingValue::Scope(inner) => Some(Json::Object(secrets(inner, sink))),
        _ => looked_up(setting, sink),
    };
    settings.iter().filter_map(|setting| Some((setting.name.clone(), value(setting, sink)?))).collect()
}

/// No text of a secret is shown.
fn keep(value: &Json) {
    match value {
        Json::String(text) => redact::keep(text),
        Json::Number(number) => redact::keep(&number.to_string()),
        Json::Array(items) => items.iter().for_each(keep),
        Json::Object(map) => map.values().for_each(keep),
        Json::Null | Json::Bool(_) => {}
    }
}

fn looked_up(setting: &Setting, sink: &mut Sink) -> Option<Json> {
    match &setting.value {
        SettingValue::Literal(value) => Some(value.clone()),
        SettingValue::Env { key, default, kind } => {
            let found = match (std::env::var(key), default) {
                (Ok(text), _) => Json::String(text),
                (Err(_), Some(default)) => default.clone(),
                (Err(error), None) => {
                    let what = if error == std::env::VarError::NotPresent { "is not set" } else { "is not UTF-8" };
                    sink.error(setting.span, format!("the environment variable `{key}` {what}")).expected("it, or a `default`");
                    return None;
                }
            };
            // The value itself is in no message: it may be secret.
            converted(kind.as_deref(), &found)
                .map_err(|why| {
                    sink.error(setting.span, format!("the environment variable `{key}` does not fit: {why}"));
                })
                .ok()
        }
        SettingValue::Probe(_) | SettingValue::Vault | SettingValue::Scope(_) => None,
    }
}

/// A text as the type that is asked for.
fn converted(kind: Option<&str>, value: &Json) -> Result<Json, String> {
    let Json::String(text) = value else { return Ok(value.clone()) };
    match kind {
        None | Some("str" | "string" | "bytes") => Ok(value.clone()),
        Some("int" | "integer") => text.trim().parse::<i64>().map(Json::from).map_err(|_| "it is no whole number".to_owned()),
        Some("float" | "number") => {
            let number = text.trim().parse::<f64>().ok().and_then(serde_json::Number::from_f64);
            number.map(Json::Number).ok_or_else(|| "it is no number".to_owned())
        }
        Some("bool") => Ok(Json::Bool(!matches!(text.to_ascii_lowercase().as_str(), "false" | "0" | "no"))),
        Some("json") if text.is_empty() => Ok(value.clone()),
        Some("json") => serde_json::from_str(text).map_err(|_| "it is no JSON".to_owned()),
        Some(other) => Err(format!("there is no type `{other}`")),
    }
}

/// An error at a place of the experiment's file.
pub fn error_at(experiment: &Experiment, span: Span, message: impl Into<String>) -> Diagnostic {
    let mut error = Diagnostic::error(message);
    error.place = Some(Place { source: std::sync::Arc::clone(&experiment.source), span });
    error
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{chaostoolkit::read, file::Source};

    fn experiment(configuration: &str) -> Experiment {
        let text = format!("title: t\ndescription: d\nmethod: []\n{configuration}");
        read::read(&Source::new("t.yaml", text)).map_err(|errors| errors.to_string()).unwrap().experiment
    }

    #[test]
    fn values_come_from_the_file_the_environment_and_the_command_line() {
        let one = experiment(
            "configuration:\n  plain: 3\n  port: { type: env, key: FIREDRILL_NO_SUCH, default: 80, env_var_type: int }\n  over: a\n",
        );
        let values = settle(&one, &[("over:int".to_owned(), "7".to_owned())]).unwrap();
        assert_eq!(Json::Object(values.configuration), json!({ "plain": 3, "port": 80, "over": 7 }));
    }

    #[test]
    fn what_is_missing_is_said_at_its_place() {
        let one = experiment(
            "configuration:\n  a: { type: env, key: FIREDRILL_NO_SUCH }\nsecrets:\n  s:\n    b: { type: env, key: FIREDRILL_NOR_THIS }\n",
        );
        let errors = settle(&one, &[("c".to_owned(), "1".to_owned())]).unwrap_err().to_string();
        for says in ["t.yaml:5:3", "`FIREDRILL_NO_SUCH` is not set", "`FIREDRILL_NOR_THIS` is not set", "has no `c`"] {
            assert!(errors.contains(says), "{says}: {errors}");
        }
    }
}
