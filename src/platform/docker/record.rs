//! What happened on an engine since a moment, by the engine's own record.
//!
//! An engine keeps its latest events (256 of them, since it was started) and tells them at once when it is asked what was: nothing of that
//! is still on its way, as it may be in the stream of what comes. So a container that was looked at a while ago need not be looked at again when nothing
//! happened to it since: one question stands for one a container.
//!
//! A mark is the newest event at some moment. What came after it is known only while the mark itself is still in the record, so a record that has
//! overflowed, an engine that was started anew, or a clock that was stepped back are noticed. Wherever there is a doubt there is no answer,
//! and the caller looks for itself.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bollard::{
    models::{EventMessage, EventMessageTypeEnum},
    query_parameters::EventsOptions,
};
use futures_util::TryStreamExt;
use tokio::sync::Mutex;

use super::{endpoint::Address, engine::Engine, engine_clock};
use crate::{
    clock,
    model::{ids::InstanceId, time::Mono},
};

/// How long the record is waited for: it is there to save time.
const LIMIT: Duration = Duration::from_millis(100);
/// How long a look, or an answer of the record, stands for another one. An engine takes longer than this to end a container and start it again.
pub(super) const FRESH: Duration = Duration::from_millis(50);
/// How far the engine's clock may be from this machine's, to be the same clock, in nanoseconds: a reading is some milliseconds wide.
const SAME_CLOCK: i64 = 1_000_000_000;
/// Before the first event of any engine: seconds since 1970.
const EVER: &str = "1";
/// What is done in or to a container all the time, and changes nothing of it: commands, among them health checks (a change of health has
/// an event of its own), and who looks on.
const HARMLESS: [&str; 5] = ["exec_", "top", "attach", "detach", "resize"];

/// An event, by what tells it from others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    at: i64,
    who: String,
    action: String,
}

impl Mark {
    fn of(event: &EventMessage) -> Self {
        let who = event.actor.as_ref().and_then(|actor| actor.id.clone()).unwrap_or_default();
        Self { at: event.time_nano.unwrap_or_default(), who, action: event.action.clone().unwrap_or_default() }
    }
}

/// What came after a mark.
#[derive(Debug)]
pub(super) struct Since {
    /// When it was asked for.
    pub asked: Mono,
    /// The newest of all.
    pub newest: Mark,
    touched: BTreeSet<String>,
}

impl Since {
    /// Whether something happened to this container that may have changed it.
    pub(super) fn touched(&self, id: &InstanceId) -> bool {
        self.touched.contains(id.as_str())
    }

    /// Reads the record, which begins with the mark.
    fn read(asked: Mono, mark: Option<&Mark>, events: &[EventMessage]) -> Option<Self> {
        let newest = Mark::of(events.last()?);
        let after = match mark {
            Some(mark) => &events[events.iter().position(|event| Mark::of(event) == *mark)? + 1..],
            None => events,
        };
        Some(Self { asked, newest, touched: after.iter().filter_map(touched).collect() })
    }
}

/// The container that an event may have changed.
fn touched(event: &EventMessage) -> Option<String> {
    let action = event.action.as_deref().unwrap_or_default();
    let actor = event.actor.as_ref()?;
    // A network says which container came or went.
    let on_network = || actor.attributes.as_ref()?.get("container").cloned();
    match event.typ {
        Some(EventMessageTypeEnum::NETWORK) => on_network(),
        _ if HARMLESS.iter().any(|harmless| action.starts_with(harmless)) => None,
        _ => actor.id.clone(),
    }
}

/// An engine's record, and what it told last.
#[derive(Debug, Default)]
pub(super) struct Record(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    /// What was answered a moment ago, and the marks that are no longer in the record, which never come back.
    answers: Vec<Answer>,
    /// It is not known to write down every change, or did not tell, or not at once: it is not asked again, as that would cost what it should save.
    given_up: bool,
}

#[derive(Debug)]
struct Answer {
    mark: Option<Mark>,
    asked: Mono,
    /// None: the mark is lost.
    since: Option<Arc<Since>>,
}

impl Answer {
    fn stands(&self) -> bool {
        self.since.is_none() || clock::now().since(self.asked) <= FRESH
    }
}

impl Record {
    /// Of an engine that writes down every change, as Docker's does; another one is not asked. (Podman before version 5 has no event of an
    /// update.)
    pub(super) fn of(writes_all: bool) -> Self {
        Self(Mutex::new(Told { answers: Vec::new(), given_up: !writes_all }))
    }

    /// The newest event of a moment ago: what is looked at now was not changed by any before it.
    pub(super) async fn newest(&self, engine: &Engine) -> Option<Mark> {
        let mut told = self.0.lock().await;
        let lately = told.answers.iter().rev().filter(|answer| answer.stands()).find_map(|answer| answer.since.clone());
        let since = if lately.is_some() { lately } else { told.ask(engine, None).await };
        since.map(|since| since.newest.clone())
    }

    /// What came after a mark, until now.
    pub(super) async fn since(&self, engine: &Engine, mark: &Mark) -> Option<Arc<Since>> {
        let mut told = self.0.lock().await;
        match told.answers.iter().find(|answer| answer.mark.as_ref() == Some(mark) && answer.stands()) {
            Some(answer) => answer.since.clone(),
            None => told.ask(engine, Some(mark)).await,
        }
    }
}

impl Told {
    async fn ask(&mut self, engine: &Engine, mark: Option<&Mark>) -> Option<Arc<Since>> {
        if self.given_up {
            return None;
        }
        let asked = clock::now();
        let Some(events) = events(engine, asked, mark).await else {
            self.given_up = true;
            return None;
        };
        let since = Since::read(asked, mark, &events).map(Arc::new);
        self.answers.retain(Answer::stands);
        if since.is_some() || mark.is_some() {
            self.answers.push(Answer { mark: mark.cloned(), asked, since: since.clone() });
        }
        since
    }
}

/// The record from a mark on, oldest first; none when the engine cannot be asked so, or does not answer at once.
async fn events(engine: &Engine, asked: Mono, mark: Option<&Mark>) -> Option<Vec<EventMessage>> {
    // What comes after `until` is left out, and it is the engine's clock that says so: a bound is needed that neither leaves out what has
    // just happened nor is waited for. One clock gives it; for another machine's, which may be stepped at any time, nothing does.
    let (Address::Unix(_), shows) = (&engine.endpoint.address, engine.clock.shows_at_most(asked)?) else { return None };
    // A socket may lead into a virtual machine, or by SSH to another one: those go by another name.
    if rustix::system::uname().nodename().to_bytes() != engine.name.as_bytes() {
        return None;
    }
    let here = clock::wall().0;
    if shows.abs_diff(here) > SAME_CLOCK.unsigned_abs() {
        return None;
    }
    let since = mark.map_or_else(|| EVER.to_owned(), |mark| engine_clock::seconds(mark.at));
    let filters = [("type".to_owned(), vec!["container".to_owned(), "network".to_owned()])];
    let options = EventsOptions { since: Some(since), until: Some(engine_clock::seconds(shows.max(here))), filters: Some(filters.into()) };
    engine.call("what happened lately", LIMIT, engine.docker.events(Some(options)).try_collect()).await.ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(at: i64, typ: &str, action: &str, id: &str, container: &str) -> EventMessage {
        serde_json::from_value(json!({
            "Type": typ, "Action": action, "timeNano": at, "Actor": { "ID": id, "Attributes": { "container": container } },
        }))
        .unwrap()
    }

    fn since(events: &[EventMessage], mark: &EventMessage) -> Option<Vec<String>> {
        Since::read(Mono(0), Some(&Mark::of(mark)), events).map(|since| since.touched.into_iter().collect())
    }

    #[test]
    fn what_came_after_the_mark_counts_and_the_mark_itself_does_not() {
        let events = [
            event(1, "container", "start", "a", ""),
            event(2, "container", "start", "b", ""),
            // In the same nanosecond as the mark.
            event(2, "container", "update", "c", ""),
            event(3, "network", "disconnect", "n", "d"),
        ];
        assert_eq!(since(&events, &events[1]).unwrap(), ["c", "d"]);
        assert_eq!(since(&events[1..], &events[1]).unwrap(), ["c", "d"]);
        assert_eq!(since(&events, &events[3]).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_record_that_does_not_reach_back_to_the_mark_says_nothing() {
        let events = [event(1, "container", "start", "a", ""), event(2, "container", "start", "b", "")];
        assert_eq!(since(&events[1..], &events[0]), None, "it has overflowed");
        assert_eq!(since(&[], &events[0]), None, "it began anew, or the clock was stepped back");
    }

    #[test]
    fn commands_and_lookers_on_change_nothing_and_all_else_may() {
        let touches = |typ: &str, action: &str| touched(&event(1, typ, action, "a", "")).is_some_and(|id| id == "a");
        for action in ["exec_create: sh", "exec_start: sh", "exec_die", "top", "attach", "resize"] {
            assert!(!touches("container", action), "{action}");
        }
        for action in ["die", "start", "pause", "unpause", "update", "rename", "destroy", "kill", "health_status: unhealthy", "commit"] {
            assert!(touches("container", action), "{action}");
        }
    }
}
