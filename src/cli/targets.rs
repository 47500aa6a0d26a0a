//! `firedrill targets`: what could be chosen.

use std::sync::Arc;

use super::{
    args::{TableOrJson, Targets},
    connect, loading, say,
};
use crate::{
    model::{instance::Instance, verdict::Verdict},
    report::{table, words::visible},
};

/// Lists the instances of an environment.
pub async fn targets(args: Targets) -> u8 {
    let environment = match loading::environment(&args.place, args.system.as_deref()) {
        Ok(environment) => environment,
        Err(diagnostics) => {
            say::err(&diagnostics.text(say::colour_on_stderr()));
            return Verdict::Invalid.exit_code();
        }
    };
    let inventory = async {
        let platform = connect::attach(&environment).await?;
        let inventory = platform.platform().inventory().await.map_err(|error| error.to_string());
        platform.disconnect().await;
        inventory
    }
    .await;
    match inventory {
        Ok(inventory) => {
            match args.format {
                TableOrJson::Json => say::json(inventory),
                TableOrJson::Table => say::out(&listed(&inventory.instances)),
            }
            0
        }
        Err(why) => {
            say::problem(why);
            Verdict::NotStarted.exit_code()
        }
    }
}

fn listed(instances: &[Arc<Instance>]) -> String {
    const HEAD: [&str; 9] = ["ID", "NAME", "SERVICE", "ZONE", "REGION", "STATE", "HEALTHY", "ADDRESS", "IDENTITY"];
    let mut rows = vec![HEAD.map(str::to_owned).to_vec()];
    for i in instances {
        let healthy = i.healthy.map_or("-", |healthy| if healthy { "yes" } else { "no" });
        let protected = match (i.protected(), i.kept_out.is_some()) {
            (true, _) => " (protected)",
            (false, true) => " (kept out)",
            (false, false) => "",
        };
        rows.push(vec![
            format!("{}{protected}", visible(i.id.short())),
            visible(&i.name).into_owned(),
            visible(i.service.as_str()).into_owned(),
            visible(i.zone.as_str()).into_owned(),
            visible(i.region.as_str()).into_owned(),
            i.state.word().to_owned(),
            healthy.to_owned(),
            visible(i.address.as_deref().unwrap_or("-")).into_owned(),
            visible(&i.identity).replace(i.id.as_str(), i.id.short()),
        ]);
    }
    table::table(&rows, "", &[])
}
