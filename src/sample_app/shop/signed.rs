//! A cart in a cookie: what is in it, and an HMAC over that, so that a cart that somebody changed is not taken for one of ours.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;

use super::cart::Trouble;

/// The most that browsers keep: name, `=` and value of a cookie.
const LARGEST: usize = 4096 - "cart=".len();

/// Signs carts.
pub(super) struct Signed {
    key: hmac::Key,
}

impl Signed {
    pub(super) fn new(key: &[u8]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key) }
    }

    /// What a cookie holds; nothing when there is none yet.
    pub(super) fn open(&self, cookie: Option<&str>) -> Result<Vec<String>, Trouble> {
        let Some(cookie) = cookie.filter(|cookie| !cookie.is_empty()) else { return Ok(Vec::new()) };
        if cookie.len() > LARGEST {
            return Err(Trouble::TooLarge);
        }
        let (text, tag) = cookie.split_once('.').ok_or(Trouble::Tampered)?;
        let tag = URL_SAFE_NO_PAD.decode(tag).map_err(|_| Trouble::Tampered)?;
        hmac::verify(&self.key, text.as_bytes(), &tag).map_err(|_| Trouble::Tampered)?;
        let items = URL_SAFE_NO_PAD.decode(text).ok().and_then(|items| serde_json::from_slice(&items).ok());
        items.ok_or(Trouble::Tampered)
    }

    /// The cookie for these.
    pub(super) fn close(&self, items: &[String]) -> Result<String, Trouble> {
        let items = serde_json::to_vec(items).map_err(|_| Trouble::TooLarge)?;
        let text = URL_SAFE_NO_PAD.encode(items);
        let tag = URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, text.as_bytes()));
        let cookie = format!("{text}.{tag}");
        if cookie.len() > LARGEST { Err(Trouble::TooLarge) } else { Ok(cookie) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_signed_is_read_again_and_nothing_else() {
        let ours = Signed::new(b"key");
        let items = vec!["a; b".to_owned(), "ü".to_owned()];
        let cookie = ours.close(&items).unwrap();
        assert_eq!(ours.open(Some(&cookie)), Ok(items.clone()));
        assert_eq!(ours.open(None), Ok(vec![]));
        assert_eq!(Signed::new(b"another").open(Some(&cookie)), Err(Trouble::Tampered));
        let text = URL_SAFE_NO_PAD.encode(r#"["another"]"#);
        let forged = format!("{text}.{}", cookie.split_once('.').unwrap().1);
        for wrong in [forged.as_str(), "abc", "abc.def", ".", &cookie[1..]] {
            assert_eq!(ours.open(Some(wrong)), Err(Trouble::Tampered), "{wrong}");
        }
    }

    #[test]
    fn more_than_a_browser_keeps_is_refused() {
        let ours = Signed::new(b"key");
        assert_eq!(ours.close(&["x".repeat(3100)]), Err(Trouble::TooLarge));
        assert_eq!(ours.open(Some(&"x".repeat(5000))), Err(Trouble::TooLarge));
        assert!(ours.close(&["x".repeat(2900)]).unwrap().len() <= LARGEST);
    }
}
