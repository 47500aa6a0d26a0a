//! Who may do what: looked at before anything else, for every request.
//!
//! 1. The `Host` is a name of ours. A page of somebody else whose name is made to lead to this machine (DNS rebinding) stops here.
//! 2. An `Origin` that is not ours is refused, whatever is asked for.
//! 3. All but `/healthz`, the way in and the style needs the token: as `Authorization: Bearer`, or shown before by a session's cookie.
//! 4. What changes something, asked for by a cookie, must come from a page of ours: it says so by `Origin` or `Sec-Fetch-Site`, and it sends
//!    back the word that our pages hold.
//!
//! A cookie, because following a link can send nothing else, and a page should work without a script. It is `HttpOnly` and
//! `SameSite=Strict`; its name has the port, because browsers send cookies to every port of a host.

use std::{collections::BTreeSet, net::SocketAddr};

use axum::http::{HeaderMap, Method, StatusCode, header, request::Parts};

use super::{problem::Problem, session::Sessions};
use crate::report::words::visible;

/// The header in which a script sends back the word of its page.
pub const FORM_HEADER: &str = "x-firedrill-form";
/// The same in a form.
pub const FORM_FIELD: &str = "form-word";

/// Who may come in, and by which names.
pub struct Access {
    /// The token and the sessions.
    pub sessions: Sessions,
    names: BTreeSet<String>,
    cookie: String,
}

/// How a request was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Visitor {
    /// Nobody in particular, where nobody needs to be.
    Anybody,
    /// Who has the token.
    Program,
    /// A browser with a session.
    Browser(String),
}

impl Access {
    /// For a server at an address, which is also reached by these names.
    pub fn new(sessions: Sessions, address: SocketAddr, names: &[String]) -> Self {
        let mut all: BTreeSet<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        all.insert(host_of(address));
        if address.ip().is_loopback() {
            all.extend(["localhost".to_owned(), "127.0.0.1".to_owned(), "[::1]".to_owned()]);
        }
        Self { sessions, names: all, cookie: format!("firedrill-{}", address.port()) }
    }

    /// Lets a request in, or says why not.
    ///
    /// # Errors
    /// With what is to be answered.
    pub fn visitor(&self, parts: &Parts) -> Result<Visitor, Problem> {
        let host = self.host(parts)?;
        from_here(&parts.headers, &host)?;
        let visitor = self.known(&parts.headers)?;
        if visitor == Visitor::Anybody && !open(parts) {
            return Err(Problem::new(
                StatusCode::UNAUTHORIZED,
                "the token is missing: send it as `Authorization: Bearer TOKEN`, or open the link that `firedrill serve` printed",
            ));
        }
        if let Visitor::Browser(_) = visitor
            && !safe(&parts.method)
            && !parts.headers.contains_key(header::ORIGIN)
            && !parts.headers.contains_key("sec-fetch-site")
        {
            return Err(Problem::new(StatusCode::FORBIDDEN, "the request does not say which page it comes from (no `Origin`)"));
        }
        Ok(visitor)
    }

    /// Whether what changes something was sent by a page of ours.
    ///
    /// # Errors
    /// When it was not.
    pub fn sent_by_us(&self, visitor: &Visitor, parts: &Parts, body: &[u8]) -> Result<(), Problem> {
        let Visitor::Browser(session) = visitor else { return Ok(()) };
        // The way in is for who has no session yet: its form holds no word.
        if safe(&parts.method) || parts.uri.path() == "/enter" {
            return Ok(());
        }
        let header = parts.headers.get(FORM_HEADER).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let shown = header.or_else(|| field(body, FORM_FIELD)).unwrap_or_default();
        if self.sessions.is_form_word(session, &shown) {
            return Ok(());
        }
        Err(Problem::new(StatusCode::FORBIDDEN, "the page is of an earlier session, or not one of ours: load it again, and try once more"))
    }

    /// The cookie of a new session.
    pub fn cookie(&self, session: &str, secure: bool) -> String {
        let secure = if secure { "; Secure" } else { "" };
        format!("{}={session}; Path=/; HttpOnly; SameSite=Strict{secure}", self.cookie)
    }

    /// What takes the cookie away.
    pub fn no_cookie(&self) -> String {
        format!("{}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0", self.cookie)
    }

    fn host(&self, parts: &Parts) -> Result<String, Problem> {
        let mut given = parts.headers.get_all(header::HOST).iter();
        let host = given.next().and_then(|value| value.to_str().ok()).filter(|_| given.next().is_none());
        // A request may name the whole address; then that counts.
        let host = parts.uri.authority().map(axum::http::uri::Authority::as_str).or(host);
        let Some(host) = host.map(str::to_ascii_lowercase) else {
            return Err(Problem::bad("exactly one `Host` is expected"));
        };
        let name = name_of(&host);
        if self.names.contains(name) {
            return Ok(host);
        }
        Err(Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            format!("this server is not called `{}`; `firedrill serve --host NAME` says by which names it is reached", visible(name)),
        ))
    }

    fn known(&self, headers: &HeaderMap) -> Result<Visitor, Problem> {
        if let Some(value) = headers.get(header::AUTHORIZATION) {
            let token =
                value.to_str().ok().and_then(|text| text.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
            return match token {
                Some((_, token)) if self.sessions.is_token(token.trim()) => Ok(Visitor::Program),
                Some(_) => Err(Problem::new(StatusCode::UNAUTHORIZED, "the token is not the one of this server")),
                None => Err(Problem::new(StatusCode::UNAUTHORIZED, "`Authorization: Bearer TOKEN` is expected")),
            };
        }
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|all| all.split(';'));
        let mut ours = cookies.filter_map(|cookie| cookie.trim().split_once('=')).filter(|(name, _)| *name == self.cookie);
        Ok(ours.find(|(_, id)| self.sessions.lives(id)).map_or(Visitor::Anybody, |(_, id)| Visitor::Browser(id.to_owned())))
    }
}

/// Requests that change nothing.
pub fn safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// What needs nobody in particular: whether it lives, the way in, and the looks of that.
fn open(parts: &Parts) -> bool {
    let path = parts.uri.path();
    path == "/healthz" || path == "/enter" || path.starts_with("/assets/")
}

/// Refuses what a page of somebody else sends.
fn from_here(headers: &HeaderMap, host: &str) -> Result<(), Problem> {
    let foreign = |what: &str| {
        Problem::new(StatusCode::FORBIDDEN, format!("the request comes from another page ({what}), which may not ask this server"))
    };
    for origin in headers.get_all(header::ORIGIN) {
        let origin = origin.to_str().unwrap_or_default().to_ascii_lowercase();
        let ours = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")) == Some(host);
        if !ours {
            return Err(foreign(&format!("`Origin: {}`", visible(&origin))));
        }
    }
    // Following a link from elsewhere is no harm: it brings no cookie.
    match headers.get("sec-fetch-site").and_then(|value| value.to_str().ok()) {
        None | Some("same-origin" | "none") => Ok(()),
        Some(_) if headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate") && !headers.contains_key(header::ORIGIN) => Ok(()),
        Some(other) => Err(foreign(&format!("`Sec-Fetch-Site: {}`", visible(other)))),
    }
}

/// The name of a host, without its port.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port))
            if !name.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) && (!name.contains(':') || name.ends_with(']')) =>
        {
            name
        }
        _ => host,
    }
}

fn host_of(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(address) => address.ip().to_string(),
        SocketAddr::V6(address) => format!("[{}]", address.ip()),
    }
}

/// A field of a form.
pub fn field(body: &[u8], name: &str) -> Option<String> {
    form_urlencoded::parse(body).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789";

    fn access() -> Access {
        Access::new(Sessions::new(TOKEN).unwrap(), "127.0.0.1:7070".parse().unwrap(), &["Drills.example".to_owned()])
    }

    fn asked(access: &Access, method: &str, path: &str, headers: &[(&str, &str)]) -> Result<Visitor, u16> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let parts = request.body(()).unwrap().into_parts().0;
        access.visitor(&parts).map_err(|problem| problem.status)
    }

    #[test]
    fn only_names_of_ours_lead_here() {
        let access = access();
        for host in ["127.0.0.1:7070", "localhost", "LOCALHOST:1", "[::1]:7070", "drills.example", "drills.example:443"] {
            assert_eq!(asked(&access, "GET", "/healthz", &[("host", host)]), Ok(Visitor::Anybody), "{host}");
        }
        for host in ["evil.example", "127.0.0.1.evil.example", "localhost.", "::1", "127.0.0.1:7070:1", "", "127.0.0.1@evil.example", "a b"]
        {
            assert_eq!(asked(&access, "GET", "/healthz", &[("host", host)]), Err(421), "{host}");
        }
        assert_eq!(asked(&access, "GET", "/healthz", &[]), Err(400));
        assert_eq!(asked(&access, "GET", "/healthz", &[("host", "localhost"), ("host", "evil.example")]), Err(400));
        assert_eq!(asked(&access, "GET", "http://evil.example/healthz", &[("host", "localhost")]), Err(421));
    }

    #[test]
    fn nobody_comes_in_without_the_token_and_nothing_is_asked_by_another_page() {
        let (access, here) = (access(), ("host", "localhost:7070"));
        let bearer = format!("Bearer {TOKEN}");
        let ours = ("authorization", bearer.as_str());
        assert_eq!(asked(&access, "GET", "/", &[here]), Err(401));
        assert_eq!(asked(&access, "GET", "/metrics", &[here]), Err(401));
        assert_eq!(asked(&access, "GET", "/healthzz", &[here]), Err(401));
        assert_eq!(asked(&access, "POST", "/api/v1/x", &[here, ours]), Ok(Visitor::Program));
        for wrong in ["Bearer x", "Bearer", "Basic abc", "Bearer  ", &format!("Bearer {TOKEN}x"), TOKEN] {
            assert_eq!(asked(&access, "GET", "/", &[here, ("authorization", wrong)]), Err(401), "{wrong}");
        }
        for origin in ["http://evil.example", "null", "http://localhost:7071", "http://localhost", "ftp://localhost:7070", ""] {
            assert_eq!(asked(&access, "GET", "/", &[here, ours, ("origin", origin)]), Err(403), "{origin}");
        }
        assert_eq!(asked(&access, "GET", "/", &[here, ours, ("origin", "http://localhost:7070")]), Ok(Visitor::Program));
        for site in ["cross-site", "same-site"] {
            assert_eq!(asked(&access, "POST", "/", &[here, ours, ("sec-fetch-site", site)]), Err(403), "{site}");
        }
    }

    #[test]
    fn a_session_acts_only_from_our_pages() {
        let (access, here) = (access(), ("host", "localhost:7070"));
        let session = access.sessions.by_token(TOKEN).unwrap();
        let cookies = format!("firedrill-7071=x; firedrill-7070={session}");
        let cookie = ("cookie", cookies.as_str());
        let browser = Visitor::Browser(session.clone());
        assert_eq!(asked(&access, "GET", "/", &[here, cookie]), Ok(browser.clone()));
        assert_eq!(asked(&access, "POST", "/", &[here, cookie]), Err(403));
        assert_eq!(asked(&access, "POST", "/", &[here, cookie, ("origin", "http://localhost:7070")]), Ok(browser.clone()));
        let parts = Request::builder().method("POST").uri("/").body(()).unwrap().into_parts().0;
        let word = access.sessions.form_word(&session);
        assert!(access.sent_by_us(&browser, &parts, b"a=b").is_err());
        assert!(access.sent_by_us(&browser, &parts, format!("a=b&form-word={word}").as_bytes()).is_ok());
        assert!(access.sent_by_us(&browser, &parts, format!("a=b&form-word={word}0").as_bytes()).is_err());
    }
}
