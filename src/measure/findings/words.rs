//! The sentences of findings: all of them in one place.

use super::felt::{Fate, Route, Story};
use crate::model::{
    built::Built,
    fault::FaultKind,
    ids::Service,
    measurement::{Estimate, Replacement},
    quantity::{count, plural},
};

/// The platform does not say what it is built from.
pub const NO_FINGERPRINT: &str = "nothing says what it, or a sibling that was there before, is built from";
/// Nobody else said a version.
pub const NO_VERSION: &str = "it, or every sibling that was there before, said no version";
/// The first half of a difference in what instances are built from.
pub const BUILT_FROM: &str = "built from";
/// The first half of a difference in what instances say.
pub const SAYS_VERSION: &str = "of the version";

/// Names that a sentence holds before it says how many more there are.
const MOST_NAMES: usize = 4;
/// Characters of a fingerprint that a person compares.
const FINGERPRINT: usize = 12;

/// `a, b and c`; many are cut.
fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [most @ .., last] if names.len() <= MOST_NAMES => format!("{} and {last}", most.join(", ")),
        _ => format!("{} and {} more", names[..MOST_NAMES].join(", "), names.len() - MOST_NAMES),
    }
}

fn quoted<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    listed(names.iter().map(String::as_str))
}

/// A share in percent, never rounded to all when it is not.
fn share(share: f64) -> String {
    let text = format!("{:.1}", share * 100.0);
    let text = if text == "100.0" && share < 1.0 { format!("{:.3}", share * 100.0) } else { text };
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A moment on the run's clock.
fn moment(ns: u64) -> String {
    format!("{:.1} s", ns as f64 / 1e9)
}

/// `without `tokens` (kill of tokens-1 and tokens-2)`; `while `tokens` was hit (slow of tokens-1)` when it was not away as a whole.
fn cause(story: &Story<'_>) -> String {
    let away = story.away;
    let services = quoted(away.services.iter().map(Service::as_str));
    let faults = listed(away.faults.iter().map(|fault| FaultKind::name(*fault)));
    let victims = listed(away.victims.values().flatten().map(String::as_str));
    let were = if away.services.len() == 1 { "was" } else { "were" };
    if story.whole() {
        format!("without {services} ({faults} of {victims})")
    } else {
        format!("while {services} {were} hit ({faults} of {victims})")
    }
}

fn span(story: &Story<'_>) -> String {
    format!("from {} to {}", moment(story.away.from_ns), moment(story.away.to_ns))
}

/// What a reader calls a route: its service; the probe too, where that is called otherwise.
fn called(route: &Route<'_>) -> String {
    match route.service {
        Some(service) if service.as_str() != route.probe => format!("`{service}` fails: probe `{}` was", route.probe),
        _ => format!("`{}` fails:", route.probe),
    }
}

fn fared(then: Estimate, baseline: Estimate) -> (String, String) {
    (format!("{} available", share(then.value)), format!("n = {}; baseline {}", count(then.n), share(baseline.value)))
}

/// A route of one service that fails without another one.
pub fn dependency(story: &Story<'_>, route: &Route<'_>) -> String {
    let (then, held_against) = fared(route.then, route.baseline);
    format!("{} {} {then} {} ({held_against})", cause(story), called(route), span(story))
}

/// Routes that went on.
pub fn went_on(story: &Story<'_>, routes: &[&Route<'_>]) -> String {
    // Of a service of which another route fails, only this route went on.
    let fails = |service: &Service| story.routes.iter().any(|route| route.service == Some(service) && route.fate == Fate::Failed);
    let name = |route: &&'_ Route<'_>| {
        route.service.filter(|service| !fails(service)).map_or_else(|| route.probe.to_string(), ToString::to_string)
    };
    let mut names: Vec<String> = routes.iter().map(name).collect();
    names.dedup();
    let worst = routes.iter().map(|route| route.then.value).fold(1.0, f64::min);
    let n: u64 = routes.iter().map(|route| route.then.n).sum();
    let least = if worst < 1.0 && routes.len() > 1 { "at least " } else { "" };
    format!(
        "{} {} went on: {least}{} available {} (n = {})",
        cause(story),
        quoted(names.iter().map(String::as_str)),
        share(worst),
        span(story),
        count(n)
    )
}

/// There is one of it, and nothing works without it.
pub fn single_point(story: &Story<'_>, service: &Service, routes: &[&Route<'_>]) -> String {
    let fail = match routes {
        [one] => format!("`{}` fails", one.probe),
        all => format!("all {} fail", plural(all.len(), "route")),
    };
    let each: Vec<String> = routes.iter().take(MOST_NAMES).map(|route| format!("{} {}", route.probe, share(route.then.value))).collect();
    let more = if routes.len() > MOST_NAMES { ", …" } else { "" };
    format!(
        "`{service}` is a single point of failure: there is one of it, and without it {fail} ({}{more} available {})",
        each.join(", "),
        span(story)
    )
}

/// There is one of it, and some other services do not work without it.
pub fn single_point_for(service: &Service, routes: &[&Route<'_>]) -> String {
    let mut names: Vec<&str> = routes.iter().filter_map(|route| route.service).map(Service::as_str).collect();
    names.dedup();
    format!("`{service}` is a single point of failure for {}: there is one of it", quoted(names))
}

/// Hashes as far as people compare them. Anything else that is long is left to the report, which cuts it.
fn short(text: &str) -> String {
    let one = |part: &str| {
        let (algorithm, digits) = part.split_once(':').unwrap_or(("", part));
        let hash = digits.len() >= 32 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        match (hash, algorithm) {
            (false, _) => part.to_owned(),
            (true, "") => digits[..FINGERPRINT].to_owned(),
            (true, algorithm) => format!("{algorithm}:{}", &digits[..FINGERPRINT]),
        }
    };
    text.split(' ').map(one).collect::<Vec<_>>().join(" ")
}

/// An instance that gave way to one of the same name.
pub fn namesake(old: &Built) -> String {
    format!("{} ({:.12})", old.name, old.instance.0)
}

/// Replacements that differ from their siblings in one way.
pub fn drift(all: &[&Replacement], aspect: &str, own: &str, siblings: &[(String, u32)]) -> String {
    let says = |new: &&Replacement| match &new.replaces {
        Some(old) if *old == new.name => format!("{}, which was started again,", new.name),
        Some(old) => format!("{}, which replaced {old},", new.name),
        None => new.name.clone(),
    };
    let (who, is, whose) = match all {
        [one] => (says(one), "is", "its"),
        many => (listed(many.iter().map(|new| new.name.as_str())), "are", "their"),
    };
    let others: Vec<String> =
        siblings.iter().take(MOST_NAMES).map(|(text, n)| format!("{} like {}", short(text), plural(u64::from(*n), "other"))).collect();
    format!("{who} {is} not like {whose} siblings: {aspect} {}, not {}", short(own), others.join(" or "))
}

/// Instances that were not alike before anything was done.
pub fn snowflakes(service: &Service, aspect: &str, kinds: &[(&str, Vec<&str>)]) -> String {
    let each: Vec<String> = kinds
        .iter()
        .take(MOST_NAMES)
        .map(|(text, names)| {
            format!("{} {} {aspect} {}", listed(names.iter().copied()), if names.len() == 1 { "is" } else { "are" }, short(text))
        })
        .collect();
    let more = if kinds.len() > MOST_NAMES { " …" } else { "" };
    format!("the instances of `{service}` were not alike before anything was done: {}{more}", each.join(", "))
}
