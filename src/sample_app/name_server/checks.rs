//! Looks at the addresses, as name services with health checks do: one where nobody accepts a connection is left out of the answers.

use std::{
    collections::BTreeSet,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{net::TcpStream, task::JoinSet};

use super::zone::Zone;

/// How long a connection may take.
const PATIENCE: Duration = Duration::from_millis(500);

/// Which addresses are away.
pub(super) struct Checks {
    port: u16,
    every: Duration,
    away: Mutex<BTreeSet<IpAddr>>,
}

impl Checks {
    pub(super) fn new(port: u16, every: Duration) -> Self {
        Self { port, every, away: Mutex::default() }
    }

    /// Looks at all addresses, again and again.
    pub(super) async fn look(&self, zone: &Zone) {
        loop {
            let all: BTreeSet<IpAddr> = zone.read().unwrap_or_default().into_iter().flat_map(|line| line.addresses).collect();
            let port = self.port;
            let mut looks = JoinSet::new();
            for ip in all {
                looks.spawn(async move {
                    let connected = tokio::time::timeout(PATIENCE, TcpStream::connect((ip, port))).await;
                    (ip, matches!(connected, Ok(Ok(_))))
                });
            }
            let away = looks.join_all().await.into_iter().filter(|(_, well)| !well).map(|(ip, _)| ip).collect();
            *self.away.lock().unwrap_or_else(PoisonError::into_inner) = away;
            tokio::time::sleep(self.every).await;
        }
    }

    /// Those of them that are well; all when none is: then the looking may be what is wrong.
    pub(super) fn well(&self, all: &[IpAddr]) -> Vec<IpAddr> {
        let away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        let well: Vec<IpAddr> = all.iter().copied().filter(|ip| !away.contains(ip)).collect();
        if well.is_empty() { all.to_vec() } else { well }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_where_nobody_listens_is_left_out_unless_it_is_the_last() {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let [here, gone]: [IpAddr; 2] = ["127.0.0.1".parse().unwrap(), "127.0.0.9".parse().unwrap()];
        let zone = Zone::fixed(&["www.example 60 127.0.0.1 127.0.0.9".to_owned()]).unwrap();
        let checks = Checks::new(port, Duration::from_millis(10));
        assert_eq!(checks.well(&[here, gone]), [here, gone]);
        let seen = async {
            while checks.well(&[here, gone]) != [here] {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            () = checks.look(&zone) => unreachable!("it looks until it is dropped"),
            result = tokio::time::timeout(Duration::from_secs(20), seen) => result.unwrap(),
        }
        assert_eq!(checks.well(&[gone]), [gone]);
    }
}
