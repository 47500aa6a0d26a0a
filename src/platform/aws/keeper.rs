//! While a fault that carries tags lasts, its tags say that the run lives: another machine, which cannot see our process, leaves it alone.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::Mutex as Lock, task::JoinSet};

use super::{connection::Connection, cut, group, mark::LEASE, names, shift};
use crate::model::ids::Region;

/// What carries tags.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kept {
    Group(String),
    Acl(String),
    Check(String),
    /// By the mark and the run of its comment: a shift has no tags.
    Shift {
        mark: String,
        run: String,
    },
}

/// By region, and what it is let go by: a group's name, the mark of an ACL, a health check's id, or a balancer's ARN.
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

    /// Keeps a balancer's shift alive.
    pub(super) async fn keep_shift(&self, region: &Region, balancer: &str, mark: &str, run: &str) {
        self.keep(region, balancer, Kept::Shift { mark: mark.to_owned(), run: run.to_owned() }).await;
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
        for ((region, by), kept) in &*all {
            let Ok(place) = connection.place(region) else { continue };
            let renewed = match kept {
                Kept::Group(name) => group::renew(place, name).await,
                Kept::Acl(acl) => cut::renew(place, acl).await,
                Kept::Check(id) => names::renew(&connection.names, id).await,
                Kept::Shift { mark, run } => shift::renew(place, by, mark, run).await,
            };
            if let Err(trouble) = renewed {
                tracing::warn!(%trouble, ?kept, "the tags could not be renewed");
            }
        }
    }
}
