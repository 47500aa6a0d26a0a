//! Users: everybody's profile. Reading one needs no token.

use std::{io, path::Path};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::json;

use super::{is_name, store::Store};
use crate::sample_app::server::page;

/// The service.
#[derive(Debug)]
pub struct Users {
    names: Store,
}

impl Users {
    /// Opens the store.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let users = Self { names: Store::open(folder, "users")? };
        if users.names.last(1)?.is_empty() {
            users.names.add("ann")?;
        }
        Ok(users)
    }

    /// `GET /users/NAME` gives a profile, `PUT /users/NAME` makes one.
    pub fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let name = request.uri().path().strip_prefix("/users/").filter(|name| is_name(name));
        let Some(name) = name else { return page(StatusCode::NOT_FOUND, "There is no such page\n") };
        let done = match *request.method() {
            Method::GET => self.names.last(usize::MAX).map(|names| names.iter().any(|known| known == name)),
            Method::PUT => self.names.add(name).map(|()| true),
            _ => return page(StatusCode::METHOD_NOT_ALLOWED, "GET and PUT are known here\n"),
        };
        match done {
            Ok(true) => page(StatusCode::OK, json!({ "name": name, "says": format!("I am {name}") }).to_string()),
            Ok(false) => page(StatusCode::NOT_FOUND, "Nobody has that name\n"),
            Err(error) => page(StatusCode::INTERNAL_SERVER_ERROR, format!("The store says: {error}\n")),
        }
    }
}
