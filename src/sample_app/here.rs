//! Where this process is, as others call it.

use std::net::{SocketAddr, ToSocketAddrs};

/// The name of this machine or container.
pub fn name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The address to tell others: where it listens, or, when that is everywhere, the address of this machine's own name.
///
/// # Errors
/// In words: the machine's name has no address.
pub fn address(listen: SocketAddr) -> Result<String, String> {
    if !listen.ip().is_unspecified() {
        return Ok(listen.to_string());
    }
    let name = name();
    let found = (name.as_str(), listen.port()).to_socket_addrs().ok().and_then(|mut all| all.find(|at| at.is_ipv4() == listen.is_ipv4()));
    found.map(|at| at.to_string()).ok_or_else(|| format!("this machine's name {name} has no address that others could use"))
}
