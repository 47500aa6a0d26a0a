//! HAProxy's runtime API, as far as a service registry and a deployment need it: servers come, drain and go without a reload.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// How long an order may take.
const WITHIN: Duration = Duration::from_secs(1);
/// The bit of `srv_admin_state` that says that a server was told to drain.
const DRAINS: u32 = 0x08;

/// A running HAProxy, by the address of its `stats socket`.
#[derive(Debug, Clone)]
pub struct HaProxy(pub String);

/// A server, as HAProxy knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The backend that it is in: the service.
    pub backend: String,
    /// Its name: the instance's.
    pub name: String,
    /// Where it is: `IP:PORT`.
    pub address: String,
    /// Whether it gets nothing new.
    pub draining: bool,
    /// Whether its checks say that it works (or are not made).
    pub up: bool,
}

impl HaProxy {
    /// Every server.
    ///
    /// # Errors
    /// In words: HAProxy does not answer.
    pub async fn servers(&self) -> Result<Vec<Server>, String> {
        self.order("show servers state").await.map(|text| text.lines().filter_map(server).collect())
    }

    /// How many connections a server has now.
    ///
    /// # Errors
    /// In words: HAProxy does not answer, or knows no such server.
    pub async fn sessions(&self, backend: &str, name: &str) -> Result<u64, String> {
        let text = self.order("show stat").await?;
        let count = text.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            (fields.first() == Some(&backend) && fields.get(1) == Some(&name)).then(|| fields.get(4)?.parse().ok()).flatten()
        });
        count.ok_or_else(|| format!("HAProxy has no server {backend}/{name}"))
    }

    /// Adds a server and begins to use it; `check` are the words for its health check.
    ///
    /// # Errors
    /// In words: HAProxy does not do it.
    pub async fn add(&self, server: &Server, check: Option<&str>) -> Result<(), String> {
        let Server { backend, name, address, .. } = server;
        let words = check.map(|check| format!(" check {check}")).unwrap_or_default();
        self.done(&format!("add server {backend}/{name} {address}{words}"), "New server registered").await?;
        if check.is_some() {
            self.done(&format!("enable health {backend}/{name}"), "").await?;
        }
        self.done(&format!("enable server {backend}/{name}"), "").await
    }

    /// Stops using a server, and forgets it. One that still has connections is forgotten at a later try.
    ///
    /// # Errors
    /// In words: HAProxy does not do it, or not yet.
    pub async fn remove(&self, backend: &str, name: &str) -> Result<(), String> {
        self.done(&format!("disable server {backend}/{name}"), "").await?;
        self.done(&format!("del server {backend}/{name}"), "Server deleted").await
    }

    /// Has a server get nothing new, or again something.
    ///
    /// # Errors
    /// In words: HAProxy does not do it.
    pub async fn drain(&self, backend: &str, name: &str, draining: bool) -> Result<(), String> {
        let state = if draining { "drain" } else { "ready" };
        self.done(&format!("set server {backend}/{name} state {state}"), "").await
    }

    /// Gives a server this weight among those of its backend, 0 to 256; with 0 it gets nothing new.
    ///
    /// # Errors
    /// In words: HAProxy does not do it.
    pub async fn weigh(&self, backend: &str, name: &str, weight: u32) -> Result<(), String> {
        self.done(&format!("set server {backend}/{name} weight {weight}"), "").await
    }

    /// An order that is answered by these words, or by nothing.
    async fn done(&self, order: &str, words: &str) -> Result<(), String> {
        let said = self.order(order).await?;
        let said = said.trim();
        if said.contains(words) && (!words.is_empty() || said.is_empty()) {
            Ok(())
        } else {
            Err(format!("HAProxy says to `{order}`: {said}"))
        }
    }

    async fn order(&self, order: &str) -> Result<String, String> {
        let spoken = async {
            let mut stream = TcpStream::connect(&self.0).await?;
            stream.write_all(format!("{order}\n").as_bytes()).await?;
            let mut said = String::new();
            stream.read_to_string(&mut said).await?;
            Ok::<_, std::io::Error>(said)
        };
        match tokio::time::timeout(WITHIN, spoken).await {
            Ok(said) => said.map_err(|error| format!("HAProxy at {}: {error}", self.0)),
            Err(_) => Err(format!("HAProxy at {} does not answer", self.0)),
        }
    }
}

/// A line of `show servers state`.
fn server(line: &str) -> Option<Server> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [_, backend, _, name, ip, operational, admin, ..] = fields[..] else { return None };
    let port = fields.get(18)?;
    let admin: u32 = admin.parse().ok()?;
    Some(Server {
        backend: backend.to_owned(),
        name: name.to_owned(),
        address: format!("{ip}:{port}"),
        draining: admin & DRAINS != 0,
        up: operational == "2",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_servers_is_read() {
        let text = "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state ...\n\
            3 users 1 users-a-1 127.0.0.1 0 0 1 1 1 8 2 0 6 0 0 0 - 19001 - 0 0 - - 0\n\
            3 users 2 users-a-2 127.0.0.1 2 8 1 1 1 8 2 0 6 0 0 0 - 19002 - 0 0 - - 0\n";
        let found: Vec<Server> = text.lines().filter_map(server).collect();
        let dead = Server {
            backend: "users".to_owned(),
            name: "users-a-1".to_owned(),
            address: "127.0.0.1:19001".to_owned(),
            draining: false,
            up: false,
        };
        let drains =
            Server { name: "users-a-2".to_owned(), address: "127.0.0.1:19002".to_owned(), draining: true, up: true, ..dead.clone() };
        assert_eq!(found, [dead, drains]);
    }
}
