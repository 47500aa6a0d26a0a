//! A shop: a cart and orders. What it shows is where state lives, so that is what its flags say.
//!
//! * `POST /login` begins a session: 303 to `/cart`, with a cookie `session`. Without one a cart answers 401.
//! * `GET /cart` is the session's cart as JSON, `{"items": [...]}`; `POST /cart` with a form's `item` puts something in. `--cart` says where
//!   it is kept: in this process's memory, in a signed cookie, or in Redis.
//! * `POST /orders` with `{"id": "..."}` answers 201 once the database has it, `GET /orders/ID` reads it from a standby, `GET /orders` is
//!   the list from the primary. Only with `--orders`.
//! * `/stats` says how many carts this process holds. `/health` answers 200: a shop whose stores are gone can still say so.

mod cart;
mod orders;
mod pool;
mod redis_store;
mod signed;

use bytes::Bytes;
use clap::ValueEnum;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Value as Json, json};

pub use self::redis_store::MASTER;
use self::{
    cart::{Carts, Trouble},
    orders::Orders,
    redis_store::{RedisStore, Where},
};
use super::{
    host_port::HostPort,
    server::{self, App, RunError, ServerOptions, body, page},
};

/// The largest body of a request.
const LARGEST: usize = 64 << 10;
/// The longest name of an item or an order.
const LONGEST_NAME: usize = 4096;

/// The flags of `sample shop`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// What every server has.
    #[command(flatten)]
    pub server: ServerOptions,
    /// Where carts are kept
    #[arg(long, value_enum, default_value_t = CartIn::Memory)]
    pub cart: CartIn,
    /// The key that signs the carts' cookies; the same for all servers
    #[arg(long, value_name = "TEXT", default_value = "the shop of the examples", env = "SHOP_KEY", hide_env_values = true)]
    pub key: String,
    /// Redis, as HOST:PORT
    #[arg(long, value_name = "ADDRESS", conflicts_with = "sentinels")]
    pub redis: Option<HostPort>,
    /// The Sentinels that know which Redis is the primary, as HOST:PORT,...
    #[arg(long, value_name = "ADDRESSES", value_delimiter = ',')]
    pub sentinels: Vec<HostPort>,
    /// So many replicas must have a change before it is answered
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub copies: u32,
    /// The PostgreSQL servers that keep the orders, as HOST:PORT,...: a primary and its standbys, in any order
    #[arg(long, value_name = "ADDRESSES", value_delimiter = ',')]
    pub orders: Vec<HostPort>,
    /// Orders are also written to Redis, and read from there first
    #[arg(long)]
    pub cache: bool,
}

/// Where carts are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CartIn {
    /// In the memory of the process that served the request.
    Memory,
    /// In a signed cookie of the user's.
    Cookie,
    /// In Redis.
    Redis,
}

/// Runs a server until SIGTERM or SIGINT.
pub fn run(options: &Options) -> Result<(), RunError> {
    server::run(&options.server, async || Shop::new(options))
}

struct Shop {
    carts: Carts,
    orders: Option<Orders>,
    random: SystemRandom,
}

impl Shop {
    fn new(options: &Options) -> Result<Self, RunError> {
        let redis = || {
            let at = match (&options.redis, options.sentinels.as_slice()) {
                (Some(address), _) => Where::Fixed(address.clone()),
                (None, []) => return Err(RunError::Needs("carts or a cache in Redis need `--redis` or `--sentinels`".to_owned())),
                (None, sentinels) => Where::Sentinels(sentinels.to_vec()),
            };
            Ok(RedisStore::new(at, options.copies))
        };
        let carts = match options.cart {
            CartIn::Memory => Carts::in_memory(),
            CartIn::Cookie => Carts::in_cookies(options.key.as_bytes()),
            CartIn::Redis => Carts::in_redis(redis()?),
        };
        let orders = match options.orders.as_slice() {
            [] if options.cache => return Err(RunError::Needs("`--cache` needs `--orders`".to_owned())),
            [] => None,
            members => Some(Orders::new(members, if options.cache { Some(redis()?) } else { None })),
        };
        Ok(Self { carts, orders, random: SystemRandom::new() })
    }

    fn log_in(&self) -> Response<Full<Bytes>> {
        let mut id = [0_u8; 16];
        let Ok(()) = self.random.fill(&mut id) else { return page(StatusCode::INTERNAL_SERVER_ERROR, "There is no randomness\n") };
        let id = format!("{:032x}", u128::from_be_bytes(id));
        let mut response = page(StatusCode::SEE_OTHER, "Welcome\n");
        response.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/cart"));
        set_cookie(&mut response, "session", &id);
        response
    }

    async fn cart(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let Some(session) = session(request.headers()) else { return page(StatusCode::UNAUTHORIZED, "Log in first\n") };
        let kept = cookie(request.headers(), "cart").map(str::to_owned);
        let cart = match *request.method() {
            Method::GET => self.carts.read(&session, kept.as_deref()).await,
            Method::POST => {
                let Some(body) = body(request, LARGEST).await else { return page(StatusCode::PAYLOAD_TOO_LARGE, "That is too much\n") };
                let item = form_urlencoded::parse(&body).find(|(name, _)| name == "item").map(|(_, value)| value.into_owned());
                match item {
                    Some(item) if (1..=LONGEST_NAME).contains(&item.len()) => self.carts.add(&session, kept.as_deref(), &item).await,
                    _ => return page(StatusCode::BAD_REQUEST, "An `item` of 1 to 4096 bytes is expected\n"),
                }
            }
            _ => return page(StatusCode::METHOD_NOT_ALLOWED, "GET and POST are known here\n"),
        };
        match cart {
            Ok(cart) => {
                let mut response = as_json(StatusCode::OK, &json!({ "items": cart.items }));
                if let Some(value) = &cart.cookie {
                    set_cookie(&mut response, "cart", value);
                }
                response
            }
            Err(Trouble::Tampered) => page(StatusCode::BAD_REQUEST, "This cart is not one of ours\n"),
            Err(Trouble::TooLarge) => page(StatusCode::PAYLOAD_TOO_LARGE, "A cart in a cookie has at most 4 KB: this one is full\n"),
            Err(Trouble::Gone(why)) => page(StatusCode::SERVICE_UNAVAILABLE, format!("The carts cannot be reached: {why}\n")),
        }
    }

    async fn orders(&self, request: Request<Incoming>, id: Option<&str>) -> Response<Full<Bytes>> {
        let Some(orders) = &self.orders else { return page(StatusCode::NOT_FOUND, "This shop takes no orders\n") };
        let gone = |why: String| page(StatusCode::SERVICE_UNAVAILABLE, format!("The orders cannot be reached: {why}\n"));
        match (request.method().clone(), id) {
            (Method::GET, Some(id)) => match orders.has(id).await {
                Ok(true) => as_json(StatusCode::OK, &json!({ "id": id })),
                Ok(false) => page(StatusCode::NOT_FOUND, "There is no such order\n"),
                Err(why) => gone(why),
            },
            (Method::GET, None) => match orders.all().await {
                Ok(ids) => as_json(StatusCode::OK, &json!({ "orders": ids })),
                Err(why) => gone(why),
            },
            (Method::POST, None) => {
                let Some(body) = body(request, LARGEST).await else { return page(StatusCode::PAYLOAD_TOO_LARGE, "That is too much\n") };
                let order: Option<Json> = serde_json::from_slice(&body).ok();
                // An id may be a number: who writes it reads it back as text.
                let id = order.as_ref().and_then(|order| match order.get("id")? {
                    Json::String(id) => Some(id.clone()),
                    Json::Number(id) => Some(id.to_string()),
                    _ => None,
                });
                match id {
                    Some(id) if (1..=LONGEST_NAME).contains(&id.len()) && !id.contains('\0') => match orders.place(&id).await {
                        Ok(()) => as_json(StatusCode::CREATED, &json!({ "id": id })),
                        Err(why) => gone(why),
                    },
                    _ => page(StatusCode::BAD_REQUEST, "An order is `{ \"id\": \"...\" }`\n"),
                }
            }
            _ => page(StatusCode::METHOD_NOT_ALLOWED, "GET and POST are known here\n"),
        }
    }
}

impl App for Shop {
    const NAME: &'static str = "shop";

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        match (request.method().clone(), path.as_str()) {
            (Method::GET, "/") => page(StatusCode::OK, "This is the shop\n"),
            (Method::GET, "/health") => page(StatusCode::OK, "ok\n"),
            (Method::GET, "/stats") => as_json(StatusCode::OK, &json!({ "carts": self.carts.held() })),
            (Method::POST, "/login") => self.log_in(),
            (_, "/cart") => self.cart(request).await,
            (_, "/orders") => self.orders(request, None).await,
            (_, path) => match path.strip_prefix("/orders/") {
                Some(id) if !id.is_empty() => self.orders(request, Some(id)).await,
                _ => page(StatusCode::NOT_FOUND, "There is no such page\n"),
            },
        }
    }
}

fn as_json(status: StatusCode, value: &Json) -> Response<Full<Bytes>> {
    let mut response = page(status, value.to_string());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The session that a request belongs to: what `/login` gave.
fn session(headers: &HeaderMap) -> Option<String> {
    cookie(headers, "session").filter(|id| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit())).map(str::to_owned)
}

fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(';'));
    pairs.filter_map(|pair| pair.trim().split_once('=')).find(|(n, _)| *n == name).map(|(_, value)| value)
}

fn set_cookie(response: &mut Response<Full<Bytes>>, name: &str, value: &str) {
    // Ids and signed carts are of characters that a header may hold.
    if let Ok(value) = HeaderValue::from_str(&format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax")) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}
