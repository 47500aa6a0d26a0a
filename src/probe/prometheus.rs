//! The `prometheus` probe: an instant query over the server's HTTP API, whose every value must compare as the file says.

use std::{fmt::Write as _, time::Duration};

use serde::Deserialize;

use crate::{
    model::{
        probe::{Connections, HttpExpect, HttpProbe, NameModels},
        protocol::PrometheusProbe,
        steady_state::Op,
    },
    probe::http::PreparedHttp,
};

/// The largest answer: thousands of series.
const LARGEST: u64 = 256 * 1024;
/// An answer to the question; the others are the server's words that it cannot answer it.
const STATUSES: [u16; 3] = [200, 400, 422];

/// The probe as an HTTP request with an expectation of its own; words for the user when it cannot be sent.
pub fn prepared(spec: &PrometheusProbe, rate: f64, timeout: Duration) -> Result<PreparedHttp, String> {
    let base = spec.url.trim_end_matches('/');
    let http = HttpProbe {
        url: format!("{base}/api/v1/query?query={}", encoded(&spec.query)),
        method: "GET".to_owned(),
        headers: spec.headers.clone(),
        body: None,
        connections: Connections::New,
        names: NameModels::default(),
        resolver: None,
        addresses: Vec::new(),
        expect: HttpExpect { status: STATUSES.to_vec(), ..HttpExpect::default() },
        body_limit: LARGEST,
        served_by: None,
        number_header: None,
        tls: spec.tls.clone(),
        proxy: None,
    };
    let threshold = Threshold { op: spec.op, bound: spec.bound, empty_passes: spec.empty_passes };
    Ok(PreparedHttp::new(&http, rate, timeout)?.with_threshold(threshold))
}

fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// What each value must be.
#[derive(Debug, Clone, Copy)]
pub struct Threshold {
    op: Op,
    bound: f64,
    empty_passes: bool,
}

#[derive(Deserialize)]
struct Answer {
    status: String,
    data: Option<Data>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    result_type: String,
    result: Values,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Values {
    /// Of a scalar or a text.
    One(Point),
    /// Of a vector; a matrix has no `value`.
    Series(Vec<Series>),
}

/// A moment, and a number as text.
type Point = (f64, String);

#[derive(Deserialize)]
struct Series {
    value: Option<Point>,
}

impl Threshold {
    /// Whether an answer's every value compares as it must. An answer that is none does not.
    pub fn holds(&self, body: &[u8]) -> bool {
        let Ok(Answer { status, data: Some(data) }) = serde_json::from_slice::<Answer>(body) else {
            return false;
        };
        let fits = |(_, value): &Point| value.parse::<f64>().is_ok_and(|value| self.op.holds(value, self.bound));
        status == "success"
            && match (data.result_type.as_str(), &data.result) {
                ("scalar", Values::One(point)) => fits(point),
                ("vector", Values::Series(series)) if series.is_empty() => self.empty_passes,
                ("vector", Values::Series(series)) => series.iter().all(|series| series.value.as_ref().is_some_and(fits)),
                _ => false,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(op: Op, bound: f64, empty_passes: bool, body: &str) -> bool {
        Threshold { op, bound, empty_passes }.holds(body.as_bytes())
    }

    fn vector(values: &[&str]) -> String {
        let series: Vec<String> =
            values.iter().map(|v| format!(r#"{{"metric":{{"job":"web"}},"value":[1700000000.123,"{v}"]}}"#)).collect();
        format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{}]}}}}"#, series.join(","))
    }

    #[test]
    fn every_series_must_satisfy_and_an_empty_answer_does_as_it_is_told() {
        assert!(holds(Op::Below, 0.05, false, &vector(&["0.01", "0.049"])));
        assert!(!holds(Op::Below, 0.05, false, &vector(&["0.01", "0.05"])));
        assert!(!holds(Op::Below, 0.05, false, &vector(&[])) && holds(Op::Below, 0.05, true, &vector(&[])));
        for op in [Op::Below, Op::AtMost, Op::Above, Op::AtLeast, Op::Equal] {
            assert!(!holds(op, 0.0, true, &vector(&["NaN"])), "no number compares with nothing");
        }
        assert!(holds(Op::Above, 1.0, false, &vector(&["+Inf"])) && !holds(Op::Above, 1.0, false, &vector(&["-Inf"])));
        assert!(holds(Op::Equal, 1.0, false, r#"{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}"#));
    }

    #[test]
    fn what_is_no_answer_holds_nothing() {
        for body in [
            "",
            "not json",
            "[]",
            r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#,
            r#"{"status":"success"}"#,
            r#"{"status":"success","data":{"resultType":"string","result":[1,"1"]}}"#,
            r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"1"]]}]}}"#,
            r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#,
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"histogram":[1,{}]}]}}"#,
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"one"]}]}}"#,
            r#"{"status":"error","data":{"resultType":"scalar","result":[1,"1"]}}"#,
        ] {
            assert!(!holds(Op::AtLeast, f64::MIN, true, body), "{body}");
        }
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(!holds(Op::AtLeast, 0.0, true, &deep));
    }

    #[test]
    fn a_query_is_sent_whole() {
        assert_eq!(encoded("rate(x{a=\"ü\"}[1m]) > 0 & +1"), "rate%28x%7Ba%3D%22%C3%BC%22%7D%5B1m%5D%29%20%3E%200%20%26%20%2B1");
    }
}
