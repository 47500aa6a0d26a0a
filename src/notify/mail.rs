//! A message as a mail. The headers are written here, so that nothing in a title can become one.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport, Tokio1Executor,
    address::Envelope,
    transport::smtp::{
        authentication::Credentials,
        client::{Tls, TlsParameters},
    },
};
use rand::{TryRng, rngs::SysRng};

use super::{body::cut, http::NotTaken};
use crate::{
    clock,
    model::notify::{Email, MailTls, Message},
};

/// The longest text of a mail.
const LONGEST: usize = 100_000;
/// The longest subject.
const SUBJECT: usize = 200;

/// A mail server and the addresses.
pub(super) struct Mail {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    envelope: Envelope,
    host: String,
}

impl Mail {
    /// Gets ready; the login is what was resolved.
    pub(super) fn new(email: &Email, login: Option<(String, String)>, timeout: Duration) -> Result<Self, String> {
        let address = |text: &String| text.parse::<Address>().map_err(|error| format!("`{text}` is not a mail address: {error}"));
        let to = email.to.iter().map(address).collect::<Result<_, _>>()?;
        let envelope = Envelope::new(Some(address(&email.from)?), to).map_err(|error| error.to_string())?;
        let parameters = || TlsParameters::new(email.host.clone()).map_err(|error| format!("TLS cannot be set up: {error}"));
        let tls = match email.tls {
            MailTls::None => Tls::None,
            MailTls::StartTls => Tls::Required(parameters()?),
            MailTls::Implicit => Tls::Wrapper(parameters()?),
        };
        let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&email.host);
        let mut builder = builder.port(email.port).tls(tls).timeout(Some(timeout));
        if let Some((user, password)) = login {
            builder = builder.credentials(Credentials::new(user, password));
        }
        Ok(Self { transport: builder.build(), envelope, host: email.host.clone() })
    }

    /// The server, for people.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Sends one mail.
    pub(super) async fn send(&self, message: &Message) -> Result<(), NotTaken> {
        let text = write(&self.envelope, message);
        let sent = self.transport.send_raw(&self.envelope, text.as_bytes()).await;
        let why = |error: &lettre::transport::smtp::Error| {
            let mut why = error.to_string();
            let mut source = std::error::Error::source(error);
            while let Some(error) = source {
                if !why.contains(&error.to_string()) {
                    why = format!("{why}: {error}");
                }
                source = error.source();
            }
            why
        };
        match sent {
            Ok(_) => Ok(()),
            Err(error) if error.is_permanent() || error.is_client() => Err(NotTaken::for_good(why(&error))),
            Err(error) => Err(NotTaken::for_now(why(&error))),
        }
    }
}

/// The mail as it goes over the line.
fn write(envelope: &Envelope, message: &Message) -> String {
    let from = envelope.from().map(ToString::to_string).unwrap_or_default();
    let to: Vec<String> = envelope.to().iter().map(ToString::to_string).collect();
    let date = clock::moment().to_zoned(jiff::tz::TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S +0000").to_string();
    let text = if message.details.is_empty() { message.summary.clone() } else { format!("{}\n\n{}", message.summary, message.details) };
    let domain = from.rsplit_once('@').map_or("localhost", |(_, domain)| domain);
    let headers = [
        format!("From: {from}"),
        format!("To: {}", to.join(",\r\n ")),
        format!("Subject: {}", words(&cut(&message.summary, SUBJECT))),
        format!("Date: {date}"),
        format!("Message-ID: <{}@{domain}>", unique()),
        "Auto-Submitted: auto-generated".to_owned(),
        "MIME-Version: 1.0".to_owned(),
        "Content-Type: text/plain; charset=utf-8".to_owned(),
        "Content-Transfer-Encoding: base64".to_owned(),
    ];
    format!("{}\r\n\r\n{}", headers.join("\r\n"), lines(&cut(&text, LONGEST).replace("\r\n", "\n").replace('\n', "\r\n")))
}

/// What no other mail is called: random, or the time where nothing random is to be had.
fn unique() -> String {
    let mut rng = SysRng;
    match (rng.try_next_u64(), rng.try_next_u64()) {
        (Ok(a), Ok(b)) => format!("{a:016x}{b:016x}"),
        _ => clock::moment().as_nanosecond().to_string(),
    }
}

/// Any text in a header: encoded words (RFC 2047), each of whole characters and at most 75 long.
fn words(text: &str) -> String {
    if text.len() <= 60 && text.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) && !text.contains("=?") {
        return text.to_owned();
    }
    let mut parts = vec![String::new()];
    for c in text.chars() {
        let c = if c.is_control() { ' ' } else { c };
        match parts.last_mut() {
            Some(last) if last.len() + c.len_utf8() <= 42 => last.push(c),
            _ => parts.push(c.to_string()),
        }
    }
    let encoded: Vec<String> = parts.iter().map(|part| format!("=?utf-8?B?{}?=", STANDARD.encode(part))).collect();
    encoded.join("\r\n ")
}

/// Base64 in lines of 76.
fn lines(text: &str) -> String {
    let encoded = STANDARD.encode(text);
    encoded.as_bytes().chunks(76).map(String::from_utf8_lossy).collect::<Vec<_>>().join("\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_title_becomes_a_header() {
        let envelope = Envelope::new(Some("a@b.example".parse().unwrap()), vec!["c@d.example".parse().unwrap()]).unwrap();
        let message = Message {
            summary: "ok\r\nBcc: planted@evil.example\r\n\r\nplanted".to_owned(),
            details: ".\r\nQUIT\n".to_owned() + &"é".repeat(LONGEST),
            ..Message::default()
        };
        let text = write(&envelope, &message);
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(!head.contains("Bcc") && !text.contains("planted") && !text.contains("QUIT"), "{head}");
        assert!(text.is_ascii() && text.lines().all(|line| line.len() <= 100));
        let body = STANDARD.decode(body.replace("\r\n", "")).unwrap();
        assert!(String::from_utf8(body).unwrap().starts_with("ok\r\nBcc: "));
    }

    #[test]
    fn a_long_subject_is_whole_words_of_whole_characters() {
        let text = words(&"ü".repeat(100));
        let decoded: String = text
            .split("\r\n ")
            .map(|word| {
                assert!(word.len() <= 75, "{word}");
                let inner = word.strip_prefix("=?utf-8?B?").unwrap().strip_suffix("?=").unwrap();
                String::from_utf8(STANDARD.decode(inner).unwrap()).unwrap()
            })
            .collect();
        assert_eq!(decoded, "ü".repeat(100));
        assert_eq!(words("failed: a plain title"), "failed: a plain title");
    }
}
