//! What a scalar of such a file is, as its own tool takes it: JSON's literals, and for YAML the rules of YAML 1.1 (`yes` is true,
//! `010` is eight).

use serde_json::{Map, Number, Value as Json};

use crate::file::{
    Value,
    yaml::{Node, Scalar},
};

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// JSON.
    Json,
    /// YAML 1.1.
    Yaml,
}

/// The whole value as JSON.
pub fn json(node: &Node, form: Form) -> Json {
    match &node.value {
        Value::Scalar(Scalar { text, quoted: true }) => Json::String(text.clone()),
        Value::Scalar(Scalar { text, quoted: false }) => match form {
            Form::Json => serde_json::from_str(text).unwrap_or(Json::Null),
            Form::Yaml => plain(text),
        },
        Value::Seq(items) => items.iter().map(|item| json(item, form)).collect(),
        Value::Map(entries) => Json::Object(entries.iter().map(|e| (e.key.clone(), json(&e.value, form))).collect::<Map<_, _>>()),
    }
}

/// A scalar of YAML without quotes.
fn plain(text: &str) -> Json {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Json::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Json::Bool(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => return Json::Bool(false),
        _ => {}
    }
    integer(text).or_else(|| float(text)).unwrap_or_else(|| Json::String(text.to_owned()))
}

fn integer(text: &str) -> Option<Json> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let digits = digits.replace('_', "");
    let value = match digits.as_str() {
        "0" => 0,
        d if d.starts_with("0x") => i64::from_str_radix(&d[2..], 16).ok()?,
        d if d.starts_with("0b") => i64::from_str_radix(&d[2..], 2).ok()?,
        d if d.starts_with('0') => i64::from_str_radix(&d[1..], 8).ok()?,
        d => match d.parse::<i64>() {
            Ok(value) => value,
            // Beyond 63 bits: kept as far as JSON can.
            Err(_) if !negative => return d.parse::<u64>().ok().map(Json::from),
            Err(_) => return None,
        },
    };
    Some(Json::from(if negative { -value } else { value }))
}

/// A number with a point; its exponent, if any, with a sign.
fn float(text: &str) -> Option<Json> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, part) = mantissa.split_once('.')?;
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let signed =
        exponent.is_none_or(|e| e.strip_prefix(['+', '-']).is_some_and(|e| !e.is_empty() && e.bytes().all(|b| b.is_ascii_digit())));
    let begins = if whole.is_empty() {
        unsigned.len() == text.len() && part.starts_with(|c: char| c.is_ascii_digit())
    } else {
        !whole.starts_with('_')
    };
    let number: f64 = (digits(whole) && digits(part) && signed && begins).then(|| text.replace('_', "").parse().ok()).flatten()?;
    Number::from_f64(number).map(Json::Number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn plain_scalars_are_what_yaml_1_1_says() {
        for (text, value) in [
            ("200", json!(200)),
            ("-3", json!(-3)),
            ("010", json!(8)),
            ("0x1F", json!(31)),
            ("1_000", json!(1000)),
            ("1.5", json!(1.5)),
            ("1e3", json!("1e3")),
            ("1.5e+3", json!(1500.0)),
            (".5", json!(0.5)),
            ("-.5", json!("-.5")),
            ("yes", json!(true)),
            ("Off", json!(false)),
            ("~", Json::Null),
            ("09", json!("09")),
            ("1.2.3", json!("1.2.3")),
            ("-", json!("-")),
            ("${a}", json!("${a}")),
            ("18446744073709551615", json!(u64::MAX)),
        ] {
            assert_eq!(plain(text), value, "{text}");
        }
    }
}
