//! Whether a result is within its tolerance, as Chaos Toolkit judges it. Where that tool ends with a defect (a text compared with a number),
//! the tolerance is not met.

use serde_json::{Value as Json, json};

use super::{
    jsonpath::{JsonPath, same},
    model::{Activity, Arguments, Must, Provider},
    provider::{self, Bounds},
    regex,
    substitute::{Values, is_true, words},
};

/// Whether it is met. A probe that judges is bounded, too.
pub async fn met(must: &Must, result: &Json, values: &Values, bounds: Bounds<'_>) -> bool {
    match must {
        Must::Probe(probe) => {
            let asked = with_value(probe, result);
            provider::execute(&asked, values, bounds).await.is_ok_and(|answer| is_true(&answer))
        }
        must => fits(must, result, values),
    }
}

/// The judging probe with one more argument: the value.
fn with_value(probe: &Activity, result: &Json) -> Activity {
    let mut probe = probe.clone();
    match &mut probe.provider {
        Provider::Http(http) => {
            if let Json::Object(map) = &mut http.arguments.0 {
                map.insert("value".to_owned(), result.clone());
            }
        }
        Provider::Process(process) => {
            if let Arguments::Pairs(pairs) = &mut process.arguments.0 {
                pairs.retain(|(key, _)| key != "value");
                pairs.push(("value".to_owned(), result.clone()));
            }
        }
        Provider::Python { .. } => {}
    }
    probe
}

fn fits(must: &Must, result: &Json, values: &Values) -> bool {
    match must {
        Must::Number(number) => same(result.get("status").unwrap_or(result), &json!(number)),
        Must::Bool(yes) => same(result, &json!(yes)),
        Must::Text(text) => match values.text(text) {
            Json::String(text) => result.as_str() == Some(&text),
            Json::Bool(yes) => fits(&Must::Bool(yes), result, values),
            Json::Array(items) => fits(&Must::List(items), result, values),
            Json::Number(number) => number.as_i64().is_some_and(|number| fits(&Must::Number(number), result, values)),
            Json::Null | Json::Object(_) => false,
        },
        Must::List(items) => match (result.get("status"), items.as_slice()) {
            (Some(status), items) => items.iter().any(|item| same(item, status)),
            (None, [low, high]) => between(low, result, high),
            (None, items) => items.iter().any(|item| same(item, result)),
        },
        Must::Range { low, high, target } => number(aimed(result, target.as_deref())).is_some_and(|n| *low <= n && n <= *high),
        Must::Regex { pattern, target } => {
            let Some(text) = aimed(result, target.as_deref()).as_str() else { return false };
            regex::compile(&words(&values.text(pattern))).is_ok_and(|regex| regex.is_match(text))
        }
        Must::JsonPath { path, parsed, expect, count, target } => {
            let read = match parsed {
                Some(parsed) => Some(parsed.clone()),
                None => JsonPath::parse(words(&values.text(path)).trim()).ok(),
            };
            let Some(path) = read else { return false };
            let value = aimed(result, target.as_deref());
            let parsed: Option<Json> = value.as_str().and_then(|text| serde_json::from_str(text).ok());
            let found = path.find(parsed.as_ref().unwrap_or(value));
            match (expect, count) {
                (Some(expect), _) => {
                    let expect = match values.fill(expect) {
                        Json::Array(items) => items,
                        one => vec![one],
                    };
                    found.len() == expect.len() && found.iter().zip(&expect).all(|(found, expect)| same(found, expect))
                }
                (None, Some(count)) => same(&json!(found.len()), count),
                (None, None) => !found.is_empty(),
            }
        }
        Must::Probe(_) => false,
    }
}

/// The part of a result that is meant; all of it where there is no such part.
fn aimed<'r>(result: &'r Json, target: Option<&str>) -> &'r Json {
    target.and_then(|target| result.get(target)).unwrap_or(result)
}

/// A number, or a text that is one.
fn number(value: &Json) -> Option<f64> {
    match value {
        Json::Number(number) => number.as_f64(),
        Json::Bool(yes) => Some(f64::from(u8::from(*yes))),
        Json::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn between(low: &Json, value: &Json, high: &Json) -> bool {
    match (low, value, high) {
        (Json::String(low), Json::String(value), Json::String(high)) => low <= value && value <= high,
        (low, value, high) if !low.is_string() && !value.is_string() && !high.is_string() => {
            matches!((number(low), number(value), number(high)), (Some(low), Some(value), Some(high)) if low <= value && value <= high)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values {
        let configuration = json!({ "ok": 200, "word": "up", "list": [200, 204] });
        Values { configuration: configuration.as_object().unwrap().clone(), secrets: Vec::new() }
    }

    fn path(path: &str, expect: Option<Json>, count: Option<Json>, target: Option<&str>) -> Must {
        let target = target.map(str::to_owned);
        Must::JsonPath { path: path.to_owned(), parsed: JsonPath::parse(path).ok(), expect, count, target }
    }

    #[test]
    fn tolerances_are_met_as_the_original_has_it() {
        let answer = json!({ "status": 200, "headers": {}, "body": "{\"a\": [1, 2]}" });
        let range = |low: f64, high: f64, target: Option<&str>| Must::Range { low, high, target: target.map(str::to_owned) };
        for (must, result, met) in [
            (Must::Number(200), &answer, true),
            (Must::Number(201), &answer, false),
            (Must::Number(1), &json!(true), true),
            (Must::Bool(true), &answer, false),
            (Must::Bool(true), &json!(1), true),
            (Must::Text("up".into()), &json!("up"), true),
            (Must::Text("up".into()), &answer, false),
            (Must::Text("${ok}".into()), &answer, true),
            (Must::Text("${list}".into()), &answer, true),
            (Must::List(vec![json!(100), json!(299)]), &answer, false),
            (Must::List(vec![json!(200), json!(299)]), &answer, true),
            (Must::List(vec![json!(100), json!(299)]), &json!(200), true),
            (Must::List(vec![json!("a"), json!("c")]), &json!("b"), true),
            (Must::List(vec![json!(1), json!(2), json!(3)]), &json!(2.5), false),
            (range(1.0, 2.0, None), &json!(" 1.5\n"), true),
            (range(200.0, 299.0, Some("status")), &answer, true),
            (range(200.0, 299.0, None), &answer, false),
            (Must::Regex { pattern: "\"a\": \\[1".into(), target: Some("body".into()) }, &answer, true),
            (Must::Regex { pattern: "^${word}$".into(), target: None }, &json!("up"), true),
            (Must::Regex { pattern: "a".into(), target: None }, &answer, false),
            (path("$.a[*]", Some(json!([1, 2])), None, Some("body")), &answer, true),
            (path("$.a[0]", Some(json!(1)), None, Some("body")), &answer, true),
            (path("$.a[*]", None, Some(json!(2)), Some("body")), &answer, true),
            (path("$.a[*]", None, Some(json!(3)), Some("body")), &answer, false),
            (path("$.b", None, None, Some("body")), &answer, false),
            (path("$.status", None, None, None), &answer, true),
        ] {
            assert_eq!(fits(&must, result, &values()), met, "{must:?} of {result}");
        }
    }
}
