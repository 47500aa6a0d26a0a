//! Secrets that somebody wrote into a file by mistake. They are refused where they are read; before that, and whatever else is wrong with
//! the file, no excerpt of it shows them.

use super::{
    source::{Source, Span},
    yaml::{Node, Value},
};

/// Headers and fields of forms that carry a secret by their nature.
pub fn looks_secret(name: &str) -> bool {
    const WHOLE: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "set-cookie"];
    WHOLE.contains(&name) || holds_secret(name)
}

/// Names that say it, wherever they stand.
fn holds_secret(name: &str) -> bool {
    const PARTS: [&str; 8] = ["api-key", "apikey", "token", "secret", "password", "credential", "session-id", "authorization"];
    PARTS.iter().any(|part| name.contains(part))
}

/// Where a text has URLs with a password in them: the part before the `@`. On the web a user's name alone may be a token.
pub fn credentials(text: &str) -> Vec<Span> {
    let ends = |c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'');
    let user = |(at, _): (usize, &str)| {
        let start = at + "://".len();
        let end = text[start..].find(ends).map_or(text.len(), |length| start + length);
        let user = start..start + text[start..end].rfind('@')?;
        let web = ["http", "https", "ws", "wss"].iter().any(|scheme| text[..at].ends_with(scheme));
        (web || text[user.clone()].contains(':')).then(|| Span::new(user.start, user.end))
    };
    text.match_indices("://").filter_map(user).collect()
}

/// Hides the values of names that look like secrets.
pub fn hide(root: &Node, source: &Source) {
    walk(root, false, source);
}

fn walk(node: &Node, sent: bool, source: &Source) {
    match &node.value {
        Value::Scalar(_) => {}
        Value::Seq(items) => items.iter().for_each(|item| walk(item, false, source)),
        Value::Map(entries) => {
            for entry in entries {
                let name = entry.key.to_ascii_lowercase();
                let secret = if sent { looks_secret(&name) } else { holds_secret(&name) };
                match entry.value.text() {
                    Some(text) if secret && !text.contains("${") => source.hide(entry.value.span),
                    _ => walk(&entry.value, matches!(name.as_str(), "headers" | "form"), source),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::{Sink, yaml};

    #[test]
    fn a_secret_is_in_no_excerpt_whatever_else_is_wrong_on_its_line() {
        let text = "a: { url: \"redis://me:planted1@h/x\", b: 'http://planted2@y', c: postgres://seen5@y, headers: { cookie: planted3, x-api-key: \"planted4\", other: seen1 }, \
                    token: planted5, cookie: seen2, password: { env: seen3 }, secret: \"${seen4}\" }\n";
        let source = Source::new("t.yaml", text);
        let mut sink = Sink::new(&source);
        yaml::parse(&source, &mut sink).unwrap();
        for at in 1..=5 {
            let place = |word: &str| text.find(&format!("{word}{at}")).unwrap();
            assert!(source.is_hidden(place("planted")), "planted{at}");
            assert!(!source.is_hidden(place("seen")), "seen{at}");
        }
    }
}
