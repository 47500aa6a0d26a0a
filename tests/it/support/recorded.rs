//! Runs as their events: a zone outage of a service with six instances, in several endings. Made by arithmetic, not by a
//! clock, so that every rendering is the same each time.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use firedrill::{
    event::{EVENT_VERSION, Event, EventKind, Tick},
    model::{
        act::{Act, Effect, EffectStatus, Group, Prepared, Target},
        blast_radius::Caps,
        experiment::{Bind, Experiment, Recovery},
        fault::Fault,
        finding::{Finding, FindingKind},
        ids::{ActId, InstanceId, ProbeName},
        instance::{Instance, InstanceState},
        measurement::*,
        observation::{Observation, Observed},
        outcome::{Ended, Outcome, Residue, Shown},
        plan::{CapUse, PLAN_VERSION, Plan, PlannedFault, PlannedStep, Work},
        probe::{ProbeKind, ProbeSpec, TcpProbe},
        quantity::Rate,
        sample::SampleOutcome,
        state::{Sessions, Span, StateFindings},
        steady_state::Phase,
        time::{Bracket, Mono, Wall},
        undo::Undo,
        verdict::Verdict,
    },
};

const START: u64 = 5_000_000_000_000;
const HIT: f64 = 12.304;
const END: f64 = 40.0;
const BUCKET: f64 = 0.2;

fn at(s: f64) -> Mono {
    Mono(START.saturating_add_signed((s * 1e9).round() as i64))
}

/// What is different from the passing run.
#[derive(Debug, Clone, Default)]
pub struct Recorded {
    /// Two seconds of outage in place of a quarter, and the second probe sees it too.
    pub failing: bool,
    pub halted: bool,
    pub untrusted: bool,
    pub stuck: bool,
    /// Put around every name.
    pub hostile: String,
}

impl Recorded {
    pub fn all() -> Vec<(&'static str, Self)> {
        let hostile = format!(
            "</script><img src=x onerror=alert(1)>\u{1b}]0;owned\u{7}\u{202e}\n|`*@all* =HYPERLINK(1) &amp; ]]> {}",
            "x".repeat(10_000)
        );
        vec![
            ("passing", Self::default()),
            ("failing", Self { failing: true, ..Self::default() }),
            ("aborted", Self { failing: true, halted: true, ..Self::default() }),
            ("untrusted", Self { untrusted: true, ..Self::default() }),
            ("residue", Self { stuck: true, ..Self::default() }),
            ("hostile", Self { failing: true, stuck: true, hostile, ..Self::default() }),
        ]
    }

    fn name(&self, text: &str) -> String {
        format!("{text}{}", self.hostile)
    }

    fn outage(&self) -> (f64, f64) {
        (HIT + 0.006, if self.failing { HIT + 2.136 } else { HIT + 0.236 })
    }

    fn instance(&self, zone: &str, n: u32) -> Instance {
        let id = self.name(&format!("web-{zone}-{n}"));
        Instance {
            name: id.clone(),
            id: id.into(),
            service: self.name("web").into(),
            zone: self.name(zone).into(),
            region: "local".into(),
            state: InstanceState::Running,
            healthy: Some(true),
            labels: Arc::default(),
            address: Some("127.0.0.1:40001".to_owned()),
            identity: format!("pid {n} started 1"),
            fingerprint: "abc".to_owned(),
            managed: true,
            kept_out: None,
        }
    }

    fn acts(&self) -> Vec<Prepared> {
        let restore = |says: &str| Undo::restore(self.name(says), serde_json::json!({ "wanted": 2 }));
        let group = Group { services: vec![self.name("web").into()], zone: Some(self.name("a").into()), region: None };
        let mut acts = vec![Prepared {
            act: Act { id: ActId { step: 1, act: 1 }, fault: Fault::SuspendReplacement, target: Target::Group(group) },
            undo: restore("replace instances of zone a again"),
        }];
        for n in 1..=2 {
            acts.push(Prepared {
                act: Act {
                    id: ActId { step: 1, act: n + 1 },
                    fault: Fault::Kill { signal: None },
                    target: Target::Instance(Arc::new(self.instance("a", n))),
                },
                undo: restore(&format!("start web-a-{n} again unless it was replaced")),
            });
        }
        acts
    }

    fn experiment(&self) -> Experiment {
        let probe = ProbeSpec {
            name: self.name("home").into(),
            kind: ProbeKind::Tcp(TcpProbe {
                address: "127.0.0.1:8080".to_owned(),
                send: None,
                receive: None,
                unreachable: false,
                ..TcpProbe::default()
            }),
            rate: Rate(100.0),
            timeout: Duration::from_secs(2),
            slow: None,
            service: None,
        };
        Experiment {
            title: self.name("Losing a zone costs users less than half a percent of their requests"),
            description: Some(
                "Six instances in three zones behind one balancer. Zone a dies and is not refilled while it is out.".to_owned(),
            ),
            owner: None,
            labels: BTreeMap::new(),
            environment: Some("local".to_owned()),
            seed: Some(7),
            probes: vec![probe],
            steady_state: vec![],
            objective: None,
            warm_up: Duration::from_secs(2),
            baseline: Duration::from_secs(10),
            recovery: Recovery { hold: Duration::from_secs(5), limit: Duration::from_mins(1) },
            watch: Duration::from_secs(30),
            bind: Bind::AtStart,
            method: vec![],
            caps: Caps::default(),
            abort_when: vec![],
            versions: std::collections::BTreeMap::new(),
        }
    }

    fn plan(&self) -> Plan {
        let fault = PlannedFault {
            fault: Fault::ZONE_OUTAGE,
            zone: Some("a".into()),
            region: None,
            matched: 2,
            hold: Some(Duration::from_secs(14)),
            acts: self.acts(),
            bound_at_step: false,
        };
        Plan {
            version: PLAN_VERSION,
            title: self.experiment().title,
            experiment: "0".repeat(64),
            platform: "local".to_owned(),
            scope: "what-time-6".into(),
            seed: 7,
            steps: vec![PlannedStep { number: 1, work: Work::Faults(vec![fault]) }],
            caps: vec![CapUse {
                of: self.name("service web"),
                used: 2,
                allowed: 3,
                total: 6,
                rule: "max-affected.service: 50% (default)".to_owned(),
            }],
            guards: vec![],
            notes: vec![],
        }
    }

    fn timeline(&self, per_s: f64, share: f64) -> Timeline {
        let (from, to) = self.outage();
        let dead = |s: f64| (HIT..29.4).contains(&s);
        let buckets = (0..(END / BUCKET) as u32).map(|i| {
            let s = f64::from(i) * BUCKET;
            let requests = (per_s * BUCKET).round() as u32;
            let overlap = ((s + BUCKET).min(to) - s.max(from)).max(0.0) / BUCKET;
            let late = if self.untrusted && (20.0..22.4).contains(&s) { requests } else { 0 };
            let counted = requests - late;
            let failed = (f64::from(counted) * overlap * share).round() as u32;
            let ok = counted - failed;
            let wobble = f64::from((i * 37) % 11) / 11.0;
            let load = if dead(s) { 1.35 } else { 1.0 };
            let each = |k: u32| if dead(s) && k < 2 { 0 } else { ok / if dead(s) { 4 } else { 6 } + (i + k) % 2 };
            let backends: Vec<u32> = (0..6).map(each).collect();
            Bucket {
                requests: counted,
                ok,
                late,
                p50_s: (ok > 0).then_some(((0.0021 + 0.0006 * wobble) * load) as f32),
                p99_s: (ok > 0).then_some(((0.009 + 0.006 * wobble) * load + if overlap > 0.0 { 0.4 } else { 0.0 }) as f32),
                zones: backends.chunks(2).map(|pair| pair.iter().sum()).collect(),
                backends,
            }
        });
        Timeline {
            bucket_s: BUCKET,
            buckets: buckets.collect(),
            backends: ["a-1", "a-2", "b-1", "b-2", "c-1", "c-2"].map(|n| self.name(&format!("web-{n}"))).to_vec(),
            zones: ["a", "b", "c"].map(|n| self.name(n)).to_vec(),
        }
    }

    fn stats(requests: u64, failed: u64) -> Stats {
        let value = (requests - failed) as f64 / requests as f64;
        let wide = 2.0 * (failed.max(1) as f64).sqrt() / requests as f64;
        let failures = if failed == 0 {
            BTreeMap::new()
        } else {
            BTreeMap::from([
                (SampleOutcome::EofReused, failed / 3),
                (SampleOutcome::ConnectTimeout, failed / 4),
                (SampleOutcome::Status, failed - failed / 3 - failed / 4),
            ])
        };
        Stats {
            requests,
            ok: requests - failed,
            ok_slow: 0,
            statuses: if failed == 0 { BTreeMap::new() } else { BTreeMap::from([(502, failed - failed / 3 - failed / 4)]) },
            failures,
            late: 0,
            availability: Some(Estimate { value, low: (value - wide).max(0.0), high: (value + wide).min(1.0), n: requests }),
            latency: Some(Latency {
                n: requests - failed,
                p50: 0.0023,
                p90: 0.0061,
                p99: 0.0142,
                p999: 0.087,
                max: if failed > 0 { 0.41 } else { 0.12 },
            }),
            retrying_client: Some((value + 0.0007).min(1.0)),
        }
    }

    fn probe(&self, name: &str, rate: f64, share: f64) -> ProbeMeasurement {
        let (from, to) = self.outage();
        let failed = ((to - from) * rate * share).round() as u64;
        let phases = [(Phase::Baseline, 10.0, 0), (Phase::Fault, 18.0, failed), (Phase::Recovery, 10.0, 0)];
        let window = OutageWindow {
            after_s: from - 1.0 / rate,
            first_failure_s: from,
            last_failure_s: to - 1.0 / rate,
            until_s: Some(to),
            duration_s: to - from,
            uncertainty_s: 2.0 / rate,
            requests: ((to - from) * rate).round() as u64,
            failures: failed,
            classes: Self::stats(2000, failed).failures,
            phase: Phase::Fault,
        };
        let groups = phases.iter().flat_map(|(phase, s, failed)| {
            let n = (s * rate / 2.0) as u64;
            let group = |by, key: &str, n, failed| GroupStats { by, key: self.name(key), phase: *phase, stats: Self::stats(n, failed) };
            [
                group(GroupBy::Policy, "new", n, failed / 3),
                group(GroupBy::Policy, "keep-alive", n, failed - failed / 3),
                group(GroupBy::Zone, "b", n, 0),
                group(GroupBy::Backend, "web-b-1", n, 0),
                group(GroupBy::Address, "127.0.0.1:8080", n, *failed),
            ]
        });
        ProbeMeasurement {
            name: self.name(name).into(),
            kind: "http".to_owned(),
            rate,
            timeout_s: 2.0,
            accounting: Accounting { due: (END * rate) as u64, recorded: (END * rate) as u64, late: 0, not_sent: 0, schedule_error: None },
            whole: Self::stats((38.0 * rate) as u64, failed),
            phases: phases
                .iter()
                .map(|(phase, s, failed)| PhaseStats {
                    phase: *phase,
                    stats: Self::stats((s * rate) as u64, *failed),
                    longest_outage_s: if *failed > 0 { to - from } else { 0.0 },
                    downtime_s: if *failed > 0 { to - from } else { 0.0 },
                })
                .collect(),
            groups: groups.collect(),
            outages: if failed > 0 { vec![window] } else { vec![] },
            downtime_s: to - from,
            weighted_downtime_s: (to - from) * share,
            smallest_visible_outage_s: 3.0 / rate,
            worst_windows: [0.1, 1.0, 10.0]
                .into_iter()
                .map(|window_s| WorstWindow {
                    window_s,
                    availability: 1.0 - failed.min((window_s * rate) as u64) as f64 / (window_s * rate).max(failed as f64 * 1.2),
                    from_s: from,
                    requests: (window_s * rate) as u64,
                })
                .collect(),
            first_error_after_s: (failed > 0).then_some(0.006),
            budget: Some(Budget { objective: 0.999, over_s: 2_592_000.0, burned: 0.000_31, events_per_month: Some(3225.8) }),
            state: (self.failing && name == "checkout").then(|| StateFindings::Sessions(self.sessions())),
            timeline: self.timeline(rate, share),
        }
    }

    fn sessions(&self) -> Sessions {
        Sessions {
            started: 40,
            continued: 27,
            given_up: 0,
            unchecked: 0,
            lost: 13,
            lost_by_backend: BTreeMap::from([(self.name("web-a-1"), 13)]),
            sticky_changes: 13,
            forced_log_ins: 13,
            lost_within: Some(Span { from_s: HIT + 0.4, to_s: HIT + 2.1 }),
            lost_at_the_end: 0,
            last_round_s: Some(100.2),
        }
    }

    pub fn measurement(&self) -> Measurement {
        let span = |phase, from_s, to_s| PhaseSpan { phase, from_s, to_s };
        let victim = |n: u32| VictimTimes {
            act: ActId { step: 1, act: n + 1 },
            instance: self.instance("a", n).id,
            name: None,
            service: self.name("web").into(),
            zone: self.name("a").into(),
            fault: "kill".to_owned(),
            effect_after_s: HIT - 0.0004,
            effect_by_s: HIT + 0.0001 * f64::from(n),
            last_seen_after_s: Some(0.23),
            ejected_after_s: Some(0.229 + 0.001 * f64::from(n)),
            replaced_after_s: Some(14.1),
            in_service_after_s: Some(17.1),
        };
        Measurement {
            origin: at(0.0),
            phases: vec![
                span(Phase::WarmUp, 0.0, 2.0),
                span(Phase::Baseline, 2.0, 12.3),
                span(Phase::Fault, 12.3, 30.0),
                span(Phase::Recovery, 30.0, END),
            ],
            probes: vec![self.probe("home", 200.0, 0.34), self.probe("checkout", 20.0, if self.failing { 0.9 } else { 0.0 })],
            victims: vec![victim(1), victim(2)],
            recovered_after_s: Some(5.0),
            capacity_back_after_s: Some(17.1),
            capacity_lost: true,
            watched_after_effect_s: Some(END - HIT),
            capacity_by_step: vec![StepCapacity {
                step: 1,
                services: vec![self.name("web").into()],
                effect_s: HIT - 0.0004,
                lost: true,
                back_after_s: Some(17.1),
                with_later_step: false,
                watched_s: END - HIT + 0.0004,
            }],
            replacements: Vec::new(),
            phoenixes: Vec::new(),
            findings: if self.failing {
                vec![Finding { kind: FindingKind::Dependency, says: format!("checkout fails without {}", self.name("web")) }]
            } else {
                vec![]
            },
            death_spread_s: BTreeMap::from([(self.name("a").into(), 0.0001)]),
            trust: if self.untrusted {
                Trust {
                    doubts: vec!["2.4 s of the fault phase were not measured: firedrill itself was up to 1.9 s late".to_owned()],
                    gaps: vec![Gap { from_s: 20.0, to_s: 22.4, worst_error_s: 1.9, requests: 480 }],
                }
            } else {
                Trust::default()
            },
        }
    }

    fn outcome(&self) -> Outcome {
        let residue = Residue {
            act: ActId { step: 1, act: 1 },
            what: self.name("replacement in zone a is still suspended"),
            why: self.name("the supervisor did not answer within 5 s"),
            command: self.name("firedrill recover 20261121-050000-abcdef"),
        };
        Outcome {
            ended: if self.halted { Ended::Halted { by: "a person (SIGINT)".to_owned() } } else { Ended::Completed },
            shown: match (self.untrusted, self.failing) {
                (true, _) => Shown::Untold { why: self.measurement().trust.doubts },
                (false, true) => Shown::Deviated,
                (false, false) => Shown::Held,
            },
            residue: if self.stuck { vec![residue] } else { vec![] },
        }
    }

    fn judged(&self) -> Vec<Judged> {
        let probe = &self.measurement().probes[0];
        let mut out = Vec::new();
        for phase in &probe.phases {
            let a = phase.stats.availability.expect("requests were made");
            let held = a.low >= 0.99;
            out.push(Judged {
                condition: self.name("home availability >= 99%"),
                phase: Some(phase.phase),
                measured: format!("{:.3} % (95 %: {:.3}–{:.3} %, n = {})", a.value * 100.0, a.low * 100.0, a.high * 100.0, a.n),
                value: Some(a.value),
                result: if held { JudgedResult::Held } else { JudgedResult::Broken },
                why: None,
            });
        }
        out.push(Judged {
            condition: "recovered within 30 s".to_owned(),
            phase: None,
            measured: "5 s".to_owned(),
            value: Some(5.0),
            result: if self.untrusted { JudgedResult::Untold } else { JudgedResult::Held },
            why: self.untrusted.then(|| "the measurement is not to be trusted".to_owned()),
        });
        out
    }

    /// Two commands of the experimenter's: one that ends well, and one that does not.
    fn commands(&self) -> Vec<(f64, EventKind)> {
        let command = |step: u32, words: &[&str], (from, to): (f64, f64), status: EffectStatus| {
            let command = words.iter().map(|word| self.name(word)).collect();
            let fault = Fault::Run { command, undo: None, timeout: Duration::from_secs(30) };
            let act = Act { id: ActId { step, act: 1 }, fault, target: Target::Command };
            let took_effect = status.happened().then_some(Bracket { after: at(from), by: at(to) });
            let (id, source) = (act.id, "exit status".to_owned());
            let effect = Effect { act: id, instance: None, status, requested: at(from), answered: Some(at(to)), took_effect, source };
            let undo = Undo::Nothing { why: "a command without an `undo:` is taken to leave nothing behind".to_owned() };
            [(from, EventKind::Armed { act: Box::new(act), undo }), (to, EventKind::Acted { effect })]
        };
        let failed = EffectStatus::Failed { why: self.name("`./warm-up` ended with exit status: 7: no route") };
        let well = command(2, &["./shift-traffic", "--away-from", "a"], (14.2, 17.45), EffectStatus::Happened);
        // A run whose command failed is an error: only what stopped early, or is stuck, has one here.
        let second = command(3, &["./warm-up"], (17.5, 17.532), failed);
        if self.halted || self.stuck { [well, second].concat() } else { well.to_vec() }
    }

    /// The events of the run.
    pub fn events(&self) -> Vec<Event> {
        let acts = self.acts();
        let web = || -> firedrill::model::ids::Service { self.name("web").into() };
        let mut list: Vec<(f64, EventKind)> = vec![
            (
                -0.4,
                EventKind::RunStarted {
                    version: EVENT_VERSION,
                    run: "20261121-050000-abcdef".into(),
                    tool: "firedrill 0.1.0".to_owned(),
                    file: Some(self.name("experiments/zone.yaml")),
                    environment: Some(self.name("local")),
                    experiment: Box::new(self.experiment()),
                },
            ),
            (-0.3, EventKind::Planned { plan: Arc::new(self.plan()) }),
            (0.0, EventKind::PhaseStarted { phase: Phase::WarmUp }),
            (2.0, EventKind::PhaseStarted { phase: Phase::Baseline }),
            (12.29, EventKind::StepStarted { step: 1, says: self.name("zone-outage of zone a") }),
            (12.3, EventKind::PhaseStarted { phase: Phase::Fault }),
        ];
        for p in &acts {
            list.push((12.301, EventKind::Armed { act: Box::new(p.act.clone()), undo: p.undo.clone() }));
            list.push((
                12.32,
                EventKind::Acted {
                    effect: Effect {
                        act: p.act.id,
                        instance: p.act.target.instance().map(|i| i.id.clone()),
                        status: EffectStatus::Happened,
                        requested: at(12.302),
                        answered: Some(at(12.303)),
                        took_effect: Some(Bracket { after: at(HIT - 0.0004), by: at(HIT) }),
                        source: self.name("pidfd and silent port"),
                    },
                },
            ));
        }
        if self.failing {
            list.extend(self.commands());
        }
        let mut see = |s: f64, what: Observed| {
            list.push((s, EventKind::Observed { observation: Observation { at: at(s), source: self.name("balancer edge"), what } }));
        };
        for n in 1..=2_u32 {
            let old: InstanceId = self.instance("a", n).id;
            let new: InstanceId = self.instance("a", n + 2).id;
            see(
                HIT + 0.001,
                Observed::Died { instance: old.clone(), service: web(), zone: self.name("a").into(), how: "SIGKILL".to_owned() },
            );
            see(
                HIT + 0.229 + 0.001 * f64::from(n),
                Observed::Ejected { balancer: "edge".to_owned(), instance: old.clone(), why: self.name("2 checks failed") },
            );
            see(26.4, Observed::Launched { instance: new.clone(), service: web(), zone: self.name("a").into(), replaces: Some(old) });
            see(29.4, Observed::InService { instance: new, service: web(), zone: self.name("a").into() });
        }
        if self.halted {
            list.push((24.0, EventKind::Halting { by: self.name("a person (SIGINT)") }));
        }
        for p in acts.iter().rev() {
            let (act, says) = (p.act.id, p.undo.says().to_owned());
            list.push((26.3, EventKind::Reverting { act, says: says.clone() }));
            list.push((
                26.35,
                match (act.act, self.stuck) {
                    (1, true) => EventKind::Stuck {
                        act,
                        why: self.outcome().residue[0].why.clone(),
                        command: self.outcome().residue[0].command.clone(),
                    },
                    (1, false) => EventKind::Reverted { act, says },
                    _ => EventKind::NothingToUndo { act, why: self.name("it is replaced by the system itself") },
                },
            ));
        }
        list.push((30.0, EventKind::PhaseStarted { phase: Phase::Recovery }));
        if !self.hostile.is_empty() {
            list.push((31.0, EventKind::Warning { text: self.name("a warning") }));
        }
        for (i, bucket) in self.timeline(200.0, 0.34).buckets.iter().enumerate().filter(|(i, _)| i % 5 == 0) {
            let failed = u64::from(bucket.requests - bucket.ok);
            let tick = Tick {
                requests: bucket.requests.into(),
                ok: bucket.ok.into(),
                failures: BTreeMap::from([(SampleOutcome::Status, failed)]),
                p50_s: bucket.p50_s.map(f64::from),
                p99_s: bucket.p99_s.map(f64::from),
                in_flight: 3,
            };
            list.push((i as f64 * BUCKET + 0.19, EventKind::Tick { probes: BTreeMap::from([(ProbeName(self.name("home")), tick)]) }));
        }
        let outcome = self.outcome();
        let verdict = Verdict::of(&outcome);
        list.push((END + 0.1, EventKind::Measured { measurement: Box::new(self.measurement()) }));
        list.push((END + 0.1, EventKind::Judged { conditions: self.judged() }));
        list.push((END + 0.2, EventKind::RunEnded { outcome, verdict }));
        list.sort_by(|a, b| a.0.total_cmp(&b.0));
        let wall = 1_795_237_200_000_000_000;
        list.into_iter()
            .enumerate()
            .map(|(i, (s, kind))| Event { number: i as u64 + 1, at: at(s), wall: Wall(wall + (s * 1e9) as i64), kind })
            .collect()
    }
}
