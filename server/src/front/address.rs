//! Where a node listens, as flags and files write it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustix::net::{SocketAddrAny, SocketAddrUnix};

/// One place to listen at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Address {
    /// An address of the network, `127.0.0.1:8080`.
    Tcp(SocketAddr),
    /// A path of this machine, `unix:/run/hotfn/http.sock`.
    Unix(PathBuf),
}

/// All places that a node listens at; at least one. Default `127.0.0.1:8080`.
///
/// ```
/// use hotfn_server::front::Listen;
///
/// let listen: Listen = "127.0.0.1:8080,unix:/run/hotfn/http.sock".parse()?;
/// assert!(!listen.is_public());
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listen(Vec<Address>);

/// Most places of one node.
pub const ADDRESSES_MAX: usize = 16;
/// Most bytes of a path. Far more than the kernel's addresses hold, which is no bound here, and few enough to be
/// told to a successor.
pub const PATH_BYTES_MAX: usize = 1024;

/// Fn's port.
const PORT: u16 = 8080;

/// What a path begins with.
const UNIX: &str = "unix:";

impl Address {
    /// Where `socket` listens.
    ///
    /// # Errors
    /// When it is none that clients could find: of another family, or without a path.
    pub fn of(socket: &impl AsFd) -> io::Result<Self> {
        let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidInput, what);
        if !rustix::net::sockopt::socket_acceptconn(socket)? {
            return Err(invalid("it does not listen for connections; use ListenStream=".to_owned()));
        }
        let address: SocketAddrAny = rustix::net::getsockname(socket)?;
        if let Ok(address) = SocketAddr::try_from(address.clone()) {
            return Ok(Self::Tcp(address));
        }
        let unix = SocketAddrUnix::try_from(address)
            .map_err(|_| invalid("it is neither of TCP nor a unix socket".to_owned()))?;
        let path = unix.path_bytes().ok_or_else(|| invalid(format!("it has no path; {ABSTRACT}")))?;
        Ok(Self::Unix(Path::new(std::ffi::OsStr::from_bytes(path)).to_owned()))
    }

    /// What its URLs begin with, where connections are encrypted or not. At a path they never are: its file says
    /// who may connect, and nobody else hears what is said.
    #[must_use]
    pub fn base(&self, is_encrypted: bool) -> String {
        match self {
            Self::Tcp(address) if is_encrypted => format!("https://{address}"),
            Self::Tcp(address) => format!("http://{address}"),
            Self::Unix(path) => format!("unix://{}", path.display()),
        }
    }

    /// The network's, if it is of the network.
    #[must_use]
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// Can others than this machine reach it?
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.tcp().is_some_and(|address| !address.ip().to_canonical().is_loopback())
    }
}

/// Why not.
const ABSTRACT: &str = "an abstract name has no permissions, and whoever shares the network may connect";

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(path) = text.strip_prefix(UNIX) else {
            let expected = "neither an address and port, such as 127.0.0.1:8080, nor unix:/PATH";
            return text.parse().map(Self::Tcp).map_err(|_| format!("{text:?} is {expected}"));
        };
        if path.starts_with('@') {
            return Err(format!("{text:?} would be an abstract name: {ABSTRACT}; write unix:/PATH"));
        }
        // `unix:///run/s`, as clients may write it, is `unix:/run/s`.
        let path = path.strip_prefix("//").unwrap_or(path);
        if !path.starts_with('/') || path.ends_with('/') {
            return Err(format!("{text:?} does not name a socket; write its whole path, unix:/PATH"));
        }
        if path.len() > PATH_BYTES_MAX || path.contains('\0') {
            return Err(format!("the path of {} bytes names no socket; it has at most {PATH_BYTES_MAX}", path.len()));
        }
        Ok(Self::Unix(path.into()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

impl Listen {
    /// All of them, in the order in which they were given.
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        &self.0
    }

    /// By which the node is known to a successor.
    #[must_use]
    pub fn first(&self) -> &Address {
        self.0.first().expect("there is at least one place")
    }

    /// Can others than this machine reach any of them?
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.0.iter().any(Address::is_public)
    }
}

impl Default for Listen {
    fn default() -> Self {
        SocketAddr::from(([127, 0, 0, 1], PORT)).into()
    }
}

impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Self {
        Self(vec![Address::Tcp(address)])
    }
}

/// Nowhere to listen at.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("there is no place to listen at")]
pub struct Nowhere;

impl TryFrom<Vec<Address>> for Listen {
    type Error = Nowhere;

    fn try_from(addresses: Vec<Address>) -> Result<Self, Nowhere> {
        if addresses.is_empty() { Err(Nowhere) } else { Ok(Self(addresses)) }
    }
}

impl FromStr for Listen {
    type Err = String;

    /// With commas between them.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut addresses: Vec<Address> = Vec::new();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let address = word.parse()?;
            if addresses.contains(&address) {
                return Err(format!("{word:?} is there twice"));
            }
            addresses.push(address);
        }
        if addresses.len() > ADDRESSES_MAX {
            return Err(format!("{} places are too many; a node has at most {ADDRESSES_MAX}", addresses.len()));
        }
        Self::try_from(addresses).map_err(|e| format!("{e}; write an address such as 127.0.0.1:8080, or unix:/PATH"))
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, address) in self.0.iter().enumerate() {
            write!(f, "{}{address}", if n > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram, UnixListener};

    use super::*;

    #[test]
    fn a_list_of_places_reads_as_it_is_written() {
        let check = |text: &str, shown: &str, public: bool| {
            let listen: Listen = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!((listen.to_string().as_str(), listen.is_public()), (shown, public), "{text}");
            assert_eq!(shown.parse(), Ok(listen));
        };
        check("127.0.0.1:80", "127.0.0.1:80", false);
        check(" [::1]:80 , unix:/run/x ,", "[::1]:80,unix:/run/x", false);
        check("unix:///run/x", "unix:/run/x", false);
        check("unix:/run/x,0.0.0.0:80", "unix:/run/x,0.0.0.0:80", true);
        check("[::ffff:127.0.0.1]:1", "[::ffff:127.0.0.1]:1", false);
    }

    #[test]
    fn what_is_no_place_is_refused_with_what_is_one() {
        let check = |text: &str, what: &str| {
            let e = text.parse::<Listen>().unwrap_err();
            assert!(e.contains(what), "{text}: {e}");
        };
        for nowhere in ["", " , "] {
            check(nowhere, "there is no place to listen at");
        }
        for nowhere in ["8080", "localhost:8080", ":80", "/run/x", "http://127.0.0.1:80"] {
            check(nowhere, "such as 127.0.0.1:8080");
        }
        for nowhere in ["unix:", "unix:run/x", "unix:/", "unix:/run/", "unix://", "unix://h/x"] {
            check(nowhere, "unix:/PATH");
        }
        check("unix:@name", "has no permissions");
        check("unix:/x,unix:///x", "is there twice");
        check(&format!("unix:/{}", "x".repeat(PATH_BYTES_MAX)), "at most 1024");
        let many: Vec<String> = (0..=ADDRESSES_MAX).map(|n| format!("unix:/{n}")).collect();
        check(&many.join(","), "at most 16");
    }

    #[test]
    fn a_socket_that_was_opened_by_another_says_where_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(Address::of(&tcp).unwrap(), Address::Tcp(tcp.local_addr().unwrap()));
        assert_eq!(Address::of(&UnixListener::bind(&path).unwrap()).unwrap(), Address::Unix(path));

        let refused = |socket: &dyn AsFd| Address::of(&socket.as_fd()).unwrap_err().to_string();
        let name = UnixAddr::from_abstract_name(format!("hotfn-{}", std::process::id())).unwrap();
        assert!(refused(&UnixListener::bind_addr(&name).unwrap()).contains("has no path"));
        assert!(refused(&UnixDatagram::unbound().unwrap()).contains("ListenStream="));
    }

    #[test]
    fn a_place_is_shown_as_clients_write_it() {
        let base = |text: &str, is_encrypted| text.parse::<Address>().unwrap().base(is_encrypted);
        assert_eq!(base("127.0.0.1:80", false), "http://127.0.0.1:80");
        assert_eq!(base("127.0.0.1:80", true), "https://127.0.0.1:80");
        assert_eq!(base("unix:/run/x", true), "unix:///run/x");
    }
}
