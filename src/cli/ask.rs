//! A person's yes, after the plan was shown.

use std::io::{BufRead, IsTerminal};

use super::{runner::Job, say};
use crate::{engine::planning, model::plan::Plan, plan::show, platform::Platform};

/// Why nothing began after a no.
pub const NOT_CONFIRMED: &str = "not confirmed";

/// Shows the plan of a job and asks. The plan that was agreed to is the one that runs.
///
/// # Errors
/// When there is no terminal to ask on, or no plan can be made.
pub async fn about(job: &mut Job, platform: &dyn Platform) -> Result<bool, String> {
    let plan = match job.plan.take() {
        Some(plan) => plan,
        None => planning::plan(&job.experiment, platform, job.seed).await.map_err(|refused| refused.to_string())?,
    };
    let agreed = agreed(&plan).await?;
    job.plan = Some(plan);
    Ok(agreed)
}

async fn agreed(plan: &Plan) -> Result<bool, String> {
    say::out(&show::show(plan, say::colour_on_stdout()));
    if !std::io::stdin().is_terminal() {
        return Err("there is no terminal to ask for a yes on; give --yes to agree beforehand".to_owned());
    }
    say::out("\nRun this? Type yes: ");
    let answer = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map(|_| line)
    })
    .await;
    match answer {
        Ok(Ok(line)) => Ok(matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes")),
        Ok(Err(error)) => Err(format!("the answer cannot be read: {error}")),
        Err(error) => Err(error.to_string()),
    }
}
