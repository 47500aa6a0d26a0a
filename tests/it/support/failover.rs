//! A PostgreSQL primary that dies under a ledger's writes, and its standby that takes over; then the two databases are compared.
//!
//! The standby is at the other end of a line on which everything takes a while. What was on the line when the primary died never arrives:
//! an asynchronous primary had acknowledged it.

use std::{collections::BTreeSet, thread::sleep, time::Duration};

use firedrill::{
    model::{
        ids::ProbeName,
        probe::{ProbeKind, ProbeSpec, Text, TlsSettings},
        quantity::Rate,
        sample::{Sample, SampleOutcome},
        state::{StateFindings, Writes},
        store::{LEDGER, LedgerProbe, LedgerStore, PostgresLedger},
    },
    probe::{Launch, NetworkProber, Prober},
};

use super::stores::{column, free_port, line, postgres, until};

/// A failover.
#[derive(Debug, Clone, Copy)]
pub struct Failover {
    /// Whether the primary waits for the standby before it acknowledges.
    pub synchronous: bool,
    /// How far away the standby is.
    pub delay: Duration,
    /// Writes a second.
    pub rate: f64,
    /// The prober's seed; the primary also dies at another moment with each.
    pub seed: u64,
}

/// What came of it: by the ledger, and by the databases.
#[derive(Debug)]
pub struct Compared {
    /// What the ledger says.
    pub ledger: Writes,
    /// Acknowledged, and not at the new primary.
    pub gone: u64,
    /// Of these, how many the old primary had: all, unless it lied.
    pub were_there: u64,
    /// At the new primary, and not acknowledged.
    pub appeared: u64,
    /// Acknowledged by the new primary.
    pub after: u64,
}

impl Compared {
    /// Whether the ledger says exactly what the databases say, and nothing was left open.
    pub fn agree(&self) -> bool {
        let Writes { lost, appeared, duplicated, never_read, unchecked, .. } = self.ledger;
        (lost, appeared) == (self.gone, self.appeared) && self.were_there == self.gone && (duplicated, never_read, unchecked) == (0, 0, 0)
    }
}

impl Failover {
    /// Carries it out.
    pub fn run(self) -> Compared {
        let folder = tempfile::tempdir().unwrap();
        let (old, new, between) = (free_port(), free_port(), free_port());
        let role: &[&str] = if self.synchronous { &["--first", "--replication", "synchronous"] } else { &["--first"] };
        let mut primary = postgres(folder.path(), old, role);
        let way = line(between, old, self.delay);
        let peers = [format!("127.0.0.1:{old}"), format!("127.0.0.1:{between}")];
        let standby = postgres(folder.path(), new, &["--peer", &peers[0], "--through", &peers[1]]);
        until("the standby to follow", || {
            column(old, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'").is_ok_and(|rows| rows == ["1"])
        });

        let samples = tempfile::tempdir().unwrap();
        let launch = Launch { probes: vec![self.probe(old, new)], seed: self.seed, folder: samples.path().to_owned() };
        let running = NetworkProber::new().launch(launch).unwrap();
        sleep(Duration::from_millis(1000 + self.seed % 10 * 37));
        primary.kill();
        // An end that comes in order: what has left the primary may arrive.
        sleep(self.delay);
        column(new, "SELECT pg_promote(true, 30)").unwrap();
        let rows = || column(new, &format!("SELECT count(*) FROM {LEDGER}")).ok()?.first()?.parse::<f64>().ok();
        let before = rows().unwrap();
        until("writes at the new primary", || rows().is_some_and(|rows| rows >= before + self.rate));
        let recorded = running.stop();
        let samples: Vec<Sample> = recorded.samples.samples(0).map(|sample| sample.expect("each request has its sample")).collect();
        let Some(Some(StateFindings::Writes(ledger))) = recorded.state.into_iter().next() else { panic!("a ledger keeps books") };
        let acknowledged = acknowledged(&samples);
        assert_eq!(ledger.acknowledged, acknowledged.len() as u64);

        let at_new = numbers(new);
        drop((standby, way));
        // The old primary by itself shows what it had.
        let primary = postgres(folder.path(), old, &["--first"]);
        let at_old = numbers(old);
        drop(primary);
        let gone: BTreeSet<u32> = acknowledged.difference(&at_new).copied().collect();
        Compared {
            gone: gone.len() as u64,
            were_there: gone.intersection(&at_old).count() as u64,
            appeared: at_new.difference(&acknowledged).count() as u64,
            after: acknowledged.difference(&at_old).count() as u64,
            ledger,
        }
    }

    /// What it wrote stays, to be compared.
    fn probe(self, old: u16, new: u16) -> ProbeSpec {
        let url = format!("postgres://shop@127.0.0.1:{old},127.0.0.1:{new}/postgres?target_session_attrs=read-write");
        let store =
            PostgresLedger { url: Text::Plain(url), read_from: None, table: LEDGER.to_owned(), own: None, tls: TlsSettings::default() };
        ProbeSpec {
            name: ProbeName::from("orders"),
            kind: ProbeKind::Ledger(Box::new(LedgerProbe {
                store: LedgerStore::Postgres(store),
                settles_within: Duration::ZERO,
                keep: true,
            })),
            rate: Rate(self.rate),
            timeout: Duration::from_secs(2),
            slow: None,
            service: None,
        }
    }
}

/// The numbers of the writes that were acknowledged: writes are numbered in the order of their due times.
fn acknowledged(samples: &[Sample]) -> BTreeSet<u32> {
    assert!(samples.iter().all(|sample| sample.outcome != SampleOutcome::NotSent), "all were sent");
    let mut writes: Vec<&Sample> = samples.iter().filter(|sample| sample.route == 1).collect();
    writes.sort_by_key(|sample| sample.due_ns);
    (0..).zip(writes).filter(|(_, sample)| sample.outcome.is_ok()).map(|(write, _)| write).collect()
}

/// The numbers of the writes that a database has, each at most once.
fn numbers(port: u16) -> BTreeSet<u32> {
    let values = column(port, &format!("SELECT value FROM {LEDGER}")).unwrap();
    let set: BTreeSet<u32> = values.iter().map(|value| value.rsplit('-').next().unwrap().parse().unwrap()).collect();
    assert_eq!(set.len(), values.len(), "nothing is there twice");
    set
}
