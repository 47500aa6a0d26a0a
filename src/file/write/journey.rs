//! A journey as a flow map.

use serde_json::Value as Json;

use super::{Pairs, expect_pair, flow, pair, quoted, scalar, secret, served_pair, time, tls_pair};
use crate::model::{
    journey::{Capture, JourneyProbe, JourneyStep, Repeat, StepBody, Users},
    probe::{Connections, Text},
};

/// The value of `journey:`.
pub fn journey(journey: &JourneyProbe) -> String {
    let mut out = Pairs::new();
    out.push(match journey.users {
        Users::Crowd(users) => pair("users", users),
        Users::Arriving(rate) => pair("users", rate),
    });
    out.push(pair("think", time(journey.think)));
    out.extend(journey.sticky.as_ref().map(|name| pair("sticky", quoted(name))));
    if journey.connections == Connections::New {
        out.push(pair("connections", "new"));
    }
    if journey.body_limit != 64 * 1024 {
        out.push(pair("body-limit", format!("{}B", journey.body_limit)));
    }
    out.extend(journey.served_by.as_ref().map(served_pair));
    out.extend(tls_pair(&journey.tls));
    let steps: Vec<String> = journey.steps.iter().map(|step| flow(step_pairs(step))).collect();
    out.push(pair("steps", format!("[{}]", steps.join(", "))));
    flow(out)
}

fn step_pairs(step: &JourneyStep) -> Pairs {
    let mut out = vec![pair("name", quoted(&step.name)), pair(&step.method.to_ascii_lowercase(), scalar(&step.url))];
    if !step.headers.is_empty() {
        out.push(pair("headers", texts(&step.headers)));
    }
    out.extend(step.body.as_ref().map(|body| match body {
        StepBody::Form(fields) => pair("form", texts(fields)),
        StepBody::Json(value) => pair("json", json(value)),
        StepBody::Text(text) => pair("body", template(text)),
    }));
    out.extend(expect_pair(&step.expect, scalar, json));
    if !step.capture.is_empty() {
        let captures = step.capture.iter().map(|(name, capture)| {
            let (key, value) = match capture {
                Capture::Header(name) => ("header", name),
                Capture::Cookie(name) => ("cookie", name),
                Capture::Json(pointer) => ("json", pointer),
                Capture::Matches(regex) => ("matches", regex),
            };
            pair(&quoted(name), flow(vec![pair(key, quoted(value))]))
        });
        out.push(pair("capture", flow(captures.collect())));
    }
    out.extend(step.think.map(|think| pair("think", time(think))));
    if step.state_lost {
        out.push(pair("otherwise", "state-lost"));
    }
    out.extend(step.service.as_ref().map(|service| pair("service", quoted(service.as_str()))));
    if step.log_in {
        out.push(pair("log-in", true));
    }
    match step.repeat {
        Repeat::Once => {}
        Repeat::Times(n) => out.push(pair("repeat", n)),
        Repeat::Always => out.push(pair("repeat", "always")),
    }
    out
}

pub fn texts(all: &[(String, Text)]) -> String {
    flow(all.iter().map(|(name, text)| pair(&quoted(name), template(text))).collect())
}

/// Plain text of a step is a template.
fn template(text: &Text) -> String {
    if let Text::Plain(text) = text { scalar(text) } else { secret(text) }
}

/// JSON is YAML, and its texts are templates.
pub fn json(value: &Json) -> String {
    value.to_string()
}
