//! The `websocket` probe: users whose connection stays open, and who send something on it now and then.
//!
//! There is a population of connections. All are opened at the start; each request takes one of them, drawn, and exchanges something on
//! it. A connection that ends is opened again at once, as a browser's page does, and once a second while that fails; a request that is
//! due meanwhile tries by itself, or waits for the try that is under way: its time counts. So what a request reports is what its user
//! felt; how often connections were cut, when, and for how long they were away is told beside it (`Sockets`).
//!
//! | file | concept |
//! | --- | --- |
//! | `prepare` | everything that can be wrong, before the start |
//! | `place` | a user's place in the population, and how its connection is opened |
//! | `line` | a connection that is open: what is said on it, and how it ends |
//! | `token` | the text that no other request sends |

mod line;
mod place;
mod prepare;
mod token;

use std::rc::Rc;

pub use prepare::PreparedWebSocket;

use crate::{
    model::{
        protocol::WebSocketExchange,
        sample::SampleOutcome,
        state::{Sockets, StateFindings},
    },
    probe::{
        draw::{Purpose, draw, pick},
        pacer::Shared,
        stage::{Stage, Trace},
    },
};
use line::Wanted;
use place::Population;

/// A `websocket` probe on the pacing thread.
pub struct WebSocketKind(Rc<Population>);

impl WebSocketKind {
    /// One exchange on one of the connections.
    pub async fn attempt(&self, shared: &Rc<Shared>, trace: &mut Trace) -> SampleOutcome {
        let population = &self.0;
        population.open_all(shared, trace);
        let place = pick(draw(shared.seed, trace.due.probe, trace.due.number, Purpose::Connection), population.size());
        trace.names = population.way(place).told;
        let line = match population.line(shared, place, trace).await {
            Ok(line) => line,
            Err(failed) => return failed,
        };
        (trace.address, trace.backend, trace.zone) = (line.served.address, line.served.backend, line.served.zone);
        trace.reused = line.was_used();
        trace.stage = Stage::Waiting;
        let number = trace.due.number;
        let wanted = match population.exchange() {
            WebSocketExchange::Echo => Wanted::Echo(number),
            WebSocketExchange::Ping => Wanted::Pong(number),
            WebSocketExchange::Message(_) => Wanted::Message(number),
        };
        match line.exchange(wanted).await {
            Ok(answer) => {
                trace.first_byte(answer.at);
                trace.bytes = answer.bytes;
                SampleOutcome::Ok
            }
            Err(end) => end.outcome(trace.reused),
        }
    }

    /// How many connections are kept beside those of requests in flight.
    pub fn kept(&self) -> u64 {
        self.0.size() as u64
    }

    /// What became of the connections.
    pub fn state(&self) -> StateFindings {
        let found = self.0.found.borrow();
        StateFindings::Sockets(Sockets {
            opened: found.opened,
            cut: found.cut,
            cut_within: found.cut_within,
            away: found.away.latency(),
            never_back: self.0.away(),
        })
    }
}
