//! Numbers events and hands them to whoever reports. The receiver may be slow or gone: the engine never waits for it.

use tokio::sync::mpsc;

use crate::{
    clock::Clock,
    event::{Event, EventKind},
    model::time::Mono,
    redact,
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
        if let EventKind::RunStarted { experiment, .. } = &kind
            && let Ok(text) = serde_json::to_string(experiment)
        {
            redact::is_public(&text);
        }
        let kind = redact::without(kind);
        // A receiver that is gone has said why already; the run goes on.
        let _ = self.sink.send(Event { number: self.number, at, wall: self.clock.wall_at(at), kind });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_a_system_says_back_is_in_no_event() {
        redact::keep("planted in an emitter");
        let (tell, mut told) = mpsc::unbounded_channel();
        let mut emitter = Emitter::new(Clock::start(), tell);
        emitter.emit(Mono(1), EventKind::Warning { text: "it answered: planted in an emitter".to_owned() });
        emitter.emit(Mono(2), EventKind::Warning { text: "plain".to_owned() });
        let texts: Vec<String> = std::iter::from_fn(|| told.try_recv().ok())
            .map(|event| match event.kind {
                EventKind::Warning { text } => text,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(texts, ["it answered: (secret)", "plain"]);
    }
}
