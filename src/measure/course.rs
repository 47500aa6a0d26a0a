//! What happened beside the acts, as the run told it: when each step began and each undo, what instances were built from.

use std::collections::BTreeMap;

use crate::model::{
    built::Built,
    ids::{ActId, InstanceId},
    time::Mono,
};

/// The course of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Course {
    /// When each step of the method began, in order.
    pub steps: Vec<(u32, Mono)>,
    /// When the undo of each act began.
    pub undone: BTreeMap<ActId, Mono>,
    /// What the instances were built from before the first act; empty when it could not be listed.
    pub before: Vec<Built>,
    /// The same at later times.
    pub later: Vec<Vec<Built>>,
    /// What became of each victim of a phoenix drill that was ended.
    pub replacing: BTreeMap<ActId, Replacing>,
}

/// What became of one victim of a phoenix drill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replacing {
    /// It was replaced, and its service had its capacity back.
    By {
        /// The new instance.
        instance: InstanceId,
        /// When that was seen.
        at: Mono,
    },
    /// It was not, in time.
    Not {
        /// What was seen.
        why: String,
    },
}
