//! Where clients come from: addresses, and networks in CIDR notation (RFC 4632 section 3.1, RFC 4291 section
//! 2.3).

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::ParseIntError,
    str::FromStr,
};

/// Where a client or a proxy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientAddress {
    /// An IP address, never IPv4-mapped.
    Ip(IpAddr),
    /// The other end of a unix socket, which has no address: a process of this machine.
    Unix,
}

impl From<IpAddr> for ClientAddress {
    fn from(address: IpAddr) -> Self {
        Self::Ip(address.to_canonical())
    }
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix => f.write_str(UNIX),
        }
    }
}

/// How settings and the log call the other end of a unix socket.
const UNIX: &str = "unix";

/// Why an address can't be listened on: what the system says, and what the operator can do about it.
pub(crate) fn bind_failure(error: &io::Error, port: u16) -> String {
    let hint = match error.raw_os_error() {
        Some(libc::EADDRINUSE) => {
            format!(
                "; `ss -ltnp sport = :{port}` shows which process has it: stop that, or choose another port"
            )
        }
        Some(libc::EADDRNOTAVAIL) => {
            "; no interface of this machine has it: 0.0.0.0 is all of them in IPv4, [::] in both"
                .to_owned()
        }
        Some(libc::EACCES) => {
            "; ports below 1024 need the capability CAP_NET_BIND_SERVICE or a passed socket"
                .to_owned()
        }
        _ => String::new(),
    };
    format!("{error}{hint}")
}

/// The addresses that count as one client: one address in IPv4, a /64 network in IPv6, which is the least
/// that a site gets (RFC 6177 section 2), and all unix sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subnet(u64);

impl Subnet {
    /// That of an address.
    pub fn of(address: ClientAddress) -> Self {
        // No IPv6 network in use begins with 32 zero bits, and none with 64 ones (RFC 4291 section 2.4).
        match address {
            ClientAddress::Ip(IpAddr::V4(address)) => Self(u64::from(address.to_bits())),
            ClientAddress::Ip(IpAddr::V6(address)) => Self((address.to_bits() >> 64) as u64),
            ClientAddress::Unix => Self(u64::MAX),
        }
    }

    /// A number that no other has.
    pub fn number(self) -> u64 {
        self.0
    }
}

/// Where several clients or proxies can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Addresses with the same first bits.
    Ip {
        /// Without an IPv4-mapped form; its bits behind the prefix are 0.
        address: IpAddr,
        /// How many bits are the same.
        prefix_bits: u8,
    },
    /// Unix sockets.
    Unix,
}

/// Why a text is not a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Neither an address nor an address, a slash and a number of bits, nor `unix`.
    #[error("not an IP address, one with the length of its prefix, or \"{UNIX}\"")]
    Syntax,
    /// More bits than an address has.
    #[error("a prefix of {0} has at most {1} bits")]
    Prefix(IpAddr, u8),
    /// The address is within the network: a typing error in its prefix would trust too many.
    #[error("the address has bits beyond its prefix; the network is {0}")]
    HostBits(Network),
}

impl From<ParseIntError> for NetworkError {
    fn from(_: ParseIntError) -> Self {
        Self::Syntax
    }
}

impl Network {
    /// Whether an address is in it.
    pub fn contains(self, address: ClientAddress) -> bool {
        match (self, address) {
            (Self::Unix, ClientAddress::Unix) => true,
            (
                Self::Ip {
                    address: first,
                    prefix_bits,
                },
                ClientAddress::Ip(address),
            ) => first_bits(address, prefix_bits) == first,
            (Self::Unix, ClientAddress::Ip(_)) | (Self::Ip { .. }, ClientAddress::Unix) => false,
        }
    }

    /// Whether it has every address of its version of IP.
    pub fn is_everything(self) -> bool {
        matches!(self, Self::Ip { prefix_bits: 0, .. })
    }
}

/// Whether an address is in one of the networks.
pub fn is_in(networks: &[Network], address: ClientAddress) -> bool {
    networks.iter().any(|network| network.contains(address))
}

/// The address with the bits behind the prefix set to 0.
fn first_bits(address: IpAddr, bits: u8) -> IpAddr {
    let bits = u32::from(bits);
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(bits));
            Ipv4Addr::from_bits(address.to_bits() & mask.unwrap_or(0)).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(bits));
            Ipv6Addr::from_bits(address.to_bits() & mask.unwrap_or(0)).into()
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    /// `10.0.0.0/8`, `fd00::/8`, one address, or `unix`.
    fn from_str(text: &str) -> Result<Self, NetworkError> {
        if text == UNIX {
            return Ok(Self::Unix);
        }
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Syntax)?;
        let (address, bits_max) = match address {
            IpAddr::V4(_) => (address, 32),
            // Clients on a listener of both versions have their IPv4 address.
            IpAddr::V6(mapped) if prefix.is_none() => match mapped.to_canonical() {
                v4 @ IpAddr::V4(_) => (v4, 32),
                v6 @ IpAddr::V6(_) => (v6, 128),
            },
            IpAddr::V6(_) => (address, 128),
        };
        let prefix_bits = match prefix {
            None => bits_max,
            Some(digits) if digits.bytes().all(|it| it.is_ascii_digit()) => digits.parse()?,
            Some(_) => return Err(NetworkError::Syntax),
        };
        if prefix_bits > bits_max {
            return Err(NetworkError::Prefix(address, bits_max));
        }
        let first = first_bits(address, prefix_bits);
        let network = Self::Ip {
            address: first,
            prefix_bits,
        };
        if first == address {
            Ok(network)
        } else {
            Err(NetworkError::HostBits(network))
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip {
                address,
                prefix_bits,
            } => write!(f, "{address}/{prefix_bits}"),
            Self::Unix => f.write_str(UNIX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> ClientAddress {
        match text {
            "unix" => ClientAddress::Unix,
            ip => ip.parse::<IpAddr>().expect("an address").into(),
        }
    }

    #[test]
    fn an_address_or_a_64_bit_prefix_is_one_client() {
        let subnet = |text: &str| Subnet::of(address(text));
        assert_ne!(subnet("192.0.2.1"), subnet("192.0.2.2"));
        assert_eq!(subnet("192.0.2.1"), subnet("::ffff:192.0.2.1"));
        assert_eq!(subnet("2001:db8::1"), subnet("2001:db8::ffff:0:0:2"));
        assert_ne!(subnet("2001:db8::1"), subnet("2001:db8:0:1::1"));
        assert_ne!(subnet("unix"), subnet("255.255.255.255"));
    }

    #[test]
    fn an_address_is_in_the_networks_that_begin_as_it_does() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
            ("10.0.0.0/8", "10.0.0.0", "::10.0.0.1"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("192.0.2.6/31", "192.0.2.7", "192.0.2.8"),
            ("0.0.0.0/0", "255.1.2.3", "::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::/0", "ffff::", "1.2.3.4"),
            ("::1", "::1", "::2"),
            ("::ffff:192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("unix", "unix", "127.0.0.1"),
            ("0.0.0.0/0", "1.2.3.4", "unix"),
        ] {
            let parsed: Network = network.parse().expect(network);
            assert_eq!(parsed.to_string().parse(), Ok(parsed));
            let is_in = |text: &str| parsed.contains(address(text));
            assert!(is_in(inside) && !is_in(outside), "{network}");
        }
    }

    #[test]
    fn what_is_not_a_network() {
        const SYNTAX: &str = "not an IP address, one with the length of its prefix, or \"unix\"";
        for (text, error) in [
            ("", SYNTAX),
            ("10.0.0.0/", SYNTAX),
            ("10.0.0.0/+8", SYNTAX),
            ("10.0.0.0/8/8", SYNTAX),
            ("10.0.0.0/999", SYNTAX),
            ("10.0.0/8", SYNTAX),
            ("proxy", SYNTAX),
            ("unix:", SYNTAX),
            ("10.0.0.0/33", "a prefix of 10.0.0.0 has at most 32 bits"),
            ("fd00::/129", "a prefix of fd00:: has at most 128 bits"),
            (
                "10.1.2.0/8",
                "the address has bits beyond its prefix; the network is 10.0.0.0/8",
            ),
            (
                "fd00::1/64",
                "the address has bits beyond its prefix; the network is fd00::/64",
            ),
        ] {
            let found = text.parse::<Network>().expect_err(text);
            assert_eq!(found.to_string(), error, "{text}");
        }
    }
}
