//! From the flags of `firedrill drill` to the experiment that they mean: the same one that `--save` writes.

use std::{collections::BTreeMap, time::Duration};

use super::args::Drill;
use crate::{
    file::suggest::{listed, nearest},
    model::{
        blast_radius::Caps,
        experiment::{Bind, Experiment, FaultStep, Recovery, Step},
        fault::{Fault, FaultKind, PartitionMode},
        probe::{Connections, HttpExpect, HttpProbe, NameModel, ProbeKind, ProbeSpec, ServedBy, TcpProbe, TlsSettings},
        quantity::{self, BadQuantity},
        selector::{Pick, Selector, Take},
        steady_state::{Comparison, Condition, Expect, Metric, Op, Phase, Unit},
    },
};

/// The default body bound of an HTTP probe.
const BODY_LIMIT: u64 = 64 << 10;

/// The experiment, or everything that is wrong with the flags.
///
/// # Errors
/// One sentence for each flag that is wrong.
pub fn experiment(args: &Drill) -> Result<Experiment, Vec<String>> {
    let mut errors = Vec::new();
    let hold = keep(&mut errors, "--hold", quantity::duration(&args.hold));
    let rate = keep(&mut errors, "--rate", quantity::rate(&args.rate));
    let availability = keep(&mut errors, "--availability", quantity::share(&args.availability));
    let caps = match &args.max_affected {
        None => Some(Caps::default()),
        Some(text) => keep(&mut errors, "--max-affected", quantity::share(text)).map(|service| Caps {
            service,
            service_stated: true,
            ..Caps::default()
        }),
    };
    let fault = fault(args, &mut errors);
    let target = target(args, &mut errors);
    if args.probe.is_empty() {
        errors.push(
            "--probe is missing: without one nobody knows what users felt; name a URL that goes through the load balancer".to_owned(),
        );
    }
    let probes: Vec<ProbeSpec> = args
        .probe
        .iter()
        .enumerate()
        .filter_map(|(i, text)| {
            let kind = probe(text, &mut errors)?;
            let name = if args.probe.len() == 1 { "users".to_owned() } else { format!("users-{}", i + 1) };
            Some(ProbeSpec { name: name.into(), kind, rate: rate?, timeout: Duration::from_secs(1), slow: None, service: None })
        })
        .collect();
    let (Some(hold), Some(availability), Some(caps), Some(fault), Some(target), true) =
        (hold, availability, caps, fault, target, errors.is_empty())
    else {
        return Err(errors);
    };
    let conditions = probes
        .iter()
        .map(|probe| Condition {
            expect: Expect::Probe {
                probe: probe.name.clone(),
                metric: Metric::Availability,
                comparison: Comparison { op: Op::AtLeast, bound: availability.0, unit: Unit::Share },
            },
            phases: Phase::COUNTED.to_vec(),
        })
        .collect();
    Ok(Experiment {
        title: format!("Drill: {} {}", args.fault, described(args)),
        description: None,
        owner: None,
        labels: BTreeMap::new(),
        environment: args.place.env.clone(),
        seed: args.seed,
        probes,
        steady_state: conditions,
        objective: None,
        warm_up: Duration::from_secs(2),
        baseline: Duration::from_secs(10),
        recovery: Recovery { hold: Duration::from_secs(5), limit: Duration::from_mins(1) },
        watch: Duration::from_secs(30),
        bind: Bind::AtStart,
        method: vec![Step::Faults(vec![FaultStep { fault, target, hold: Some(hold) }])],
        caps,
        abort_when: Vec::new(),
        versions: BTreeMap::new(),
    })
}

fn keep<T>(errors: &mut Vec<String>, flag: &str, value: Result<T, BadQuantity>) -> Option<T> {
    value.map_err(|error| errors.push(format!("{flag}: {error}"))).ok()
}

fn fault(args: &Drill, errors: &mut Vec<String>) -> Option<Fault> {
    let grace = Duration::from_secs(5);
    match FaultKind::ALL.into_iter().find(|kind| kind.name() == args.fault) {
        Some(FaultKind::Kill) => Some(Fault::Kill { signal: None }),
        Some(FaultKind::Crash) => Some(Fault::Crash),
        Some(FaultKind::Stop) => Some(Fault::Stop { grace }),
        Some(FaultKind::Pause) => Some(Fault::Pause),
        Some(FaultKind::Restart) => Some(Fault::Restart { grace }),
        Some(FaultKind::Deregister) => Some(Fault::Deregister),
        Some(FaultKind::Partition) => mode(&args.mode, errors).map(|mode| Fault::Partition { mode }),
        Some(FaultKind::ZoneOutage) => Some(Fault::ZONE_OUTAGE),
        Some(FaultKind::RegionOutage) => Some(Fault::REGION_OUTAGE),
        Some(FaultKind::SuspendReplacement) => Some(Fault::SuspendReplacement),
        Some(FaultKind::Slow) => {
            keep(errors, "--latency", quantity::duration(&args.latency)).map(|latency| Fault::Slow { latency, jitter: Duration::ZERO })
        }
        Some(FaultKind::Loss) => keep(errors, "--share", quantity::share(&args.share)).map(|share| Fault::Loss { share }),
        Some(kind) => {
            errors.push(format!("`{kind}` needs more than flags can say: write an experiment file for it"));
            None
        }
        None => {
            let near = nearest(&args.fault, FaultKind::ALL.into_iter().map(FaultKind::name));
            let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            errors.push(format!("`{}` is not a fault{hint}", args.fault));
            None
        }
    }
}

fn mode(text: &str, errors: &mut Vec<String>) -> Option<PartitionMode> {
    let names = || PartitionMode::ALL.into_iter().map(PartitionMode::name);
    let found = PartitionMode::ALL.into_iter().find(|mode| mode.name() == text);
    if found.is_none() {
        let hint = nearest(text, names()).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        errors.push(format!("--mode: `{text}` is not {}{hint}", listed(names(), "or")));
    }
    found
}

fn target(args: &Drill, errors: &mut Vec<String>) -> Option<Selector> {
    let take = match args.take.as_str() {
        "all" => Some(Take::All),
        text if text.ends_with('%') => keep(errors, "--take", quantity::share(text)).map(Take::Percent),
        text => match text.parse::<u32>() {
            Ok(n) if n > 0 => Some(Take::Count(n)),
            _ => {
                errors.push(format!("--take: `{text}` is not a number above zero, a percentage, or `all`"));
                None
            }
        },
    };
    let selector = Selector {
        services: args.service.iter().map(|s| s.as_str().into()).collect(),
        zone: args.zone.as_deref().map(pick),
        region: args.region.as_deref().map(pick),
        name: args.name.clone(),
        ids: args.id.iter().map(|s| s.as_str().into()).collect(),
        take: take?,
        ..Selector::default()
    };
    if selector.unbounded() {
        errors.push("nothing says whom: give --service, --zone, --region, --name or --id".to_owned());
        return None;
    }
    Some(selector)
}

fn pick<T: for<'a> From<&'a str>>(text: &str) -> Pick<T> {
    if text == "random" { Pick::Random } else { Pick::Named(vec![text.into()]) }
}

fn probe(text: &str, errors: &mut Vec<String>) -> Option<ProbeKind> {
    if text.starts_with("http://") || text.starts_with("https://") {
        if let Err(error) = text.parse::<http::Uri>() {
            errors.push(format!("--probe: `{text}` is not a URL: {error}"));
            return None;
        }
        return Some(ProbeKind::Http(Box::new(HttpProbe {
            url: text.to_owned(),
            method: "GET".to_owned(),
            headers: Vec::new(),
            body: None,
            connections: Connections::Both,
            names: NameModel::EachConnection.into(),
            resolver: None,
            addresses: Vec::new(),
            expect: HttpExpect::default(),
            body_limit: BODY_LIMIT,
            served_by: Some(ServedBy { header: Some("x-served-by".to_owned()), zone_header: Some("x-zone".to_owned()) }),
            number_header: None,
            tls: TlsSettings::default(),
            proxy: None,
        })));
    }
    let port = text.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    if port.is_none_or(|port| port == 0) {
        errors.push(format!("--probe: `{text}` is neither a URL nor `host:port`"));
        return None;
    }
    Some(ProbeKind::Tcp(TcpProbe { address: text.to_owned(), send: None, receive: None, unreachable: false, ..TcpProbe::default() }))
}

fn described(args: &Drill) -> String {
    let mut words = vec![args.take.clone()];
    words.extend(args.service.iter().map(|s| format!("of {s}")));
    words.extend(args.name.iter().map(|s| format!("of {s}")));
    words.extend(args.id.iter().map(|s| format!("({s})")));
    words.extend(args.zone.iter().map(|s| format!("in zone {s}")));
    words.extend(args.region.iter().map(|s| format!("in region {s}")));
    words.join(" ")
}
