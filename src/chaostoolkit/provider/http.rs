//! The `http` provider: one request, redirects followed as a browser does, the answer bounded. A connection of its own each time, as Chaos
//! Toolkit makes it. Proxies of the environment are not used.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value as Json, json};
use tokio::{net::TcpStream, task::JoinSet};
use url::{Url, form_urlencoded};

use super::{Failed, MOST_KEPT, seconds};
use crate::{
    chaostoolkit::{
        model::Http,
        substitute::{Values, words},
    },
    model::{probe::TlsSettings, quantity::show_duration},
    probe,
};

/// The most redirects that are followed.
const MOST_REDIRECTS: usize = 30;
/// From a connection that failed to the next try.
const RETRY_AFTER: Duration = Duration::from_millis(20);
/// The most bytes of an answer's head.
const MOST_HEAD: usize = 256 * 1024;

/// What is sent, and where to.
struct Asked {
    url: Url,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
}

/// Times of one request.
#[derive(Clone, Copy)]
struct Limits {
    /// For a connection, with TLS.
    connect: Duration,
    /// For all of it.
    whole: Duration,
}

/// An answer, before it is told.
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

/// Whether a failure came before anything was sent: only then it may be tried again.
enum Trouble {
    NotConnected(String),
    Later(String),
}

/// Asks, and gives `{status, headers, body}`.
pub(super) async fn ask(http: &Http, values: &Values, limit: Duration) -> Result<Json, Failed> {
    let asked = asked(http, values).map_err(Failed::new)?;
    let limits = limits(http, values, limit)?;
    let tls = TlsSettings {
        insecure: http.verify_tls == json!(false),
        ca: http.verify_tls.as_str().map(str::to_owned),
        ..TlsSettings::default()
    };
    let answer = tokio::time::timeout(limits.whole, follow(asked, limits, &tls, http.max_retries)).await;
    let answer =
        answer.map_err(|_| Failed::new(format!("no whole answer within {}", show_duration(limits.whole))))?.map_err(Failed::new)?;
    told(&answer).map_err(Failed::new)
}

fn limits(http: &Http, values: &Values, limit: Duration) -> Result<Limits, Failed> {
    let Some((timeout, _)) = &http.timeout else { return Ok(Limits { connect: limit, whole: limit }) };
    let number = |value: &Json| match value {
        Json::Number(number) => number.as_f64().and_then(seconds),
        _ => None,
    };
    let filled = values.fill(timeout);
    let limits = match &filled {
        Json::Array(items) => match items.as_slice() {
            [connect, read] => number(connect).zip(number(read)).map(|(connect, read)| Limits { connect, whole: connect + read }),
            _ => None,
        },
        one => number(one).map(|limit| Limits { connect: limit, whole: limit }),
    };
    limits.ok_or_else(|| Failed::new("its `timeout` is no number of seconds above zero"))
}

/// What is sent: arguments are the query of a GET, JSON where the header says so, else a form; a text is the body as it is.
fn asked(http: &Http, values: &Values) -> Result<Asked, String> {
    let written = words(&values.text(&http.url.0));
    let mut url = Url::parse(&written).map_err(|error| format!("its address cannot be read: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("its address must begin with `http://` or `https://` and name a host".to_owned());
    }
    let arguments = if values.is_empty() { http.arguments.0.clone() } else { values.fill(&http.arguments.0) };
    let method: Method = http.method.parse().map_err(|_| format!("`{}` is no method of HTTP", http.method))?;
    let mut headers = HeaderMap::new();
    headers.insert(header::USER_AGENT, HeaderValue::from_static(concat!("firedrill/", env!("CARGO_PKG_VERSION"))));
    headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    let mut is_json = false;
    if let Json::Object(map) = values.fill(&http.headers) {
        for (name, value) in map.into_iter().filter(|(_, value)| !value.is_null()) {
            let value = words(&value);
            is_json |= name == "Content-Type" && value == "application/json";
            let name: HeaderName = name.parse().map_err(|_| format!("`{name}` is no name of a header"))?;
            let value = HeaderValue::from_str(&value)
                .map_err(|_| format!("the header `{name}` cannot be sent: its value has a line's end in it"))?;
            headers.insert(name, value);
        }
    }
    let mut body = Bytes::new();
    if method == Method::GET {
        let query = form(&arguments);
        if !query.is_empty() {
            let joined = url.query().map_or_else(|| query.clone(), |old| format!("{old}&{query}"));
            url.set_query(Some(&joined));
        }
    } else if is_json {
        if !arguments.is_null() {
            body = Bytes::from(arguments.to_string());
        }
    } else if let Json::String(text) = &arguments {
        body = Bytes::from(text.clone());
    } else if !arguments.is_null() {
        body = Bytes::from(form(&arguments));
        if !headers.contains_key(header::CONTENT_TYPE) && !body.is_empty() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        }
    }
    Ok(Asked { url, method, headers, body })
}

/// A map as a form, or a query; a list stands for several values of its key.
fn form(arguments: &Json) -> String {
    if let Json::String(text) = arguments {
        return text.clone();
    }
    let Json::Object(map) = arguments else { return String::new() };
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (key, value) in map {
        match value {
            Json::Null => {}
            Json::Array(items) => {
                form.extend_pairs(items.iter().map(|item| (key, words(item))));
            }
            value => {
                form.append_pair(key, &words(value));
            }
        }
    }
    form.finish()
}

async fn follow(mut asked: Asked, limits: Limits, tls: &TlsSettings, mut retries: u64) -> Result<Answer, String> {
    let mut redirects = 0;
    loop {
        let answer = match once(&asked, limits, tls).await {
            Ok(answer) => answer,
            Err(Trouble::NotConnected(_)) if retries > 0 => {
                retries -= 1;
                // A refusal comes at once: not in a circle as fast as it can.
                tokio::time::sleep(RETRY_AFTER).await;
                continue;
            }
            Err(Trouble::NotConnected(why) | Trouble::Later(why)) => return Err(why),
        };
        let location = answer.headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
        let (Some(location), 301..=303 | 307 | 308) = (location, answer.status) else { return Ok(answer) };
        redirects += 1;
        if redirects > MOST_REDIRECTS {
            return Err(format!("more than {MOST_REDIRECTS} redirects"));
        }
        let next = asked.url.join(location).map_err(|error| format!("it redirects to what is no address: {error}"))?;
        if !matches!(next.scheme(), "http" | "https") {
            return Err("it redirects to what is not HTTP".to_owned());
        }
        // Another host is not told who asks.
        if next.origin() != asked.url.origin() {
            asked.headers.remove(header::AUTHORIZATION);
            asked.headers.remove(header::COOKIE);
        }
        let becomes_get = answer.status == 303 && asked.method != Method::HEAD || answer.status <= 302 && asked.method == Method::POST;
        if becomes_get {
            asked.method = Method::GET;
            asked.body = Bytes::new();
            asked.headers.remove(header::CONTENT_TYPE);
        }
        asked.url = next;
    }
}

async fn once(asked: &Asked, limits: Limits, tls: &TlsSettings) -> Result<Answer, Trouble> {
    let url = &asked.url;
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or(80);
    let connected = tokio::time::timeout(limits.connect, async {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((bare, port)).await.map_err(|error| error.to_string())?;
        if url.scheme() != "https" {
            return Ok(Stream::Plain(stream));
        }
        let connector = probe::tls_connector(tls, Some(b"http/1.1"))?;
        let name = rustls::pki_types::ServerName::try_from(bare.to_owned()).map_err(|error| error.to_string())?;
        let secured = connector.connect(name, stream).await.map_err(|error| error.to_string())?;
        Ok::<_, String>(Stream::Tls(Box::new(secured)))
    });
    let at = format!("{host}:{port}");
    let stream = match connected.await {
        Err(_) => return Err(Trouble::NotConnected(format!("no connection to {at} within {}", show_duration(limits.connect)))),
        Ok(Err(why)) => return Err(Trouble::NotConnected(format!("no connection to {at}: {why}"))),
        Ok(Ok(stream)) => stream,
    };
    let answer = match stream {
        Stream::Plain(stream) => exchange(stream, asked).await,
        Stream::Tls(stream) => exchange(*stream, asked).await,
    };
    answer.map_err(|why| Trouble::Later(format!("{at}: {why}")))
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

async fn exchange<S>(stream: S, asked: &Asked) -> Result<Answer, String>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let handshake = http1::Builder::new().max_buf_size(MOST_HEAD).handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| error.to_string())?;
    // Ends with this function, whatever the other side does.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let url = &asked.url;
    let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let mut request = Request::builder().method(asked.method.clone()).uri(path).header(header::HOST, host);
    if let Some(headers) = request.headers_mut() {
        headers.extend(asked.headers.clone());
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let request = request.body(Full::new(asked.body.clone())).map_err(|error| error.to_string())?;
    let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, MOST_KEPT).collect().await;
    let body = body.map_err(|error| match error.downcast_ref::<http_body_util::LengthLimitError>() {
        Some(_) => format!("its answer has more than {MOST_KEPT} bytes"),
        None => format!("its answer ended in the middle: {error}"),
    })?;
    Ok(Answer { status: head.status.as_u16(), headers: head.headers, body: body.to_bytes() })
}

/// The answer as Chaos Toolkit gives it. Headers are named as servers usually write them (`Content-Type`).
fn told(answer: &Answer) -> Result<Json, String> {
    let mut headers: Map<String, Json> = Map::new();
    for name in answer.headers.keys() {
        let all: Vec<String> = answer.headers.get_all(name).iter().map(|value| latin(value.as_bytes())).collect();
        headers.insert(usual_case(name.as_str()), Json::String(all.join(", ")));
    }
    let kind = answer.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let body = if kind == Some(b"application/json") {
        serde_json::from_slice(&answer.body).map_err(|error| format!("its body says that it is JSON, and is not: {error}"))?
    } else {
        Json::String(latin(&answer.body))
    };
    Ok(json!({ "status": answer.status, "headers": headers, "body": body }))
}

/// Text of bytes: UTF-8, else Latin-1.
fn latin(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| bytes.iter().map(|byte| char::from(*byte)).collect(), str::to_owned)
}

fn usual_case(name: &str) -> String {
    let mut begins = true;
    let each = |c: char| {
        let out = if begins { c.to_ascii_uppercase() } else { c };
        begins = c == '-';
        out
    };
    name.chars().map(each).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::Span;

    fn provider(url: &str, method: &str, headers: Json, arguments: Json) -> Http {
        Http {
            url: (url.to_owned(), Span::default()),
            method: method.to_owned(),
            headers,
            arguments: (arguments, Span::default()),
            timeout: None,
            verify_tls: json!(true),
            max_retries: 0,
        }
    }

    #[test]
    fn arguments_go_where_the_method_and_the_header_say() {
        let asked = |method: &str, headers: Json, arguments: Json| {
            asked(&provider("http://h/a?x=1", method, headers, arguments), &Values::default()).unwrap()
        };
        let get = asked("GET", json!({}), json!({ "b": "c d", "n": [1, 2], "none": null }));
        assert_eq!(get.url.as_str(), "http://h/a?x=1&b=c+d&n=1&n=2");
        let post = asked("POST", json!({}), json!({ "b": "c d" }));
        assert_eq!(
            (post.body.as_ref(), post.headers["content-type"].as_bytes()),
            (b"b=c+d".as_slice(), b"application/x-www-form-urlencoded".as_slice())
        );
        let post = asked("POST", json!({ "Content-Type": "application/json" }), json!({ "b": 1 }));
        assert_eq!(post.body.as_ref(), b"{\"b\":1}");
        let post = asked("POST", json!({ "content-type": "application/json" }), json!({ "b": 1 }));
        assert_eq!(post.body.as_ref(), b"b=1", "the original looks for the header as it is usually written");
        let put = asked("PUT", json!({}), json!("as it is"));
        assert_eq!(put.body.as_ref(), b"as it is");
    }

    #[test]
    fn what_cannot_be_sent_is_said_without_the_value() {
        let values = Values::default();
        assert!(asked(&provider("ftp://h/", "GET", json!({}), Json::Null), &values).is_err());
        let wrong = asked(&provider("http://h/", "GET", json!({ "a": "planted\nplanted" }), Json::Null), &values).err().unwrap();
        assert!(wrong.contains("`a` cannot be sent") && !wrong.contains("planted"), "{wrong}");
    }

    #[test]
    fn headers_are_named_as_usual() {
        assert_eq!((usual_case("content-type"), usual_case("x-b3-id")), ("Content-Type".to_owned(), "X-B3-Id".to_owned()));
    }
}
