//! Tokens: who has logged in gets one, and every other service asks here whose it is. A token is a name and its signature; the key of the
//! signatures is the store, which all instances share.

use std::{
    fs,
    io::{self, Write},
    path::Path,
    sync::Arc,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use ring::hmac;
use serde_json::json;

use super::is_name;
use crate::sample_app::{
    client,
    server::{body, page},
};

/// How long the service of tokens may take to say whose a token is.
const WITHIN: Duration = Duration::from_millis(800);
/// What stands before a token in the header.
const BEARER: &str = "Bearer ";

/// The service.
#[derive(Debug)]
pub struct Tokens {
    key: hmac::Key,
    /// A token that was agreed on beforehand with a program.
    robot: Option<String>,
}

impl Tokens {
    /// Takes the key of the store, or makes it; and the token of `robot` from a file that holds the header with it.
    pub fn open(folder: &Path, robot: Option<&Path>) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let path = folder.join("tokens.key");
        if !path.exists() {
            // Whole or not at all, and of two instances that begin at once one wins.
            let mut fresh = tempfile::NamedTempFile::new_in(folder)?;
            fresh.write_all(&rand::random::<[u8; 32]>())?;
            if let Err(error) = fresh.persist_noclobber(&path)
                && error.error.kind() != io::ErrorKind::AlreadyExists
            {
                return Err(error.error);
            }
        }
        let header = robot.map(fs::read_to_string).transpose()?;
        // No token at all would be everybody's.
        let robot = header.and_then(|text| text.trim().strip_prefix(BEARER).filter(|token| !token.is_empty()).map(str::to_owned));
        Ok(Self { key: hmac::Key::new(hmac::HMAC_SHA256, &fs::read(path)?), robot })
    }

    /// A token for a name.
    pub fn issue(&self, name: &str) -> String {
        format!("{name}.{}", BASE64.encode(hmac::sign(&self.key, name.as_bytes()).as_ref()))
    }

    /// Whose a token is; nobody's if it was not issued here.
    pub fn owner(&self, token: &str) -> Option<String> {
        if self.robot.as_deref() == Some(token) {
            return Some("robot".to_owned());
        }
        let (name, signature) = token.rsplit_once('.')?;
        let signature = BASE64.decode(signature).ok()?;
        hmac::verify(&self.key, name.as_bytes(), &signature).ok().map(|()| name.to_owned())
    }

    /// `POST /tokens` with `name=NAME` gives a token; `GET /tokens/owner` says whose the request's token is.
    pub async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        match (request.method(), request.uri().path()) {
            (&Method::POST, "/tokens") => {
                let form = body(request, 1000).await.unwrap_or_default();
                match std::str::from_utf8(&form).ok().and_then(|form| form.strip_prefix("name=")).filter(|name| is_name(name)) {
                    Some(name) => page(StatusCode::CREATED, json!({ "token": self.issue(name) }).to_string()),
                    None => page(StatusCode::BAD_REQUEST, "name=NAME is expected\n"),
                }
            }
            (&Method::GET, "/tokens/owner") => match bearer(request.headers()).and_then(|token| self.owner(token)) {
                Some(name) => page(StatusCode::OK, json!({ "name": name }).to_string()),
                None => page(StatusCode::UNAUTHORIZED, "That is no token of ours\n"),
            },
            _ => page(StatusCode::NOT_FOUND, "There is no such page\n"),
        }
    }
}

/// The token that a request carries.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix(BEARER)
}

/// Who says whose a token is.
#[derive(Debug, Clone)]
pub enum Judge {
    /// This process.
    Here(Arc<Tokens>),
    /// The service of tokens, behind the balancer at this address.
    Behind(String),
}

impl Judge {
    /// The name of whose token this is, or the answer to give instead.
    pub async fn owner(&self, token: Option<&str>) -> Result<String, Response<Full<Bytes>>> {
        let refused = || page(StatusCode::UNAUTHORIZED, "A token is needed: POST /tokens gives one\n");
        let token = token.ok_or_else(refused)?;
        match self {
            Self::Here(tokens) => tokens.owner(token).ok_or_else(refused),
            Self::Behind(balancer) => {
                let mut request = client::request(Method::GET, "/tokens/owner", "");
                let carried = HeaderValue::from_str(&format!("{BEARER}{token}")).map_err(|_| refused())?;
                request.headers_mut().insert(header::AUTHORIZATION, carried);
                match client::ask(balancer, request, WITHIN).await {
                    Ok((StatusCode::OK, said)) => {
                        let name = serde_json::from_slice::<serde_json::Value>(&said)
                            .ok()
                            .and_then(|said| Some(said["name"].as_str()?.to_owned()));
                        name.ok_or_else(|| unknown("its answer says no name"))
                    }
                    Ok((StatusCode::UNAUTHORIZED, _)) => Err(refused()),
                    Ok((status, _)) => Err(unknown(&status.to_string())),
                    Err(why) => Err(unknown(&why)),
                }
            }
        }
    }
}

fn unknown(why: &str) -> Response<Full<Bytes>> {
    page(StatusCode::SERVICE_UNAVAILABLE, format!("Nobody can say whose token that is: {why}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_its_owners_on_every_instance_and_no_forged_one_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("robot");
        fs::write(&file, "Bearer a-token-for-robots\n").unwrap();
        let (one, other) = (Tokens::open(folder.path(), None).unwrap(), Tokens::open(folder.path(), Some(&file)).unwrap());
        let token = one.issue("ann");
        assert_eq!(other.owner(&token).as_deref(), Some("ann"));
        assert_eq!(other.owner("a-token-for-robots").as_deref(), Some("robot"));
        assert_eq!(one.owner("a-token-for-robots"), None);
        let signature = token.strip_prefix("ann.").unwrap();
        for forged in [format!("bob.{signature}"), "ann.".to_owned(), "ann".to_owned(), format!("{token}A")] {
            assert_eq!(other.owner(&forged), None, "{forged}");
        }
    }
}
