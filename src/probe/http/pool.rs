//! Kept connections: browsers that came before. There is a small population of them, so that a balancer that pins connections to
//! backends shows all its backends; a request takes any idle one, and opens its own when none is idle. No request waits.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    net::SocketAddr,
    rc::Rc,
};

use crate::probe::{
    draw::pick,
    http::link::{Link, Member},
};

/// The most idle connections that are kept.
const MOST_IDLE: usize = 1024;
/// The population of a fast probe.
const MOST_BROWSERS: usize = 16;

/// The most addresses to which connections are kept at once.
const MOST_ADDRESSES: usize = 256;

/// The kept connections of the users of one name model: together, or by the address that each of them keeps to.
pub struct Pools {
    rate: f64,
    addresses: usize,
    by_address: RefCell<HashMap<Option<SocketAddr>, Rc<Pool>>>,
}

impl Pools {
    /// For users who make so many requests a second, to about so many addresses.
    pub fn new(rate: f64, addresses: usize) -> Self {
        Self { rate, addresses: addresses.max(1), by_address: RefCell::default() }
    }

    /// The connections to an address, or all of them. An address that is new may push out those to an old one.
    pub fn of(&self, address: Option<SocketAddr>) -> Rc<Pool> {
        let mut pools = self.by_address.borrow_mut();
        if pools.len() >= MOST_ADDRESSES && !pools.contains_key(&address) {
            pools.clear();
        }
        let share = if address.is_some() { self.addresses.max(pools.len()) as f64 } else { 1.0 };
        pools.entry(address).or_insert_with(|| Rc::new(Pool::new(self.rate / share))).clone()
    }
}

/// The kept connections of one group of users: of a name model, or of one address.
pub struct Pool {
    idle: RefCell<Vec<Link>>,
    members: Rc<Cell<usize>>,
    population: usize,
}

impl Pool {
    /// For a probe of this rate: one browser per four requests a second, at least one, at most sixteen.
    pub fn new(rate: f64) -> Self {
        let population = ((rate / 4.0) as usize).clamp(1, MOST_BROWSERS);
        Self { idle: RefCell::default(), members: Rc::default(), population }
    }

    /// An idle connection, drawn by `bits`; `None` when the population is not complete or none is idle: then a fresh one joins.
    /// Connections whose end was already there to be seen are put away.
    pub fn take(&self, bits: u64) -> Option<Link> {
        if self.members.get() < self.population {
            return None;
        }
        let mut idle = self.idle.borrow_mut();
        while !idle.is_empty() {
            let place = pick(bits, idle.len());
            let link = idle.swap_remove(place);
            if !link.is_stale() {
                return Some(link);
            }
            drop(link);
            if self.members.get() < self.population {
                return None;
            }
        }
        None
    }

    /// A fresh connection becomes one of the population.
    pub fn join(&self, link: &mut Link) {
        link.member = Some(Member::join(&self.members));
    }

    /// A connection that can be used again. Those that a burst brought in are kept too, up to a bound: closing and opening them
    /// in turn would cost more than the requests.
    pub fn put(&self, link: Link) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < MOST_IDLE {
            idle.push(link);
        }
    }
}
