//! The hypothesis: each probe whose tolerance our format can say becomes one of ours, and a condition on it.

use std::{collections::BTreeSet, time::Duration};

use http::{Method, header};
use serde_json::Value as Json;

use super::Turning;
use crate::{
    chaostoolkit::{
        model::{Activity, Arguments, Http, Hypothesis, Must, Process, Provider},
        regex,
        substitute::words,
    },
    file::{escape::quote, lower::url::why_not, read::is_name},
    model::{
        probe::{CommandProbe, Connections, HttpExpect, HttpProbe, NameModels, ProbeKind, ProbeSpec, Text, TlsSettings},
        quantity::{Rate, show_duration},
        steady_state::{Comparison, Condition, Expect, Metric, Op, Phase, Unit},
    },
};

/// The time limit of a probe that has none.
const LIMIT: Duration = Duration::from_secs(5);
/// Requests per second, and runs of a program.
const RATES: (f64, f64) = (10.0, 1.0);

/// The probes, and what must hold of them.
pub(super) fn hypothesis(turning: &mut Turning<'_>, hypothesis: Option<&Hypothesis>, phases: &[Phase]) -> (Vec<ProbeSpec>, Vec<Condition>) {
    let mut names = BTreeSet::new();
    let mut probes = Vec::new();
    for activity in hypothesis.iter().flat_map(|hypothesis| &hypothesis.probes) {
        let Some((kind, rate)) = probe(turning, activity) else { continue };
        let timeout = match &activity.provider {
            Provider::Http(http) => http.timeout.as_ref().and_then(|(timeout, _)| seconds(&turning.texts.value(timeout))),
            Provider::Process(process) => process.timeout.and_then(|(timeout, _)| Duration::try_from_secs_f64(timeout).ok()),
            Provider::Python { .. } => None,
        };
        if timeout.is_none() {
            turning.differs(activity.provider_span, format!("there is no time limit: here it is {}", show_duration(LIMIT)));
        }
        let name = named(&activity.name, &mut names);
        let per = if rate.0 >= 2.0 { format!("{} times a second", rate.0) } else { "once a second".to_owned() };
        turning.differs(
            activity.span,
            format!(
                "{} is asked now and then, after the answer before: here {per}, whatever became of the request before",
                quote(&activity.name)
            ),
        );
        let timeout = timeout.filter(|timeout| !timeout.is_zero()).unwrap_or(LIMIT);
        probes.push(ProbeSpec { name: name.as_str().into(), kind, rate, timeout, slow: None, service: None });
    }
    let conditions = probes.iter().map(|probe| Condition {
        expect: Expect::Probe {
            probe: probe.name.clone(),
            metric: Metric::Failures,
            comparison: Comparison { op: Op::Equal, bound: 0.0, unit: Unit::Count },
        },
        phases: phases.to_vec(),
    });
    let conditions = conditions.collect();
    (probes, conditions)
}

fn seconds(timeout: &Json) -> Option<Duration> {
    let all: f64 = match timeout {
        Json::Array(items) => items.iter().filter_map(Json::as_f64).sum(),
        one => one.as_f64()?,
    };
    Duration::try_from_secs_f64(all).ok()
}

/// A name in our form, unlike those before it.
fn named(name: &str, names: &mut BTreeSet<String>) -> String {
    let mut slug = String::new();
    for c in name.chars().map(|c| c.to_ascii_lowercase()) {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug: String = slug.chars().take(55).collect();
    let slug = slug.trim_matches('-');
    let base = if is_name(slug) { slug.to_owned() } else { "probe".to_owned() };
    let numbered = (2..).map(|n| format!("{base}-{n}"));
    let name = std::iter::once(base.clone()).chain(numbered).find(|name| !names.contains(name)).unwrap_or(base);
    names.insert(name.clone());
    name
}

fn probe(turning: &mut Turning<'_>, activity: &Activity) -> Option<(ProbeKind, Rate)> {
    let must = activity.tolerance.as_ref()?;
    match &activity.provider {
        Provider::Http(http) => {
            let expect = expectation(turning, activity, &must.must)?;
            Some((ProbeKind::Http(Box::new(request(turning, activity, http, expect)?)), Rate(RATES.0)))
        }
        Provider::Process(process) => {
            let Some(status) = statuses(&must.must, i64::from(i32::MAX)) else {
                turning.left_out(must.span, format!("{}: of a program, our format judges only the exit status", quote(&activity.name)));
                return None;
            };
            let status = status.into_iter().filter_map(|status| i32::try_from(status).ok()).collect();
            let command = command(turning, process);
            Some((ProbeKind::Command(CommandProbe { command, status }), Rate(RATES.1)))
        }
        Provider::Python { module, func, .. } => {
            turning.left_out(activity.provider_span, super::aws::of_probe(&activity.name, module, func));
            None
        }
    }
}

/// The statuses that a tolerance allows, where it is about nothing else.
fn statuses(must: &Must, most: i64) -> Option<Vec<i64>> {
    match must {
        Must::Number(status) => Some(vec![*status]),
        Must::List(items) => items.iter().map(Json::as_i64).collect(),
        Must::Range { low, high, target: Some(target) } if target == "status" => {
            let (low, high) = (low.ceil().max(0.0) as i64, high.floor().min(most as f64) as i64);
            (high - low < 1_000).then(|| (low..=high).collect())
        }
        _ => None,
    }
    .filter(|list: &Vec<i64>| !list.is_empty())
}

fn expectation(turning: &mut Turning<'_>, activity: &Activity, must: &Must) -> Option<HttpExpect> {
    let span = activity.tolerance.as_ref().map_or(activity.span, |tolerance| tolerance.span);
    let name = quote(&activity.name);
    let mut expect = HttpExpect::default();
    if let Some(list) = statuses(must, 599) {
        expect.status =
            list.into_iter().filter_map(|status| u16::try_from(status).ok()).filter(|status| (100..=599).contains(status)).collect();
        if !expect.status.is_empty() {
            return Some(expect);
        }
    }
    let why = match must {
        Must::Regex { pattern, target: Some(target) } if target == "body" => {
            let pattern = turning.texts.fill(pattern);
            if regex::compile(&pattern).is_ok() {
                turning.differs(span, format!("{name} looks only at the body there: here the status must be 200 to 299, too"));
                expect.body_matches = Some(pattern);
                return Some(expect);
            }
            "its expression is not one of ours".to_owned()
        }
        Must::JsonPath { parsed: Some(path), expect: Some(value), target, .. } => {
            let value = match turning.texts.value(value) {
                Json::Array(mut items) if items.len() == 1 => items.remove(0),
                Json::Array(_) => Json::Null,
                one => one,
            };
            // Without a target the path begins at the whole result.
            let pointer = match (path.pointer(), target.as_deref()) {
                (Some(pointer), Some("body")) => Some(pointer),
                (Some(pointer), None) => pointer.strip_prefix("/body").map(str::to_owned),
                _ => None,
            };
            if let Some(pointer) = pointer.filter(|_| !value.is_null()) {
                turning.differs(span, format!("{name} looks only at the body there: here the status must be 200 to 299, too"));
                expect.json.insert(pointer, value);
                return Some(expect);
            }
            "our format has one JSON pointer with one value".to_owned()
        }
        Must::JsonPath { .. } => "our format has one JSON pointer with one value".to_owned(),
        Must::Bool(_) | Must::Text(_) => "an answer is never equal to such a value, so it is never met".to_owned(),
        Must::Probe(_) => "another probe judges it".to_owned(),
        _ => "our format has no such tolerance".to_owned(),
    };
    turning.left_out(span, format!("{name}: {why}"));
    None
}

fn request(turning: &mut Turning<'_>, activity: &Activity, http: &Http, expect: HttpExpect) -> Option<HttpProbe> {
    if turning.texts.has_secret(&http.url.0) {
        turning.left_out(http.url.1, format!("{}: a secret is part of the address, and our format has none there", quote(&activity.name)));
        return None;
    }
    let mut url = turning.texts.fill(&http.url.0);
    let mut headers = Vec::new();
    let mut is_json = false;
    for (name, value) in http.headers.as_object().into_iter().flatten() {
        let value = words(value);
        is_json |= name == "Content-Type" && value == "application/json";
        match turning.texts.reference(&value) {
            Some(text) => headers.push((name.clone(), text)),
            None => turning.left_out(
                activity.provider_span,
                format!(
                    "the header {} of {}: a secret is only a part of it; put all of it into one environment variable",
                    quote(name),
                    quote(&activity.name)
                ),
            ),
        }
    }
    let arguments = turning.texts.value(&http.arguments.0);
    let form = form(&arguments);
    let body = match (http.method.as_str(), &arguments) {
        (_, Json::Null) => None,
        ("GET", _) => {
            if !form.is_empty() {
                url = format!("{url}{}{form}", if url.contains('?') { '&' } else { '?' });
            }
            None
        }
        (_, arguments) if is_json => Some(Text::Plain(arguments.to_string())),
        (_, Json::String(text)) => Some(Text::Plain(text.clone())),
        _ => {
            if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(header::CONTENT_TYPE.as_str())) {
                headers.push(("content-type".to_owned(), Text::Plain("application/x-www-form-urlencoded".to_owned())));
            }
            Some(Text::Plain(form))
        }
    };
    if http.method.parse::<Method>().is_err() {
        turning.left_out(activity.provider_span, format!("{}: {} is no method of HTTP", quote(&activity.name), quote(&http.method)));
        return None;
    }
    // What a variable will hold is not known here.
    if !url.contains('⟦')
        && let Some(why) = why_not(&url)
    {
        turning.left_out(http.url.1, format!("{}: {why}", quote(&activity.name)));
        return None;
    }
    turning.differs(http.url.1, "a redirect is followed there: here the first answer is judged");
    let tls = TlsSettings {
        insecure: http.verify_tls == Json::Bool(false),
        ca: http.verify_tls.as_str().map(str::to_owned),
        ..TlsSettings::default()
    };
    Some(HttpProbe {
        url,
        method: http.method.clone(),
        headers,
        body,
        // As the original: a connection for each request.
        connections: Connections::New,
        names: NameModels::default(),
        resolver: None,
        addresses: Vec::new(),
        expect,
        body_limit: 64 * 1024,
        served_by: None,
        number_header: None,
        tls,
        proxy: None,
    })
}

/// Arguments as a form; variables in it stay what they are.
pub(super) fn form(arguments: &Json) -> String {
    let Json::Object(map) = arguments else { return words(arguments) };
    let encoded =
        |text: &str| if text.contains('⟦') { text.to_owned() } else { url::form_urlencoded::byte_serialize(text.as_bytes()).collect() };
    let pairs = map.iter().filter(|(_, value)| !value.is_null()).flat_map(|(key, value)| {
        let values = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        values.into_iter().map(move |value| format!("{}={}", encoded(key), encoded(&words(&value))))
    });
    pairs.collect::<Vec<_>>().join("&")
}

/// A program with its arguments, or the shell where the original has one.
pub(super) fn command(turning: &mut Turning<'_>, process: &Process) -> Vec<String> {
    let path = process.path.0.clone();
    let list: Vec<Json> = match &process.arguments.0 {
        Arguments::Shell(text) => return vec!["sh".to_owned(), "-c".to_owned(), format!("{path} {}", turning.texts.fill(text))],
        Arguments::List(items) => items.clone(),
        Arguments::Pairs(pairs) => pairs.iter().flat_map(|(key, value)| [Json::String(key.clone()), value.clone()]).collect(),
    };
    let words = list
        .iter()
        .map(|item| turning.texts.value(item))
        .filter(|item| !item.is_null() && item.as_str() != Some(""))
        .map(|item| words(&item));
    std::iter::once(path).chain(words).collect()
}
