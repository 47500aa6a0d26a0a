//! The server: what a client may ask, and what it is answered.
//!
//! | file | what |
//! | --- | --- |
//! | `listen` | connections and their limits |
//! | `access`, `session` | who may come in |
//! | `guard` | what every request goes through: access, the body's limits, the headers of the answer |
//! | `operations`, `openapi` | the one table of what the API can do, of which routes and description are made |
//! | `schedule`, `runs`, `history`, `gamedays` | what it does |
//! | `follow`, `told`, `stream` | a run's events as they happen |
//! | `metrics` | numbers for Prometheus |
//! | `problem` | what went wrong |

pub mod access;
pub mod follow;
pub mod gamedays;
mod guard;
#[cfg(feature = "history")]
pub mod history;
pub mod listen;
mod metrics;
mod openapi;
mod operations;
pub mod problem;
pub mod query;
pub mod runs;
pub mod schedule;
pub mod session;
pub mod stream;
pub mod told;

use std::sync::{Arc, Mutex, PoisonError};

use axum::{Router, middleware};
use jiff::tz::TimeZone;
use tokio::sync::{mpsc, oneshot, watch};

use self::{access::Access, follow::Hubs, problem::Problem};
use super::{
    outlook::{self, Outlook},
    page,
    shelf::Shelf,
    snapshot::{Asked, Order, Snapshot},
};
use crate::{clock, model::time::Mono};

/// So long an outlook is shown, while nothing changes.
const FRESH_S: f64 = 30.0;

/// Says something where the daemon says what it does.
pub type Say = Box<dyn Fn(&str) + Send + Sync>;

/// An outlook: of what, when it was made, and what it shows.
type Looked = (Arc<Snapshot>, Mono, Arc<Outlook>);

/// What requests are answered from.
pub struct App {
    /// How things are, from the loop that fires.
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
    /// To that loop.
    pub orders: mpsc::Sender<Order>,
    /// The run folders.
    pub shelf: Shelf,
    /// Who may come in.
    pub access: Access,
    /// The runs that are followed.
    pub hubs: Hubs,
    /// The zone of the machine, for days.
    pub zone: TimeZone,
    /// What is asked for is said where the daemon speaks.
    pub say: Say,
    outlook: Mutex<Option<Looked>>,
}

impl App {
    /// With nothing asked yet.
    pub fn new(snapshots: watch::Receiver<Arc<Snapshot>>, orders: mpsc::Sender<Order>, shelf: Shelf, access: Access, say: Say) -> Self {
        Self { snapshots, orders, shelf, access, hubs: Hubs::default(), zone: TimeZone::system(), say, outlook: Mutex::default() }
    }

    /// How things are now.
    pub fn now(&self) -> Arc<Snapshot> {
        self.snapshots.borrow().clone()
    }

    /// The coming weeks. To be called where it may take a while.
    pub fn outlook(&self) -> Arc<Outlook> {
        let (snapshot, now) = (self.now(), clock::now());
        let mut kept = self.outlook.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((then, at, outlook)) = kept.as_ref()
            && Arc::ptr_eq(&then.roster, &snapshot.roster)
            && Arc::ptr_eq(&then.last, &snapshot.last)
            && now.seconds_from(*at) < FRESH_S
        {
            return outlook.clone();
        }
        let outlook = Arc::new(outlook::look(&snapshot, clock::moment(), &self.zone));
        *kept = Some((snapshot, now, outlook.clone()));
        outlook
    }

    /// Asks the loop for a run.
    ///
    /// # Errors
    /// When the loop is busy with other requests, or ends.
    pub async fn fire(&self, name: &str) -> Result<Asked, Problem> {
        let (answer, answered) = oneshot::channel();
        let busy = |why: &str| Problem::new(axum::http::StatusCode::SERVICE_UNAVAILABLE, why);
        self.orders
            .try_send(Order::Run { name: name.to_owned(), answer })
            .map_err(|_| busy("the daemon ends, or many wait for it already"))?;
        answered.await.map_err(|_| busy("the daemon ends"))
    }
}

/// Work that reads files, or takes its time: away from the threads that answer.
///
/// # Errors
/// When it failed, or broke off.
pub async fn apart<T: Send + 'static>(work: impl FnOnce() -> Result<T, Problem> + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(Problem::broken("the answer could not be made")))
}

/// Every route.
pub fn router(app: Arc<App>) -> Router {
    let routes = operations::all().into_iter().fold(Router::new(), |router, operation| router.route(operation.path, operation.route));
    let described = openapi::describe(&operations::all());
    routes
        .route("/openapi.json", axum::routing::get(move || async move { query::json_value(&described) }))
        .merge(page::routes())
        .fallback(guard::nothing_here)
        .method_not_allowed_fallback(guard::not_this_way)
        .layer(middleware::from_fn_with_state(app.clone(), guard::guard))
        .with_state(app)
}
