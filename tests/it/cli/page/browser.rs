//! The page in a real browser: Chromium, driven by `WebDriver` (Debian's `chromium` and `chromium-driver`).

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{
    live,
    site::{self, Site},
};
use crate::cli::rig::eventually;

const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";
const TAB: &str = "\u{e004}";

/// A browser with one window.
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    _home: tempfile::TempDir,
}

impl Browser {
    pub fn open() -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").env("HOME", home.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut driver = command.spawn().expect("chromedriver is there (Debian: chromium chromium-driver)");
        let mut said = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = said.find_map(|line| line.ok()?.split_once("started successfully on port ")?.1.trim_end_matches('.').parse().ok());
        let mut browser = Self { driver, port: port.expect("chromedriver says its port"), session: String::new(), _home: home };
        std::thread::spawn(move || said.for_each(drop));
        let options =
            json!({ "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1200,1000"] });
        let wanted = json!({ "capabilities": { "alwaysMatch": { "browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" } } } });
        let made = browser.call("POST", "/session", &wanted);
        made["sessionId"].as_str().unwrap_or_else(|| panic!("no Chromium: {made}")).clone_into(&mut browser.session);
        browser
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        let body = if method == "GET" { String::new() } else { body.to_string() };
        let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        site::read(stream).json()["value"].take()
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        self.call("POST", &format!("/session/{}{path}", self.session), body)
    }

    pub fn go(&self, url: &str) {
        assert_eq!(self.post("/url", &json!({ "url": url })), Value::Null);
    }

    pub fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// The text that a reader sees.
    pub fn text(&self) -> String {
        self.run("return document.body.innerText").as_str().unwrap_or_default().to_owned()
    }

    /// Presses keys, one after another.
    pub fn press(&self, keys: &[&str]) {
        for key in keys {
            let actions = json!([{ "type": "keyDown", "value": key }, { "type": "keyUp", "value": key }]);
            assert_eq!(self.post("/actions", &json!({ "actions": [{ "type": "key", "id": "keys", "actions": actions }] })), Value::Null);
        }
    }

    /// What the browser complained of: errors of scripts, and what the policy forbade.
    pub fn complaints(&self) -> Vec<Value> {
        let log = self.post("/se/log", &json!({ "type": "browser" }));
        log.as_array().unwrap_or_else(|| panic!("{log}")).iter().filter(|entry| entry["level"] != "INFO").cloned().collect()
    }

    pub fn focused(&self) -> String {
        self.run("return document.activeElement.innerText || document.activeElement.tagName").as_str().unwrap_or_default().to_owned()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser ends with its session, not with the driver; in the middle of a panic, too, where nothing may fail once more.
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
            let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
            let head = format!("DELETE /session/{} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", self.session);
            let _ = stream.write_all(head.as_bytes());
            let _ = stream.read(&mut [0; 4096]);
        }
        let _ = rustix::process::kill_process(rustix::process::Pid::from_child(&self.driver), Signal::TERM);
        let _ = self.driver.wait();
    }
}

#[test]
fn a_run_is_followed_and_halted_by_the_keyboard_alone() {
    let _quiet = crate::support::quiet::quiet();
    let rig = live::rig("Long <img src=x onerror=alert(1)>");
    let up = rig.up();
    let site = Site::of(&rig, "drills");
    let browser = Browser::open();
    browser.go(&site.link);
    assert!(browser.text().contains("The coming weeks") && browser.text().contains("long"), "{}", browser.text());
    browser.press(&["?"]);
    assert_eq!(browser.run("return document.getElementById('keys').open"), true);
    browser.press(&[ESCAPE, "r"]);
    eventually("the key leads to the runs", || browser.run("return location.pathname") == "/runs");

    let run = live::acting(&rig, &site);
    browser.go(&format!("http://{}/runs/{run}", site.address));
    let ticks = "return document.querySelectorAll('#probes rect').length";
    let first = browser.run(ticks).as_u64().unwrap();
    eventually("the strip grows", || browser.run(ticks).as_u64().unwrap_or(0) > first);
    assert!(browser.text().contains("Long <img src=x onerror=alert(1)>"), "{}", browser.text());

    browser.press(&["s"]);
    assert_eq!(browser.focused(), "Stop this run…");
    browser.press(&[ENTER, TAB]);
    assert_eq!(browser.focused(), "Yes, stop and undo");
    browser.press(&[ENTER]);
    eventually("it is told, and undone", || browser.text().contains("aborted") && rig.serving().len() == 3);
    assert!(browser.text().contains("✓ undone"), "{}", browser.text());
    browser.run("document.querySelector('a.report').click()");
    eventually("the report is there", || browser.run("return location.pathname").as_str().is_some_and(|path| path.ends_with("/report")));
    assert!(browser.text().to_lowercase().contains("fire drill report"), "{}", browser.text());
    assert_eq!(browser.complaints(), Vec::<Value>::new());
    drop(browser);
    site.end();
    up.signal(Signal::TERM);
    up.end().code(0);
}

const DAY: &str = r#"
gameday: A day of <b>drills</b>
agenda:
  - announce: Good morning
  - ask: "What do you expect?"
  - experiment: experiment.yaml
    confirm: true
"#;

#[test]
fn a_game_day_is_confirmed_on_the_page() {
    let _quiet = crate::support::quiet::quiet();
    let rig = live::rig("Another one");
    rig.write("gameday.yaml", DAY);
    let site = Site::of(&rig, "drills");
    let day = rig.start(["gameday", "run", "gameday.yaml"]);
    eventually("the day lasts", || site.get("/api/v1/gamedays").body.contains("\"lives\":true"));
    let browser = Browser::open();
    browser.go(&site.link);
    assert!(browser.text().contains("A day of <b>drills</b> lasts now"), "{}", browser.text());
    browser.press(&["g"]);
    eventually("the key leads to the day", || browser.text().contains("A day of <b>drills</b>"));
    eventually("it asks", || browser.text().contains("What do you expect?"));
    browser.run("document.getElementById('by').focus()");
    browser.press(&["A", "n", "a", TAB, "o", "k"]);
    browser.run("document.querySelector('button[value=answer]').focus()");
    browser.press(&[ENTER]);
    eventually("the answer is kept, and it waits for a go", || {
        browser.run("return !!document.getElementById('go')") == true && browser.text().contains("ok")
    });
    // Somebody else writes a note: it is seen without loading anything, and what was typed stays.
    browser.run("document.getElementById('text').value = 'half a sentence'");
    let id = site.get("/api/v1/gamedays").json()[0]["day"].as_str().unwrap().to_owned();
    site.post(&format!("/api/v1/gamedays/{id}/say"), "{\"by\":\"bo\",\"ask\":\"note\",\"text\":\"seen by <i>bo</i>\"}").code(200);
    eventually("the note is seen", || browser.text().contains("seen by <i>bo</i>"));
    assert_eq!(browser.run("return document.getElementById('text').value"), "half a sentence");
    assert_eq!(browser.run("return document.getElementById('by').value"), "Ana", "the name is remembered");
    browser.run("document.getElementById('text').value = ''; document.getElementById('go').focus()");
    browser.press(&[ENTER]);
    eventually("the drill runs", || site.get(&format!("/api/v1/gamedays/{id}")).json()["items"][2]["drill"].is_object());
    eventually("the page shows how it ended", || browser.text().contains("The whole report"));
    assert_eq!(site.get(&format!("/api/v1/gamedays/{id}")).code(200).json()["items"][2]["confirmed"]["by"], "Ana");
    site.post(&format!("/api/v1/gamedays/{id}/say"), "{\"by\":\"bo\",\"ask\":\"pause\"}").code(404).says("lasts now");
    browser.run("document.querySelector('a[href$=\"report.html\"]').click()");
    eventually("the day's report is there", || {
        browser.run("return location.pathname").as_str().is_some_and(|path| path.ends_with("/report.html"))
    });
    assert_eq!(browser.complaints(), Vec::<Value>::new());
    drop(browser);
    drop(day.end());
    site.end();
}
