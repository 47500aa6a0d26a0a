//! Undo, in reverse, with a deadline of its own that no halt shortens; only a third halt leaves it unfinished, and says so.

use std::time::Duration;

use futures_util::future::join_all;

use super::{command, halt::Urgency, script::Script};
use crate::{
    clock::Clock,
    event::EventKind,
    journal::ActRecord,
    model::{
        act::{Prepared, Target},
        quantity::show_duration,
        time::Mono,
        undo::Undo,
    },
    platform::{Platform, PlatformError, Reverted},
};

/// How long one act's undo is tried.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);
/// The pause before the second try; doubled for each further one, up to `LONGEST_PAUSE`.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What an undo came to, after all its tries.
pub(crate) enum Undone {
    Restored(String),
    Nothing(String),
    Stuck(String),
}

impl Undone {
    /// What the journal keeps of it.
    pub(crate) fn record(&self) -> ActRecord {
        match self {
            Self::Restored(says) => ActRecord::Reverted { says: says.clone() },
            Self::Nothing(why) => ActRecord::NothingToUndo { why: why.clone() },
            Self::Stuck(why) => ActRecord::Stuck { why: why.clone() },
        }
    }
}

/// Undoes acts, the last armed first. Acts on instances that stand together are undone at once.
pub(crate) async fn undo(script: &mut Script<'_>, acts: Vec<Prepared>) {
    let mut rest = acts;
    while !rest.is_empty() {
        let batch = rest.split_off(last_batch(&rest));
        together(script, batch).await;
    }
}

/// Where the last batch begins: acts on instances of one step stand together, everything else is undone one by one.
fn last_batch(acts: &[Prepared]) -> usize {
    let on_instance = |p: &Prepared| p.act.target.instance().is_some();
    let Some(last) = acts.last() else { return 0 };
    if !on_instance(last) {
        return acts.len() - 1;
    }
    acts.iter().rposition(|p| !on_instance(p) || p.act.id.step != last.act.id.step).map_or(0, |i| i + 1)
}

async fn together(script: &mut Script<'_>, batch: Vec<Prepared>) {
    script.promise(None);
    // From here on the journal may fail without stopping the undo: what is in memory is enough for it.
    let mut trouble = script.journal.write_all(batch.iter().map(|prepared| (prepared.act.id, ActRecord::Reverting)).collect()).err();
    for prepared in &batch {
        let act = prepared.act.id;
        if prepared.undo.restores() {
            script.tell(EventKind::Reverting { act, says: prepared.undo.says().to_owned() });
        }
    }
    let limit = script.clock.now().plus(LIMIT);
    let all = join_all(batch.iter().map(|prepared| async {
        tokio::select! {
            biased;
            undone = revert(script.platform, prepared, script.clock, limit) => undone,
            () = script.halt.reached(Urgency::Leave) => Undone::Stuck("left before the undo was done, as a third halt asks".to_owned()),
        }
    }))
    .await;
    let records = batch.iter().zip(&all).map(|(prepared, undone)| (prepared.act.id, undone.record()));
    trouble = script.journal.write_all(records.collect()).err().or(trouble);
    for (prepared, undone) in batch.iter().zip(all) {
        let act = prepared.act.id;
        script.tell(match undone {
            Undone::Restored(says) => EventKind::Reverted { act, says },
            Undone::Nothing(why) => EventKind::NothingToUndo { act, why },
            Undone::Stuck(why) => EventKind::Stuck { act, why, command: script.recover_with.clone() },
        });
    }
    if let Some(error) = trouble {
        script.tell(EventKind::Warning { text: format!("the undo went on, but the journal could not be written: {error}") });
    }
}

/// Tries one undo until it succeeds or `limit` is reached.
pub(crate) async fn revert(platform: &dyn Platform, prepared: &Prepared, clock: Clock, limit: Mono) -> Undone {
    let mut pause = FIRST_PAUSE;
    let mut tries = 0_u32;
    loop {
        tries += 1;
        let tried = match (&prepared.act.target, &prepared.undo) {
            (_, Undo::Impossible { why } | Undo::Nothing { why }) => Ok(Reverted::NothingToUndo { why: why.clone() }),
            (Target::Command, Undo::Restore { .. }) => {
                // In a box: hundreds of acts are undone at once, and few of them by a command.
                let reverted = Box::pin(command::revert(prepared, &platform.command_env())).await;
                platform.stirred();
                reverted
            }
            _ => platform.revert(prepared).await,
        };
        let error = match tried {
            Ok(Reverted::Restored { says }) => return Undone::Restored(says),
            Ok(Reverted::NothingToUndo { why }) => return Undone::Nothing(why),
            Err(error) => error,
        };
        let final_answer = matches!(error, PlatformError::Refused(_));
        if final_answer || clock.now().plus(pause) >= limit {
            let tried = if tries == 1 { String::new() } else { format!(" (tried {tries} times in {})", show_duration(LIMIT)) };
            return Undone::Stuck(format!("{error}{tried}"));
        }
        clock.sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
