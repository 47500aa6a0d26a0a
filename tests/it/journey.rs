//! Journeys against a shop that knows the truth: which carts lived where, what was sent, and by whom.

use std::{collections::BTreeSet, thread::sleep, time::Duration};

use firedrill::{
    file::{LoadOptions, Source, load_source},
    model::{
        ids::ProbeName,
        probe::{ProbeKind, ProbeSpec},
        sample::{Sample, SampleOutcome},
        state::{Sessions, StateFindings},
    },
    probe::{Launch, NetworkProber, Prober, RunningProber},
};

use crate::support::{
    quiet::quiet,
    shop::{Edge, Shop},
    truth_server::{Behave, TruthServer},
};

/// The probe of an experiment file whose `journey:` is this.
fn journey(text: &str, more: &str) -> ProbeSpec {
    let file = format!(
        "title: t\nprobes:\n  cart:\n    journey: {text}\n{more}\nsteady-state: [{{ probe: cart, availability: \">= 9%\" }}]\nmethod: [{{ kill: web }}]\n"
    );
    let loaded = load_source(&Source::new("t.yaml", file), None, &LoadOptions::default()).unwrap_or_else(|errors| panic!("{errors}"));
    loaded.experiment.probes[0].clone()
}

/// Forty users who put one thing in a cart, and look at it until the run ends.
fn shoppers(shop: &Shop) -> ProbeSpec {
    let (login, cart) = (shop.url("/login"), shop.url("/cart"));
    journey(
        &format!(
            r#"{{ users: 40, think: 100ms, sticky: SERVERID, served-by: x-served-by, steps: [
      {{ name: log-in, post: "{login}", form: {{ user: "${{user}}" }}, expect: {{ status: 303 }}, log-in: true }},
      {{ name: add, post: "{cart}", form: {{ item: "${{unique}}" }} }},
      {{ name: read, get: "{cart}", expect: {{ body: {{ contains: "${{unique}}" }} }}, otherwise: state-lost, repeat: always }} ] }}"#
        ),
        "    timeout: 500ms",
    )
}

struct Run {
    folder: tempfile::TempDir,
    running: Box<dyn RunningProber>,
}

struct Ended {
    samples: Vec<Sample>,
    found: Sessions,
    names: Vec<String>,
}

impl Run {
    fn start(probe: ProbeSpec, seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let launch = Launch { probes: vec![probe], seed, folder: folder.path().to_owned() };
        Self { running: NetworkProber::new().launch(launch).unwrap(), folder }
    }

    fn wait(&self, ms: u64) {
        while firedrill::clock::now().since(self.running.origin()) < Duration::from_millis(ms) {
            sleep(Duration::from_millis(1));
        }
    }

    fn end(self) -> Ended {
        let recorded = self.running.stop();
        assert_eq!(recorded.doubts, Vec::<String>::new());
        let samples: Vec<Sample> = recorded.samples.samples(0).map(Option::unwrap).collect();
        assert_eq!(samples.len() as u64, recorded.due[0]);
        drop(self.folder);
        let Some(Some(StateFindings::Sessions(found))) = recorded.state.into_iter().next() else { panic!("no sessions") };
        Ended { samples, found, names: recorded.names }
    }
}

impl Ended {
    fn of(&self, outcome: SampleOutcome) -> u64 {
        self.samples.iter().filter(|sample| sample.outcome == outcome).count() as u64
    }

    /// Every session has one end.
    fn adds_up(&self) -> &Sessions {
        let found = &self.found;
        assert_eq!(found.started, found.continued + found.lost + found.given_up + found.unchecked, "{found:?}");
        assert_eq!(found.lost, found.lost_by_backend.values().sum::<u64>());
        assert_eq!(self.of(SampleOutcome::StateLost), found.lost, "one answer for each loss");
        found
    }
}

#[test]
fn as_many_sessions_are_lost_as_carts_were_forgotten() {
    let _quiet = quiet();
    for seed in 1..=5 {
        let shop = Shop::open(3);
        let run = Run::start(shoppers(&shop), seed);
        // While the last users are still coming, in the middle, and a moment before the end.
        run.wait(80 + 40 * seed);
        let early = shop.forget(2);
        run.wait(700);
        let late = shop.forget(2);
        let other = shop.forget(1);
        run.wait(1300 + seed);
        let last = shop.forget(3);
        let ended = run.end();
        let found = ended.adds_up();
        assert!(late > 0 && other > 0 && last > 0, "seed {seed}: carts lived everywhere");
        let by = |name: &str| found.lost_by_backend.get(name).copied().unwrap_or(0);
        assert_eq!((by("s1"), by("s2"), by("s3")), (other, early + late, last), "seed {seed}: {found:?}");
        assert_eq!((found.forced_log_ins, found.sticky_changes), (early + late + other, 0), "seed {seed}: nobody logs in after the end");
        assert!(ended.samples.iter().all(|s| matches!(s.outcome, SampleOutcome::Ok | SampleOutcome::StateLost)));
        let reads = ended.samples.iter().filter(|s| s.route == 3);
        assert!(reads.clone().count() > 100 && reads.clone().all(|s| !ended.names[usize::from(s.backend.0)].is_empty()));
    }
}

#[test]
fn a_killed_instance_loses_its_carts_and_moves_its_users() {
    let _quiet = quiet();
    let shop = Shop::open(3);
    let run = Run::start(shoppers(&shop), 7);
    run.wait(600);
    let killed = shop.kill(2);
    run.wait(1500);
    let ended = run.end();
    let found = ended.adds_up();
    assert!(killed > 0);
    assert_eq!((found.lost, found.sticky_changes, found.forced_log_ins), (killed, killed, killed), "{found:?}");
    assert_eq!(found.lost_by_backend.keys().collect::<Vec<_>>(), ["s2"]);
    assert_eq!((found.started, found.continued), (40 + killed, 40));
}

#[test]
fn an_outage_loses_nobodys_cart() {
    let _quiet = quiet();
    let shop = Shop::open(2);
    let run = Run::start(shoppers(&shop), 3);
    run.wait(500);
    shop.edge(Edge::Fails);
    run.wait(800);
    shop.edge(Edge::Hangs);
    run.wait(1500);
    shop.edge(Edge::Well);
    run.wait(2400);
    let ended = run.end();
    let found = ended.adds_up();
    assert_eq!((found.started, found.continued, found.lost), (40, 40, 0), "{found:?}");
    assert!(ended.of(SampleOutcome::Status) > 20 && ended.of(SampleOutcome::ResponseTimeout) > 20);
}

#[test]
fn what_is_not_answered_at_the_end_is_not_known() {
    let _quiet = quiet();
    let shop = Shop::open(2);
    let run = Run::start(shoppers(&shop), 3);
    run.wait(500);
    shop.edge(Edge::Fails);
    let ended = run.end();
    let found = ended.adds_up();
    assert_eq!((found.started, found.unchecked, found.lost), (40, 40, 0), "{found:?}");
    // Three looks at each.
    assert!(ended.of(SampleOutcome::Status) >= 120);
}

#[test]
fn cookies_are_kept_sent_and_forgotten_as_a_browser_does() {
    let _quiet = quiet();
    let shop = Shop::open(1);
    let steps: Vec<String> = ["/cookies", "/deep/1", "/deeper", "/late", "/take-back", "/deep/2", "/end"]
        .iter()
        .enumerate()
        .map(|(n, path)| {
            let think = if *path == "/deeper" { 1200 } else { 20 };
            format!("{{ name: s{n}, get: \"{}\", think: {think}ms }}", shop.url(path))
        })
        .collect();
    let run = Run::start(journey(&format!("{{ users: 1, steps: [{}] }}", steps.join(", ")), ""), 1);
    run.wait(1900);
    run.end();
    let got = shop.got();
    let sent = |path: &str| got.iter().find(|got| got.line == format!("GET {path}")).unwrap().header("cookie").to_owned();
    assert_eq!(sent("/cookies"), "");
    // The loopback address counts as safe, as in browsers: `Secure` cookies are sent there.
    assert_eq!((sent("/deep/1"), sent("/deeper")), ("deep=2; short=3; tls=4; whole=1".to_owned(), "short=3; tls=4; whole=1".to_owned()));
    assert_eq!(
        (sent("/late"), sent("/deep/2"), sent("/end")),
        ("tls=4; whole=1".to_owned(), "deep=2; tls=4".to_owned(), "tls=4".to_owned())
    );
    // The next visitor in this place has an empty jar.
    assert!(got.iter().filter(|got| got.line == "GET /cookies").all(|got| got.header("cookie").is_empty()));
    assert!(got.iter().filter(|got| got.line == "GET /cookies").count() > 1);
}

#[test]
fn captured_values_arrive_where_they_are_used_and_nowhere_else() {
    let _quiet = quiet();
    let shop = Shop::open(1);
    let spec = journey(
        &format!(
            r#"{{ users: 1, think: 20ms, steps: [
      {{ name: values, get: "{values}", capture: {{ next: {{ header: location }}, token: {{ cookie: token }}, id: {{ json: /user/id }}, csrf: {{ matches: 'value=\\"([^"]+)\\"' }} }} }},
      {{ name: follow, get: "{base}${{next}}", headers: {{ x-csrf-token: "<${{csrf}}>", x-user: "$${{user}} ${{user}}" }} }},
      {{ name: form, post: "{base}/form/${{csrf}}?t=${{csrf}}", form: {{ csrf: "${{csrf}}", "a b": "ä&=", user: "u-${{user}}" }} }},
      {{ name: json, put: "{base}/json", json: {{ id: "${{id}}", list: [1, true, "${{csrf}}"], "k$": "$${{id}}" }} }},
      {{ name: text, patch: "{base}/text", body: "${{token}} of ${{unique}}", headers: {{ content-type: text/x }} }},
      {{ name: none, get: "{base}/nothing", capture: {{ missing: {{ header: x-none }} }} }} ] }}"#,
            values = shop.url("/values"),
            base = shop.url(""),
        ),
        "",
    );
    let run = Run::start(spec, 1);
    run.wait(700);
    let ended = run.end();
    let got = shop.got();
    let find = |start: &str| got.iter().find(|got| got.line.starts_with(start)).unwrap_or_else(|| panic!("{start}: {got:?}"));
    let follow = find("GET /orders");
    assert_eq!(follow.line, "GET /orders/7?new=1");
    assert_eq!((follow.header("x-csrf-token"), follow.header("x-user"), follow.header("cookie")), ("<a b/c&d>", "${user} 1", "token=t-1"));
    let form = find("POST");
    assert_eq!(form.line, "POST /form/a%20b%2Fc%26d?t=a%20b%2Fc%26d");
    assert_eq!(form.body, "csrf=a+b%2Fc%26d&a+b=%C3%A4%26%3D&user=u-1");
    assert_eq!(form.header("content-type"), "application/x-www-form-urlencoded");
    let json = find("PUT");
    assert_eq!(json.header("content-type"), "application/json");
    let body: serde_json::Value = serde_json::from_str(&json.body).unwrap();
    assert_eq!(body, serde_json::json!({ "id": "17", "list": [1, true, "a b/c&d"], "k$": "${id}" }));
    let text = find("PATCH");
    assert!(text.body.starts_with("t-1 of cart-1-1-") && text.header("content-type") == "text/x", "{text:?}");
    // A capture that finds nothing is no success: the step is tried again, and nothing comes after it.
    let last: Vec<_> = ended.samples.iter().filter(|s| s.route == 6).collect();
    assert!(last.len() > 3 && last.iter().all(|s| s.outcome == SampleOutcome::Expectation));
    assert_eq!(ended.samples.iter().filter(|s| s.route == 1).count(), 1);
    assert_eq!((ended.found.started, ended.found.continued), (1, 1));
}

#[test]
fn users_come_at_their_rate_whatever_becomes_of_those_before() {
    let _quiet = quiet();
    let shop = Shop::open(1);
    let url = shop.url("/");
    let spec = journey(
        &format!(
            r#"{{ users: 50/s, think: 50ms, steps: [{{ name: one, get: "{url}?u=${{user}}" }}, {{ name: two, get: "{url}", repeat: 2 }}] }}"#
        ),
        "    timeout: 200ms",
    );
    assert!((spec.rate.0 - 150.0).abs() < 1e-9);
    let run = Run::start(spec, 1);
    run.wait(600);
    shop.edge(Edge::Hangs);
    run.wait(1200);
    shop.edge(Edge::Well);
    run.wait(2000);
    let ended = run.end();
    // First tries are on the grid of the rate; second ones come when somebody has thought.
    let first: BTreeSet<u64> = ended.samples.iter().filter(|s| s.route == 1 && s.due_ns % 20_000_000 == 0).map(|s| s.due_ns).collect();
    assert!((99..=102).contains(&first.len()), "{}", first.len());
    let users: BTreeSet<String> = shop.got().iter().filter(|got| got.line.contains("u=")).map(|got| got.line.clone()).collect();
    assert!(users.len() + 2 >= first.len(), "{} came through", users.len());
    let found = ended.adds_up();
    assert!(found.continued > 60 && found.lost == 0 && found.given_up == 0, "{found:?}");
    assert!(ended.of(SampleOutcome::ResponseTimeout) > 30);
}

const BAD: [Behave; 11] = [
    Behave::Endless,
    Behave::HugeHead,
    Behave::TooLarge,
    Behave::Garbage,
    Behave::CutBody,
    Behave::CutHead,
    Behave::Reset,
    Behave::Close,
    Behave::Hang,
    Behave::Refuse,
    Behave::Fail,
];

#[test]
fn no_answer_however_bad_is_a_loss_or_grows() {
    let _quiet = quiet();
    let server = TruthServer::start();
    let url = format!("http://{}/", server.address);
    let spec = journey(
        &format!(
            r#"{{ users: 5, think: 20ms, body-limit: 10KiB, steps: [
      {{ name: come, get: "{url}" }},
      {{ name: read, get: "{url}", expect: {{ body: {{ contains: hello }} }}, otherwise: state-lost, repeat: always }} ] }}"#
        ),
        "    timeout: 250ms",
    );
    let run = Run::start(spec, 1);
    let mut at = 300;
    for behave in BAD {
        run.wait(at);
        server.set(behave);
        run.wait(at + 200);
        server.set(Behave::Well);
        at += 350;
    }
    run.wait(at + 300);
    let ended = run.end();
    let found = ended.adds_up();
    assert_eq!((found.started, found.continued, found.lost), (5, 5, 0), "{found:?}");
    for class in [SampleOutcome::TooLarge, SampleOutcome::BadHttp, SampleOutcome::Truncated, SampleOutcome::Reset, SampleOutcome::Status] {
        assert!(ended.of(class) > 0, "{class:?}");
    }
    assert!(ended.samples.iter().all(|s| s.bytes < 100_000));
}

#[test]
fn a_journey_that_cannot_be_sent_does_not_start() {
    let mut spec = journey(
        r#"{ users: 1, steps: [{ name: in, post: "http://127.0.0.1:9/", form: { a: { env: FIREDRILL_NO_SUCH_VARIABLE } } }] }"#,
        "",
    );
    spec.name = ProbeName::from("shop");
    let folder = tempfile::tempdir().unwrap();
    let launch = Launch { probes: vec![spec.clone()], seed: 1, folder: folder.path().to_owned() };
    let error = NetworkProber::new().launch(launch).err().unwrap().to_string();
    assert_eq!(error, "probe `shop`: step `in`: field `a`: the environment variable `FIREDRILL_NO_SUCH_VARIABLE` is not set");
    assert_eq!(firedrill::probe::unusable(&spec)[0].place, "journey.steps[0].form.a");
    assert!(matches!(spec.kind, ProbeKind::Journey(_)));
}
