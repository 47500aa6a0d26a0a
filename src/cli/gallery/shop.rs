//! `examples/shop`.

use super::row::{Example, Row, embedded};
use crate::{
    cli::trial::Expected::{self, Fails, NotSteady, Passes},
    sample_app::programs::{BASEBACKUP, INITDB, POSTGRES, Program, REDIS},
};

/// The example.
pub const SHOP: Example = Example {
    name: "shop",
    asks: "Where does a shop keep its carts and its orders?",
    files: embedded!(
        "shop": "firedrill.yaml", "instance.yaml", "zone.yaml", "store.yaml", "database.yaml", "orders.yaml", "rejects.yaml", "tampered.cookie", "doors.yaml", "systems/memory.yaml",
        "systems/sticky.yaml", "systems/cookie.yaml", "systems/redis.yaml", "systems/redis-standby.yaml", "systems/postgres.yaml", "systems/postgres-cached.yaml",
        "systems/doors.yaml"
    ),
    rows: &[
        row("memory", "carts in memory, round robin", "instance.yaml", "memory", &["port"], NotSteady("cart state-lost"), &[]),
        row("sticky", "carts in memory, sticky cookie", "instance.yaml", "sticky", &["port"], Fails("cart lost"), &[]),
        row("cookie", "the cart in a cookie", "instance.yaml", "cookie", &["port"], Passes, &[]),
        row("rejects", "carts that the shop must refuse", "rejects.yaml", "cookie", &["port"], Passes, &[]),
        row("redis", "carts in Redis, a zone is lost", "zone.yaml", "redis", &["port", "redis-port"], Passes, &[REDIS]),
        row("store", "carts in Redis, which dies", "store.yaml", "redis", &["port", "redis-port"], Fails("cart lost"), &[REDIS]),
        row("standby", "Redis with a standby", "store.yaml", "redis-standby", STANDBY, Passes, &[REDIS]),
        row(
            "asynchronous",
            "orders, standby a moment behind",
            "database.yaml",
            "postgres-asynchronous",
            PAIR,
            Fails("orders lost"),
            SERVERS,
        ),
        row("synchronous", "orders, standby that confirms", "database.yaml", "postgres-synchronous", PAIR, Passes, SERVERS),
        row(
            "orders-asynchronous",
            "shop's orders, the zone is lost",
            "orders.yaml",
            "postgres-asynchronous",
            PAIR,
            Fails("orders lost"),
            SERVERS,
        ),
        row("orders-cached", "the same, confirmed and cached", "orders.yaml", "postgres-cached", CACHED, Passes, CACHED_SERVERS),
        row("doors", "only the balancer's door is open", "doors.yaml", "doors", DOORS, Passes, &[REDIS]),
        row("doors-open", "the store's door is open too", "doors.yaml", "doors-open", DOORS, NotSteady("redis failures"), &[REDIS]),
    ],
};

const STANDBY: &[&str] = &["port", "redis-port", "replica-port", "sentinel-port"];
const PAIR: &[&str] = &["port", "primary-port", "standby-port", "line-port"];
const CACHED: &[&str] = &["port", "primary-port", "standby-port", "line-port", "redis-port"];
const DOORS: &[&str] = &["port", "redis-port", "web-port"];
const SERVERS: &[Program] = &[POSTGRES, INITDB, BASEBACKUP];
const CACHED_SERVERS: &[Program] = &[POSTGRES, INITDB, BASEBACKUP, REDIS];

const fn row(
    name: &'static str,
    what: &'static str,
    file: &'static str,
    environment: &'static str,
    ports: &'static [&'static str],
    expected: Expected,
    needs: &'static [Program],
) -> Row {
    Row { name, what, file, environment, ports, expected, needs }
}
