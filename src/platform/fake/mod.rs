//! A scripted world: a platform whose instances are data. The engine's tests and the planning of shipped experiments use it. Calls can
//! be told to fail; snapshots are compared field by field; the world can live in a file, so that another process recovers it.

mod calls;
pub mod script;
pub mod world;

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::mpsc;

pub use script::{Call, Script, Trouble};
pub use world::{World, WorldBuilder};

use crate::{clock::Clock, model::observation::Observation, platform::PlatformError};

/// The platform. Clones share one world.
#[derive(Clone)]
pub struct FakePlatform {
    shared: Arc<Mutex<Shared>>,
    clock: Clock,
    file: Option<Arc<Path>>,
}

struct Shared {
    world: World,
    script: Script,
    listeners: Vec<mpsc::Sender<Observation>>,
    /// What guards its runs, if anything does, and who asks it.
    alarm: Option<(String, Vec<mpsc::Sender<Observation>>)>,
}

impl FakePlatform {
    /// A platform on a world in memory.
    pub fn new(world: World, clock: Clock) -> Self {
        let shared = Shared { world, script: Script::default(), listeners: Vec::new(), alarm: None };
        Self { shared: Arc::new(Mutex::new(shared)), clock, file: None }
    }

    /// A platform on a world that lives in a file, which every call reads and writes under a lock; `world` is used when there is
    /// no file yet.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn in_file(path: &Path, world: World, clock: Clock) -> Result<Self, PlatformError> {
        let mut platform = Self::new(world, clock);
        platform.file = Some(Arc::from(path));
        platform.with(|_| ())?;
        Ok(platform)
    }

    /// What the next calls will run into.
    pub fn script(&self, set: impl FnOnce(&mut Script)) {
        set(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner).script);
    }

    /// Runs that begin from now on are guarded by an alarm of this name.
    pub fn guard_with(&self, alarm: &str) {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).alarm = Some((alarm.to_owned(), Vec::new()));
    }

    /// The alarm rings: whoever asks it is told this now.
    pub fn ring(&self, observation: &Observation) {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        for asks in shared.alarm.iter().flat_map(|(_, asking)| asking) {
            // One whose run is over does not listen.
            let _ = asks.try_send(observation.clone());
        }
    }

    /// The world as it is now, for comparison.
    pub fn snapshot(&self) -> Result<World, PlatformError> {
        self.with(|shared| shared.world.clone())
    }

    /// Changes the world from outside: what somebody else does to it.
    pub fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> Result<T, PlatformError> {
        self.with(|shared| change(&mut shared.world))
    }

    /// Every access goes through here: the file is read, due replacements happen, and the file is written again.
    fn with<T>(&self, work: impl FnOnce(&mut Shared) -> T) -> Result<T, PlatformError> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |e: std::io::Error| PlatformError::Unavailable(format!("the fake world's file: {e}"));
        let lock = self.file.as_deref().map(world::lock_file).transpose().map_err(failed)?;
        if let Some(path) = &self.file
            && let Some(stored) = world::load(path).map_err(failed)?
        {
            shared.world = stored;
        }
        let now = self.clock.now();
        shared.world.settle(now);
        let result = work(&mut shared);
        let seen = std::mem::take(&mut shared.world.unseen);
        if let Some(path) = &self.file {
            world::save(path, &shared.world).map_err(failed)?;
        }
        drop(lock);
        shared.listeners.retain(|listener| !listener.is_closed());
        for listener in &shared.listeners {
            for observation in &seen {
                // A listener that does not read loses observations, as with a real event stream; it never blocks an act.
                let _ = listener.try_send(observation.clone());
            }
        }
        Ok(result)
    }
}
