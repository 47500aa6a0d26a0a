//! Flags of `firedrill run` for the Chaos Toolkit's experiments: those of `chaos run`, and `--compatible`.

use std::path::PathBuf;

use clap::Args;

/// How experiments of the Chaos Toolkit run; of no effect on others.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Chaos Toolkit's experiments (recognised by their shape)")]
pub struct ToolkitArgs {
    /// Judge as Chaos Toolkit does, also where that is green by accident: to compare with it.
    #[arg(long)]
    pub compatible: bool,
    /// When the hypothesis is checked, in place of the file's word.
    #[arg(long, value_name = "STRATEGY", value_parser = HYPOTHESIS_STRATEGIES)]
    pub hypothesis_strategy: Option<String>,
    /// When rollbacks are played, in place of the file's word; strictly, whenever an action was begun.
    #[arg(long, value_name = "STRATEGY", value_parser = ["default", "always", "never", "deviated"])]
    pub rollback_strategy: Option<String>,
    /// Seconds from one check of the hypothesis during the method to the next.
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = seconds)]
    pub hypothesis_frequency: f64,
    /// A check during the method that is not met ends the run.
    #[arg(long)]
    pub fail_fast: bool,
    /// Leave out probes, actions, all activities, or pauses.
    #[arg(long, value_name = "WHAT", requires = "compatible", value_parser = ["probes", "actions", "activities", "pause"])]
    pub dry: Option<String>,
    /// Also write Chaos Toolkit's journal here.
    #[arg(long, value_name = "FILE")]
    pub journal_path: Option<PathBuf>,
}

const HYPOTHESIS_STRATEGIES: [&str; 6] =
    ["default", "before-method-only", "after-method-only", "during-method-only", "continuously", "skip"];

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.01..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("expected seconds, from 0.01 to 86400".to_owned()),
    }
}
