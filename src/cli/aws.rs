//! `firedrill aws policy`: the least policy of IAM that an experiment needs.

use super::{
    args::AwsPolicy,
    loading::{self, Purpose},
    say,
};
use crate::{
    model::{environment::PlatformSpec, verdict::Verdict},
    platform::aws::policy,
};

/// Prints the policy.
pub fn policy(args: &AwsPolicy) -> u8 {
    let checked = match loading::load(&args.file, &args.place, Purpose::Look) {
        Ok(checked) => checked,
        Err(diagnostics) => {
            say::err(&diagnostics.text(say::colour_on_stderr()));
            return Verdict::Invalid.exit_code();
        }
    };
    let PlatformSpec::Aws(spec) = &checked.environment.platform else {
        let (name, platform) = (&checked.environment.name, checked.environment.platform.name());
        say::problem(format!(
            "the environment `{name}` is on the platform `{platform}`, which knows no policies of AWS; choose another with --env"
        ));
        return Verdict::Invalid.exit_code();
    };
    say::out(&format!("{:#}\n", policy::policy(&checked.experiment, spec)));
    0
}
