//! A receiver of the file, with its secrets found and everything made ready to send.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::{
    body,
    http::{Endpoint, NotTaken},
    mail::Mail,
};
use crate::{
    model::{
        notify::{Body, Message, Notification, Receiver},
        probe::Text,
    },
    probe::{self, Unusable},
    redact,
};

/// One that can be told something.
pub(super) enum Ready {
    Http(Box<Web>),
    Mail(Box<Mail>),
}

/// One that gets HTTP requests.
pub(super) struct Web {
    endpoint: Endpoint,
    method: Method,
    headers: HeaderMap,
    body: Kind,
}

/// What an HTTP receiver gets.
pub(super) enum Kind {
    Webhook(Body),
    Slack,
}

/// What keeps a notification from being sent from here: secrets that are not there, and values that are none. Their values become secrets.
pub fn unusable(notification: &Notification) -> Vec<Unusable> {
    let place = |key: &str| if key.is_empty() { notification.place.clone() } else { format!("{}.{key}", notification.place) };
    let missing = |(key, text): (String, &Text)| find(text).err().map(|(problem, empty)| Unusable { place: place(&key), problem, empty });
    let missing: Vec<Unusable> = notification.texts().into_iter().filter_map(missing).collect();
    if !missing.is_empty() {
        return missing;
    }
    let wrong = Ready::new(notification, Duration::from_secs(1)).err();
    wrong.map(|problem| Unusable { place: notification.place.clone(), problem, empty: true }).into_iter().collect()
}

impl Ready {
    pub(super) fn new(notification: &Notification, timeout: Duration) -> Result<Self, String> {
        let value = |text: &Text| find(text).map_err(|(problem, _)| problem);
        match &notification.to {
            Receiver::Slack(url) => Ok(Self::Http(Box::new(Web {
                endpoint: Endpoint::new(&url_of(url)?)?,
                method: Method::POST,
                headers: HeaderMap::new(),
                body: Kind::Slack,
            }))),
            Receiver::Webhook(webhook) => {
                let mut headers = HeaderMap::new();
                for (name, text) in &webhook.headers {
                    let bad = || format!("the header `{name}` cannot be sent: its value holds a line end or another control character");
                    let mut value = HeaderValue::try_from(value(text)?).map_err(|_| bad())?;
                    value.set_sensitive(true);
                    headers.insert(HeaderName::try_from(name.as_str()).map_err(|_| bad())?, value);
                }
                let method = Method::try_from(webhook.method.as_str()).map_err(|error| error.to_string())?;
                Ok(Self::Http(Box::new(Web {
                    endpoint: Endpoint::new(&url_of(&webhook.url)?)?,
                    method,
                    headers,
                    body: Kind::Webhook(webhook.body.clone()),
                })))
            }
            Receiver::Email(email) => {
                let login = match &email.login {
                    Some((user, password)) => Some((value(user)?, value(password)?)),
                    None => None,
                };
                Ok(Self::Mail(Box::new(Mail::new(email, login, timeout)?)))
            }
        }
    }

    /// Where it is, for people.
    pub(super) fn host(&self) -> &str {
        match self {
            Self::Http(web) => web.endpoint.host(),
            Self::Mail(mail) => mail.host(),
        }
    }

    /// Sends one message once.
    pub(super) async fn send(&self, message: &Message) -> Result<(), NotTaken> {
        match self {
            Self::Mail(mail) => mail.send(message).await,
            Self::Http(web) => {
                let Web { endpoint, method, headers, body } = web.as_ref();
                let (body, kind) = match body {
                    Kind::Slack => (body::slack(message), "application/json"),
                    Kind::Webhook(body) => body::webhook(body, message),
                };
                let mut headers = headers.clone();
                headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static(kind));
                endpoint.send(method, &headers, body).await
            }
        }
    }
}

/// A path that is shorter than this is a word, such as `production`, and hides nothing; those that let somebody in are longer.
const SHORTEST_PATH: usize = 16;

/// A URL, of which everything behind the host may be a secret, whoever wrote it where.
fn url_of(text: &Text) -> Result<String, String> {
    let value = find(text).map_err(|(problem, _)| problem)?;
    redact::keep(&value);
    if let Some((_, path)) = value.trim().split_once("://").and_then(|(_, rest)| rest.split_once('/'))
        && path.len() >= SHORTEST_PATH
    {
        redact::keep(path);
    }
    Ok(value)
}

/// The value, which is a secret from now on unless it stands in the file as it is.
fn find(text: &Text) -> Result<String, (String, bool)> {
    probe::find_secret(text)
}
