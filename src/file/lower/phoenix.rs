//! `phoenix`: instances are replaced one after another until all are new. It stands as a step of its own.

use std::time::Duration;

use super::selector::{self, SELECTOR};
use crate::{
    file::{
        diagnostic::Sink,
        read::{self, Fields},
        table::{Kind, Table, key},
        yaml::Node,
    },
    model::{
        experiment::PhoenixStep,
        selector::{Selector, Take},
    },
};

/// How long a replacement may take, unless the file says.
pub const WAIT: Duration = Duration::from_mins(1);

/// The keys of a phoenix drill: those of a target, all of whose matches are taken unless told.
pub static PHOENIX: Table = Table::new(
    "`phoenix`",
    &[key(
        "wait",
        Kind::Duration,
        "within so long each replacement must serve and the service have its capacity back, or the drill stops and has failed; 60s when left \
         out",
    )],
)
.also(&SELECTOR);

/// What stands behind `phoenix`: a map, or the name of a service.
pub fn phoenix(node: &Node, sink: &mut Sink) -> Option<PhoenixStep> {
    if let Some(word) = selector::short(node) {
        let service = read::name(word, node.span, sink)?;
        let target = Selector { services: vec![service.into()], take: Take::All, ..Selector::default() };
        return Some(PhoenixStep { target, wait: WAIT });
    }
    if node.is_null() {
        return read::wrong(node, "a target: `phoenix: web` or `phoenix: { service: web, wait: 60s }`", sink);
    }
    let fields = Fields::new(node, &PHOENIX, sink)?;
    let mut target = selector::selector(fields, sink);
    if !fields.is_given("take") {
        target.take = Take::All;
    }
    if fields.is_given("process") {
        sink.error(fields.key_span("process"), "a process that the tool did not start is replaced by nobody it knows")
            .expected("another target: `service`, `zone`, `name`, `labels` or `id`");
    }
    Some(PhoenixStep { target, wait: fields.get("wait", sink, read::some_time).unwrap_or(WAIT) })
}
