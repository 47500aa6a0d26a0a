//! Whole runs made by hand: what the findings say of them, and of which they must say nothing.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    measure::{
        Course, Input, judge, measure,
        source::InMemory,
        support::{ORIGIN, act_on, phases, sample},
    },
    model::{
        act::{Act, Effect},
        blast_radius::Caps,
        built::{Built, Version},
        experiment::{Bind, Experiment, FaultStep, Recovery, Step},
        fault::Fault,
        ids::ActId,
        journey::{JourneyProbe, JourneyStep, Repeat, Users},
        measurement::{JudgedResult, Measurement},
        observation::{Observation, Observed},
        probe::{CommandProbe, Connections, HttpExpect, ProbeKind, ProbeSpec, TlsSettings},
        quantity::Rate,
        sample::{Sample, SampleOutcome},
        selector::Selector,
        steady_state::{Condition, Expect, Phase},
        time::{Bracket, Mono},
    },
};

const RATE: f64 = 50.0;

fn at(s: f64) -> Mono {
    ORIGIN.plus(Duration::from_secs_f64(s))
}

/// A probe with its service, and whether a request due at this second fails.
type Fares = (&'static str, Option<&'static str>, Box<dyn Fn(f64) -> bool>);

/// A run of 40 s: baseline until 10 s, faults until 30 s.
#[derive(Default)]
struct Run {
    probes: Vec<Fares>,
    acts: Vec<(Act, Effect)>,
    observations: Vec<Observation>,
    course: Course,
    conditions: Vec<Expect>,
    steps: Vec<Step>,
    /// The first probe is a journey of these steps, taken in turn, of which only the last one fails.
    journey: Vec<(&'static str, Option<&'static str>)>,
}

impl Run {
    fn probe(mut self, name: &'static str, service: Option<&'static str>, fails: impl Fn(f64) -> bool + 'static) -> Self {
        self.probes.push((name, service, Box::new(fails)));
        self
    }

    /// So many instances of a service before the first act, all of one build.
    fn has(mut self, service: &str, n: u32) -> Self {
        self.course.before.extend((1..=n).map(|k| built(service, k, "one")));
        self
    }

    /// A step that kills one instance at this second and is undone at that.
    fn kill(mut self, step: u32, service: &str, from: f64, to: f64) -> Self {
        let (act, effect) = act_on(step, service, Bracket { after: at(from), by: at(from) });
        self.course.undone.insert(act.id, at(to));
        self.course.steps.push((step, at(from - 0.01)));
        self.acts.push((act, effect));
        self.steps.push(Step::Faults(vec![FaultStep { fault: Fault::Kill { signal: None }, target: Selector::default(), hold: None }]));
        self
    }

    fn measured(&self) -> Measurement {
        let samples = |fails: &dyn Fn(f64) -> bool| {
            let one = |k: u32| {
                let s = f64::from(k) / RATE;
                let mut sample = sample(k, (s * 1e9) as u64, true);
                if fails(s) {
                    sample.outcome = SampleOutcome::Refused;
                }
                sample
            };
            (0..(40.0 * RATE) as u32).map(one).collect::<Vec<_>>()
        };
        let steps = u16::try_from(self.journey.len()).unwrap();
        let of_probe = |(place, (.., fails)): (usize, &Fares)| {
            let probe = u16::try_from(place).unwrap();
            let as_step = |s: Sample| match steps {
                0 => s,
                _ if place > 0 => s,
                _ => {
                    let route = 1 + (s.number % u32::from(steps)) as u16;
                    Sample { route, outcome: if route < steps { SampleOutcome::Ok } else { s.outcome }, ..s }
                }
            };
            samples(fails.as_ref()).into_iter().map(|s| Some(as_step(Sample { probe, ..s }))).collect()
        };
        let source = InMemory { probes: self.probes.iter().enumerate().map(of_probe).collect() };
        let input = Input {
            experiment: &self.experiment(),
            origin: ORIGIN,
            phases: &phases(&[(Phase::Baseline, 0.0, 10.0), (Phase::Fault, 10.0, 30.0), (Phase::Recovery, 30.0, 40.0)]),
            first_effect: Some(at(10.0)),
            last_undo: Some(at(30.0)),
            acts: &self.acts,
            observations: &self.observations,
            course: &self.course,
            names: &[String::new()],
            due: &vec![(40.0 * RATE) as u64; self.probes.len()],
            state: &[],
            doubts: &[],
            seed: 1,
        };
        measure(&input, &source)
    }

    fn experiment(&self) -> Experiment {
        Experiment {
            title: "t".into(),
            description: None,
            owner: None,
            labels: BTreeMap::new(),
            environment: None,
            seed: None,
            probes: self
                .probes
                .iter()
                .enumerate()
                .map(|(place, (name, service, _))| ProbeSpec {
                    name: (*name).into(),
                    kind: if place == 0 && !self.journey.is_empty() {
                        self.walk()
                    } else {
                        ProbeKind::Command(CommandProbe { command: vec![], status: vec![] })
                    },
                    rate: Rate(RATE),
                    timeout: Duration::from_secs(1),
                    slow: None,
                    service: service.map(Into::into),
                })
                .collect(),
            steady_state: self.conditions.iter().map(|expect| Condition { expect: expect.clone(), phases: vec![] }).collect(),
            objective: None,
            warm_up: Duration::ZERO,
            baseline: Duration::from_secs(10),
            recovery: Recovery { hold: Duration::from_secs(5), limit: Duration::from_mins(1) },
            watch: Duration::from_secs(30),
            bind: Bind::AtStart,
            method: self.steps.clone(),
            caps: Caps::default(),
            abort_when: vec![],
            versions: BTreeMap::new(),
        }
    }

    fn walk(&self) -> ProbeKind {
        let step = |&(name, service): &(&str, Option<&str>)| JourneyStep {
            name: name.to_owned(),
            method: "GET".to_owned(),
            url: "http://127.0.0.1/".to_owned(),
            headers: vec![],
            body: None,
            expect: HttpExpect::default(),
            capture: BTreeMap::new(),
            think: None,
            state_lost: false,
            log_in: false,
            repeat: Repeat::Once,
            service: service.map(Into::into),
        };
        ProbeKind::Journey(Box::new(JourneyProbe {
            users: Users::Crowd(1),
            steps: self.journey.iter().map(step).collect(),
            think: Duration::from_millis(20),
            sticky: None,
            connections: Connections::KeepAlive,
            body_limit: 1024,
            served_by: None,
            tls: TlsSettings::default(),
        }))
    }

    fn says(&self) -> Vec<String> {
        self.measured().findings.into_iter().map(|finding| format!("{}: {}", finding.kind.name(), finding.says)).collect()
    }
}

fn built(service: &str, k: u32, fingerprint: &str) -> Built {
    let name = format!("{service}-a-{k}");
    Built {
        instance: name.as_str().into(),
        name,
        service: service.into(),
        identity: "1".into(),
        fingerprint: fingerprint.into(),
        version: None,
    }
}

fn between(from: f64, to: f64) -> impl Fn(f64) -> bool {
    move |s| from <= s && s < to
}

fn never(_: f64) -> bool {
    false
}

#[test]
fn of_a_service_with_a_route_that_fails_only_the_other_route_went_on() {
    let run = Run::default().probe("jobs", Some("api"), between(12.0, 15.0)).probe("health", Some("api"), never);
    let says = run.has("database", 1).has("api", 2).kill(1, "database", 12.0, 15.0).says();
    assert!(says.iter().any(|says| says.contains("`api` fails: probe `jobs`")), "{says:#?}");
    assert!(says.iter().any(|says| says.starts_with("independent") && says.contains("`health` went on")), "{says:#?}");
}

#[test]
fn a_journey_whose_steps_say_their_services_is_told_step_by_step() {
    let run = |journey: &[(&'static str, Option<&'static str>)]| {
        let run = Run { journey: journey.to_vec(), ..Run::default() };
        let run = run.probe("walk", Some("shop"), between(12.0, 15.0)).probe("tokens", Some("tokens"), between(12.0, 15.0));
        run.has("tokens", 2).has("shop", 2).has("orders", 2).kill(1, "tokens", 12.0, 15.0).says()
    };
    assert_eq!(
        run(&[("look", None), ("order", Some("orders"))]),
        [
            "dependency: while `tokens` was hit (kill of tokens-a-1) `orders` fails: probe `walk/order` was 0 % available from 12.0 s to 15.0 s (n = 75; baseline 100 %)"
        ]
    );
    // Without any the journey is one route.
    let whole = run(&[("look", None), ("order", None)]);
    assert!(matches!(&whole[..], [one] if one.contains("`shop` fails: probe `walk` was 50 % available")), "{whole:?}");
}

#[test]
fn a_route_that_fails_without_another_service_names_it() {
    let run = Run::default()
        .probe("tokens", Some("tokens"), between(12.0, 15.0))
        .probe("inbox", Some("messages"), between(12.0, 15.0))
        .probe("ui", Some("ui"), never)
        .has("tokens", 1)
        .has("messages", 2)
        .has("ui", 2)
        .kill(1, "tokens", 12.0, 15.0);
    assert_eq!(
        run.says(),
        [
            "single point of failure: `tokens` is a single point of failure for `messages`: there is one of it",
            "dependency: without `tokens` (kill of tokens-a-1) `messages` fails: probe `inbox` was 0 % available from 12.0 s to 15.0 s (n = 150; baseline 100 %)",
            "independent: without `tokens` (kill of tokens-a-1) `ui` went on: 100 % available from 12.0 s to 15.0 s (n = 150)",
        ]
    );
}

#[test]
fn one_of_two_killed_is_no_single_point_and_nothing_went_on_without_it() {
    let run = Run::default()
        .probe("users", Some("users"), between(12.0, 12.5))
        .probe("messages", Some("messages"), between(12.0, 12.5))
        .probe("ui", Some("ui"), never)
        .has("users", 2)
        .kill(1, "users", 12.0, 15.0);
    assert_eq!(
        run.says(),
        [
            "dependency: while `users` was hit (kill of users-a-1) `messages` fails: 83.3 % available from 12.0 s to 15.0 s (n = 150; baseline 100 %)"
        ]
    );
}

#[test]
fn when_everything_fails_it_is_a_single_point_of_failure_in_one_sentence() {
    let run = Run::default()
        .probe("home", Some("web"), between(12.0, 15.0))
        .probe("api", Some("api"), between(12.1, 15.0))
        .has("router", 1)
        .has("web", 3)
        .kill(1, "router", 12.0, 15.0);
    assert_eq!(
        run.says(),
        [
            "single point of failure: `router` is a single point of failure: there is one of it, and without it all 2 routes fail (home 0 %, api 3.3 % available from 12.0 s to 15.0 s)"
        ]
    );
    // One route, of which nobody says whose it is.
    let run = Run::default().probe("home", None, between(12.0, 15.0)).has("web", 1).kill(1, "web", 12.0, 15.0);
    assert_eq!(
        run.says(),
        [
            "single point of failure: `web` is a single point of failure: there is one of it, and without it `home` fails (home 0 % available from 12.0 s to 15.0 s)"
        ]
    );
    // The same of one of six is the balancer's work, and no finding; nor is it where nobody knows how many there were.
    assert_eq!(Run::default().probe("home", None, between(12.0, 15.0)).has("web", 6).kill(1, "web", 12.0, 15.0).says(), [""; 0]);
    assert_eq!(Run::default().probe("home", None, between(12.0, 15.0)).kill(1, "web", 12.0, 15.0).says(), [""; 0]);
}

#[test]
fn chance_and_what_failed_before_are_not_laid_to_a_fault() {
    let with = |fails: Box<dyn Fn(f64) -> bool>| {
        let run = Run::default().probe("users", Some("users"), between(12.0, 15.0)).has("tokens", 2).has("users", 2);
        run.probe("messages", Some("messages"), fails).kill(1, "tokens", 12.0, 15.0)
    };
    let dependencies = |run: Run| run.says().into_iter().filter(|says| says.contains("`messages` fails")).count();
    assert_eq!(dependencies(with(Box::new(between(12.0, 15.0)))), 1);
    assert_eq!(dependencies(with(Box::new(between(12.0, 12.03)))), 0, "two failures are chance");
    assert_eq!(dependencies(with(Box::new(|s| ((s * 50.0).round() as u64).is_multiple_of(5)))), 0, "it always fails one in five");
    assert_eq!(dependencies(with(Box::new(between(10.5, 14.0)))), 0, "it failed before");
    assert_eq!(dependencies(with(Box::new(between(11.5, 14.0)))), 1, "those were in flight");
    assert_eq!(dependencies(with(Box::new(between(15.1, 20.0)))), 0, "it failed after");
}

#[test]
fn each_step_names_its_own() {
    let run = Run::default()
        .probe("messages", Some("messages"), between(12.0, 15.0))
        .probe("push", Some("push"), between(20.0, 23.0))
        .has("tokens", 2)
        .has("queue", 2)
        .kill(1, "tokens", 12.0, 15.0)
        .kill(2, "queue", 20.0, 23.0);
    let says = run.says();
    assert_eq!(says.len(), 2, "{says:#?}");
    assert!(says[0].contains("`tokens`") && says[0].contains("`messages` fails"), "{says:#?}");
    assert!(says[1].contains("`queue`") && says[1].contains("`push` fails") && says[1].contains("from 20.0 s"), "{says:#?}");
}

#[test]
fn a_balancer_that_comes_back_by_itself_is_away_until_it_serves() {
    let mut run = Run::default().probe("home", Some("web"), between(12.0, 12.5)).has("edge", 1).kill(1, "edge", 12.0, 20.0);
    let what = Observed::InService { instance: "edge-a-1".into(), service: "edge".into(), zone: "a".into() };
    run.observations.push(Observation { at: at(12.5), source: "test".into(), what });
    let says = run.says();
    assert!(says.len() == 1 && says[0].contains("home 0 % available from 12.0 s to 12.5 s"), "{says:#?}");
}

#[test]
fn a_step_that_hits_several_services_shows_no_single_point() {
    let run = Run::default().probe("home", Some("web"), between(12.0, 15.0)).has("router", 1).has("db", 1).kill(1, "router", 12.0, 15.0);
    let (mut act, mut effect) = act_on(1, "db", Bracket { after: at(12.0), by: at(12.0) });
    (act.id, effect.act) = (ActId { step: 1, act: 2 }, ActId { step: 1, act: 2 });
    let run = Run { acts: [run.acts.clone(), vec![(act, effect)]].concat(), ..run };
    let says = run.says();
    assert_eq!(says.len(), 1, "{says:#?}");
    assert!(says[0].starts_with("dependency: without `db` and `router` (kill of db-a-1 and router-a-1) `web` fails"), "{says:#?}");
}

/// A run in which web-a-1 was replaced by web-a-4.
fn replaced(by: Built) -> Run {
    let mut run = Run { conditions: vec![Expect::ReplacementsAlike], ..Run::default() }.probe("home", None, never).has("web", 3);
    run.course.later.push(run.course.before.iter().skip(1).cloned().chain([by.clone()]).collect());
    run.observations.push(Observation {
        at: at(13.0),
        source: "test".into(),
        what: Observed::Launched { instance: by.instance, service: "web".into(), zone: "a".into(), replaces: Some("web-a-1".into()) },
    });
    run
}

fn judged(run: &Run) -> (JudgedResult, String) {
    let judged = judge(&run.experiment(), &run.measured()).remove(0);
    (judged.result, judged.measured)
}

#[test]
fn a_replacement_that_is_like_its_siblings_is_no_finding() {
    let run = replaced(built("web", 4, "one"));
    assert_eq!(run.says(), [""; 0]);
    assert_eq!(judged(&run), (JudgedResult::Held, "1 of 1 alike".into()));
}

#[test]
fn a_replacement_that_differs_is_drift() {
    let hash = |c: &str| format!("sha256:{}", c.repeat(32));
    let mut run = replaced(built("web", 4, &hash("ab")));
    for built in &mut run.course.before {
        built.fingerprint = hash("cd");
    }
    assert_eq!(
        run.says(),
        [
            "drift: web-a-4, which replaced web-a-1, is not like its siblings: built from sha256:abababababab, not sha256:cdcdcdcdcdcd like 2 others"
        ],
        "web-a-1 itself is not counted"
    );
    assert_eq!(judged(&run), (JudgedResult::Broken, "0 of 1 alike".into()));
}

#[test]
fn an_instance_that_was_started_again_is_held_against_the_others_too() {
    let run = replaced(Built { identity: "2".into(), ..built("web", 1, "two") });
    assert!(
        run.says()[0].starts_with("drift: web-a-1, which was started again, is not like its siblings: built from two"),
        "{:?}",
        run.says()
    );
}

#[test]
fn a_new_container_under_the_name_of_the_old_one_is_a_replacement() {
    let mut new = built("web", 4, "two");
    new.name = "web-a-1".into();
    let run = replaced(new);
    assert_eq!(
        run.says(),
        ["drift: web-a-1, which replaced web-a-1 (web-a-1), is not like its siblings: built from two, not one like 2 others"],
        "the id in brackets tells one from the other"
    );
    let mut alike = built("web", 4, "one");
    alike.name = "web-a-1".into();
    assert_eq!(judged(&replaced(alike)), (JudgedResult::Held, "1 of 1 alike".into()));
}

#[test]
fn siblings_that_differed_before_are_told_once_and_a_replacement_may_be_like_any() {
    let mut run = replaced(built("web", 4, "odd"));
    run.course.before[2].fingerprint = "odd".into();
    run.course.later[0][1].fingerprint = "odd".into();
    assert_eq!(
        run.says(),
        [
            "drift: the instances of `web` were not alike before anything was done: web-a-1 and web-a-2 are built from one, web-a-3 is built from odd"
        ]
    );
    assert_eq!(judged(&run).0, JudgedResult::Held);
}

#[test]
fn when_all_were_replaced_the_old_ones_are_the_siblings() {
    let mut run = replaced(built("web", 4, "two"));
    run.course.later = vec![(4..=6).map(|k| built("web", k, "two")).collect()];
    assert_eq!(run.says(), ["drift: web-a-4, web-a-5 and web-a-6 are not like their siblings: built from two, not one like 3 others"]);
    assert_eq!(judged(&run), (JudgedResult::Broken, "0 of 3 alike".into()));
}

#[test]
fn versions_are_compared_and_one_that_cannot_be_read_is_not_held_to_be_the_same() {
    let said = |text: &str| Some(Version::Said(text.into()));
    let with = |version: Option<Version>| {
        let mut run = replaced(Built { version, ..built("web", 4, "one") });
        for built in &mut run.course.before {
            built.version = said("5");
        }
        run
    };
    assert_eq!(judged(&with(said("5"))).0, JudgedResult::Held);
    let run = with(said("4"));
    assert_eq!(judged(&run).0, JudgedResult::Broken);
    assert!(run.says()[0].ends_with("of the version 4, not 5 like 2 others"), "{:?}", run.says());
    let run = with(Some(Version::Unknown { why: "no answer".into() }));
    assert_eq!((run.says().len(), judged(&run).0), (0, JudgedResult::Untold));
}

#[test]
fn without_a_replacement_nothing_is_held_to_be_alike() {
    let mut run = replaced(built("web", 4, "one"));
    run.course.later = vec![run.course.before.clone()];
    assert_eq!(judged(&run).0, JudgedResult::Untold);
    let run = replaced(Built { identity: "2".into(), ..built("web", 1, "one") });
    assert_eq!(judged(&run).0, JudgedResult::Untold, "one that was started again is no replacement");
    let mut run = replaced(built("web", 4, "two"));
    run.course.before.clear();
    assert_eq!((run.says().len(), judged(&run).0), (0, JudgedResult::Untold), "nobody knows what was there before");
}
