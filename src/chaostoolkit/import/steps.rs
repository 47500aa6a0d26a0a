//! The method and the rollbacks: actions become commands or faults, pauses become waits, and the rollbacks the undo of the first command.

use std::time::Duration;

use serde_json::Value as Json;

use super::{
    Turning, aws,
    probes::{command, form},
};
use crate::{
    chaostoolkit::{
        model::{Activity, ActivityKind, Experiment as Theirs, Http, Provider},
        substitute::words,
    },
    file::{Span, escape::quote},
    model::{
        experiment::{CommandStep, Step},
        probe::Text,
        quantity::show_duration,
    },
};

/// The limit of a command that has none.
const LIMIT: Duration = Duration::from_secs(30);

/// The steps.
pub(super) fn method(turning: &mut Turning<'_>, theirs: &Theirs) -> Vec<Step> {
    let mut steps = Vec::new();
    for activity in &theirs.method {
        let before = pause(turning, activity.pause_before.as_ref());
        let after = pause(turning, activity.pause_after.as_ref());
        steps.extend(before);
        match activity.kind {
            ActivityKind::Probe => {
                turning.left_out(
                    activity.span,
                    format!("the probe {} of the method: here the probes of the hypothesis run all the time", quote(&activity.name)),
                );
            }
            ActivityKind::Action => steps.extend(action(turning, activity)),
        }
        if activity.background {
            turning.differs(
                activity.span,
                format!("{} runs in the background there: here the next step waits for its end", quote(&activity.name)),
            );
        }
        steps.extend(after);
    }
    rollbacks(turning, &theirs.rollbacks, &mut steps);
    // A wait alone does nothing.
    if steps.iter().all(|step| matches!(step, Step::Wait(_))) { Vec::new() } else { steps }
}

fn pause(turning: &mut Turning<'_>, pause: Option<&(Json, Span)>) -> Option<Step> {
    let (written, span) = pause?;
    let value = turning.texts.value(written);
    let Some(seconds) = value.as_f64().or_else(|| words(&value).parse().ok()) else {
        turning.left_out(*span, format!("the pause of {}: its length is known only in the run", quote(&words(written))));
        return None;
    };
    Duration::try_from_secs_f64(seconds).ok().filter(|pause| !pause.is_zero()).map(Step::Wait)
}

fn action(turning: &mut Turning<'_>, activity: &Activity) -> Option<Step> {
    if let Provider::Python { module, func, arguments } = &activity.provider {
        return aws::action(turning, activity, module, func, arguments);
    }
    let (command, timeout) = as_command(turning, activity)?;
    let limit = timeout.filter(|limit| !limit.is_zero()).unwrap_or_else(|| {
        turning.differs(activity.provider_span, format!("there is no time limit: here it is {}", show_duration(LIMIT)));
        LIMIT
    });
    turning.differs(
        activity.span,
        format!("{} may fail there without any effect: here a command that fails ends the run", quote(&activity.name)),
    );
    Some(Step::Command(CommandStep { command, undo: None, timeout: limit }))
}

/// An activity as a command, with its time limit.
fn as_command(turning: &mut Turning<'_>, activity: &Activity) -> Option<(Vec<String>, Option<Duration>)> {
    match &activity.provider {
        Provider::Process(process) => {
            let secret =
                serde_json::to_string(&activity.document["provider"]["arguments"]).is_ok_and(|text| turning.texts.has_secret(&text));
            if secret {
                turning.left_out(
                    activity.provider_span,
                    format!("{}: a secret is among its arguments, where every process of the machine reads it; give it to the program in another way", quote(&activity.name)),
                );
                return None;
            }
            let timeout = process.timeout.and_then(|(seconds, _)| Duration::try_from_secs_f64(seconds).ok());
            Some((command(turning, process), timeout))
        }
        Provider::Http(http) => {
            let timeout = http
                .timeout
                .as_ref()
                .and_then(|(timeout, _)| turning.texts.value(timeout).as_f64())
                .and_then(|s| Duration::try_from_secs_f64(s).ok());
            let command = curl(turning, activity, http)?;
            turning.differs(
                activity.provider_span,
                format!("{} is a request: here curl sends it, and an answer of 400 or more is a failure", quote(&activity.name)),
            );
            Some((command, timeout))
        }
        Provider::Python { module, func, .. } => {
            turning.left_out(activity.provider_span, format!("{}: it is Python ({module}.{func})", quote(&activity.name)));
            None
        }
    }
}

/// A request as a command. A secret header comes from the environment, by the shell, so that it is in no file.
fn curl(turning: &mut Turning<'_>, activity: &Activity, http: &Http) -> Option<Vec<String>> {
    if turning.texts.has_secret(&http.url.0) || turning.texts.has_secret(&http.arguments.0.to_string()) {
        turning.left_out(activity.provider_span, format!("{}: a secret is part of what it sends", quote(&activity.name)));
        return None;
    }
    let mut url = turning.texts.fill(&http.url.0);
    let mut argv: Vec<String> =
        ["curl", "--silent", "--show-error", "--fail", "--location", "--output", "/dev/null"].map(str::to_owned).to_vec();
    if http.method != "GET" {
        argv.extend(["--request".to_owned(), http.method.clone()]);
    }
    let mut is_json = false;
    for (name, value) in http.headers.as_object().into_iter().flatten() {
        let value = words(value);
        is_json |= name == "Content-Type" && value == "application/json";
        let Some(Text::Plain(value)) = turning.texts.reference(&value) else {
            turning.left_out(
                activity.provider_span,
                format!("{}: the header {} is a secret, and a command has no such reference", quote(&activity.name), quote(name)),
            );
            return None;
        };
        argv.extend(["--header".to_owned(), format!("{name}: {value}")]);
    }
    let arguments = turning.texts.value(&http.arguments.0);
    match (http.method.as_str(), &arguments) {
        (_, Json::Null) => {}
        ("GET", arguments) => {
            let query = form(arguments);
            if !query.is_empty() {
                url = format!("{url}{}{query}", if url.contains('?') { '&' } else { '?' });
            }
        }
        (_, arguments) => {
            let body = if is_json { arguments.to_string() } else { form(arguments) };
            argv.extend(["--data-raw".to_owned(), body]);
        }
    }
    match &http.verify_tls {
        Json::Bool(false) => argv.push("--insecure".to_owned()),
        Json::String(ca) => argv.extend(["--cacert".to_owned(), ca.clone()]),
        _ => {}
    }
    argv.push(url);
    Some(argv)
}

/// The rollbacks as one undo, of the first command: acts are undone last to first, so it comes last.
fn rollbacks(turning: &mut Turning<'_>, rollbacks: &[Activity], steps: &mut [Step]) {
    let mut commands = Vec::new();
    for activity in rollbacks {
        if let Provider::Python { module, func, .. } = &activity.provider {
            turning.left_out(activity.span, aws::of_rollback(&activity.name, module, func));
            continue;
        }
        if activity.pause_before.is_some() || activity.pause_after.is_some() {
            turning.differs(activity.span, format!("the pauses of the rollback {} are left out", quote(&activity.name)));
        }
        commands.extend(as_command(turning, activity).map(|(command, _)| (activity, command)));
    }
    let Some((first, _)) = commands.first() else { return };
    let step = steps.iter_mut().find_map(|step| match step {
        Step::Command(step) => Some(step),
        _ => None,
    });
    let Some(step) = step else {
        for (activity, _) in &commands {
            turning.left_out(
                activity.span,
                format!(
                    "the rollback {}: there is no command in the method that it could undo; faults are undone by themselves",
                    quote(&activity.name)
                ),
            );
        }
        return;
    };
    turning.differs(
        first.span,
        "rollbacks are played at the end of a run that was not interrupted: here they are the undo of the first command, in the order of the file, \
         always played once it was begun, within a minute",
    );
    step.undo = Some(match commands.as_slice() {
        [(_, command)] => command.clone(),
        many => {
            // Each of them is tried, and one that fails makes the undo fail.
            let each: Vec<String> = many.iter().map(|(_, command)| format!("{} || failed=1", shell(command))).collect();
            vec!["sh".to_owned(), "-c".to_owned(), format!("failed=0; {}; exit $failed", each.join("; "))]
        }
    });
}

/// A command as a shell reads it.
fn shell(command: &[String]) -> String {
    command.iter().map(|word| format!("'{}'", word.replace('\'', "'\\''"))).collect::<Vec<_>>().join(" ")
}
