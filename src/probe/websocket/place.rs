//! The population: each user's place, how its connection is opened, and opened again when it has ended.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use http::{HeaderName, HeaderValue, header::SEC_WEBSOCKET_KEY};
use tokio::sync::Notify;
use tokio_tungstenite::{
    client_async_with_config,
    tungstenite::{Error, handshake::client::generate_key},
};
use tokio_util::task::TaskTracker;

use crate::{
    clock,
    measure::Latencies,
    model::{
        protocol::WebSocketExchange,
        sample::{NameIndex, SampleOutcome},
        state::Span,
        time::Mono,
    },
    probe::{
        address::Way,
        draw::{Purpose, draw, pick},
        http::{
            dial::dial,
            wire::{Line as Socket, Notes, Wire},
        },
        pacer::Shared,
        stage::Trace,
        websocket::{
            line::{End, Line, Served, drive},
            prepare::PreparedWebSocket,
            token::Tokens,
        },
    },
};

/// While a connection cannot be opened again, it is tried so often.
const PAUSE: Duration = Duration::from_secs(1);
/// Connections are opened so far apart at least, on the mean: each costs the pacing thread a handshake.
const APART: Duration = Duration::from_millis(2);

/// The users of a probe.
pub struct Population {
    settings: PreparedWebSocket,
    places: Vec<Place>,
    begun: Cell<bool>,
    /// Those who carry connections, and those who open them again.
    tasks: TaskTracker,
    /// What became of the connections.
    pub found: RefCell<Found>,
}

/// What became of the connections so far.
#[derive(Default)]
pub struct Found {
    /// That were opened.
    pub opened: u64,
    /// That ended by themselves.
    pub cut: u64,
    /// When.
    pub cut_within: Option<Span>,
    /// Until they were open again.
    pub away: Latencies,
}

#[derive(Default)]
struct Place {
    state: RefCell<State>,
    /// When its connection was cut, while it is not open again.
    cut_at: Cell<Option<Mono>>,
}

#[derive(Default)]
enum State {
    #[default]
    Closed,
    Opening(Rc<Opening>),
    Open(Rc<Line>),
}

/// A connection that is being opened, for those who wait for it.
#[derive(Default)]
struct Opening {
    over: Notify,
    failed: Cell<Option<SampleOutcome>>,
}

/// Tells those who wait, also when the request that opened has met its deadline.
struct Ending<'a>(&'a Place, Rc<Opening>);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.borrow_mut();
        if matches!(&*state, State::Opening(opening) if Rc::ptr_eq(opening, &self.1)) {
            *state = State::Closed;
        }
        self.1.over.notify_waiters();
    }
}

impl Population {
    /// Nobody has a connection yet.
    pub fn new(settings: PreparedWebSocket) -> Rc<Self> {
        let places = (0..settings.sockets).map(|_| Place::default()).collect();
        Rc::new(Self { settings, places, begun: Cell::new(false), tasks: TaskTracker::new(), found: RefCell::default() })
    }

    /// What a request does on its connection.
    pub fn exchange(&self) -> &WebSocketExchange {
        &self.settings.exchange
    }

    /// How many users there are.
    pub fn size(&self) -> usize {
        self.places.len()
    }

    /// How a user looks names up; the users take turns.
    pub fn way(&self, place: usize) -> &Way {
        &self.settings.ways[place % self.settings.ways.len()]
    }

    /// Users whose connection was cut and is not open again.
    pub fn away(&self) -> u64 {
        self.places.iter().filter(|place| place.cut_at.get().is_some()).count() as u64
    }

    /// At the first request: everybody connects.
    pub fn open_all(self: &Rc<Self>, shared: &Rc<Shared>, trace: &Trace) {
        if !self.begun.replace(true) {
            for place in 0..self.size() {
                self.open_soon(shared, place, trace);
            }
        }
    }

    /// Opens a user's connection in the background, at a moment of its own within the time that all together may take.
    fn open_soon(self: &Rc<Self>, shared: &Rc<Shared>, place: usize, trace: &Trace) {
        let within = APART * u32::try_from(self.size()).unwrap_or(u32::MAX);
        let (population, shared, due) = (self.clone(), shared.clone(), trace.due);
        let tries = self.found.borrow().opened as u32;
        let share = pick(draw(shared.seed, due.probe, (place as u32) ^ tries.rotate_left(16), Purpose::Address), 1000) as u32;
        self.tasks.spawn_local(async move {
            tokio::time::sleep(within * share / 1000).await;
            let again = population.places[place].cut_at.get().is_some();
            loop {
                let mut trace = Trace::begin(due, shared.origin);
                let tried = tokio::time::timeout(population.settings.timeout, population.line(&shared, place, &mut trace)).await;
                // The first time it is tried once: after that, requests find out.
                if matches!(tried, Ok(Ok(_))) || !again {
                    return;
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
    }

    /// A user's connection: the one that is open, the one that somebody else is opening, or a new one.
    pub async fn line(self: &Rc<Self>, shared: &Rc<Shared>, place: usize, trace: &mut Trace) -> Result<Rc<Line>, SampleOutcome> {
        let here = &self.places[place];
        loop {
            let opening = match &*here.state.borrow() {
                State::Open(line) => return Ok(line.clone()),
                State::Opening(opening) => Some(opening.clone()),
                State::Closed => None,
            };
            let Some(opening) = opening else { break };
            opening.over.notified().await;
            if let Some(failed) = opening.failed.get() {
                return Err(failed);
            }
        }
        let opening = Rc::new(Opening::default());
        *here.state.borrow_mut() = State::Opening(opening.clone());
        let _ending = Ending(here, opening.clone());
        let opened = self.open(shared, place, trace).await;
        match &opened {
            Ok(line) => {
                *here.state.borrow_mut() = State::Open(line.clone());
                let mut found = self.found.borrow_mut();
                found.opened += 1;
                if let Some(cut_at) = here.cut_at.take() {
                    found.away.record(u32::try_from(clock::now().since(cut_at).as_micros()).unwrap_or(u32::MAX));
                }
            }
            Err(failed) => opening.failed.set(Some(*failed)),
        }
        opened
    }

    async fn open(self: &Rc<Self>, shared: &Rc<Shared>, place: usize, trace: &mut Trace) -> Result<Rc<Line>, SampleOutcome> {
        let way = self.way(place);
        // One who keeps to an address keeps to it whenever the connection is opened again; others are drawn each time.
        let turn = if way.is_bound() { 0 } else { self.found.borrow().opened as u32 };
        let bits = draw(shared.seed, trace.due.probe, (place as u32) ^ turn.rotate_left(16), Purpose::Address);
        let (socket, held) = dial(shared, &way.destination, None, bits, self.settings.tls.as_ref(), trace).await?;
        let socket = Rc::new(Socket { socket: RefCell::new(socket), notes: Notes::default() });
        let mut request = self.settings.request.clone();
        let key = HeaderValue::try_from(generate_key()).map_err(|_| SampleOutcome::NotSent)?;
        request.headers_mut().insert(SEC_WEBSOCKET_KEY, key);
        match client_async_with_config(request, Wire(socket.clone()), Some(self.settings.config)).await {
            Ok((stream, answer)) => {
                let name = |header: &Option<HeaderName>| {
                    let value = header.as_ref().and_then(|header| answer.headers().get(header)).and_then(|value| value.to_str().ok());
                    value.map_or(NameIndex(0), |value| shared.names.borrow_mut().index(value.trim()))
                };
                trace.backend = name(&self.settings.backend_header);
                trace.zone = name(&self.settings.zone_header);
                let tokens = Tokens::new(shared.seed ^ shared.origin.0, trace.due.probe);
                let (line, orders) = Line::new(
                    Served { address: trace.address, backend: trace.backend, zone: trace.zone },
                    tokens,
                    self.settings.exchange.clone(),
                );
                let (population, shared, driven, trace) = (self.clone(), shared.clone(), line.clone(), trace.clone());
                self.tasks.spawn_local(async move {
                    let limit = population.settings.config.max_message_size.map_or(u64::MAX, |bytes| bytes as u64);
                    let end = drive(&driven, stream, &socket.notes, limit, orders).await;
                    drop(held);
                    population.ended(&shared, place, &driven, end, &trace);
                });
                Ok(line)
            }
            Err(Error::Http(answer)) => {
                trace.status = answer.status().as_u16();
                Err(SampleOutcome::Status)
            }
            Err(error) => Err(End::of(&error, &socket.notes).while_opening(&socket.notes)),
        }
    }

    /// A connection has ended, in the middle of the run.
    fn ended(self: &Rc<Self>, shared: &Rc<Shared>, place: usize, line: &Rc<Line>, end: End, trace: &Trace) {
        let now = clock::now();
        let here = &self.places[place];
        *here.state.borrow_mut() = State::Closed;
        here.cut_at.set(Some(now));
        {
            let mut found = self.found.borrow_mut();
            found.cut += 1;
            Span::with(&mut found.cut_within, now.seconds_from(shared.origin));
        }
        line.tell_all(end);
        self.open_soon(shared, place, trace);
    }
}
