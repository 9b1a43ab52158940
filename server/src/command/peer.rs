//! Who is at the other end of a connection, and which networks may be there.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// The other end of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Peer {
    /// An address. What is mapped from IPv4 is IPv4.
    Address(IpAddr),
    /// A process of this machine, by a unix socket: what the kernel says of it.
    Process {
        /// Its effective user.
        uid: u32,
        /// Its process id, when it connected.
        pid: u32,
    },
}

/// What counts as one caller where callers are counted: an address, of IPv6 the network that a
/// caller usually has to itself, or a user of this machine.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) enum Origin {
    Network(IpAddr),
    User(u32),
}

/// A network such as `10.0.0.0/8`; an address alone is a network of one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Network {
    base: u128,
    /// How many bits of the address count.
    bits: u32,
    is_v4: bool,
}

impl Peer {
    pub(super) fn origin(self) -> Origin {
        match self {
            Self::Address(ip) => Origin::of_ip(ip),
            Self::Process { uid, .. } => Origin::User(uid),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(ip) => ip.fmt(f),
            Self::Process { uid, pid } => write!(f, "uid {uid} (pid {pid})"),
        }
    }
}

impl Origin {
    pub(super) fn of_ip(ip: IpAddr) -> Self {
        Self::Network(match ip.to_canonical() {
            v4 @ IpAddr::V4(_) => v4,
            IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
        })
    }
}

impl Network {
    /// Is `ip` in it?
    #[must_use]
    pub fn holds(&self, ip: IpAddr) -> bool {
        let (bits, is_v4) = bits(ip);
        is_v4 == self.is_v4 && mask(bits, self.bits, is_v4) == self.base
    }
}

impl FromStr for Network {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "not a network such as 10.0.0.0/8 or fd00::/8, nor an address";
        let (ip, length) = match text.split_once('/') {
            Some((ip, length)) => (ip, Some(length)),
            None => (text, None),
        };
        let (base, is_v4) = bits(ip.parse().map_err(|_| EXPECTED)?);
        let most = if is_v4 { 32 } else { 128 };
        let length = length.map_or(Ok(most), |length| length.parse().map_err(|_| EXPECTED))?;
        if length > most {
            return Err(EXPECTED);
        }
        Ok(Self { base: mask(base, length, is_v4), bits: length, is_v4 })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base = match u32::try_from(self.base >> 96) {
            Ok(bits) if self.is_v4 => IpAddr::from(Ipv4Addr::from_bits(bits)),
            _ => Ipv6Addr::from_bits(self.base).into(),
        };
        write!(f, "{base}/{}", self.bits)
    }
}

/// The address's bits, at the upper end.
fn bits(ip: IpAddr) -> (u128, bool) {
    match ip.to_canonical() {
        IpAddr::V4(ip) => (u128::from(ip.to_bits()) << 96, true),
        IpAddr::V6(ip) => (ip.to_bits(), false),
    }
}

fn mask(base: u128, length: u32, is_v4: bool) -> u128 {
    debug_assert!(length <= if is_v4 { 32 } else { 128 });
    base & u128::MAX.checked_shl(128 - length).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(network: &str, ip: &str, expected: bool) {
        let network: Network = network.parse().unwrap();
        assert_eq!(network.holds(ip.parse().unwrap()), expected, "{network:?} {ip}");
    }

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        check("10.0.0.0/8", "10.255.1.2", true);
        check("10.0.0.0/8", "11.0.0.1", false);
        check("10.0.0.0/8", "::ffff:10.1.2.3", true);
        check("10.9.9.9/8", "10.1.2.3", true);
        check("192.168.1.7", "192.168.1.7", true);
        check("192.168.1.7", "192.168.1.8", false);
        check("0.0.0.0/0", "1.2.3.4", true);
        check("0.0.0.0/0", "::1", false);
        check("fd00::/8", "fd12::1", true);
        check("fd00::/8", "fe80::1", false);
        for wrong in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "host", "10.0.0.0/-1"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_network_is_shown_as_it_is_written() {
        for (text, shown) in [
            ("10.9.9.9/8", "10.0.0.0/8"),
            ("192.168.1.7", "192.168.1.7/32"),
            ("fd00::/8", "fd00::/8"),
            ("::1", "::1/128"),
        ] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn a_caller_of_ipv6_is_its_network() {
        let origin = |ip: &str| Origin::of_ip(ip.parse().unwrap());
        assert_eq!(origin("2001:db8::1"), origin("2001:db8::2:3"));
        assert_ne!(origin("2001:db8::1"), origin("2001:db8:0:1::1"));
        assert_eq!(origin("::ffff:10.0.0.1"), origin("10.0.0.1"));
        assert_ne!(origin("10.0.0.1"), origin("10.0.0.2"));
    }
}
