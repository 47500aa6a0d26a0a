//! While a fault that carries tags lasts, its tags say that the run lives: another machine, which cannot see our process, leaves it alone.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::Mutex as Lock, task::JoinSet};

use super::{connection::Connection, cut, group, mark::LEASE, names};
use crate::model::ids::Region;

/// What carries tags.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kept {
    Group(String),
    Acl(String),
    Check(String),
}

/// By region, and what it is let go by: a group's name, the mark of an ACL, or a health check's id.
type All = BTreeMap<(Region, String), Kept>;

/// Renews the promise of the tags.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    /// Held while the tags are renewed: none is written to what was just let go.
    kept: Arc<Lock<All>>,
    task: Mutex<JoinSet<()>>,
}

impl Keeper {
    /// Keeps a group's tags alive.
    pub(super) async fn keep_group(&self, region: &Region, name: &str) {
        self.keep(region, name, Kept::Group(name.to_owned())).await;
    }

    /// Keeps a temporary ACL's tags alive.
    pub(super) async fn keep_acl(&self, region: &Region, mark: &str, acl: &str) {
        self.keep(region, mark, Kept::Acl(acl.to_owned())).await;
    }

    /// Keeps a health check's tags alive.
    pub(super) async fn keep_check(&self, region: &Region, id: &str) {
        self.keep(region, id, Kept::Check(id.to_owned())).await;
    }

    async fn keep(&self, region: &Region, by: &str, kept: Kept) {
        self.kept.lock().await.insert((region.clone(), by.to_owned()), kept);
    }

    /// It is undone.
    pub(super) async fn let_go(&self, region: &Region, by: &str) {
        self.kept.lock().await.remove(&(region.clone(), by.to_owned()));
    }

    /// Starts to keep; once. Ends with this.
    pub(super) fn start(&self, connection: &Arc<Connection>) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.is_empty() {
            task.spawn(keep(Arc::clone(&self.kept), Arc::clone(connection), LEASE / 5));
        }
    }
}

async fn keep(kept: Arc<Lock<All>>, connection: Arc<Connection>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        let all = kept.lock().await;
        for ((region, _), kept) in &*all {
            let Ok(place) = connection.place(region) else { continue };
            let renewed = match kept {
                Kept::Group(name) => group::renew(place, name).await,
                Kept::Acl(acl) => cut::renew(place, acl).await,
                Kept::Check(id) => names::renew(&connection.names, id).await,
            };
            if let Err(trouble) = renewed {
                tracing::warn!(%trouble, ?kept, "the tags could not be renewed");
            }
        }
    }
}
