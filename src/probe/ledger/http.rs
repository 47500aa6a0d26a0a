//! A ledger over an application's own HTTP requests. `${value}` in them stands for the value.

use std::{rc::Rc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header::CONTENT_TYPE};
use http_body_util::Full;

use super::listed;
use crate::{
    model::{
        probe::{HttpExpect, HttpProbe, NameModels, Text},
        sample::SampleOutcome,
        store::{HttpLedger, LedgerCall},
        template::fill,
    },
    probe::{
        http::{Expect, Given, HttpKind, PreparedHttp},
        pacer::Shared,
        stage::Trace,
    },
};

/// The most of an answer to a write or a reading.
const LARGEST: u64 = 1 << 20;
/// The most of a list.
const LARGEST_LIST: u64 = 64 << 20;

/// The store, ready to move to the pacing thread.
pub struct PreparedHttpStore {
    spec: HttpLedger,
    write: PreparedHttp,
    read: PreparedHttp,
    list: Option<PreparedHttp>,
}

impl PreparedHttpStore {
    /// Words for the user when a request cannot be sent.
    pub fn new(spec: &HttpLedger, rate: f64, timeout: Duration) -> Result<Self, String> {
        let one = |call: &LedgerCall, largest| PreparedHttp::new(&probe(spec, call, largest), rate, timeout);
        // With some value or other: what can be wrong with the expectations is found before the start.
        for call in [&spec.write, &spec.read] {
            Expect::new(&filled(&call.expect, "x"))?;
            uri(&call.url, "x").ok_or_else(|| format!("`{}` cannot be sent with a value in it", call.url))?;
        }
        let list = spec.list.as_ref().map(|list| {
            let call = LedgerCall {
                method: "GET".to_owned(),
                url: list.url.clone(),
                headers: list.headers.clone(),
                body: None,
                content_type: None,
                expect: HttpExpect::default(),
            };
            one(&call, LARGEST_LIST)
        });
        Ok(Self { write: one(&spec.write, LARGEST)?, read: one(&spec.read, LARGEST)?, list: list.transpose()?, spec: spec.clone() })
    }

    /// On the pacing thread.
    pub fn into_store(self) -> HttpStore {
        HttpStore {
            write: self.write.into_kind(),
            read: self.read.into_kind(),
            list: self.list.map(PreparedHttp::into_kind),
            spec: self.spec,
        }
    }
}

/// The plain probe of a request: its connection, and what is the same for all values.
fn probe(spec: &HttpLedger, call: &LedgerCall, largest: u64) -> HttpProbe {
    HttpProbe {
        url: fill(&call.url, |_| "0".to_owned()),
        method: call.method.clone(),
        headers: call.headers.iter().filter(|(_, text)| !matches!(text, Text::Plain(text) if text.contains("${"))).cloned().collect(),
        body: None,
        connections: spec.connections,
        names: NameModels::default(),
        resolver: None,
        addresses: Vec::new(),
        expect: HttpExpect::default(),
        body_limit: largest,
        served_by: spec.served_by.clone(),
        number_header: None,
        tls: spec.tls.clone(),
        proxy: None,
    }
}

/// The store on the pacing thread.
pub struct HttpStore {
    spec: HttpLedger,
    write: HttpKind,
    read: HttpKind,
    list: Option<HttpKind>,
}

impl HttpStore {
    /// Whether it can give everything in one answer.
    pub fn lists(&self) -> bool {
        self.list.is_some()
    }

    /// Writes a value.
    pub async fn write(&self, shared: &Rc<Shared>, trace: &mut Trace, value: &str) -> SampleOutcome {
        match given(&self.spec.write, value) {
            Some(mut given) => self.write.ask(shared, trace, Some(&mut given)).await,
            None => SampleOutcome::NotSent,
        }
    }

    /// Whether a value is there. That it is not is said by 204, 404, 410, and an answer with a status as expected whose rest is not; any
    /// other answer says nothing about it: who is turned away (401, 429) or sent elsewhere (302) does not know.
    pub async fn read(&self, shared: &Rc<Shared>, trace: &mut Trace, value: &str) -> Result<bool, SampleOutcome> {
        let mut given = given(&self.spec.read, value).ok_or(SampleOutcome::NotSent)?;
        match self.read.ask(shared, trace, Some(&mut given)).await {
            SampleOutcome::Ok | SampleOutcome::OkSlow => Ok(true),
            SampleOutcome::Status if matches!(trace.status, 204 | 404 | 410) => Ok(false),
            SampleOutcome::Expectation => Ok(false),
            failed => Err(failed),
        }
    }

    /// Gives every value there is that begins with `prefix`, and how often.
    pub async fn list(
        &self,
        shared: &Rc<Shared>,
        trace: &mut Trace,
        prefix: &str,
        note: &mut dyn FnMut(&str, u64),
    ) -> Result<(), SampleOutcome> {
        let (Some(kind), Some(list)) = (&self.list, &self.spec.list) else { return Err(SampleOutcome::NotSent) };
        let uri = uri(&list.url, "").ok_or(SampleOutcome::NotSent)?;
        let expect = Expect::new(&HttpExpect::default()).map_err(|_| SampleOutcome::NotSent)?;
        let mut given = Given { uri, headers: HeaderMap::new(), body: Full::default(), expect, wants_answer: true, answer: Vec::new() };
        match kind.ask(shared, trace, Some(&mut given)).await {
            SampleOutcome::Ok | SampleOutcome::OkSlow => {}
            failed => return Err(failed),
        }
        // As long as all that was written, or as a hostile answer may be: work for another thread.
        let (pointer, prefix) = (list.json.clone(), prefix.to_owned());
        let counted = tokio::task::spawn_blocking(move || listed::count(&given.answer, pointer.as_deref(), &prefix)).await.ok().flatten();
        for (value, times) in counted.ok_or(SampleOutcome::Expectation)? {
            note(&value, times);
        }
        Ok(())
    }
}

/// The request for one value.
fn given(call: &LedgerCall, value: &str) -> Option<Given> {
    let put = |text: &str| fill(text, |_| value.to_owned());
    let mut headers = HeaderMap::new();
    if let Some(kind) = &call.content_type {
        headers.insert(CONTENT_TYPE, HeaderValue::from_str(kind).ok()?);
    }
    for (name, text) in &call.headers {
        if let Text::Plain(text) = text
            && text.contains("${")
        {
            headers.insert(HeaderName::try_from(name.as_str()).ok()?, HeaderValue::from_str(&put(text)).ok()?);
        }
    }
    let body = call.body.as_ref().map_or_else(Bytes::new, |body| Bytes::from(put(body)));
    let expect = Expect::new(&filled(&call.expect, value)).ok()?;
    Some(Given { uri: uri(&call.url, value)?, headers, body: Full::new(body), expect, wants_answer: false, answer: Vec::new() })
}

/// Path and query of a template.
fn uri(url: &str, value: &str) -> Option<Uri> {
    let whole: Uri = fill(url, |_| value.to_owned()).parse().ok()?;
    whole.path_and_query().map_or("/", |path| path.as_str()).parse().ok()
}

/// The expectation of one value. Regular expressions are the same for all.
fn filled(expect: &HttpExpect, value: &str) -> HttpExpect {
    let put = |text: &str| fill(text, |_| value.to_owned());
    HttpExpect {
        status: expect.status.clone(),
        headers: expect.headers.iter().map(|(name, text)| (name.clone(), put(text))).collect(),
        body_contains: expect.body_contains.as_deref().map(put),
        body_matches: expect.body_matches.clone(),
        json: expect.json.iter().map(|(pointer, wanted)| (pointer.clone(), put_in(wanted, value))).collect(),
        unreachable: false,
    }
}

fn put_in(json: &serde_json::Value, value: &str) -> serde_json::Value {
    match json {
        serde_json::Value::String(text) => serde_json::Value::String(fill(text, |_| value.to_owned())),
        serde_json::Value::Array(items) => items.iter().map(|item| put_in(item, value)).collect(),
        serde_json::Value::Object(entries) => entries.iter().map(|(key, item)| (key.clone(), put_in(item, value))).collect(),
        other => other.clone(),
    }
}
