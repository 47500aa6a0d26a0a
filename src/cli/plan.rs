//! `firedrill plan`: the exact victims, how each act is undone, what the caps allow. Touches nothing.

use super::{
    args::{PlanArgs, TextOrJson},
    connect, fresh, loading, say,
};
use crate::{engine::planning, model::verdict::Verdict, plan};

/// Prints the plan of a file.
pub async fn plan(args: PlanArgs) -> u8 {
    let checked = match loading::load(&args.file, &args.place, loading::Purpose::Look) {
        Ok(checked) => checked,
        Err(diagnostics) => {
            say::err(&diagnostics.text(say::colour_on_stderr()));
            return Verdict::Invalid.exit_code();
        }
    };
    say::err(&checked.findings.text(say::colour_on_stderr()));
    let unused = loading::unused([(&checked.unused, &checked.environment)]);
    if unused.has_errors() {
        say::err(&unused.text(say::colour_on_stderr()));
        return Verdict::Invalid.exit_code();
    }
    let (experiment, environment) = (checked.experiment, checked.environment);
    let planned = async {
        let seed = args.seed.or(experiment.seed).map_or_else(fresh::seed, Ok)?;
        let platform = connect::connect(&environment, &experiment).await?;
        let planned = planning::plan(&experiment, platform.platform(), seed).await.map_err(|refused| refused.to_string());
        platform.disconnect().await;
        planned
    }
    .await;
    let plan = match planned {
        Ok(plan) => plan,
        Err(why) => {
            say::problem(why);
            return Verdict::NotStarted.exit_code();
        }
    };
    if let Some(path) = &args.output
        && let Err(error) = std::fs::write(path, plan::file::write(&plan))
    {
        say::problem(format!("{}: {error}", path.display()));
        return Verdict::Error.exit_code();
    }
    match args.format {
        TextOrJson::Json => say::json(plan),
        TextOrJson::Text => say::out(&plan::show::show(&plan, say::colour_on_stdout())),
    }
    0
}
