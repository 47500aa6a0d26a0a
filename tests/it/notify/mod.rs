//! Who is told about a run, and that nobody waits for them: through the real binary, to real receivers.

mod inbox;

use std::{fs, path::Path, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use firedrill::{
    clock,
    model::{
        notify::{Notification, Occasion, Receiver},
        probe::Text,
    },
    notify::Notifier,
    report::{Reporter, notices::Notices},
};
use inbox::{Inbox, MailServer, tls};
use serde_json::Value;

use crate::{
    cli::rig::{EXPERIMENT, Rig, SYSTEM, Said},
    support::{recorded::Recorded, residue},
};

const SECRETS: [&str; 4] = ["planted-path-4711", "planted-slack-4711", "planted-token-4711", "planted-password-4711"];
const TITLE: &str = "One \"server\", of <!channel> & three, dies";

/// A drill whose firedrill.yaml also says who is told.
fn rig(notify: &str) -> Rig {
    let rig = Rig::with(SYSTEM, &EXPERIMENT.replace("One server of three dies", &format!("'{TITLE}'")));
    let project = fs::read_to_string(rig.path("firedrill.yaml")).unwrap();
    rig.write("firedrill.yaml", &format!("{project}notify:\n{notify}"));
    rig
}

/// Runs it with the secrets in its environment; anew where the machine was too busy for a drill.
fn ran(rig: &Rig, env: &[(&str, &str)], args: &[&str], code: i32) -> Said {
    for _ in 0..8 {
        let output = rig.command(args).envs(env.iter().copied()).output().unwrap();
        let said = Said::of(output);
        if !said.out.contains("more than 10 ms late") && !said.out.contains("the baseline is not steady") {
            return said.code(code);
        }
        fs::remove_dir_all(rig.path("firedrill-runs")).unwrap();
    }
    panic!("this machine is too busy for a drill");
}

/// Fails where one of the secrets stands in a file or in what was said.
fn nothing_told(rig: &Rig, said: &Said) {
    fn files(folder: &Path, search: &dyn Fn(&str, &[u8])) -> usize {
        let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
        let one = |path: std::path::PathBuf| {
            if path.is_dir() {
                return files(&path, search);
            }
            if path.ends_with("firedrill.yaml") {
                return 0;
            }
            // Sockets are no files.
            fs::read(&path).map_or(0, |bytes| {
                search(&path.display().to_string(), &bytes);
                1
            })
        };
        entries.map(|entry| one(entry.path())).sum()
    }
    let search = |what: &str, bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        for secret in SECRETS {
            let told = text.contains(secret) || text.contains(&STANDARD.encode(secret));
            residue::none(!told, format_args!("{what} tells `{secret}`:\n{text}"));
        }
    };
    search("stdout", said.out.as_bytes());
    search("stderr", said.err.as_bytes());
    assert!(files(&rig.path(""), &search) >= 2);
}

#[test]
fn everybody_is_told_in_order_also_who_fails_at_first_and_no_secret_is() {
    let web = Inbox::start(&["503 Busy", "429 Slow\r\nretry-after: 1"]);
    let slack = Inbox::start(&[]);
    let mail = MailServer::start("drills", SECRETS[3]);
    let rig = rig(&format!(
        "  - webhook: {}\n    headers: {{ authorization: {{ env: TOKEN }}, x-kind: drill }}\n    json: {{ say: \"${{event}}: ${{title}}\", n: 1, whom: \"${{victims}}\", how: \"${{verdict}}/${{exit-code}}\" }}\n    on: [before, started, verdict]\n  - slack: {{ env: SLACK }}\n    on: [before, verdict]\n    verdicts: [passed]\n  - email: {{ smtp: \"{}\", from: drills@example.org, to: [a@example.org, b@example.org], user: drills, password: {{ env: PASSWORD }} }}\n  - webhook: {}\n    env: here\n    verdicts: [failed]\n",
        web.url("/hook/planted-path-4711"),
        mail.address,
        web.url("/never"),
    ));
    let url = slack.url("/services/planted-slack-4711");
    let token = format!("Bearer {}", SECRETS[2]);
    let ca = tls("local-ca.pem");
    let env = [("SLACK", url.as_str()), ("TOKEN", &token), ("PASSWORD", SECRETS[3]), ("SSL_CERT_FILE", &ca), ("FIREDRILL_LOG", "trace")];
    let said = ran(&rig, &env, &["run", "experiment.yaml"], 0);
    assert!(!said.err.contains("notification"), "{}", said.err);
    nothing_told(&rig, &said);

    let requests = web.requests();
    let says: Vec<String> = requests.iter().map(|request| request.json()["say"].as_str().unwrap().to_owned()).collect();
    let expected = ["before", "before", "before", "started", "verdict"].map(|event| format!("{event}: {TITLE}"));
    assert_eq!(says, expected, "the first is tried again until it is taken, and then come the others");
    let last = requests[4].json();
    assert_eq!((&last["how"], &last["n"]), (&Value::from("passed/0"), &Value::from(1)));
    assert!(last["whom"].as_str().unwrap().starts_with("- kill web-") && last["whom"].as_str().unwrap().ends_with(", for 1 s"), "{last}");
    assert!(requests.iter().all(|request| request.head.starts_with("POST /hook/planted-path-4711 HTTP/1.1\r\n")));
    let headers = ["authorization: Bearer planted-token-4711\r\n", "x-kind: drill\r\n", "content-type: application/json\r\n"];
    assert!(headers.iter().all(|header| requests[0].head.contains(header)), "{}", requests[0].head);

    let texts: Vec<String> = slack.requests().iter().map(|request| request.json()["text"].as_str().unwrap().to_owned()).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(
        texts[0].starts_with("*A drill is about to begin in here: One \"server\", of &lt;!channel&gt; &amp; three, dies*\n"),
        "{texts:?}"
    );
    assert!(texts[0].contains("\n- kill web-") && texts[0].contains("firedrill halt "), "{texts:?}");
    assert!(texts[1].starts_with("*Drill passed in here: ") && texts[1].contains("verifiably happened"), "{texts:?}");

    let mails = mail.mails();
    assert_eq!(mails.len(), 1, "{mails:?}");
    let (head, text) = &mails[0];
    assert!(
        head.contains("To: a@example.org,\r\n b@example.org\r\n") && text.contains(&format!("Drill passed in here: {TITLE}\r\n")),
        "{head}\n{text}"
    );
}

#[test]
fn a_receiver_that_hangs_holds_up_neither_the_run_nor_its_verdict() {
    let web = Inbox::hanging();
    let rig = rig(&format!("  - webhook: {}\n    on: [before, started, verdict]\n", web.url("/planted-path-4711")));
    let said = ran(&rig, &[], &["run", "experiment.yaml"], 0);
    let ended = clock::wall().0;
    nothing_told(&rig, &said);
    assert_eq!(said.err.matches("firedrill: ").count(), 1, "{}", said.err);
    let said = said.says("firedrill: the notification notify[0].webhook (127.0.0.1): ").says("of 3 messages not sent: ");
    // A try takes five seconds: who waited for it would show that much.
    let events = rig.events();
    let at = |event: &str| events.iter().find(|e| e["event"] == event).unwrap_or_else(|| panic!("{event}"));
    let gap = at("phase-started")["at"].as_u64().unwrap() - at("planned")["at"].as_u64().unwrap();
    assert!(gap < 4_000_000_000, "{gap} ns between the plan and the first phase");
    let after = Duration::from_nanos((ended - at("run-ended")["wall"].as_i64().unwrap()).unsigned_abs());
    assert!(after < Duration::from_secs(40), "it ended {after:?} after its run: {}", said.out);
    assert!(web.requests().len() >= 2, "the later messages are sent, too: {:?}", web.requests());
}

#[test]
fn what_could_not_be_undone_is_told_at_once_with_the_command_and_nothing_in_a_name_is_obeyed() {
    let (pager, chat) = (Inbox::start(&[]), Inbox::start(&[]));
    let receiver = |inbox: &Inbox, on: &[Occasion]| Notification {
        place: "notify[0].slack".to_owned(),
        to: Receiver::Slack(Text::Plain(inbox.url("/x"))),
        on: on.to_vec(),
        verdicts: Vec::new(),
    };
    let all = [receiver(&pager, &[Occasion::Residue, Occasion::Verdict]), receiver(&chat, &[Occasion::Started])];
    for (name, run) in Recorded::all() {
        let notifier = Arc::new(Notifier::start(&all));
        let mut notices = Notices::new(Arc::clone(&notifier), Path::new("/runs/1"), "host-1");
        for event in run.events() {
            notices.event(&event).unwrap();
        }
        assert_eq!(notifier.finish(Duration::from_secs(30)), [], "{name}");
    }
    let texts =
        |inbox: &Inbox| inbox.requests().iter().map(|request| request.json()["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let (paged, chatted) = (texts(&pager), texts(&chat));
    assert_eq!(paged.len(), Recorded::all().len(), "each run once: {paged:?}");
    assert_eq!(chatted.len(), Recorded::all().len());
    let left: Vec<&String> = paged.iter().filter(|text| text.starts_with("*A drill left something behind")).collect();
    assert_eq!(left.len(), 2, "{paged:?}");
    assert!(left.iter().all(|text| text.contains("To undo it: firedrill recover ")), "{left:?}");
    for text in paged.iter().chain(&chatted) {
        assert!(!text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}') && !text.contains("<img"), "{text}");
    }
}

#[test]
fn receivers_are_tried_beforehand_and_missing_secrets_are_told_at_their_place() {
    let (good, bad) = (Inbox::start(&[]), Inbox::start(&["404 Not Found"]));
    let rig = rig(&format!("  - webhook: {}\n  - slack: {{ env: SLACK_OF_TESTS }}\n", good.url("/a")));
    for args in [&["notify", "test"][..], &["run", "experiment.yaml"]] {
        let said = ran(&rig, &[], args, 2).says("`notify[1].slack`: the environment variable `SLACK_OF_TESTS` is not set");
        assert!(said.err.contains("firedrill.yaml:7:"), "{}", said.err);
    }
    ran(&rig, &[], &["check", "experiment.yaml"], 0).says("a run needs it");
    assert!(good.requests().is_empty() && rig.run_folders().is_empty());
    let url = bad.url("/services/planted-slack-4711");
    let env = [("SLACK_OF_TESTS", url.as_str())];
    let said =
        ran(&rig, &env, &["notify", "test"], 5).says("notify[1].slack (127.0.0.1): 1 of 1 message not sent: it answered 404 Not Found");
    assert!(said.out.starts_with("1 of 2 messages taken"), "{}", said.out);
    nothing_told(&rig, &said);
    ran(&rig, &env, &["notify", "test"], 0).says("2 of 2 messages taken");
    assert_eq!(good.requests()[1].json()["event"], "test");

    // A run that cannot begin is told, too: nobody looks at a terminal where the daemon runs.
    let project = fs::read_to_string(rig.path("firedrill.yaml")).unwrap();
    rig.write("firedrill.yaml", &project.replace("    vars:", "    require: { confirm: true }\n    vars:"));
    ran(&rig, &env, &["run", "experiment.yaml"], 3);
    let last = good.requests()[2].json();
    assert_eq!((&last["event"], &last["verdict"]), (&Value::from("verdict"), &Value::from("not started")), "{last}");
    assert!(last["reason"].as_str().unwrap().contains("there is no terminal to ask"), "{last}");
}

#[cfg(feature = "otel")]
#[test]
fn a_run_is_a_trace_whose_spans_lie_in_each_other_at_their_own_times() {
    let collector = Inbox::start(&["503 Busy"]);
    let rig = Rig::new();
    let url = collector.url("");
    let env = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=planted-token-4711"),
        ("OTEL_RESOURCE_ATTRIBUTES", "team=sre"),
    ];
    let said = ran(&rig, &env, &["run", "experiment.yaml"], 0);
    assert_eq!(said.err, "");
    nothing_told(&rig, &said);
    let requests = collector.requests();
    let request = requests.last().unwrap();
    assert!(
        request.head.starts_with("POST /v1/traces HTTP/1.1\r\n") && request.head.contains("x-key: planted-token-4711\r\n"),
        "{}",
        request.head
    );
    let body = request.json();
    let resource = body["resourceSpans"][0]["resource"]["attributes"].to_string();
    assert!(resource.contains("firedrill") && resource.contains("sre"), "{resource}");
    let spans = body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap();
    let named = |start: &str| {
        spans.iter().find(|span| span["name"].as_str().unwrap().starts_with(start)).unwrap_or_else(|| panic!("{start}: {spans:#?}"))
    };
    let time = |span: &Value, key: &str| span[key].as_str().unwrap().parse::<u64>().unwrap();
    let step = spans.iter().find(|span| span["attributes"].to_string().contains("firedrill.step")).unwrap();
    let act = spans.iter().find(|span| span["attributes"].to_string().contains("firedrill.fault")).unwrap();
    for (inner, outer) in [
        (named("baseline"), named("drill: ")),
        (named("fault"), named("drill: ")),
        (step, named("fault")),
        (act, step),
        (named("undo: "), named("fault")),
    ] {
        assert_eq!((&inner["parentSpanId"], &inner["traceId"]), (&outer["spanId"], &outer["traceId"]), "{inner} in {outer}");
        assert!(
            time(inner, "startTimeUnixNano") >= time(outer, "startTimeUnixNano")
                && time(inner, "endTimeUnixNano") <= time(outer, "endTimeUnixNano")
        );
    }
    let root = named("drill: ");
    assert!(
        root["parentSpanId"] == "" && root["traceId"].as_str().unwrap().len() == 32 && root["spanId"].as_str().unwrap().len() == 16,
        "{root}"
    );
    assert!(root["status"]["code"] == 1 && root["attributes"].to_string().contains("\"passed\""), "{root}");
    let fault = named("fault");
    assert!(
        time(fault, "endTimeUnixNano") - time(fault, "startTimeUnixNano") >= 1_000_000_000,
        "the hold of one second lies in it: {fault}"
    );
}
