//! What a proxy changes in the headers.

use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, Version,
    header::{CONNECTION, COOKIE, EXPECT, Entry, HOST, SET_COOKIE, TE, UPGRADE},
};

use super::member::Member;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_SERVED_BY: HeaderName = HeaderName::from_static("x-served-by");
const X_ZONE: HeaderName = HeaderName::from_static("x-zone");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Makes a client's request one for the backend. The value is true when the client asks for another protocol.
pub(super) fn to_backend<B>(request: &mut Request<B>, peer: &HeaderValue, member: &Member) -> bool {
    // A client may send the whole URI; a backend expects the path.
    if request.uri().authority().is_some() {
        let path = request.uri().path_and_query().map_or("/", |p| p.as_str()).parse().unwrap_or_default();
        *request.uri_mut() = path;
    }
    *request.version_mut() = Version::HTTP_11;
    let headers = request.headers_mut();
    let upgrade = drop_hop_by_hop(headers);
    // The balancer has answered it: the body is asked for when the backend's connection takes it.
    headers.remove(EXPECT);
    headers.entry(HOST).or_insert_with(|| member.host.clone());
    match headers.entry(X_FORWARDED_FOR) {
        Entry::Vacant(place) => drop(place.insert(peer.clone())),
        Entry::Occupied(mut before) => {
            let mut all = before.iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b", "[..]);
            all.extend_from_slice(b", ");
            all.extend_from_slice(peer.as_bytes());
            if let Ok(all) = HeaderValue::from_bytes(&all) {
                before.insert(all);
            }
        }
    }
    upgrade
}

/// Makes a backend's answer one for the client.
pub(super) fn to_client<B>(response: &mut Response<B>, member: &Member) {
    *response.version_mut() = Version::HTTP_11;
    let switching = response.status() == http::StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    let upgrade = drop_hop_by_hop(headers);
    if !switching && upgrade {
        headers.remove(CONNECTION);
        headers.remove(UPGRADE);
    }
    attribute(headers, member);
}

/// Says who served, unless the backend said so.
pub(super) fn attribute(headers: &mut HeaderMap, member: &Member) {
    headers.entry(X_SERVED_BY).or_insert_with(|| member.served_by.clone());
    headers.entry(X_ZONE).or_insert_with(|| member.zone.clone());
}

/// Keeps the client at this backend, when the balancer is sticky.
pub(super) fn stick(headers: &mut HeaderMap, member: &Member) {
    if let Some(cookie) = &member.cookie {
        headers.append(SET_COOKIE, cookie.clone());
    }
}

/// The value of a cookie in a request.
pub(super) fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let pairs = headers.get_all(COOKIE).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(';'));
    pairs.filter_map(|pair| pair.trim().split_once('=')).find(|(n, _)| *n == name).map(|(_, value)| value)
}

/// Drops what concerns one connection only, but for `transfer-encoding`: hyper frames each message anew by it. An upgrade is kept, and true is given back.
fn drop_hop_by_hop(headers: &mut HeaderMap) -> bool {
    let mut upgrade = false;
    if headers.contains_key(CONNECTION) {
        let mut named = Vec::new();
        for value in headers.get_all(CONNECTION) {
            for name in value.to_str().unwrap_or_default().split(',').map(str::trim) {
                if name.eq_ignore_ascii_case("upgrade") {
                    upgrade = headers.contains_key(UPGRADE);
                } else if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
                    named.push(name);
                }
            }
        }
        for name in named {
            headers.remove(name);
        }
        headers.remove(CONNECTION);
    }
    for name in [KEEP_ALIVE, PROXY_CONNECTION, TE] {
        headers.remove(name);
    }
    if upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    } else {
        headers.remove(UPGRADE);
    }
    upgrade
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balancer::protocol::Backend;

    fn member() -> Member {
        let backend = Backend { id: "web-a-1".into(), service: "web".into(), zone: "a".into(), address: "127.0.0.1:81".parse().unwrap() };
        Member::new(backend, Some("S")).unwrap()
    }

    #[test]
    fn connection_headers_stay_behind_and_the_peer_is_added() {
        let mut request = Request::get("http://example.test/p?q=1")
            .header("connection", "close, x-secret")
            .header("x-secret", "1")
            .header("keep-alive", "timeout=5")
            .header("te", "trailers")
            .header("upgrade", "h2c")
            .header("x-forwarded-for", "10.0.0.1")
            .header("accept", "*/*")
            .body(())
            .unwrap();
        assert!(!to_backend(&mut request, &HeaderValue::from_static("127.0.0.9"), &member()));
        assert_eq!(request.uri(), "/p?q=1");
        let mut left: Vec<_> = request.headers().iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect();
        left.sort();
        assert_eq!(left, ["accept: */*", "host: 127.0.0.1:81", "x-forwarded-for: 10.0.0.1, 127.0.0.9"]);
    }

    #[test]
    fn an_upgrade_is_kept() {
        let mut request = Request::get("/").header("connection", "keep-alive, Upgrade").header("upgrade", "echo").body(()).unwrap();
        assert!(to_backend(&mut request, &HeaderValue::from_static("127.0.0.9"), &member()));
        assert_eq!(request.headers()[UPGRADE], "echo");
        assert_eq!(request.headers()[CONNECTION], "upgrade");
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("a=1; S=web-a-1; b=2"));
        assert_eq!(cookie(&headers, "S"), Some("web-a-1"));
        assert_eq!(cookie(&headers, "s"), None);
    }

    #[test]
    fn a_backend_that_names_itself_is_believed() {
        let mut response = Response::builder().header("x-served-by", "me").body(()).unwrap();
        to_client(&mut response, &member());
        assert_eq!(response.headers()[X_SERVED_BY], "me");
        assert_eq!(response.headers()[X_ZONE], "a");
    }
}
