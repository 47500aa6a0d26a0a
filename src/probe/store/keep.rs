//! Kept connections to a store: a small population, as an application's pool is. A request goes out on the one that it draws, behind
//! others if need be (both protocols take the next request before the last answer), so none waits for a free one. The first that finds a
//! place empty opens the connection; those that come meanwhile wait for it, each with its own deadline.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
};

use tokio::sync::Notify;

use crate::{
    model::sample::{NameIndex, SampleOutcome},
    probe::{draw::pick, limits::Held, store::watched::Notes},
};

/// The population of a fast probe.
const MOST: usize = 16;

/// An open connection.
pub struct Live<C> {
    /// Its client.
    pub client: C,
    /// How the stream is.
    pub notes: Arc<Notes>,
    /// Where it goes.
    pub address: NameIndex,
    /// Whether it carried a request before.
    used: Cell<bool>,
    /// Taken out of its place by somebody who waited in vain: whoever is still on it stays, nobody else comes.
    given_up: Cell<bool>,
    _held: Held,
}

impl<C> Live<C> {
    /// A connection that was just made.
    pub fn new(client: C, notes: Arc<Notes>, address: NameIndex, held: Held) -> Self {
        Self { client, notes, address, used: Cell::new(false), given_up: Cell::new(false), _held: held }
    }

    fn is_good(&self) -> bool {
        self.notes.is_open() && !self.given_up.get()
    }
}

enum Place<C> {
    Empty,
    Opening(Rc<Notify>),
    Open(Rc<Live<C>>),
}

/// The population.
pub struct Keep<C> {
    places: Vec<RefCell<Place<C>>>,
}

impl<C> Keep<C> {
    /// For a probe of this rate: one connection per four requests a second, at least one, at most sixteen.
    pub fn new(rate: f64) -> Self {
        let n = ((rate / 4.0) as usize).clamp(1, MOST);
        Self { places: (0..n).map(|_| RefCell::new(Place::Empty)).collect() }
    }

    /// How many connections it may hold.
    pub fn size(&self) -> u64 {
        self.places.len() as u64
    }

    /// The connection that `bits` draw, opened by `open` when it is not there; and whether it carried a request before.
    pub async fn get(
        &self,
        bits: u64,
        open: impl AsyncFnOnce() -> Result<Live<C>, SampleOutcome>,
    ) -> Result<(Taken<C>, bool), SampleOutcome> {
        let place = &self.places[pick(bits, self.places.len())];
        loop {
            let waiting = match &mut *place.borrow_mut() {
                Place::Open(live) if live.is_good() => {
                    return Ok((Taken { live: live.clone(), done: false }, live.used.replace(true)));
                }
                Place::Opening(notify) => notify.clone(),
                closed => {
                    *closed = Place::Opening(Rc::new(Notify::new()));
                    break;
                }
            };
            waiting.notified().await;
        }
        let opening = Opening { place, done: false };
        let live = Rc::new(open().await?);
        live.used.set(true);
        opening.finish(live.clone());
        Ok((Taken { live, done: false }, false))
    }
}

/// A place that is being filled; left empty, and the others told, when that does not come to its end.
struct Opening<'a, C> {
    place: &'a RefCell<Place<C>>,
    done: bool,
}

impl<C> Opening<'_, C> {
    fn finish(mut self, live: Rc<Live<C>>) {
        self.done = true;
        if let Place::Opening(notify) = self.place.replace(Place::Open(live)) {
            notify.notify_waiters();
        }
    }
}

impl<C> Drop for Opening<'_, C> {
    fn drop(&mut self) {
        if !self.done
            && let Place::Opening(notify) = self.place.replace(Place::Empty)
        {
            // One of those who wait opens the next; the others go on waiting for that one.
            notify.notify_waiters();
        }
    }
}

/// A connection in use by a request. Dropped before the answer came, as by a deadline, it gets no further requests: an application's pool
/// would not trust it either.
pub struct Taken<C> {
    live: Rc<Live<C>>,
    done: bool,
}

impl<C> Taken<C> {
    /// The connection.
    pub fn live(&self) -> &Live<C> {
        &self.live
    }

    /// The answer came.
    pub fn finish(mut self) {
        self.done = true;
    }
}

impl<C> Drop for Taken<C> {
    fn drop(&mut self) {
        if !self.done {
            self.live.given_up.set(true);
        }
    }
}
