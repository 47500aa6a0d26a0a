//! `crash`: the main process dies by itself, as far as the engine can see. The signal comes from this machine, not through the engine: what
//! the engine is asked to kill counts as stopped by hand, and its restart policy does not apply; here it does.

use async_trait::async_trait;
use bollard::models::ContainerInspectResponse;
use rustix::process::Signal;

use super::{death, recreate, state};
use crate::{
    clock,
    model::{
        act::{Effect, Prepared},
        undo::Undo,
    },
    platform::{
        PlatformError, Reverted,
        docker::{
            deed::{Deed, On, done_here},
            engine::Engine,
            host_process::HostProcess,
            undo::Owed,
        },
    },
};

/// Lets a container's main process die.
#[derive(Debug)]
pub struct Crash;

#[async_trait]
impl Deed for Crash {
    fn fits(&self, now: &ContainerInspectResponse) -> Result<(), String> {
        state::runs(now)?;
        // A frozen process dies only when it is thawed.
        if state::paused(now) { Err("is paused: a frozen process cannot die by itself".to_owned()) } else { Ok(()) }
    }

    async fn prepare(&self, on: On<'_>, now: &ContainerInspectResponse) -> Result<Undo, PlatformError> {
        let name = &on.instance.name;
        let refused = |why: String| PlatformError::Refused(format!("{name} {why}"));
        self.fits(now).map_err(refused)?;
        if !on.engine.endpoint.is_local() {
            let at = &on.engine.endpoint.address;
            return Err(refused(format!("runs on the engine at {at}: its process can be reached on that machine alone")));
        }
        HostProcess::of_container(state::pid(now), on.id()).map_err(|error| refused(format!("cannot be reached: {error}")))?;
        let mut undo = death::way_back(on, now).await?;
        if let (Undo::Restore { says, .. }, Some(policy)) = (&mut undo, state::restart_policy(now)) {
            *says = format!("start {name} again unless its restart policy ({policy}) did");
        }
        Ok(undo)
    }

    async fn inject(&self, on: On<'_>, prepared: &Prepared) -> Effect {
        let name = &on.instance.name;
        let now = match on.inspect().await {
            Ok(now) => now,
            Err(trouble) => return done_here(prepared, clock::now(), Err(trouble.into())),
        };
        let requested = clock::now();
        let signalled = HostProcess::of_container(state::pid(&now), on.id()).and_then(|process| process.signal(Signal::KILL));
        let done = signalled.and_then(|sent| {
            if sent { Ok(()) } else { Err(PlatformError::Refused(format!("the main process of {name} had ended already"))) }
        });
        done_here(prepared, requested, done)
    }

    async fn verify(&self, on: On<'_>, prepared: &Prepared, effect: Effect) -> Effect {
        let mut effect = death::seen(on, prepared, effect, false).await;
        if effect.status.happened()
            && let Ok(now) = on.inspect().await
        {
            effect.source = format!("{}; {}", effect.source, what_followed(&now));
        }
        effect
    }

    async fn revert(&self, engine: &Engine, prepared: &Prepared, owed: Owed) -> Result<Reverted, PlatformError> {
        Box::pin(recreate::revert(engine, prepared, &owed)).await
    }
}

/// What came after the death: the engine decides on its restart policy in the same moment.
fn what_followed(now: &ContainerInspectResponse) -> String {
    let count = now.restart_count.unwrap_or(0);
    match state::restart_policy(now) {
        None => "no restart policy: it stays down".to_owned(),
        Some(policy) if state::running(now) => format!("its restart policy ({policy}) has started it again (RestartCount {count})"),
        Some(policy) if state::restarting(now) => format!("its restart policy ({policy}) starts it again (RestartCount {count})"),
        Some(policy) => format!("its restart policy ({policy}) did not start it again: it is {}", state::says(now)),
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::{ContainerState, HostConfig, RestartPolicy, RestartPolicyNameEnum};

    use super::*;

    fn container(policy: RestartPolicyNameEnum, running: bool, restarting: bool) -> ContainerInspectResponse {
        ContainerInspectResponse {
            state: Some(ContainerState {
                running: Some(running),
                restarting: Some(restarting),
                exit_code: Some(137),
                ..ContainerState::default()
            }),
            host_config: Some(HostConfig {
                restart_policy: Some(RestartPolicy { name: Some(policy), maximum_retry_count: None }),
                ..HostConfig::default()
            }),
            restart_count: Some(3),
            ..ContainerInspectResponse::default()
        }
    }

    #[test]
    fn what_followed_is_said() {
        use RestartPolicyNameEnum as Policy;
        let said = |policy, running, restarting| what_followed(&container(policy, running, restarting));
        assert_eq!(said(Policy::NO, false, false), "no restart policy: it stays down");
        assert_eq!(said(Policy::ALWAYS, true, false), "its restart policy (always) has started it again (RestartCount 3)");
        assert_eq!(said(Policy::ALWAYS, true, true), "its restart policy (always) starts it again (RestartCount 3)");
        assert!(said(Policy::ON_FAILURE, false, false).contains("on-failure) did not start it again"));
    }
}
