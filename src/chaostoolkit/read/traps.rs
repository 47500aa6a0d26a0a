//! What such a file says and does not mean, as its own tool takes it: warned of, each at its place. What would end that tool in the middle
//! of a run is an error.

use crate::{
    chaostoolkit::model::{Activity, Arguments, Experiment, Must, Provider},
    file::{Sink, escape::quote},
};

/// Says it.
pub(super) fn warn(experiment: &Experiment, sink: &mut Sink) {
    for activity in experiment.activities() {
        provider(activity, sink);
        tolerance(activity, sink);
    }
}

fn provider(activity: &Activity, sink: &mut Sink) {
    let name = quote(&activity.name);
    match &activity.provider {
        Provider::Http(http) if http.timeout.is_none() => {
            sink.warning(activity.provider_span, format!("{name} has no time limit, so Chaos Toolkit waits for ever for an answer"))
                .expected("`timeout`: seconds");
        }
        Provider::Process(process) => {
            if process.timeout.is_none() {
                sink.warning(activity.provider_span, format!("{name} has no time limit, so Chaos Toolkit waits for ever for its end"))
                    .expected("`timeout`: seconds");
            }
            match &process.arguments.0 {
                Arguments::Shell(_) => {
                    sink.warning(process.arguments.1, format!("the arguments of {name} are one text, so a shell reads them"))
                        .expected("a list of arguments");
                }
                Arguments::Pairs(_) => {
                    sink.warning(process.arguments.1, format!("the arguments of {name} are a map: each key and each value is an argument"))
                        .expected("a list of arguments");
                }
                Arguments::List(_) => {}
            }
        }
        _ => {}
    }
}

fn tolerance(activity: &Activity, sink: &mut Sink) {
    let Some(tolerance) = &activity.tolerance else { return };
    let name = quote(&activity.name);
    let (span, what) = match &activity.provider {
        Provider::Http(_) => (tolerance.span, "an answer"),
        Provider::Process(_) => (tolerance.span, "the end of a program"),
        Provider::Python { .. } => return,
    };
    let targets = if what == "an answer" { "`target: status`, `headers` or `body`" } else { "`target: status`, `stdout` or `stderr`" };
    match &tolerance.must {
        Must::List(items) if items.len() == 2 => {
            sink.warning(span, format!("of {what}, these are two allowed statuses and not a range: {name} does not fit between them"))
                .expected("`{ type: range, range: [low, high], target: status }` for a range");
        }
        Must::Bool(_) => {
            sink.warning(span, format!("{what} is never `true` or `false`, so {name} is never met")).expected("its status, as a number");
        }
        Must::Text(text) if !text.contains('$') => {
            sink.warning(span, format!("{what} is never a text, so {name} is never met"))
                .expected(format!("`{{ type: regex, pattern: …, target: … }}` with {targets}"));
        }
        Must::Regex { target: None, .. } => {
            sink.error(span, format!("Chaos Toolkit breaks here: {name} gives {what}, which is no text")).expected(targets);
        }
        Must::Range { target: None, .. } => {
            sink.error(span, format!("Chaos Toolkit breaks here: {name} gives {what}, which is no number")).expected(targets);
        }
        _ => {}
    }
}
