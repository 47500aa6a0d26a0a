//! `notify:` of `firedrill.yaml`: who is told about runs. Read for one environment, with its variables.

use std::sync::Arc;

use serde_json::Value as Json;

use super::{
    diagnostic::Sink,
    escape::quote,
    lower::{
        http::{headers, json, text_or_secret},
        url,
    },
    read::{self, Fields},
    source::{Place, Source},
    table::{Kind, Table, key},
    vars::{Later, Vars},
    yaml::{self, Node, Value},
};
use crate::model::{
    notify::{Body, Email, MailTls, Message, Notification, Occasion, Receiver, Webhook},
    probe::Text,
    verdict::Verdict,
};

/// `on`.
const OCCASIONS: [&str; 4] = ["before", "started", "verdict", "residue"];
/// `verdicts`: what a run can end with.
const VERDICTS: [(&str, Verdict); 6] = [
    ("passed", Verdict::Passed),
    ("failed", Verdict::Failed),
    ("not-started", Verdict::NotStarted),
    ("aborted", Verdict::Aborted),
    ("error", Verdict::Error),
    ("residue", Verdict::Residue),
];
const VERDICT_WORDS: [&str; 6] = ["passed", "failed", "not-started", "aborted", "error", "residue"];
const METHODS: &[&str] = &["POST", "PUT", "PATCH"];
/// The keys that only a webhook has.
const WEBHOOK_ONLY: [&str; 4] = ["method", "headers", "json", "body"];

/// `notify`.
pub(super) static NOTIFY_FORM: Kind = Kind::Table(&NOTIFY);

static NOTIFY: Table = Table::new(
    "a notification",
    &[
        key("webhook", Kind::Secret, "a URL that gets an HTTP request for each message"),
        key("slack", Kind::Secret, "the URL of an incoming webhook of Slack, or of what understands the same; a secret"),
        key("email", Kind::Table(&EMAIL), "a mail for each message"),
        key("on", Kind::List(&Kind::Words(&OCCASIONS)), "when; `verdict` and `residue` when left out"),
        key("verdicts", Kind::List(&Kind::Words(&VERDICT_WORDS)), "only these verdicts; all when left out"),
        key("env", Kind::Either(&[Kind::Text, Kind::List(&Kind::Text)]), "only runs in these environments; all when left out"),
        key("method", Kind::Words(METHODS), "of a webhook; POST when left out"),
        key("headers", Kind::Map(&Kind::Secret), "of a webhook; secrets as `{ env: NAME }` or `{ file: PATH }`"),
        key("json", Kind::Any, "a webhook's body: any value, in whose texts `${field}` is filled in; all fields when left out"),
        key("body", Kind::Text, "a webhook's body as plain text, in which `${field}` is filled in"),
    ],
)
.one_of(&["webhook", "slack", "email"]);

static EMAIL: Table = Table::new(
    "`email`",
    &[
        super::table::must("smtp", Kind::Text, "the mail server: `host` or `host:port`"),
        super::table::must("from", Kind::Text, "the sender's address"),
        super::table::must("to", Kind::Either(&[Kind::Text, Kind::List(&Kind::Text)]), "the receivers' addresses"),
        key("tls", Kind::Words(&MailTls::WORDS), "`starttls` (port 587) when left out, `implicit` (465), or `none` (25)"),
        key("user", Kind::Secret, "who logs in; needs `password`"),
        key("password", Kind::Secret, "a secret: `{ env: NAME }` or `{ file: PATH }`"),
    ],
);

/// Reads the notifications that runs in an environment give; `known` are the names of all environments.
pub(super) fn notifications(node: &Node, environment: &str, known: &[&str], vars: &Vars, sink: &mut Sink) -> Option<Vec<Notification>> {
    let nodes = read::list(node, "notifications", sink)?;
    let one = |(n, node): (usize, &Node)| {
        // Whom it does not concern need not have its variables.
        if !concerns(node, environment, known, sink)? {
            return None;
        }
        notification(node, n, vars, sink)
    };
    Some(nodes.iter().enumerate().filter_map(one).collect())
}

/// Where a value of the file stands, by its path: `notify[0].slack`. The nearest that is there.
pub fn place(source: &Arc<Source>, path: &str) -> Option<Place> {
    let root = yaml::parse(source, &mut Sink::new(source))?;
    let mut node = &root;
    for part in path.split(['.', '[']).map(|part| part.trim_end_matches(']')) {
        let next = match &node.value {
            Value::Seq(items) => part.parse().ok().and_then(|n: usize| items.get(n)),
            Value::Map(entries) => entries.iter().find(|entry| entry.key.eq_ignore_ascii_case(part)).map(|entry| &entry.value),
            Value::Scalar(_) => None,
        };
        let Some(next) = next else { break };
        node = next;
    }
    Some(Place { source: Arc::clone(source), span: read::head(node) })
}

fn concerns(node: &Node, environment: &str, known: &[&str], sink: &mut Sink) -> Option<bool> {
    let Some(list) = node.get("env") else { return Some(true) };
    let mut fits = false;
    for item in read::one_or_many(list) {
        fits |= read::word(item, known, sink)? == environment;
    }
    Some(fits)
}

fn notification(node: &Node, n: usize, vars: &Vars, sink: &mut Sink) -> Option<Notification> {
    let written = Fields::new(node, &NOTIFY, sink)?;
    let password = written.node("email").and_then(|node| node.get("password"));
    for (key, node) in [("slack", written.node("slack")), ("password", password)] {
        if let Some(node) = node.filter(|node| node.text().is_some_and(|text| !text.contains("${"))) {
            sink.source().hide(node.span);
            sink.error(node.span, format!("`{key}` is a secret, and secrets are never written in a file"))
                .expected("`{ env: NAME }`, `{ file: PATH }`, or a variable that `--var` gives");
            return None;
        }
    }
    let before = sink.count();
    let mut node = node.clone();
    if let Value::Map(entries) = &mut node.value {
        for entry in entries {
            let template = matches!(entry.key.as_str(), "json" | "body");
            vars.fill(&mut entry.value, if template { Later::Message(&Message::FIELDS) } else { Later::Nothing }, sink);
        }
    }
    if sink.count() > before {
        return None;
    }
    let fields = Fields::of(if let Value::Map(entries) = &node.value { entries } else { &[] }, read::head(&node), &NOTIFY);
    let on = fields.get("on", sink, occasions).unwrap_or_else(|| vec![Occasion::Verdict, Occasion::Residue]);
    let verdicts = fields.get("verdicts", sink, verdicts).unwrap_or_default();
    let (name, to) = receiver(fields, sink)?;
    Some(Notification { place: format!("notify[{n}].{name}"), to, on, verdicts })
}

fn receiver(fields: Fields<'_>, sink: &mut Sink) -> Option<(&'static str, Receiver)> {
    let webhook = fields.has("webhook");
    for key in WEBHOOK_ONLY.into_iter().filter(|key| !webhook && fields.has(key)) {
        sink.error(fields.key_span(key), format!("`{key}` belongs to a `webhook`")).expected("`webhook: URL` beside it");
    }
    if webhook {
        let url = fields.get("webhook", sink, |node, sink| {
            let text = text_or_secret(node, read::line, sink)?;
            let fine = !matches!(&text, Text::Plain(plain) if url::check_url(plain, node.span, sink).is_none());
            fine.then_some(text)
        });
        let webhook = Webhook {
            url: url?,
            method: fields.get("method", sink, |node, sink| read::word(node, METHODS, sink)).unwrap_or("POST").to_owned(),
            headers: fields.get("headers", sink, headers).unwrap_or_default(),
            body: body(fields, sink),
        };
        return Some(("webhook", Receiver::Webhook(Box::new(webhook))));
    }
    if fields.has("slack") {
        let url = fields.get("slack", sink, |node, sink| {
            let text = text_or_secret(node, read::line, sink)?;
            // Its value may be the secret, and is in no message.
            if let Text::Plain(plain) = &text
                && url::why_not(plain).is_some()
            {
                sink.error(node.span, "the value of the variable is not a URL that can be used").expected("a URL like `https://HOST/PATH`");
            }
            Some(text)
        });
        return Some(("slack", Receiver::Slack(url?)));
    }
    let email = fields.get("email", sink, email)?;
    Some(("email", Receiver::Email(Box::new(email))))
}

fn body(fields: Fields<'_>, sink: &mut Sink) -> Body {
    if let (true, Some(text)) = (fields.has("json"), fields.entry("body")) {
        sink.error(text.key_span, "`json` and `body` exclude each other").expected("one of them");
    }
    if let Some(node) = fields.node("json") {
        return Body::Json(json(node));
    }
    let Some(node) = fields.node("body") else { return Body::Fields };
    let text = read::text(node, sink).unwrap_or_default();
    if text.trim_start().starts_with(['{', '['])
        && serde_json::from_str::<Json>(&crate::model::template::fill(text, |_| String::new())).is_ok()
    {
        sink.error(read::head(node), "a JSON body is not written as text: a quotation mark in a title would change what it says")
            .expected("`json:` with the same value, like `json: { text: \"${summary}\" }`");
    }
    Body::Text(text.to_owned())
}

fn email(node: &Node, sink: &mut Sink) -> Option<Email> {
    let fields = Fields::new(node, &EMAIL, sink)?;
    let tls = match fields.get("tls", sink, |node, sink| read::word(node, &MailTls::WORDS, sink)) {
        Some("implicit") => MailTls::Implicit,
        Some("none") => MailTls::None,
        _ => MailTls::StartTls,
    };
    let server = fields.get("smtp", sink, |node, sink| {
        let text = read::line(node, sink)?;
        let bare = !text.contains(':') || text.parse::<std::net::Ipv6Addr>().is_ok();
        if bare {
            return url::check_host(text, node.span, sink).then(|| (text.to_owned(), tls.port()));
        }
        if !url::check_address(text, node.span, sink) {
            return None;
        }
        let (host, port) = text.rsplit_once(':')?;
        Some((host.trim_start_matches('[').trim_end_matches(']').to_owned(), port.parse().ok()?))
    });
    let from = fields.get("from", sink, address);
    let to: Vec<String> =
        fields.node("to").map(|node| read::one_or_many(node).iter().filter_map(|item| address(item, sink)).collect()).unwrap_or_default();
    if let Some(node) = fields.node("to").filter(|node| read::one_or_many(node).is_empty()) {
        sink.error(node.span, "the list is empty").expected("at least one address");
    }
    for (one, other) in [("user", "password"), ("password", "user")] {
        if fields.has(one) && !fields.has(other) {
            sink.error(fields.key_span(one), format!("`{one}` needs `{other}` beside it")).expected("both, or none of them");
        }
    }
    let user = fields.get("user", sink, |node, sink| text_or_secret(node, read::line, sink));
    let password = fields.get("password", sink, |node, sink| text_or_secret(node, read::line, sink));
    let (host, port) = server?;
    if tls == MailTls::None && fields.has("password") && !here(&host) {
        sink.error(fields.key_span("tls"), "without TLS the password would go over the network as it is")
            .expected("`tls: starttls` or `tls: implicit`; `none` only for a server on this machine, or without `user`");
    }
    Some(Email { host, port, tls, from: from?, to, login: user.zip(password) })
}

/// Whether a server is on this machine.
fn here(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// An address without a name beside it: `drills@example.org`.
fn address(node: &Node, sink: &mut Sink) -> Option<String> {
    let text = read::line(node, sink)?;
    let fine = text.split_once('@').is_some_and(|(user, domain)| !user.is_empty() && !domain.is_empty() && !domain.contains('@'))
        && text.len() <= 254
        && text.bytes().all(|b| b.is_ascii_graphic() && !b"<>()[],;:\\\"".contains(&b));
    if !fine {
        sink.error(node.span, format!("{} is not a mail address", quote(text))).expected("an address alone, like `drills@example.org`");
    }
    fine.then(|| text.to_owned())
}

fn occasions(node: &Node, sink: &mut Sink) -> Option<Vec<Occasion>> {
    words(node, "occasions", sink, |node, sink| {
        let word = read::word(node, &OCCASIONS, sink)?;
        Occasion::ALL.into_iter().find(|occasion| occasion.word() == word)
    })
}

fn verdicts(node: &Node, sink: &mut Sink) -> Option<Vec<Verdict>> {
    words(node, "verdicts", sink, |node, sink| {
        let word = read::word(node, &VERDICT_WORDS, sink)?;
        VERDICTS.into_iter().find(|(name, _)| *name == word).map(|(_, verdict)| verdict)
    })
}

fn words<T>(node: &Node, of: &str, sink: &mut Sink, mut one: impl FnMut(&Node, &mut Sink) -> Option<T>) -> Option<Vec<T>> {
    if node.is_null() {
        return read::wrong(node, format!("a list of {of}"), sink);
    }
    let items = read::one_or_many(node);
    if items.is_empty() {
        sink.error(node.span, "the list is empty: nobody would be told").expected("at least one; or no such key");
    }
    Some(items.iter().filter_map(|item| one(item, sink)).collect())
}
