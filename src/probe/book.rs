//! What the users of a probe remember of a name: nothing (each connection asks), the answer as long as its time to live says, or the
//! addresses that it has now, so that each is measured by itself.
//!
//! One question is under way at a time, and everybody who needs its answer waits for it: a machine's resolver does the same. It has its
//! own limit, so a request that gives up does not take the answer from the others.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt, future::Shared};
use tokio_util::task::TaskTracker;

use crate::{
    clock,
    model::{probe::NameModel, time::Mono},
    probe::{
        address::{has_route, sensible},
        lookup::{Asked, NotFound},
    },
};

/// How often the addresses of `each-address` are looked up again.
const REFRESH: Duration = Duration::from_secs(2);

type Looked = Result<Arc<Vec<SocketAddr>>, NotFound>;
type Running = Shared<Pin<Box<dyn Future<Output = Looked> + Send>>>;

/// The memory of one name.
pub struct Book {
    host: String,
    port: u16,
    model: NameModel,
    asked: Asked,
    limit: Duration,
    tasks: TaskTracker,
    state: Mutex<State>,
}

/// What there is for a request.
enum Step {
    Known(Arc<Vec<SocketAddr>>),
    Asking { running: Running, joined: bool },
}

#[derive(Default)]
struct State {
    known: Option<Arc<Vec<SocketAddr>>>,
    /// From then on what is known is asked for again.
    until: Mono,
    running: Option<Running>,
}

impl std::fmt::Debug for Book {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{} ({})", self.host, self.port, self.model.name())
    }
}

impl Book {
    /// An empty memory. `limit` bounds each question.
    pub fn new(host: String, port: u16, model: NameModel, asked: Asked, limit: Duration) -> Arc<Self> {
        Arc::new(Self { host, port, model, asked, limit, tasks: TaskTracker::new(), state: Mutex::default() })
    }

    /// Whether a request may have to ask by itself.
    pub fn asks_each_time(&self) -> bool {
        self.model == NameModel::EachConnection
    }

    /// The addresses to draw from, at least one.
    pub async fn addresses(self: &Arc<Self>) -> Looked {
        if self.asks_each_time() {
            return self.look_up().await.map(|(list, _)| list);
        }
        loop {
            let (running, joined) = match self.step() {
                Step::Known(known) => return Ok(known),
                Step::Asking { running, joined } => (running, joined),
            };
            match running.await {
                // It was asked before this request needed it, and is late for who asked: this one has time left, and asks by itself.
                Err(NotFound::Late) if joined => {}
                looked => return looked,
            }
        }
    }

    fn step(self: &Arc<Self>) -> Step {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let due = clock::now() >= state.until;
        match &state.known {
            Some(known) if !due => Step::Known(known.clone()),
            // Which addresses there are is a list of places to measure: the old one serves until there is a new one.
            Some(known) if self.model == NameModel::EachAddress => {
                let known = known.clone();
                drop(self.begin(&mut state));
                Step::Known(known)
            }
            _ => {
                let (running, joined) = self.begin(&mut state);
                Step::Asking { running, joined }
            }
        }
    }

    /// The question that is under way, or a new one; and whether it was under way.
    fn begin(self: &Arc<Self>, state: &mut State) -> (Running, bool) {
        if let Some(running) = state.running.as_ref().filter(|running| running.peek().is_none()) {
            return (running.clone(), true);
        }
        let book = self.clone();
        let task = self.tasks.spawn(async move {
            let looked = book.look_up().await;
            let mut state = book.state.lock().unwrap_or_else(PoisonError::into_inner);
            match &looked {
                Ok((list, ttl)) => {
                    state.known = Some(list.clone());
                    state.until = clock::now().plus(if book.model == NameModel::EachAddress { REFRESH } else { *ttl });
                }
                Err(_) if book.model == NameModel::EachAddress => state.until = clock::now().plus(REFRESH),
                // What the time to live no longer covers is forgotten, and the next user asks.
                Err(_) => state.known = None,
            }
            state.running = None;
            looked.map(|(list, _)| list)
        });
        let running: Running = async move { task.await.unwrap_or(Err(NotFound::Failed)) }.boxed().shared();
        state.running = Some(running.clone());
        (running, false)
    }

    async fn look_up(&self) -> Result<(Arc<Vec<SocketAddr>>, Duration), NotFound> {
        let found = self.asked.addresses(&self.host, self.limit).await?;
        let list = found.addresses.into_iter().map(|ip| SocketAddr::new(ip, self.port)).collect();
        Ok((Arc::new(sensible(&self.host, list, has_route)), found.ttl))
    }
}
