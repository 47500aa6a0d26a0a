//! The worker: does one job after another, and notes in PostgreSQL which are done.

use std::time::Duration;

use super::{database::Database, queue::Queue};
use crate::{
    model::quantity,
    sample_app::{here, server::RunError},
};

/// Before Redis or PostgreSQL is tried again.
const AGAIN: Duration = Duration::from_millis(200);
/// How long a careless worker has jobs in hand before it does them.
const COLLECT: Duration = Duration::from_secs(1);

/// The flags of `sample worker`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Redis, as HOST:PORT
    #[arg(long, value_name = "ADDRESS")]
    pub queue: String,
    /// PostgreSQL, as HOST:PORT
    #[arg(long, value_name = "ADDRESS")]
    pub database: String,
    /// Its name: a worker of the same name goes on with what this one had in hand; the machine's when left out
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// The time that one job takes
    #[arg(long, value_name = "DURATION", default_value = "10ms", value_parser = quantity::duration)]
    pub work: Duration,
    /// How it takes jobs
    #[arg(long, value_enum, default_value_t = Hands::Careful)]
    pub hands: Hands,
}

/// How a worker takes jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Hands {
    /// One at a time, and it stays in Redis until it is done.
    Careful,
    /// Out of the queue before they are done, a second's worth at a time.
    Careless,
}

/// Works until it is ended.
pub fn run(options: &Options) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let name = options.name.clone().unwrap_or_else(here::name);
    let worker = Worker { queue: Queue::new(&options.queue, &name), database: Database::new(&options.database), work: options.work };
    runtime.block_on(async {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        println!("{name} works");
        tokio::select! {
            _ = terminate.recv() => Ok(()),
            () = worker.carefully(), if options.hands == Hands::Careful => Ok(()),
            () = worker.carelessly(), if options.hands == Hands::Careless => Ok(()),
        }
    })
}

struct Worker {
    queue: Queue,
    database: Database,
    work: Duration,
}

impl Worker {
    async fn carefully(&self) {
        // What it had in hand when it was killed, first. Redis may not be there yet.
        while let Err(error) = self.queue.put_back().await {
            eprintln!("{error}");
            tokio::time::sleep(AGAIN).await;
        }
        loop {
            match self.queue.take().await {
                Ok(Some(id)) => {
                    self.work_on(&id).await;
                    // When Redis is gone, the list is too; when it is only away, the job is done once more, which changes nothing.
                    if let Err(error) = self.queue.done(&id).await {
                        eprintln!("{id} is done, and still in hand: {error}");
                    }
                }
                Ok(None) => {}
                Err(error) => {
                    eprintln!("{error}");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    async fn carelessly(&self) {
        loop {
            match self.queue.take_out().await {
                Ok(ids) => {
                    // Taken out, and done later: what a worker has taken out is nowhere but in its memory.
                    tokio::time::sleep(COLLECT).await;
                    for id in ids {
                        self.work_on(&id).await;
                    }
                }
                Err(error) => {
                    eprintln!("{error}");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    /// Does a job, however long PostgreSQL is away.
    async fn work_on(&self, id: &str) {
        tokio::time::sleep(self.work).await;
        while let Err(why) = self.database.note(id).await {
            eprintln!("{id} is not noted: {why}");
            tokio::time::sleep(AGAIN).await;
        }
    }
}
