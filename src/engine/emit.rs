//! Numbers events and hands them to whoever reports. The receiver may be slow or gone: the engine never waits for it.

use tokio::sync::mpsc;

use crate::{
    clock::Clock,
    event::{Event, EventKind},
    model::time::Mono,
};

/// The way out for events.
pub struct Emitter {
    clock: Clock,
    sink: mpsc::UnboundedSender<Event>,
    number: u64,
}

impl Emitter {
    /// Events of one run go into `sink`.
    pub fn new(clock: Clock, sink: mpsc::UnboundedSender<Event>) -> Self {
        Self { clock, sink, number: 0 }
    }

    /// Emits an event that happened at `at`.
    pub fn emit(&mut self, at: Mono, kind: EventKind) {
        self.number += 1;
        // A receiver that is gone has said why already; the run goes on.
        let _ = self.sink.send(Event { number: self.number, at, wall: self.clock.wall_at(at), kind });
    }
}
