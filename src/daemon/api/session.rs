//! The token, and the sessions of browsers that have shown it.
//!
//! A program sends the token with each request. A browser cannot when somebody follows a link, so it shows the token once and gets a cookie.
//! Nothing here is compared byte by byte with what a client sends: both are hashed with a key of this process first.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use ring::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};

use crate::{clock, model::time::Mono};

/// A session that is not used ends after so long.
const IDLE: Duration = Duration::from_hours(12);
/// So long the link that is printed at the start lets somebody in, once.
const LINK: Duration = Duration::from_mins(15);
/// So many sessions are kept; the one that was not used for longest makes room.
const MOST: usize = 64;
/// A token has at least so many characters.
pub const SHORTEST: usize = 24;

/// Who may come in.
pub struct Sessions {
    key: hmac::Key,
    token: hmac::Tag,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    // By the hash of the session's id: when it was last used.
    sessions: BTreeMap<Vec<u8>, Mono>,
    link: Option<(hmac::Tag, Mono)>,
}

impl Sessions {
    /// For a token.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn new(token: &str) -> Result<Self, String> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).map_err(|_| NO_RANDOM.to_owned())?;
        let token = hmac::sign(&key, token.as_bytes());
        Ok(Self { key, token, inner: Mutex::default() })
    }

    /// Makes the word of a link that lets one browser in.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn link(&self) -> Result<String, String> {
        let word = random()?;
        let tag = hmac::sign(&self.key, word.as_bytes());
        self.inner().link = Some((tag, clock::now().plus(LINK)));
        Ok(word)
    }

    /// Whether this is the token.
    pub fn is_token(&self, shown: &str) -> bool {
        hmac::verify(&self.key, shown.as_bytes(), self.token.as_ref()).is_ok()
    }

    /// Begins a session for who shows the word of the link, which works once.
    pub fn by_link(&self, word: &str) -> Option<String> {
        {
            let mut inner = self.inner();
            let (tag, until) = inner.link.as_ref()?;
            if hmac::verify(&self.key, word.as_bytes(), tag.as_ref()).is_err() {
                return None;
            }
            let late = clock::now() > *until;
            inner.link = None;
            if late {
                return None;
            }
        }
        self.begin()
    }

    /// Begins a session for who shows the token.
    pub fn by_token(&self, token: &str) -> Option<String> {
        self.is_token(token).then(|| self.begin()).flatten()
    }

    fn begin(&self) -> Option<String> {
        let id = random().ok()?;
        let mut inner = self.inner();
        if inner.sessions.len() >= MOST
            && let Some(oldest) = inner.sessions.iter().min_by_key(|(_, used)| **used).map(|(id, _)| id.clone())
        {
            inner.sessions.remove(&oldest);
        }
        inner.sessions.insert(self.hash(&id), clock::now());
        Some(id)
    }

    /// Whether a session is there; it is used by this.
    pub fn lives(&self, id: &str) -> bool {
        let (hash, now) = (self.hash(id), clock::now());
        let mut inner = self.inner();
        match inner.sessions.get_mut(&hash) {
            Some(used) if now.since(*used) <= IDLE => {
                *used = now;
                true
            }
            Some(_) => {
                inner.sessions.remove(&hash);
                false
            }
            None => false,
        }
    }

    /// Ends a session.
    pub fn end(&self, id: &str) {
        let hash = self.hash(id);
        self.inner().sessions.remove(&hash);
    }

    /// What a page of this session puts into its forms: who sends it back has read a page of ours.
    pub fn form_word(&self, id: &str) -> String {
        hex(hmac::sign(&self.key, format!("form {id}").as_bytes()).as_ref())
    }

    /// Whether it is that word.
    pub fn is_form_word(&self, id: &str, shown: &str) -> bool {
        let (wanted, shown) = (self.form_word(id), hmac::sign(&self.key, shown.as_bytes()));
        hmac::verify(&self.key, wanted.as_bytes(), shown.as_ref()).is_ok()
    }

    fn hash(&self, id: &str) -> Vec<u8> {
        hmac::sign(&self.key, format!("session {id}").as_bytes()).as_ref().to_vec()
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const NO_RANDOM: &str = "the system gives no random numbers";

/// 256 bits that nobody guesses, as text.
///
/// # Errors
/// When the system gives no randomness.
pub fn random() -> Result<String, String> {
    let mut bits = [0; 32];
    SystemRandom::new().fill(&mut bits).map_err(|_| NO_RANDOM.to_owned())?;
    Ok(hex(&bits))
}

/// Bytes as text.
pub fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_works_once_and_a_session_until_it_is_ended() {
        let sessions = Sessions::new("a token that is long enough").unwrap();
        let word = sessions.link().unwrap();
        assert!(sessions.by_link("another word").is_none());
        let session = sessions.by_link(&word).unwrap();
        assert!(sessions.by_link(&word).is_none(), "once");
        assert!(sessions.lives(&session) && !sessions.lives("another"));
        let other = sessions.by_token("a token that is long enough").unwrap();
        assert!(sessions.by_token("a token that is long enougH").is_none() && sessions.by_token("").is_none());
        assert!(sessions.is_form_word(&session, &sessions.form_word(&session)));
        assert!(!sessions.is_form_word(&session, &sessions.form_word(&other)) && !sessions.is_form_word(&session, ""));
        sessions.end(&session);
        assert!(!sessions.lives(&session) && sessions.lives(&other));
        for _ in 0..MOST {
            sessions.by_token("a token that is long enough").unwrap();
        }
        assert_eq!(sessions.inner().sessions.len(), MOST);
        assert!(!sessions.lives(&other), "the oldest made room");
    }
}
