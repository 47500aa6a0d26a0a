//! Who is told about a run, when, and how: `notify:` of `firedrill.yaml`.

use super::{probe::Text, verdict::Verdict};

/// One receiver of messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Its place in the file, which is also what it is called: `notify[0].slack`.
    pub place: String,
    /// Where messages go.
    pub to: Receiver,
    /// What it is told.
    pub on: Vec<Occasion>,
    /// Of verdicts only these; all when empty.
    pub verdicts: Vec<Verdict>,
}

/// Where messages go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receiver {
    /// An HTTP endpoint of anybody's.
    Webhook(Box<Webhook>),
    /// What understands Slack's incoming webhooks. The URL is a secret: who has it can write.
    Slack(Text),
    /// Mail.
    Email(Box<Email>),
}

/// An HTTP request for each message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Where.
    pub url: Text,
    /// `POST` unless the file says otherwise.
    pub method: String,
    /// Headers, in lower case.
    pub headers: Vec<(String, Text)>,
    /// What is sent.
    pub body: Body,
}

/// The body of a webhook's request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Every field of the message, as JSON.
    Fields,
    /// A JSON value in whose texts `${field}` is filled in: whatever a title holds, it stays a text.
    Json(serde_json::Value),
    /// A text in which `${field}` is filled in.
    Text(String),
}

/// A mail for each message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    /// The server's name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is kept secret.
    pub tls: MailTls,
    /// The sender's address.
    pub from: String,
    /// The receivers' addresses; at least one.
    pub to: Vec<String>,
    /// Who logs in, and with what; nobody when the server asks for nothing.
    pub login: Option<(Text, Text)>,
}

/// How a connection to a mail server is kept secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailTls {
    /// It begins in the clear and must be changed to TLS before anything is said (port 587).
    StartTls,
    /// TLS from the first byte (port 465).
    Implicit,
    /// Not at all.
    None,
}

impl MailTls {
    /// The words of the file.
    pub const WORDS: [&str; 3] = ["starttls", "implicit", "none"];

    /// The port where none is written.
    pub fn port(self) -> u16 {
        match self {
            Self::StartTls => 587,
            Self::Implicit => 465,
            Self::None => 25,
        }
    }
}

/// When somebody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Occasion {
    /// The victims are known, and nothing has been touched.
    Before,
    /// The steady state held, and the first act comes now.
    Started,
    /// The run is over.
    Verdict,
    /// The run is over, and something could not be undone.
    Residue,
}

impl Occasion {
    /// All of them, in the order in which they come.
    pub const ALL: [Self; 4] = [Self::Before, Self::Started, Self::Verdict, Self::Residue];

    /// The word in files and messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::Started => "started",
            Self::Verdict => "verdict",
            Self::Residue => "residue",
        }
    }
}

impl Notification {
    /// Whether it is told on this occasion. A run that left something behind is told once: as `residue` where that is wanted, else as its
    /// verdict.
    pub fn wants(&self, occasion: Occasion, verdict: Option<Verdict>) -> bool {
        let listed = |occasion| self.on.contains(&occasion);
        let fits = verdict.is_none_or(|verdict| self.verdicts.is_empty() || self.verdicts.contains(&verdict));
        match occasion {
            Occasion::Before | Occasion::Started | Occasion::Residue => listed(occasion),
            Occasion::Verdict => listed(occasion) && fits && !(verdict == Some(Verdict::Residue) && listed(Occasion::Residue)),
        }
    }

    /// Its texts that may be secrets, each with its key.
    pub fn texts(&self) -> Vec<(String, &Text)> {
        match &self.to {
            Receiver::Slack(url) => vec![(String::new(), url)],
            Receiver::Webhook(webhook) => {
                let headers = webhook.headers.iter().map(|(name, text)| (format!("headers.{name}"), text));
                [(String::new(), &webhook.url)].into_iter().chain(headers).collect()
            }
            Receiver::Email(email) => {
                let login = email.login.iter().flat_map(|(user, password)| [("user", user), ("password", password)]);
                login.map(|(key, text)| (key.to_owned(), text)).collect()
            }
        }
    }
}

/// What a message is about: what `${field}` in a webhook's body stands for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// `before`, `started`, `verdict`, `residue`, or a word of whoever announces something.
    pub event: String,
    /// One line: what a person reads first.
    pub summary: String,
    /// The lines after it; may be none.
    pub details: String,
    /// The experiment's title.
    pub title: String,
    /// The run's id.
    pub run: String,
    /// The environment's name.
    pub environment: String,
    /// The victims in words.
    pub victims: String,
    /// The verdict's word; empty until there is one.
    pub verdict: String,
    /// The exit code; empty until there is one.
    pub exit_code: String,
    /// Why the verdict is what it is.
    pub reason: String,
    /// What is left and how it is undone.
    pub residue: String,
    /// The run's folder.
    pub folder: String,
    /// The machine.
    pub host: String,
    /// When, in UTC.
    pub at: String,
}

impl Message {
    /// The names of the fields.
    pub const FIELDS: [&str; 14] = [
        "event",
        "summary",
        "details",
        "title",
        "run",
        "environment",
        "victims",
        "verdict",
        "exit-code",
        "reason",
        "residue",
        "folder",
        "host",
        "at",
    ];

    /// A field's value; nothing for a name that is none.
    pub fn field(&self, name: &str) -> &str {
        match name {
            "event" => &self.event,
            "summary" => &self.summary,
            "details" => &self.details,
            "title" => &self.title,
            "run" => &self.run,
            "environment" => &self.environment,
            "victims" => &self.victims,
            "verdict" => &self.verdict,
            "exit-code" => &self.exit_code,
            "reason" => &self.reason,
            "residue" => &self.residue,
            "folder" => &self.folder,
            "host" => &self.host,
            "at" => &self.at,
            _ => "",
        }
    }

    /// All fields by name.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        Self::FIELDS.into_iter().map(|name| (name, self.field(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(on: &[Occasion], verdicts: &[Verdict], verdict: Verdict) -> Vec<&'static str> {
        let to = Receiver::Slack(Text::Env("X".to_owned()));
        let one = Notification { place: String::new(), to, on: on.to_vec(), verdicts: verdicts.to_vec() };
        Occasion::ALL.into_iter().filter(|o| one.wants(*o, Some(verdict))).map(Occasion::word).collect()
    }

    #[test]
    fn what_was_left_behind_is_told_once_and_to_whoever_asked() {
        let all = Occasion::ALL;
        assert_eq!(wanted(&all, &[], Verdict::Residue), ["before", "started", "residue"]);
        assert_eq!(wanted(&[Occasion::Verdict], &[], Verdict::Residue), ["verdict"]);
        assert_eq!(wanted(&[Occasion::Verdict], &[Verdict::Failed], Verdict::Passed), [""; 0]);
        assert_eq!(wanted(&[Occasion::Verdict, Occasion::Residue], &[Verdict::Failed], Verdict::Residue), ["residue"]);
    }

    #[test]
    fn every_field_has_its_value() {
        let message = Message { at: "now".to_owned(), exit_code: "6".to_owned(), ..Message::default() };
        assert_eq!(message.fields().filter(|(_, value)| !value.is_empty()).collect::<Vec<_>>(), [("exit-code", "6"), ("at", "now")]);
    }
}
