//! What a supervisor and its clients say to each other: JSON lines over a unix socket. One request a connection, one answer;
//! `Watch` keeps the connection and gets an observation a line.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{
    act::{Group, Prepared},
    fault::Cut,
    ids::{InstanceId, RunId, Service},
    instance::Instance,
    quantity::Share,
    undo::Undo,
};

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum Request {
    /// How the system is.
    Status,
    /// Nothing that dies in the group is replaced (or restarted by its policy), until this holder resumes. Twice is once.
    SuspendReplacement {
        /// Who holds it: run and act, so that two runs do not undo each other's.
        holder: String,
        /// Where.
        group: Group,
    },
    /// The holder lets go. One that does not hold is no error.
    ResumeReplacement {
        /// Who held it.
        holder: String,
    },
    /// The instance is about to be ended on purpose: its restart policy does not apply. Replacement does.
    Hold {
        /// Which.
        id: InstanceId,
        /// The incarnation that is meant.
        identity: String,
    },
    /// The instance is started again, unless it was replaced or runs.
    StartAgain {
        /// Which.
        id: InstanceId,
    },
    /// What the balancers do to the traffic of an instance.
    SetTraffic {
        /// Which.
        id: InstanceId,
        /// What is changed.
        change: TrafficChange,
    },
    /// An instance gets no new requests from its balancers, or does again.
    Drain {
        /// Which.
        id: InstanceId,
        /// Whether it drains.
        draining: bool,
    },
    /// A balancer shares its requests in this way from now on.
    Share {
        /// Its name.
        balancer: String,
        /// The share of each of its services; a service that is not named gets none.
        shares: BTreeMap<Service, u32>,
    },
    /// This act is done next. Kept until it is undone, so that what a run leaves behind is known even when its journal is lost.
    Mark {
        /// It, and whose it is.
        mark: Box<Mark>,
    },
    /// What is undone in this way is undone. One that has no mark is no error.
    Unmark {
        /// The way back of the act.
        undo: Undo,
    },
    /// The acts that are done and not undone.
    Marks,
    /// Observations from now on.
    Watch,
    /// The system ends.
    Shutdown,
}

/// An act that is done, or may be, and not undone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// The run, if it said which.
    pub run: Option<RunId>,
    /// The process that did it: number and start time.
    pub process: (u32, u64),
    /// The act, with the way back.
    pub prepared: Prepared,
}

/// One disturbance set or, with `None`, ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrafficChange {
    /// Cut off.
    Partition(Option<Cut>),
    /// Answers are late.
    Slow(Option<Lateness>),
    /// Requests are lost.
    Loss(Option<Share>),
}

/// How late answers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lateness {
    /// Added to each answer, in nanoseconds.
    pub latency_ns: u64,
    /// Up to this much more.
    pub jitter_ns: u64,
}

/// What disturbs the traffic of one instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Traffic {
    /// Cut off.
    pub partition: Option<Cut>,
    /// Answers are late.
    pub slow: Option<Lateness>,
    /// Requests are lost.
    pub loss: Option<Share>,
}

impl Traffic {
    /// Makes the change.
    pub fn apply(&mut self, change: &TrafficChange) {
        match change {
            TrafficChange::Partition(value) => self.partition = *value,
            TrafficChange::Slow(value) => self.slow = *value,
            TrafficChange::Loss(value) => self.loss = *value,
        }
    }

    /// The change that brings the part that `change` touches to what it is here.
    pub fn part(&self, change: &TrafficChange) -> TrafficChange {
        match change {
            TrafficChange::Partition(_) => TrafficChange::Partition(self.partition),
            TrafficChange::Slow(_) => TrafficChange::Slow(self.slow),
            TrafficChange::Loss(_) => TrafficChange::Loss(self.loss),
        }
    }

    /// The changes that make all of it, on an instance without any.
    pub fn changes(&self) -> impl Iterator<Item = TrafficChange> {
        let partition = self.partition.map(|p| TrafficChange::Partition(Some(p)));
        let slow = self.slow.map(|s| TrafficChange::Slow(Some(s)));
        partition.into_iter().chain(slow).chain(self.loss.map(|l| TrafficChange::Loss(Some(l))))
    }
}

/// How a system is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// Its part of the scope that runs on it lock.
    pub scope: String,
    /// The supervisor's process.
    pub supervisor: i32,
    /// The mark in its processes' environment: `FIREDRILL_SYSTEM=` this.
    pub mark: String,
    /// Everything has come up.
    pub ready: bool,
    /// `namespace` or `keeper`.
    pub containment: String,
    /// Its instances, by id. One that was replaced is not there any more.
    pub instances: Vec<Known>,
    /// How many instances each service wants.
    pub desired: BTreeMap<Service, u32>,
    /// Who holds replacement back, and where.
    pub suspended: BTreeMap<String, Group>,
}

/// An instance as its supervisor knows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// As the inventory shows it.
    pub instance: Instance,
    /// Its first process: number and start time. Also of one that has ended.
    pub process: Option<(i32, u64)>,
    /// What its own health check says, `None` without one; of a balancer, whether it listens. The instance's `healthy` says more:
    /// whether it is in service.
    #[serde(default)]
    pub passes: Option<bool>,
    /// The balancers that it is behind.
    pub behind: Vec<String>,
    /// What disturbs its traffic.
    pub traffic: Traffic,
    /// Whether its service replaces dead instances.
    pub replaced: bool,
    /// How long its service's health check lets it start, in nanoseconds; 0 without one.
    #[serde(default)]
    pub starts_within_ns: u64,
    /// The end of its output, for messages.
    pub last_output: Vec<String>,
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// To `Status`.
    Status(Box<Status>),
    /// To `Marks`, in the order in which they were made.
    Marks {
        /// They.
        marks: Vec<Mark>,
    },
    /// It was done.
    Done {
        /// What was found or done.
        says: String,
    },
    /// To `StartAgain`: somebody took its place.
    Replaced {
        /// Who, if known.
        by: Option<InstanceId>,
    },
    /// To `StartAgain`: it runs.
    Runs,
    /// It was not done; nothing changed.
    Refused {
        /// Why.
        why: String,
    },
}
