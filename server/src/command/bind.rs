//! Where to listen: an address, a path, or sockets that somebody opened for us.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::str::FromStr;

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

/// Where to listen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Bind {
    /// `host:port`.
    Address(SocketAddr),
    /// `systemd`: the sockets that a service manager hands over.
    Systemd,
    /// `unix:path`.
    Unix(PathBuf),
}

/// Loopback, and the bridge by which containers see their host.
pub const DEFAULT: &str = "127.0.0.1:8099,172.17.0.1:8099";

impl Bind {
    /// A list with commas.
    ///
    /// # Errors
    /// At the first one that is none, which is named.
    pub fn list(text: &str) -> Result<Vec<Self>, String> {
        let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
        words.map(|word| word.parse().map_err(|what| format!("{word:?} is {what}"))).collect()
    }

    /// Can others than this machine and its containers reach it? What is said there can be overheard.
    #[must_use]
    pub fn is_public(&self) -> bool {
        match self {
            Self::Address(address) => !address.ip().is_loopback() && address.ip() != DOCKER0,
            Self::Systemd | Self::Unix(_) => false,
        }
    }
}

/// The bridge's usual address.
const DOCKER0: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::new(172, 17, 0, 1));

impl FromStr for Bind {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() { Err("no path") } else { Ok(Self::Unix(path.into())) };
        }
        if text == "systemd" {
            return Ok(Self::Systemd);
        }
        let address = text.replacen("localhost:", "127.0.0.1:", 1);
        let expected = "not an address and port such as 127.0.0.1:8099, nor unix:PATH or systemd";
        address.parse().map(Self::Address).map_err(|_| expected)
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "http://{address}"),
            Self::Systemd => f.write_str("systemd"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Listens at an address, also at one that this machine does not have yet: a bridge appears when its
/// daemon starts, which may be later.
pub(super) fn address(address: SocketAddr) -> io::Result<TcpListener> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    match address {
        SocketAddr::V4(_) => sockopt::set_ip_freebind(&socket, true)?,
        SocketAddr::V6(_) => sockopt::set_ipv6_freebind(&socket, true)?,
    }
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, hotfn_socket::BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_addresses_paths_and_handed_over_sockets() {
        let list = Bind::list(" 127.0.0.1:8099,unix:/run/x.sock, [::1]:80,systemd,").unwrap();
        let shown: Vec<String> = list.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["http://127.0.0.1:8099", "unix:/run/x.sock", "http://[::1]:80", "systemd"]);
        assert_eq!(Bind::list("localhost:1").unwrap(), [Bind::Address("127.0.0.1:1".parse().unwrap())]);
        for wrong in ["127.0.0.1", "unix:", "host:port", ":8099"] {
            assert!(Bind::list(wrong).unwrap_err().contains(wrong), "{wrong}");
        }
    }

    #[test]
    fn only_what_leaves_the_machine_is_public() {
        let public: Vec<bool> = Bind::list("127.0.0.1:1,172.17.0.1:1,unix:/x,0.0.0.0:1,10.0.0.1:1,[::1]:1")
            .unwrap()
            .iter()
            .map(Bind::is_public)
            .collect();
        assert_eq!(public, [false, false, false, true, true, false]);
    }

    #[test]
    fn an_address_that_is_not_there_yet_can_be_listened_at() {
        // Kept for documentation: no machine has it.
        let listener = address("192.0.2.1:0".parse().unwrap()).unwrap();
        assert_eq!(listener.local_addr().unwrap().ip().to_string(), "192.0.2.1");
    }
}
