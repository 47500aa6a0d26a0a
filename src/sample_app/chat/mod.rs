//! A chat of small services, each with a store of its own: pages, tokens, users, messages, and push over WebSockets. They find each other
//! behind a balancer, which knows them from the registry. Or all of it as one process, the monolith.
//!
//! * `/` is the page of the chat (`ui`), `/tokens` logs in, `/users/NAME` is a profile, `/messages` says and reads, `/push` is a WebSocket.
//! * `/cron` says whether the jobs of `cron` are done in time.
//! * `/health` answers 200. `POST /end` ends the process in good order, and `POST /end?abruptly` at once.

mod cron;
mod messages;
mod push;
mod queue;
mod store;
mod tokens;
mod users;

use std::{path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use clap::ValueEnum;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use rustix::process::{Signal, getpid, kill_process};
use tokio::sync::broadcast;

use self::{cron::Cron, messages::Messages, push::Push, tokens::Tokens, users::Users};
use super::{
    etcd::Etcd,
    here,
    registry::{self, Entry},
    server::{self, App, RunError, ServerOptions, page},
};
use crate::model::quantity;

/// So many messages may wait for a listener.
const LISTENER: usize = 256;
/// The exit status of a process that was to end abruptly, as shells show one that was killed.
const ABRUPTLY: i32 = 137;

/// The services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Service {
    /// The page.
    Ui,
    /// Who is who.
    Tokens,
    /// Profiles.
    Users,
    /// What is said.
    Messages,
    /// What is said, at once.
    Push,
    /// Jobs.
    Cron,
}

impl Service {
    const CHAT: [Self; 5] = [Self::Ui, Self::Tokens, Self::Users, Self::Messages, Self::Push];

    fn name(self) -> &'static str {
        match self {
            Self::Ui => "ui",
            Self::Tokens => "tokens",
            Self::Users => "users",
            Self::Messages => "messages",
            Self::Push => "push",
            Self::Cron => "cron",
        }
    }
}

/// The flags of `sample chat`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// What every server has.
    #[command(flatten)]
    pub server: ServerOptions,
    /// Which service this is
    #[arg(long, value_enum, required_unless_present = "monolith")]
    pub service: Option<Service>,
    /// All services in one process
    #[arg(long, conflicts_with = "service")]
    pub monolith: bool,
    /// The folder of the store, which all instances of a service share
    #[arg(long, value_name = "FOLDER")]
    pub store: PathBuf,
    /// Members of etcd to register at, as HOST:PORT; not registered when left out
    #[arg(long, value_name = "ADDRESSES", value_delimiter = ',')]
    pub etcd: Vec<String>,
    /// How long it stays registered without renewing
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = quantity::duration)]
    pub lease: Duration,
    /// Where the other services are, as HOST:PORT: the balancer
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub gateway: String,
    /// The Redis of the message queue, as HOST:PORT
    #[arg(long, value_name = "ADDRESS")]
    pub queue: Option<String>,
    /// A file with the header `Bearer TOKEN` by which a program may use the chat, as `robot`
    #[arg(long, value_name = "FILE")]
    pub robot: Option<PathBuf>,
}

/// Whether somebody may be called this.
fn is_name(name: &str) -> bool {
    (1..=40).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Runs a service, or all, until SIGTERM or SIGINT.
pub fn run(options: &Options) -> Result<(), RunError> {
    let mut server = options.server.clone();
    if let (Some(service), false) = (options.service, options.etcd.is_empty()) {
        // The version is decided where the service is deployed from, and an instance has it from its begin to its end.
        server.version = deployed(&options.etcd, service).unwrap_or(server.version);
    }
    let instance = server.instance.get_or_insert_with(here::name).clone();
    server::run(&server, async || Chat::start(options, &server, &instance))
}

/// The version that is to be deployed of a service, if somebody has said so.
fn deployed(members: &[String], service: Service) -> Option<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let key = registry::version_key(service.name());
    let held = runtime.block_on(Etcd::new(members).held(&key)).ok()?;
    held.values.into_iter().find(|(found, _)| *found == key).map(|(_, version)| version)
}

#[derive(Debug)]
struct Chat {
    ui: bool,
    tokens: Option<Arc<Tokens>>,
    users: Option<Users>,
    messages: Option<Messages>,
    push: Option<Push>,
    cron: Option<Cron>,
}

impl Chat {
    fn start(options: &Options, server: &ServerOptions, instance: &str) -> Result<Self, RunError> {
        let services: &[Service] = options.service.as_ref().map_or(&Service::CHAT, std::slice::from_ref);
        let is = |service| services.contains(&service);
        let store = |error: std::io::Error| RunError::Needs(format!("the store {} cannot be used: {error}", options.store.display()));
        let tokens =
            if is(Service::Tokens) { Some(Arc::new(Tokens::open(&options.store, options.robot.as_deref()).map_err(store)?)) } else { None };
        let judge = tokens.clone().map_or_else(|| tokens::Judge::Behind(options.gateway.clone()), tokens::Judge::Here);
        let (said, _) = broadcast::channel(LISTENER);
        let queue = match &options.queue {
            Some(redis) if is(Service::Messages) => Some(queue::into_redis(redis)),
            None if options.monolith => Some(queue::within(said.clone())),
            _ => None,
        };
        if let (Some(redis), true) = (&options.queue, is(Service::Push)) {
            tokio_util::task::TaskTracker::new().spawn(queue::out_of_redis(redis.clone(), said.clone()));
        }
        let chat = Self {
            ui: is(Service::Ui),
            users: if is(Service::Users) { Some(Users::open(&options.store).map_err(store)?) } else { None },
            messages: if is(Service::Messages) {
                Some(Messages::open(&options.store, judge.clone(), queue, instance).map_err(store)?)
            } else {
                None
            },
            push: is(Service::Push).then(|| Push::new(said, judge)),
            cron: is(Service::Cron).then(|| Cron::start(options.gateway.clone())),
            tokens,
        };
        if let (Some(service), false) = (options.service, options.etcd.is_empty()) {
            let entry = Entry {
                service: service.name().to_owned(),
                id: instance.to_owned(),
                address: here::address(server.listen).map_err(RunError::Needs)?,
                version: server.version.clone(),
                draining: false,
            };
            tokio_util::task::TaskTracker::new().spawn(registry::stay(Arc::new(Etcd::new(&options.etcd)), entry, options.lease));
        }
        Ok(chat)
    }
}

impl App for Chat {
    const NAME: &'static str = "chat";

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        match (first, &self.tokens, &self.users, &self.messages, &self.push, &self.cron) {
            ("", ..) if self.ui => page(StatusCode::OK, "<h1>The chat</h1>\n<p>Log in, and say something.</p>\n"),
            ("tokens", Some(tokens), ..) => tokens.answer(request).await,
            ("users", _, Some(users), ..) => users.answer(&request),
            ("messages", _, _, Some(messages), ..) => messages.answer(request).await,
            ("push", _, _, _, Some(push), _) => push.answer(request).await,
            ("cron", .., Some(cron)) => cron.answer(),
            ("health", ..) => page(StatusCode::OK, "ok\n"),
            ("end", ..) if *request.method() == Method::POST => end(request.uri().query() == Some("abruptly")),
            _ => page(StatusCode::NOT_FOUND, "There is no such page\n"),
        }
    }
}

/// Ends this process: as SIGTERM does, or with everything that is in flight.
#[expect(clippy::disallowed_methods, reason = "a process that is to be cut off in the middle does not return to `main`")]
fn end(abruptly: bool) -> Response<Full<Bytes>> {
    if abruptly {
        // Not by SIGKILL: the first process of a container cannot kill itself.
        std::process::exit(ABRUPTLY);
    }
    match kill_process(getpid(), Signal::TERM) {
        Ok(()) => page(StatusCode::ACCEPTED, "It ends\n"),
        Err(error) => page(StatusCode::INTERNAL_SERVER_ERROR, format!("It does not end: {error}\n")),
    }
}
