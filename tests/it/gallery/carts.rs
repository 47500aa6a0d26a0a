//! Lost carts, counted twice: by the drill, and by the shop itself.
//!
//! Each server of `shop/sticky` says at `/stats` how many carts it holds. It is asked again and again while the drill runs, through the
//! balancer and with its own sticky cookie, so what the killed one said last is what was lost with it.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::Value as Json;

use super::rig::{self, Ran};

/// The servers, as `systems/sticky.yaml` makes them.
const SERVERS: [&str; 6] = ["web-a-1", "web-a-2", "web-b-1", "web-b-2", "web-c-1", "web-c-2"];
/// From one round of questions to the next.
const EVERY: Duration = Duration::from_millis(20);
/// A measurement that was disturbed is made again.
const ATTEMPTS: usize = 3;

/// Both counts of one drill.
#[derive(Debug)]
pub struct Counted {
    /// Who was killed.
    pub victim: String,
    /// How many carts it said that it held when it was asked last.
    pub held: u64,
    /// What the report says: how many carts were lost, by the server that they lived on.
    pub lost: BTreeMap<String, u64>,
    /// All that the report says of the sessions.
    pub sessions: Json,
}

impl Counted {
    /// Whether the report says exactly what the shop said.
    pub fn agree(&self) -> bool {
        let only = BTreeMap::from([(self.victim.clone(), self.held)]);
        self.lost == only && self.sessions["lost"] == self.held && self.sessions["unchecked"] == 0
    }
}

/// Kills one server with this seed.
pub fn count(seed: u64) -> Counted {
    let (example, row) = rig::row("shop/sticky");
    let mut last = String::new();
    for _ in 0..ATTEMPTS {
        let mut drill = rig::Drill::start(example, row, &["--seed", &seed.to_string()]);
        let balancer = SocketAddr::from(([127, 0, 0, 1], drill.ports[0]));
        let mut held = BTreeMap::new();
        while drill.runs() {
            // Visitors who only look: the users' carts are not spread evenly then, and each seed's in another way.
            for _ in 0..seed % 5 {
                let _ = ask(balancer, "/", "nobody");
            }
            for server in SERVERS {
                if let Some(carts) = carts(balancer, server) {
                    held.insert(server, carts);
                }
            }
            std::thread::sleep(EVERY);
        }
        let ran = drill.end();
        if !ran.disturbed(row.expected) {
            return counted(&ran, &held);
        }
        last = ran.said;
    }
    panic!("seed {seed} was disturbed {ATTEMPTS} times:\n{last}");
}

fn counted(ran: &Ran, held: &BTreeMap<&str, u64>) -> Counted {
    let measurement = &ran.result["measurement"];
    let victims = measurement["victims"].as_array().unwrap();
    assert_eq!(victims.len(), 1, "{}", ran.said);
    let victim = victims[0]["instance"].as_str().unwrap().to_owned();
    let sessions = measurement["probes"][0]["state"].clone();
    let lost = sessions["lost_by_backend"].as_object().unwrap().iter().map(|(name, n)| (name.clone(), n.as_u64().unwrap())).collect();
    Counted { held: held.get(victim.as_str()).copied().unwrap_or(0), victim, lost, sessions }
}

/// How many carts this server says that it holds; none when another one answered, or nobody.
fn carts(balancer: SocketAddr, server: &str) -> Option<u64> {
    let answer = ask(balancer, "/stats", server)?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let by = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("x-served-by:").map(|name| name.trim().to_owned()))?;
    let whole = head.starts_with("HTTP/1.1 200") && by == server;
    whole.then(|| serde_json::from_str::<Json>(body).ok()?["carts"].as_u64())?
}

/// The answer to somebody whom the sticky cookie leads to this server.
fn ask(balancer: SocketAddr, path: &str, server: &str) -> Option<String> {
    let mut stream = TcpStream::connect(balancer).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: shop\r\ncookie: SERVERID={server}\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}
