//! A user's cookies, as a browser keeps them: by domain and path, until they expire or are taken back; bounded, since servers send
//! what they like.

use cookie_store::CookieStore;
use http::{HeaderMap, HeaderValue, header::SET_COOKIE};
use url::Url;

/// The longest `Set-Cookie` that is taken, in bytes, as browsers do.
const LONGEST: usize = 4096;
/// The most cookies of a user.
const MOST: usize = 180;
/// The most bytes of a user's cookies together.
const LARGEST: usize = 64 * 1024;

/// A jar.
#[derive(Debug, Default)]
pub struct Jar(CookieStore);

impl Jar {
    /// Takes in what an answer sets. What is malformed, too long, for another site, or too much for the jar is ignored.
    pub fn store(&mut self, headers: &HeaderMap, url: &Url) {
        for header in headers.get_all(SET_COOKIE) {
            let Some(text) = header.to_str().ok().filter(|text| text.len() <= LONGEST) else { continue };
            let Ok(cookie) = cookie_store::Cookie::parse(text, url).map(cookie_store::Cookie::into_owned) else { continue };
            let place = place(&cookie);
            if self.0.insert(cookie, url).is_err() || !self.is_too_full() {
                continue;
            }
            let expired: Vec<_> = self.0.iter_any().filter(|cookie| cookie.is_expired()).map(self::place).collect();
            for (domain, path, name) in expired.into_iter().chain(self.is_too_full().then_some(place)) {
                self.0.remove(&domain, &path, &name);
            }
        }
    }

    /// The value of a cookie that would be sent to this URL; of several, that with the longest path.
    pub fn value(&self, name: &str, url: &Url) -> Option<&str> {
        self.sent(url).into_iter().find(|cookie| cookie.name() == name).map(|cookie| cookie.value())
    }

    /// The `Cookie` header for a URL.
    pub fn header(&self, url: &Url) -> Option<HeaderValue> {
        let pairs: Vec<String> = self.sent(url).into_iter().map(|cookie| format!("{}={}", cookie.name(), cookie.value())).collect();
        if pairs.is_empty() { None } else { HeaderValue::try_from(pairs.join("; ")).ok() }
    }

    /// What is sent to a URL: longer paths first, else by name, so that requests repeat.
    fn sent(&self, url: &Url) -> Vec<&cookie_store::Cookie<'static>> {
        let mut all = self.0.matches(url);
        all.sort_by(|a, b| b.path.len().cmp(&a.path.len()).then_with(|| a.name().cmp(b.name())));
        all
    }

    fn is_too_full(&self) -> bool {
        let (mut number, mut size) = (0, 0);
        for cookie in self.0.iter_any() {
            number += 1;
            size += cookie.name().len() + cookie.value().len() + cookie.path.len();
        }
        number > MOST || size > LARGEST
    }
}

/// What tells a cookie from the others: domain, path, name.
fn place(cookie: &cookie_store::Cookie<'_>) -> (String, String, String) {
    (String::from(&cookie.domain), cookie.path.to_string(), cookie.name().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(path: &str) -> Url {
        Url::parse(&format!("http://shop.example{path}")).unwrap()
    }

    fn answer(cookies: &[&str]) -> HeaderMap {
        cookies.iter().map(|text| (SET_COOKIE, HeaderValue::try_from(*text).unwrap())).collect()
    }

    fn sent(jar: &Jar, path: &str) -> String {
        jar.header(&url(path)).map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn cookies_have_paths_an_end_and_are_taken_back() {
        let mut jar = Jar::default();
        jar.store(
            &answer(&["a=1; Path=/", "b=2; Path=/cart", "gone=3; Max-Age=0", "old=4; Expires=Wed, 21 Oct 2015 07:28:00 GMT"]),
            &url("/"),
        );
        assert_eq!((sent(&jar, "/"), sent(&jar, "/cart/1"), sent(&jar, "/cartoon")), ("a=1".into(), "b=2; a=1".into(), "a=1".into()));
        jar.store(&answer(&["a=5; Path=/", "b=; Path=/cart; Max-Age=0"]), &url("/"));
        assert_eq!((sent(&jar, "/cart"), jar.value("a", &url("/")), jar.value("b", &url("/cart"))), ("a=5".into(), Some("5"), None));
        // Of another site, for TLS only, nonsense.
        jar.store(&answer(&["x=1; Domain=other.example", "y=1; Secure", "nonsense", "=;;="]), &url("/"));
        assert_eq!(sent(&jar, "/"), "a=5");
        assert_eq!(jar.header(&Url::parse("http://other.example/").unwrap()), None);
    }

    #[test]
    fn a_server_that_sends_cookies_for_ever_fills_no_memory() {
        let mut jar = Jar::default();
        jar.store(&answer(&["first=1; Path=/"]), &url("/"));
        for n in 0..1000 {
            jar.store(&answer(&[&format!("c{n}={}; Path=/", "x".repeat(n * 4 % 4000))]), &url("/"));
            assert!(!jar.is_too_full());
        }
        assert_eq!(jar.value("first", &url("/")), Some("1"));
        jar.store(&answer(&[&format!("long={}", "x".repeat(5000))]), &url("/"));
        assert_eq!(jar.value("long", &url("/")), None);
    }
}
