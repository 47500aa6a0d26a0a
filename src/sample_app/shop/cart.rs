//! Where carts are kept.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use super::{redis_store::RedisStore, signed::Signed};

/// The most carts of one process; more push out nothing, they are refused.
const MOST: usize = 100_000;

/// A cart as it is now.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cart {
    /// What is in it.
    pub(super) items: Vec<String>,
    /// The cookie that keeps it, where a cookie does and it has changed.
    pub(super) cookie: Option<String>,
}

/// Why there is no answer about a cart.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Its cookie was not signed by us.
    Tampered,
    /// It does not fit into a cookie.
    TooLarge,
    /// What keeps it cannot be reached.
    Gone(String),
}

/// The carts.
pub(super) enum Carts {
    /// By session, in this process.
    Memory(Mutex<HashMap<String, Vec<String>>>),
    /// With the user.
    Cookies(Signed),
    /// By session, in Redis.
    Redis(RedisStore),
}

impl Carts {
    pub(super) fn in_memory() -> Self {
        Self::Memory(Mutex::default())
    }

    pub(super) fn in_cookies(key: &[u8]) -> Self {
        Self::Cookies(Signed::new(key))
    }

    pub(super) fn in_redis(store: RedisStore) -> Self {
        Self::Redis(store)
    }

    /// A session's cart; `kept` is what its cookie `cart` says.
    pub(super) async fn read(&self, session: &str, kept: Option<&str>) -> Result<Cart, Trouble> {
        let items = match self {
            Self::Memory(carts) => carts.lock().unwrap_or_else(PoisonError::into_inner).get(session).cloned().unwrap_or_default(),
            Self::Cookies(signed) => signed.open(kept)?,
            Self::Redis(store) => store.items(session).await.map_err(Trouble::Gone)?,
        };
        Ok(Cart { items, cookie: None })
    }

    /// Puts something into a session's cart.
    pub(super) async fn add(&self, session: &str, kept: Option<&str>, item: &str) -> Result<Cart, Trouble> {
        match self {
            Self::Memory(carts) => {
                let mut carts = carts.lock().unwrap_or_else(PoisonError::into_inner);
                if carts.len() >= MOST && !carts.contains_key(session) {
                    return Err(Trouble::Gone("there is no memory for more carts".to_owned()));
                }
                let items = carts.entry(session.to_owned()).or_default();
                items.push(item.to_owned());
                Ok(Cart { items: items.clone(), cookie: None })
            }
            Self::Cookies(signed) => {
                let mut items = signed.open(kept)?;
                items.push(item.to_owned());
                let cookie = signed.close(&items)?;
                Ok(Cart { items, cookie: Some(cookie) })
            }
            Self::Redis(store) => {
                store.add(session, item).await.map_err(Trouble::Gone)?;
                Ok(Cart { items: store.items(session).await.map_err(Trouble::Gone)?, cookie: None })
            }
        }
    }

    /// How many carts this process holds.
    pub(super) fn held(&self) -> usize {
        match self {
            Self::Memory(carts) => carts.lock().unwrap_or_else(PoisonError::into_inner).len(),
            Self::Cookies(_) | Self::Redis(_) => 0,
        }
    }
}
