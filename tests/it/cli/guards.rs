//! Guards: from the moment at which a condition holds to the end of the fault, through the binary, on real processes.

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use firedrill::clock;

use super::foreign::Foreign;
use crate::support::{quiet::quiet, residue};

/// A sleeper is stopped for a minute, with this guard.
fn guarded(guard: &str) -> Foreign {
    let head = format!(
        "objective: {{ availability: 99.9% }}\nwarm-up: 0s\nbaseline: 500ms\nrecovery: {{ hold: 200ms, limit: 500ms }}\n\
         guardrails: {{ max-affected: {{ service: 100% }}, abort-when: {guard} }}"
    );
    Foreign::new(1, &head, &format!("  - pause: {}\n    hold: 60s\n", Foreign::target(0)))
}

/// Makes the condition come true in the middle of the fault; how long after it the fault was over. `holds` is how long the condition itself
/// takes to hold.
fn trips(drill: &Foreign, trip: impl FnOnce(), holds: Duration, words: &str) -> Duration {
    let before = drill.world();
    let run = drill.rig.acting(&["run", "experiment.yaml"]);
    assert_eq!(drill.stopped(), 1);
    trip();
    let tripped = clock::now();
    residue::ends("the sleeper goes on", || drill.stopped() == 0);
    let took = clock::now().since(tripped).saturating_sub(holds);
    run.end().code(4).says("ABORTED").says(words);
    residue::same(&drill.world(), &before, "as before");
    println!("{words}: undone {} ms after the condition", took.as_millis());
    // The promise is one second; this machine may be busy with other tests.
    assert!(took < Duration::from_secs(6), "{words}: {took:?}");
    took
}

#[test]
fn availability_and_the_burning_of_the_budget_end_a_fault() {
    let _quiet = quiet();
    // Half of a window of a second, and the time that the file asks for.
    let holds = Duration::from_secs(1);
    let drill = guarded("{ probe: door, availability: '< 50%', for: 500ms }");
    let plan = drill.rig.firedrill(["plan", "experiment.yaml"]).code(0);
    assert!(plan.out.contains("door availability < 50% for 500 ms; noticed within 1.5 s"), "{}", plan.out);
    trips(&drill, || drill.close_door(), holds, "door availability < 50% for 500 ms");
    // 50 times 0.1 % of 10 s are 500 ms in which everything fails.
    let drill = guarded("{ probe: door, burn-rate: '> 50', over: 10s }");
    trips(&drill, || drill.close_door(), Duration::from_millis(500), "door burns its error budget > 50 times");
}

#[test]
fn a_command_that_fails_ends_a_fault() {
    let _quiet = quiet();
    let drill = guarded("{ command: [test, '!', -e, bad], every: 200ms }");
    trips(&drill, || drill.rig.write("bad", ""), Duration::from_millis(200), "`test ! -e bad` fails");
}

#[test]
fn a_guard_that_is_not_there_touches_nothing() {
    let drill = guarded("{ command: [./no-such-guard] }");
    drill.rig.firedrill(["run", "experiment.yaml"]).code(3).says("an abort condition cannot be asked").says("no-such-guard");
    assert_eq!(drill.stopped(), 0);
    drill.rig.owes_nothing();
}

/// How long a server takes that takes its time.
const SLOW: Duration = Duration::from_millis(400);

/// A Prometheus server of one value: 0, and 1 once it is bad; once it is dead it closes every connection, once it is slow it takes its time.
struct Prometheus {
    url: String,
    bad: Arc<AtomicBool>,
    dead: Arc<AtomicBool>,
    slow: Arc<AtomicBool>,
}

impl Prometheus {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (bad, dead, slow) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let (now, gone, late) = (bad.clone(), dead.clone(), slow.clone());
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                if gone.load(Ordering::SeqCst) {
                    continue;
                }
                let (value, pause) = (u8::from(now.load(Ordering::SeqCst)), late.load(Ordering::SeqCst));
                std::thread::spawn(move || {
                    let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
                    let _ = stream.read(&mut [0; 4096]);
                    std::thread::sleep(if pause { SLOW } else { Duration::ZERO });
                    let value = format!(r#"{{"metric":{{}},"value":[1700000000,"{value}"]}}"#);
                    let body = format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{value}]}}}}"#);
                    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
                    let _ = write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len());
                });
            }
        });
        Self { url, bad, dead, slow }
    }

    fn guard(&self) -> String {
        format!("{{ prometheus: '{}', query: errors, value: '> 0.5', every: 200ms, misses: 3 }}", self.url)
    }
}

#[test]
fn a_query_that_becomes_bad_ends_a_fault_and_so_does_its_silence() {
    let _quiet = quiet();
    let server = Prometheus::start();
    let drill = guarded(&server.guard());
    trips(&drill, || server.bad.store(true, Ordering::SeqCst), Duration::from_millis(200), "prometheus `errors` > 0.5");
    let server = Prometheus::start();
    let drill = guarded(&server.guard());
    trips(&drill, || server.dead.store(true, Ordering::SeqCst), Duration::from_millis(600), "no answer 3 times in a row");
}

#[test]
fn latency_ends_a_fault() {
    let _quiet = quiet();
    // Its users ask it themselves here.
    let server = Prometheus::start();
    let drill = guarded("{ probe: page, p99: '> 300ms', for: 500ms }");
    let file = std::fs::read_to_string(drill.rig.path("experiment.yaml")).unwrap();
    let page = format!("probes:\n  page: {{ http: '{}', rate: 20/s, timeout: 10s }}\n", server.url);
    drill.rig.write("experiment.yaml", &file.replace("probes:\n", &page));
    // The first slow answer, and the time that the file asks for.
    let holds = SLOW + Duration::from_millis(500);
    trips(&drill, || server.slow.store(true, Ordering::SeqCst), holds, "page p99 > 300 ms for 500 ms");
}
