//! `history` of the project file: how much of what its runs came to is kept.

use crate::{
    file::{
        diagnostic::Sink,
        read::{self, Fields},
        table::{Kind, Table, key},
        yaml::Node,
    },
    model::retention::{KEEP, Retention},
};

/// The keys of `history`.
pub static HISTORY: Table = Table::new(
    "`history`",
    &[
        key("keep", Kind::Integer, "how many runs are kept, the newest; 10000 when left out"),
        key("keep-for", Kind::Duration, "how long a run is kept, like `400d`; for ever when left out"),
    ],
);

/// What is kept.
pub fn retention(node: &Node, sink: &mut Sink) -> Option<Retention> {
    let fields = Fields::new(node, &HISTORY, sink)?;
    let keep = fields.get("keep", sink, |node, sink| read::integer_in(node, 1..=1_000_000, sink)).unwrap_or(KEEP);
    let keep_for = fields.get("keep-for", sink, read::age);
    Some(Retention { keep, keep_for })
}
