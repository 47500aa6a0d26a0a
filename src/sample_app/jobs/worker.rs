//! The worker: does one job after another, and notes in PostgreSQL which are done.

use std::time::Duration;

use clap::ValueEnum;
use redis::RedisResult;
use tokio::{sync::mpsc, time::Instant};

use super::{database::Database, queue::Queue};
use crate::{
    model::quantity,
    sample_app::{here, host_port::HostPort, server::RunError},
};

/// Before Redis or PostgreSQL is tried again.
const AGAIN: Duration = Duration::from_millis(200);
/// How often a careful worker says that it lives, and looks for the hands of dead ones.
const LIVES_EVERY: Duration = Duration::from_secs(1);
/// How long a careless worker has a job before it does it, as one that fetches many at a time.
const AHEAD: Duration = Duration::from_millis(500);
/// The most jobs that it has.
const MOST_AHEAD: usize = 1000;

/// The flags of `sample worker`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Redis, as HOST:PORT
    #[arg(long, value_name = "ADDRESS")]
    pub queue: HostPort,
    /// PostgreSQL, as HOST:PORT
    #[arg(long, value_name = "ADDRESS")]
    pub database: HostPort,
    /// Its name; the machine's when left out
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// The time that one job takes
    #[arg(long, value_name = "DURATION", default_value = "5ms", value_parser = quantity::duration)]
    pub work: Duration,
    /// How it takes jobs from the queue
    #[arg(long, value_enum, default_value_t = Hands::Careful)]
    pub hands: Hands,
}

/// How a worker takes jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Hands {
    /// One at a time, into a list of its own in Redis, until it is done.
    Careful,
    /// Out of the queue, half a second ahead: until they are done they are nowhere but in its memory.
    Careless,
}

/// Works until it is ended.
pub fn run(options: &Options) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let name = options.name.clone().unwrap_or_else(here::name);
    let worker = Worker {
        queue: Queue::new(&options.queue, &name),
        beside: Queue::new(&options.queue, &name),
        database: Database::new(&options.database),
        work: options.work,
    };
    runtime.block_on(async {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        println!("{name} works");
        tokio::select! {
            _ = terminate.recv() => {}
            () = worker.carefully(), if options.hands == Hands::Careful => {}
            () = worker.carelessly(), if options.hands == Hands::Careless => {}
        }
        Ok(())
    })
}

struct Worker {
    /// Where it waits for jobs.
    queue: Queue,
    /// A connection that never waits for a job.
    beside: Queue,
    database: Database,
    work: Duration,
}

impl Worker {
    async fn carefully(&self) {
        tokio::join!(self.takes_and_does(), self.lives());
    }

    async fn takes_and_does(&self) {
        loop {
            if let Err(error) = self.while_redis_is_there().await {
                eprintln!("{error}");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }

    /// Ends with the first order that fails. Whether Redis has done that order nobody knows: so the hand is emptied before all else.
    async fn while_redis_is_there(&self) -> RedisResult<()> {
        self.queue.live().await?;
        match self.queue.put_back().await? {
            0 => {}
            found => println!("{found} put back that were in hand"),
        }
        loop {
            if let Some(id) = self.queue.take().await? {
                self.does(&id).await;
                self.queue.done(&id).await?;
            }
        }
    }

    async fn lives(&self) {
        loop {
            let told = async {
                self.beside.live().await?;
                self.beside.put_back_of_the_dead().await
            };
            match told.await {
                Ok(0) => {}
                Ok(found) => println!("{found} put back that dead workers had in hand"),
                Err(error) => eprintln!("{error}"),
            }
            tokio::time::sleep(LIVES_EVERY).await;
        }
    }

    async fn carelessly(&self) {
        let (fetched, mut waiting) = mpsc::channel::<(Instant, String)>(MOST_AHEAD);
        let fetches = async {
            loop {
                match self.queue.take_out().await {
                    Ok(Some(id)) => {
                        if fetched.send((Instant::now() + AHEAD, id)).await.is_err() {
                            return;
                        }
                    }
                    Ok(None) => {}
                    Err(error) => {
                        eprintln!("{error}");
                        tokio::time::sleep(AGAIN).await;
                    }
                }
            }
        };
        let works = async {
            while let Some((due, id)) = waiting.recv().await {
                tokio::time::sleep_until(due).await;
                self.does(&id).await;
            }
        };
        tokio::join!(fetches, works);
    }

    /// Does a job, however long PostgreSQL is away.
    async fn does(&self, id: &str) {
        tokio::time::sleep(self.work).await;
        while let Err(why) = self.database.note(id).await {
            eprintln!("{id} is not noted: {why}");
            tokio::time::sleep(AGAIN).await;
        }
    }
}
