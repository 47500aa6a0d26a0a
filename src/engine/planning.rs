//! Inventory → victims → acts → undos: what `plan` prints and `run` executes. Asks the platform; touches nothing.

use std::{fmt, time::Duration};

use futures_util::future::{try_join, try_join_all};

use crate::{
    model::{
        act::{Act, Prepared},
        experiment::Experiment,
        guardrail::AbortWhen,
        ids::ProbeName,
        instance::Inventory,
        plan::{Plan, PlannedFault},
        quantity::show_duration,
    },
    plan::{self, Drawn, Occupied, Refusal, caps},
    platform::{Held, Platform, PlatformError},
};

/// How long the whole planning may take.
const LIMIT: Duration = Duration::from_mins(1);

/// Why there is no plan. Nothing was touched.
#[derive(Debug)]
pub enum NotPlanned {
    /// The platform could not answer.
    Platform(PlatformError),
    /// No victims, too many, or a guardrail: every reason at once.
    Refused(Vec<Refusal>),
    /// An act's undo cannot be made ready.
    NotPrepared(String),
}

impl fmt::Display for NotPlanned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Platform(error) => write!(f, "{error}"),
            Self::NotPrepared(why) => f.write_str(why),
            Self::Refused(refusals) => {
                let lines: Vec<String> = refusals.iter().map(ToString::to_string).collect();
                f.write_str(&lines.join("\n"))
            }
        }
    }
}

impl std::error::Error for NotPlanned {}

/// Draws the victims of an experiment and prepares each act's undo.
///
/// # Errors
/// See [`NotPlanned`].
pub async fn plan(experiment: &Experiment, platform: &dyn Platform, seed: u64) -> Result<Plan, NotPlanned> {
    let work = async {
        let (inventory, held) = seen(platform).await?;
        let drawn = plan::draw_victims(experiment, &inventory, seed, &held).map_err(NotPlanned::Refused)?;
        assemble(experiment, platform, drawn).await
    };
    tokio::time::timeout(LIMIT, work).await.unwrap_or(Err(NotPlanned::Platform(PlatformError::Timeout(LIMIT))))
}

/// Draws the victims of one step at the moment it begins, for `bind: at-step`. `pending` are acts of this run that are still in
/// effect: the caps count them.
///
/// # Errors
/// See [`NotPlanned`].
pub(crate) async fn bind(
    experiment: &Experiment,
    plan: &Plan,
    number: u32,
    platform: &dyn Platform,
    pending: &[Prepared],
) -> Result<Vec<PlannedFault>, NotPlanned> {
    let (inventory, held) = seen(platform).await?;
    let others = [occupied(pending), held].concat();
    let drawn = plan::draw_step(experiment, number, &inventory, plan.seed, &others).map_err(NotPlanned::Refused)?;
    let bound = assemble(experiment, platform, drawn).await?;
    let step = bound.steps.iter().filter(|step| step.number == number);
    Ok(step.flat_map(|step| step.work.faults().to_vec()).collect())
}

/// Whether the caps still hold with what other runs have begun since the plan was made. Asks for nothing else while none is at work.
///
/// # Errors
/// See [`NotPlanned`].
pub(crate) async fn room(experiment: &Experiment, plan: &Plan, platform: &dyn Platform) -> Result<(), NotPlanned> {
    let held = platform.held().await.map_err(NotPlanned::Platform)?;
    if held.is_empty() {
        return Ok(());
    }
    let inventory = platform.inventory().await.map_err(NotPlanned::Platform)?;
    let steps: Vec<_> = plan.steps.iter().map(plan::victims::of_plan).collect();
    let mut refusals = Vec::new();
    caps::check(&experiment.caps, &steps, &inventory, &by_others(held), &mut refusals);
    if refusals.is_empty() { Ok(()) } else { Err(NotPlanned::Refused(refusals)) }
}

/// Everything that is there, and what other runs affect of it.
async fn seen(platform: &dyn Platform) -> Result<(Inventory, Vec<Occupied>), NotPlanned> {
    let (inventory, held) = try_join(platform.inventory(), platform.held()).await.map_err(NotPlanned::Platform)?;
    Ok((inventory, by_others(held)))
}

fn by_others(held: Vec<Held>) -> Vec<Occupied> {
    let others = held.into_iter().filter(|held| held.kind.affects_victims());
    others
        .map(|Held { instance, kind, by }| Occupied {
            instance: instance.id,
            service: instance.service,
            zone: instance.zone,
            down: kind.takes_capacity(),
            by: by.map_or_else(|| format!("another run's {kind}"), |run| format!("the {kind} of run {run}")),
        })
        .collect()
}

fn occupied(pending: &[Prepared]) -> Vec<Occupied> {
    pending
        .iter()
        .filter(|prepared| prepared.act.fault.kind().affects_victims())
        .filter_map(|prepared| {
            let i = prepared.act.target.instance()?;
            let (instance, service, zone) = (i.id.clone(), i.service.clone(), i.zone.clone());
            Some(Occupied { instance, service, zone, down: prepared.act.fault.kind().takes_capacity(), by: "an earlier step".into() })
        })
        .collect()
}

async fn assemble(experiment: &Experiment, platform: &dyn Platform, drawn: Drawn) -> Result<Plan, NotPlanned> {
    let mut expanded = plan::expand(drawn, |fault, victims, group| platform.acts(fault, victims, group));
    let acts: Vec<Act> = expanded.acts().cloned().collect();
    let notes = platform.preflight(&acts).await.map_err(|error| NotPlanned::NotPrepared(error.to_string()))?;
    expanded.note(notes);
    let undos = try_join_all(expanded.acts().map(|act| prepared(platform, act))).await?;
    let plan = expanded
        .into_plan(&experiment.title, plan::digest(experiment), platform.capabilities().platform, undos)
        .map_err(NotPlanned::NotPrepared)?;
    Ok(Plan { guards: guards(experiment, platform), ..plan })
}

/// What ends the run early, and how soon it is noticed.
fn guards(experiment: &Experiment, platform: &dyn Platform) -> Vec<String> {
    let timeout = |name: &ProbeName| experiment.probes.iter().find(|probe| probe.name == *name).map(|probe| probe.timeout);
    let says = |when: &AbortWhen| {
        let within = when.noticed_within(when.probe().and_then(timeout).unwrap_or_default());
        format!("{when}; noticed within {}", show_duration(within))
    };
    experiment.abort_when.iter().map(says).chain(platform.guards()).collect()
}

async fn prepared(platform: &dyn Platform, act: &Act) -> Result<crate::model::undo::Undo, NotPlanned> {
    platform.prepare(act).await.map_err(|error| NotPlanned::NotPrepared(format!("{} of {}: {error}", act.fault.kind(), act.target.says())))
}
