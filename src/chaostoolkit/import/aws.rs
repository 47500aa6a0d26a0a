//! The functions of the `chaosaws` package that have a fault like them in our format. Traps of the original are said where they stand.

use serde_json::Value as Json;

use super::Turning;
use crate::{
    chaostoolkit::{model::Activity, substitute::words},
    file::{Span, escape::quote},
    model::{
        experiment::{FaultStep, Step},
        fault::{Fault, Mechanism},
        ids::Service,
        quantity::Share,
        selector::{Pick, Selector, Take},
    },
};

/// The grace of a stop, as our format has it when nothing is said.
const GRACE: std::time::Duration = crate::file::lower::faults::GRACE;

/// An action as a step with a fault; `None` when there is none like it, which is listed.
pub(super) fn action(turning: &mut Turning<'_>, activity: &Activity, module: &str, func: &str, arguments: &Json) -> Option<Step> {
    let span = activity.provider_span;
    let name = quote(&activity.name);
    let arguments = turning.texts.value(arguments);
    let Some(found) = fault_of(module, func, &arguments) else {
        let why = match instead(module, func) {
            Some(instead) => format!("{name}: {module}.{func}: {instead}"),
            None => format!("{name}: it is Python ({module}.{func}), and no fault of ours is known to be like it"),
        };
        turning.left_out(span, why);
        return None;
    };
    let selector = selector(turning, span, &name, func, &found, &arguments)?;
    if arguments.get("duration").is_some_and(|value| !value.is_null()) {
        turning.differs(
            span,
            format!("{name}: its duration is not turned over: it is held until the end of the run, or as long as `hold:` says"),
        );
    }
    turning.differs(span, format!("{name}: {module}.{func} becomes the fault `{}`: {}", found.fault.kind(), found.differs));
    Some(Step::Faults(vec![FaultStep { fault: found.fault, target: selector, hold: None }]))
}

/// A function with the fault that is like it.
struct Found {
    fault: Fault,
    differs: &'static str,
    /// Where the names of the targets stand.
    names: &'static [&'static str],
    /// Whether those names are ids of instances, not services.
    ids: bool,
    /// Whether a zone alone means everything in it.
    zone_is_all: bool,
    /// Whether all of the named are meant, so that there is no number to take.
    whole: bool,
}

fn fault_of(module: &str, func: &str, arguments: &Json) -> Option<Found> {
    const SERVICES: &[&str] = &["asg_names"];
    const IDS: &[&str] = &["instance_ids", "instance_id"];
    let group = |fault, differs| Found { fault, differs, names: SERVICES, ids: false, zone_is_all: true, whole: false };
    let machine = |fault, differs, all| Found { fault, differs, names: IDS, ids: true, zone_is_all: all, whole: true };
    Some(match (module, func) {
        ("chaosaws.asg.actions", "terminate_random_instances") => {
            group(Fault::Kill { signal: None }, "the percentage takes at least one, and the group replaces what died")
        }
        ("chaosaws.asg.actions", "stop_random_instances") => {
            group(Fault::Stop { grace: GRACE }, "what was stopped is started again at the end, unless its group has replaced it")
        }
        ("chaosaws.asg.actions", "detach_random_instances") => {
            // There, too, a place is kept unless told otherwise.
            let decrement = arguments.get("decrement_capacity") == Some(&Json::Bool(true));
            group(Fault::Remove { decrement }, "it is not only taken out of its group, but ended")
        }
        ("chaosaws.asg.actions", "suspend_processes") => Found {
            whole: true,
            ..group(Fault::SuspendReplacement, "only replacement is suspended, and at the end only what this run suspended is resumed")
        },
        ("chaosaws.ec2.actions", "terminate_instance") => machine(Fault::Kill { signal: None }, "its group replaces what died", false),
        ("chaosaws.ec2.actions", "terminate_instances") => machine(Fault::Kill { signal: None }, "their groups replace what died", true),
        ("chaosaws.ec2.actions", "stop_instance") => machine(Fault::Stop { grace: GRACE }, "it is started again at the end", false),
        ("chaosaws.ec2.actions", "stop_instances") => machine(Fault::Stop { grace: GRACE }, "they are started again at the end", true),
        ("chaosaws.ec2.actions", "restart_instances") => machine(Fault::Restart { grace: GRACE }, "the machine is rebooted", true),
        ("chaosaws.rds.actions", "failover_db_cluster") => {
            Found { names: &["db_cluster_identifier"], ..machine(Fault::Failover, "our plan names the store that fails over", true) }
        }
        ("chaosaws.rds.actions", "reboot_db_instance") => {
            Found { names: &["db_instance_identifier"], ..machine(Fault::Failover, "a reboot with failover is always meant", true) }
        }
        ("chaosaws.elasticache.actions", "test_failover") => {
            Found { names: &["replication_group_id"], ..machine(Fault::Failover, "AWS allows a few of them a day", true) }
        }
        ("chaosaws.fis.actions", "start_availability_zone_power_interruption_scenario") => Found {
            // The scenario stops machines, and lets them start again.
            fault: Fault::ZoneOutage { mechanism: Mechanism::Stop },
            differs: "firedrill does it itself, with a plan, caps and an undo: no FIS template is made, and its tags choose nothing",
            names: &[],
            ids: false,
            zone_is_all: true,
            whole: true,
        },
        _ => return None,
    })
}

fn selector(turning: &mut Turning<'_>, span: Span, name: &str, func: &str, found: &Found, arguments: &Json) -> Option<Selector> {
    let mut out = Selector::default();
    let names = found.names.iter().filter_map(|key| arguments.get(key)).flat_map(|value| match value {
        Json::Array(items) => items.iter().map(words).collect(),
        Json::Null => Vec::new(),
        one => vec![words(one)],
    });
    let names: Vec<String> = names.collect();
    if found.ids {
        out.ids = names.iter().map(|id| id.as_str().into()).collect();
    } else {
        out.services = names.iter().map(|name| Service::from(name.as_str())).collect();
    }
    let zone = arguments.get("az").and_then(Json::as_str);
    out.zone = zone.map(|zone| Pick::Named(vec![zone.into()]));
    for key in ["tags", "filters"] {
        if arguments.get(key).is_some_and(|value| !value.is_null() && *value != Json::Array(Vec::new())) {
            turning.left_out(span, format!("{name}: its {key} are not turned over; write them as `labels:` of the target"));
        }
    }
    if out.services.is_empty() && out.ids.is_empty() && out.zone.is_none() {
        turning.left_out(span, format!("{name}: what is left names no target, and here nothing named is nothing chosen"));
        return None;
    }
    out.take = match (arguments.get("instance_count"), arguments.get("instance_percent")) {
        // There, a zone makes the numbers be passed over.
        _ if zone.is_some() && found.zone_is_all => {
            if !found.whole && arguments.get("instance_count").or_else(|| arguments.get("instance_percent")).is_some() {
                turning.differs(
                    span,
                    format!("{name}: {func} passes over its number where a zone is given, and takes all of the zone: so does this"),
                );
            }
            Take::All
        }
        (Some(count), _) if count.as_u64().is_some() => Take::Count(count.as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(1)),
        (_, Some(percent)) if percent.as_f64().is_some() => Take::Percent(Share(percent.as_f64().unwrap_or(0.0) / 100.0)),
        _ if found.whole && (found.zone_is_all || !out.ids.is_empty()) => Take::All,
        _ => Take::Count(1),
    };
    Some(out)
}

/// What does the same in another way.
fn instead(module: &str, func: &str) -> Option<&'static str> {
    Some(match (module, func) {
        ("chaosaws.asg.actions", "resume_processes") => "an undo does it: what this run suspended is resumed at the end of its fault",
        ("chaosaws.asg.actions", "change_subnets") => "`zone-outage` and `partition` change subnets, and put the old ones back",
        ("chaosaws.ec2.actions", "start_instances") => "the undo of `stop` does it",
        ("chaosaws.elbv2.actions", "deregister_target") => {
            "`deregister` takes instances off their load balancers, and puts them back; its `service:` says of which group"
        }
        ("chaosaws.elbv2.actions", "set_subnets" | "set_security_groups") => "it replaces what was there, and has no undo",
        ("chaosaws.fis.actions", f) if f.starts_with("restore_") => "the undo of `zone-outage` does it",
        _ => return None,
    })
}

/// What is said of a probe in Python.
pub(super) fn of_probe(name: &str, module: &str, func: &str) -> String {
    let instead = match (module, func) {
        ("chaosaws.asg.probes", f) if f.contains("desired_equals_healthy") => {
            "`{ probe: …, time-to-capacity: \"<= 5m\" }` asks for the time until the capacity is back"
        }
        ("chaosaws.elbv2.probes", _) => "`min-healthy` guards how many must be left, and the probes see what users feel",
        ("chaosaws.route53.probes", "get_dns_answer") => "a `dns` probe asks a name server",
        ("chaosaws.cloudwatch.probes", _) => "`abort-when` with a command asks an alarm",
        _ => "a `command` probe runs any program",
    };
    format!("{}: it is Python ({module}.{func}); {instead}", quote(name))
}

/// What is said of a rollback in Python.
pub(super) fn of_rollback(name: &str, module: &str, func: &str) -> String {
    let instead = instead(module, func).unwrap_or("faults are undone by themselves; a command has its own `undo:`");
    format!("the rollback {}: it is Python ({module}.{func}); {instead}", quote(name))
}
