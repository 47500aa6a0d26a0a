//! A laboratory, a user's folder beside it, and the binary with that user's credentials.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_firedrill");
pub const REGION: &str = "eu-west-1";
pub const GROUP: &str = "what-time-web";

/// The dead-man's switch dies before it does anything: what follows is the work of `recover` alone.
pub const WITHOUT_HELPER: (&str, &str) = ("FIREDRILL_DEADMAN_FAILPOINT", "deadman:1:before");

/// A run that passes, if its method does no harm: users see the laboratory's own page.
pub const EXPERIMENT: &str = "
title: A drill on AWS
probes:
  home: { http: \"${url}/lab/health\", rate: 10/s, timeout: 5s }
steady-state:
  - { probe: home, availability: \">= 50%\" }
warm-up: 200ms
baseline: 1s
recovery: { hold: 500ms, limit: 60s }
guardrails: { max-affected: { service: 50% } }
method:
";

/// A laboratory with the site of the examples in it, and a folder of a user.
pub struct Lab {
    process: Child,
    folder: tempfile::TempDir,
    pub endpoint: String,
    /// What it said when it was ready: its sites, its names.
    pub ready: Value,
}

/// The examples for AWS.
pub fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/what-time/aws")
}

impl Lab {
    /// Starts one with these flags, in which instances are only in the books.
    pub fn with(flags: &[&str]) -> Self {
        Self::start(&[&["--rules-only"], flags].concat())
    }

    /// Starts one in which each instance is a process of the `what-time` site, behind a real `HAProxy`.
    pub fn real(flags: &[&str]) -> Self {
        let lab = Self::start(&[&["--firedrill", BINARY], flags].concat());
        let network = &lab.ready["network"];
        assert_eq!(network, "here", "the site must be in the network of this test, which must lead nowhere: `scripts/lab alone` makes one");
        lab
    }

    fn start(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/aws-lab");
        let mut process = Command::new(&script)
            .arg("serve")
            .arg(folder.path().join("lab"))
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", script.display()));
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|_| {
            let mut why = String::new();
            let _ = process.kill();
            let _ = process.stderr.take().unwrap().read_to_string(&mut why);
            panic!("the laboratory of AWS did not start; `scripts/aws-lab install` installs what it needs\n{why}")
        });
        let endpoint = ready["endpoint"].as_str().unwrap().to_owned();
        assert!(endpoint.starts_with("http://127."), "{endpoint} is not on this machine");
        let lab = Self { process, folder, endpoint, ready };
        lab.environment("");
        lab
    }

    pub fn new() -> Self {
        Self::with(&[])
    }

    /// Writes `firedrill.yaml` with further settings of the platform.
    pub fn environment(&self, settings: &str) {
        let text = format!(
            "environments:\n  here:\n    platform:\n      aws:\n        region: {REGION}\n        endpoint: \"{}\"\n{settings}    vars: {{ url: \"{}\" }}\n",
            self.endpoint, self.endpoint
        );
        self.write("firedrill.yaml", &text);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// An example and the environments beside it, with rates and holds that fit a laboratory in which everything is thirty times faster.
    pub fn example(&self, name: &str) {
        let folder = examples();
        let mut text = fs::read_to_string(folder.join(name)).unwrap();
        for (there, here) in [
            ("rate: 100/s", "rate: 200/s"),
            ("rate: 50/s", "rate: 200/s"),
            ("baseline: 10s", "baseline: 3s"),
            ("recovered-within: 5m", "recovered-within: 60s"),
            ("recovered-within: 10m", "recovered-within: 60s"),
            ("hold: 10s, limit: 10m", "hold: 3s, limit: 60s"),
            ("hold: 10s, limit: 15m", "hold: 3s, limit: 60s"),
            ("hold: 60s", "hold: 4s"),
            ("hold: 2m", "hold: 6s"),
            ("hold: 3m", "hold: 8s"),
            ("hold: 5m", "hold: 8s"),
        ] {
            text = text.replace(there, here);
        }
        self.write(name, &text);
        fs::copy(folder.join("firedrill.yaml"), self.path("firedrill.yaml")).unwrap();
    }

    /// The usual experiment with this method.
    pub fn experiment(&self, method: &str) {
        self.write("experiment.yaml", &format!("{EXPERIMENT}{method}"));
    }

    /// The binary in this folder, or another one.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.args(args).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env("FIREDRILL_STATE_DIR", self.path("state")).env("NO_COLOR", "1");
        for name in ["AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN", "FIREDRILL_LOG", "FIREDRILL_FAILPOINT"] {
            command.env_remove(name);
        }
        command.envs(credentials());
        command
    }

    /// Where the site of a region listens.
    pub fn url(&self, region: &str) -> String {
        self.ready["sites"][region]["what-time"]["url"].as_str().unwrap_or_else(|| panic!("a site: {}", self.ready)).to_owned()
    }

    /// Runs the binary to its end.
    pub fn firedrill(&self, args: &[&str]) -> Said {
        Said::of(self.command(args).output().unwrap())
    }

    /// Runs the drill, without a helper, until it dies at the call with this number: an `aws` failpoint counts the calls that change something.
    /// A run that ends for want of time on this machine is made again: that has nothing to do with it.
    pub fn killed_at_call(&self, at: usize, when: &str) -> Said {
        let run = || {
            let mut command = self.command(&["run", "experiment.yaml", "--yes"]);
            command.envs([WITHOUT_HELPER]).env("FIREDRILL_FAILPOINT", format!("aws:{at}:{when}"));
            Said::of(command.output().unwrap())
        };
        let words = |said: &Said| said.out.split_whitespace().collect::<Vec<_>>().join(" ");
        let busy = |said: &Said| said.code.is_some() && words(said).contains("more than 10 ms late");
        (0..8).map(|_| run()).find(|said| !busy(said)).expect("a run that the machine had time for")
    }

    /// Recovers it from another folder, with only the journal; and once more.
    pub fn recovered_by_its_journal(&self) {
        for _ in 0..2 {
            let elsewhere = tempfile::tempdir().unwrap();
            Said::of(self.command(&["recover"]).current_dir(elsewhere.path()).output().unwrap()).recovered();
        }
    }

    /// Recovers it when the journal is lost, from what the account shows; and once more.
    pub fn recovered_by_its_marks(&self) {
        fs::remove_dir_all(self.path("state")).unwrap();
        for _ in 0..2 {
            self.firedrill(&["recover", "--env", "here"]).recovered();
        }
    }

    /// `result.json` of the newest run in this folder.
    pub fn result(&self) -> Value {
        let mut runs: Vec<PathBuf> = fs::read_dir(self.path("firedrill-runs")).unwrap().map(|entry| entry.unwrap().path()).collect();
        runs.sort();
        serde_json::from_slice(&fs::read(runs.pop().expect("a run").join("result.json")).unwrap()).unwrap()
    }

    /// Asks the laboratory itself.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> Value {
        let host = self.endpoint.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(host).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(2))).unwrap();
        let request = format!(
            "{method} {path} HTTP/1.0\r\nHost: {host}\r\nContent-Length: {}\r\nContent-Type: application/json\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(" 200 "), "{method} {path}: {answer}");
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"))
    }

    /// Waits until all groups are as they should be, and that nothing in the laboratory itself is wrong.
    pub fn settled(&self) {
        self.ask("GET", "/lab/settled?within=90", "");
        self.ask("GET", "/lab/health", "");
    }

    /// Everything that a drill can change in the regions that have a site, and the names that are in none (`aws`); asking about another region
    /// makes an empty one there.
    pub fn state(&self) -> Value {
        let mut state = self.ask("GET", "/lab/state", "");
        for account in state.as_object_mut().unwrap().values_mut() {
            account.as_object_mut().unwrap().retain(|region, _| region == "aws" || self.ready["regions"].get(region).is_some());
        }
        state
    }

    /// Everything that a drill can change, without what a replacement changes: instances, members and targets count by zone and state.
    pub fn shape(&self) -> Value {
        let mut state = self.state();
        without_instances(&mut state);
        state
    }

    /// What was called since the last time this was asked, by name.
    pub fn calls(&self) -> BTreeMap<String, usize> {
        let told = self.ask("GET", "/lab/calls", "");
        self.ask("DELETE", "/lab/calls", "");
        let mut counts = BTreeMap::new();
        for call in told["calls"].as_array().unwrap() {
            *counts.entry(call["name"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        counts
    }

    /// The calls that were really done, with their parameters.
    pub fn done(&self, name: &str) -> Vec<Value> {
        let told = self.ask("GET", "/lab/calls", "");
        let all = told["calls"].as_array().unwrap().iter();
        all.filter(|call| call["name"] == name && call["dry_run"] != true && call["done"].as_u64() > Some(0)).cloned().collect()
    }

    /// The instances by zone, of those that run.
    pub fn running(&self) -> BTreeMap<String, Vec<String>> {
        let said = self.firedrill(&["targets", "--format", "json"]).code(0);
        let inventory: Value = serde_json::from_str(&said.out).unwrap();
        let mut zones: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for instance in inventory["instances"].as_array().unwrap().iter().filter(|i| i["state"] == "running") {
            let (zone, id) = (instance["zone"].as_str().unwrap(), instance["id"].as_str().unwrap());
            zones.entry(zone.to_owned()).or_default().push(id.to_owned());
        }
        zones
    }

    /// Calls AWS's API as another user of the account would, through Python's SDK of the laboratory.
    pub fn aws(&self, service: &str, call: &str, parameters: &Value) -> Value {
        let program = "import boto3, json, sys\n\
             from botocore.config import Config\n\
             service, call, parameters, endpoint, region = sys.argv[1:]\n\
             client = boto3.client(service, endpoint_url=endpoint, region_name=region, config=Config(retries={'total_max_attempts': 8}))\n\
             print(json.dumps(getattr(client, call)(**json.loads(parameters)), default=str))\n";
        let output = Command::new(python())
            .args(["-c", program, service, call, &parameters.to_string(), &self.endpoint, REGION])
            .envs(credentials())
            .output()
            .unwrap();
        assert!(output.status.success(), "{service} {call}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A user's credentials. Nothing of AWS's own is ever asked.
pub fn credentials() -> [(&'static str, &'static str); 4] {
    [
        ("AWS_ACCESS_KEY_ID", "drill"),
        ("AWS_SECRET_ACCESS_KEY", "drill"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", "/nonexistent"),
    ]
}

/// The laboratory's Python.
pub fn python() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from);
    let cache = std::env::var_os("FIREDRILL_LAB_CACHE").map_or_else(|| target.join("lab"), PathBuf::from).join("aws");
    let found = fs::read_dir(&cache).unwrap_or_else(|error| panic!("{}: {error}", cache.display()));
    let mut places: Vec<PathBuf> = found.map(|entry| entry.unwrap().path()).filter(|path| path.join("complete").exists()).collect();
    places.sort_by_key(|path| fs::metadata(path).and_then(|m| m.modified()).ok());
    places.pop().expect("a Python of the laboratory").join("bin/python")
}

/// Which instances there are changes with every replacement; how many of each kind in each zone does not. So do the members of groups and the
/// targets of balancers: they are counted by zone and state. What has ended, or is just leaving, is none any more.
fn without_instances(state: &mut Value) {
    for region in state.as_object_mut().unwrap().values_mut().flat_map(|account| account.as_object_mut().unwrap().values_mut()) {
        let zones: BTreeMap<String, String> = objects(&region["instances"])
            .map(|(id, instance)| (id.clone(), instance["zone"].as_str().unwrap_or_default().to_owned()))
            .collect();
        counted(region, &zones);
    }
}

fn objects(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn counted(value: &mut Value, zones: &BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields.iter_mut() {
                match (key.as_str(), &*value) {
                    ("instances" | "members" | "targets", Value::Object(all)) if all.keys().all(|id| id.starts_with("i-")) => {
                        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
                        for (id, one) in all {
                            if let Some(kind) = kind(id, one, zones) {
                                *counts.entry(kind).or_default() += 1;
                            }
                        }
                        *value = serde_json::to_value(counts).unwrap();
                    }
                    _ => counted(value, zones),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| counted(item, zones)),
        _ => {}
    }
}

/// What an instance, member or target counts as; nothing when it is going.
fn kind(id: &str, one: &Value, zones: &BTreeMap<String, String>) -> Option<String> {
    const GOING: [&str; 4] = ["terminated", "shutting-down", "Terminating", "draining"];
    let word = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
    if GOING.contains(&word("state").as_str())
        || GOING.contains(&word("lifecycle").as_str())
        || one.as_str().is_some_and(|s| GOING.contains(&s))
    {
        return None;
    }
    // A target is its state alone.
    let zone = zones.get(id.split([':', ' ']).next().unwrap_or_default()).cloned();
    let mut one = one.clone();
    if let Some(fields) = one.as_object_mut() {
        fields.remove("subnet");
    }
    Some(format!("{} {one}", zone.unwrap_or_default()))
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    pub fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        self
    }

    /// Requires of `recover` that it has undone all that it found.
    #[track_caller]
    pub fn recovered(self) -> Self {
        crate::support::residue::none(self.code == Some(0), format_args!("{:?}\n{}\n{}", self.code, self.out, self.err));
        self
    }

    /// Requires of `recover` that there was nothing to undo any more.
    #[track_caller]
    pub fn found_nothing(self) -> Self {
        let said = self.recovered();
        let nothing = said.out.contains("nothing to recover") || said.err.contains("nothing to recover");
        crate::support::residue::none(nothing, format_args!("there was something to recover:\n{}\n{}", said.out, said.err));
        said
    }

    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.out.contains(text) || self.err.contains(text), "{text:?} is not in:\n{}\n{}", self.out, self.err);
        self
    }
}
