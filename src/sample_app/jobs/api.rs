//! The API: takes jobs, and says which are done.
//!
//! * `POST /jobs` with `{ "id": ID }` puts a job into the queue, and answers 202 once it is there.
//! * `GET /jobs/ID` answers 200 when it is done, and 404 before. `GET /jobs` lists those that are done.
//! * `/health` answers 200.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::{Value as Json, json};

use super::{database::Database, is_id, queue::Queue};
use crate::sample_app::{
    here,
    host_port::HostPort,
    server::{self, App, RunError, ServerOptions, body, page},
};

/// The flags of `sample api`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// What every server has.
    #[command(flatten)]
    pub server: ServerOptions,
    /// Redis, as HOST:PORT
    #[arg(long, value_name = "ADDRESS")]
    pub queue: HostPort,
    /// PostgreSQL, as HOST:PORT
    #[arg(long, value_name = "ADDRESS")]
    pub database: HostPort,
}

/// Runs it until SIGTERM or SIGINT.
pub fn run(options: &Options) -> Result<(), RunError> {
    let mut server = options.server.clone();
    let instance = server.instance.get_or_insert_with(here::name).clone();
    server::run(&server, async || Ok(Api { queue: Queue::new(&options.queue, &instance), database: Database::new(&options.database) }))
}

/// The largest body of a request, in bytes.
const LARGEST: usize = 1000;

struct Api {
    queue: Queue,
    database: Database,
}

impl App for Api {
    const NAME: &'static str = "api";

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        let unavailable = |why: String| page(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n"));
        match (request.method(), path.as_str()) {
            (&Method::GET, "/health") => page(StatusCode::OK, "ok\n"),
            (&Method::GET, "/jobs") => match self.database.done().await {
                Ok(done) => page(StatusCode::OK, json!({ "done": done }).to_string()),
                Err(why) => unavailable(why),
            },
            (&Method::POST, "/jobs") => {
                let asked: Option<Json> = body(request, LARGEST).await.and_then(|body| serde_json::from_slice(&body).ok());
                let Some(id) = asked.as_ref().and_then(|asked| asked["id"].as_str()).filter(|id| is_id(id)) else {
                    return page(StatusCode::BAD_REQUEST, "{ \"id\": ID } is expected\n");
                };
                match self.queue.put(id).await {
                    Ok(()) => page(StatusCode::ACCEPTED, json!({ "id": id }).to_string()),
                    Err(error) => unavailable(error.to_string()),
                }
            }
            (&Method::GET, path) => {
                let Some(id) = path.strip_prefix("/jobs/").filter(|id| is_id(id)) else {
                    return page(StatusCode::NOT_FOUND, "There is no such page\n");
                };
                match self.database.is_done(id).await {
                    Ok(true) => page(StatusCode::OK, json!({ "id": id, "done": true }).to_string()),
                    Ok(false) => page(StatusCode::NOT_FOUND, "It is not done\n"),
                    Err(why) => unavailable(why),
                }
            }
            _ => page(StatusCode::METHOD_NOT_ALLOWED, "GET and POST are known here\n"),
        }
    }
}
