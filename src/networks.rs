//! Networks in CIDR notation (RFC 4632 section 3.1, RFC 4291 section 2.3).

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::ParseIntError,
    str::FromStr,
};

/// The addresses that count as one client: one address in IPv4, a /64 network in IPv6, which is the least
/// that a site gets (RFC 6177 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subnet(u64);

impl Subnet {
    /// That of an address. An IPv4 address is the same in either notation.
    pub fn of(address: IpAddr) -> Self {
        // No IPv6 network in use begins with 32 zero bits (RFC 4291 section 2.4).
        match address.to_canonical() {
            IpAddr::V4(address) => Self(u64::from(address.to_bits())),
            IpAddr::V6(address) => Self((address.to_bits() >> 64) as u64),
        }
    }

    /// A number that no other has.
    pub fn number(self) -> u64 {
        self.0
    }
}

/// Addresses with the same first bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Without an IPv4-mapped form; its bits behind the prefix are 0.
    address: IpAddr,
    prefix_bits: u8,
}

/// Why a text is not a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Neither an address nor an address, a slash and a number of bits.
    #[error("not an IP address, or one with the length of its prefix")]
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
    /// Whether an address, which is not IPv4-mapped, is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        first_bits(address, self.prefix_bits) == self.address
    }

    /// Whether it has every address of its version of IP.
    pub fn is_everything(&self) -> bool {
        self.prefix_bits == 0
    }
}

/// Whether an address, which is not IPv4-mapped, is in one of the networks.
pub fn is_in(networks: &[Network], address: IpAddr) -> bool {
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

    /// `10.0.0.0/8`, `fd00::/8`, or one address.
    fn from_str(text: &str) -> Result<Self, NetworkError> {
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
        let network = Self {
            address: first_bits(address, prefix_bits),
            prefix_bits,
        };
        if network.address == address {
            Ok(network)
        } else {
            Err(NetworkError::HostBits(network))
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_or_a_64_bit_prefix_is_one_client() {
        let subnet = |address: &str| Subnet::of(address.parse().expect("an address"));
        assert_ne!(subnet("192.0.2.1"), subnet("192.0.2.2"));
        assert_eq!(subnet("192.0.2.1"), subnet("::ffff:192.0.2.1"));
        assert_eq!(subnet("2001:db8::1"), subnet("2001:db8::ffff:0:0:2"));
        assert_ne!(subnet("2001:db8::1"), subnet("2001:db8:0:1::1"));
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
        ] {
            let parsed: Network = network.parse().expect(network);
            let is_in = |address: &str| parsed.contains(address.parse().expect(address));
            assert!(is_in(inside) && !is_in(outside), "{network}");
        }
    }

    #[test]
    fn what_is_not_a_network() {
        for (text, error) in [
            (
                "",
                "not an IP address, or one with the length of its prefix",
            ),
            (
                "10.0.0.0/",
                "not an IP address, or one with the length of its prefix",
            ),
            (
                "10.0.0.0/+8",
                "not an IP address, or one with the length of its prefix",
            ),
            (
                "10.0.0.0/8/8",
                "not an IP address, or one with the length of its prefix",
            ),
            (
                "10.0.0.0/999",
                "not an IP address, or one with the length of its prefix",
            ),
            (
                "10.0.0/8",
                "not an IP address, or one with the length of its prefix",
            ),
            (
                "proxy",
                "not an IP address, or one with the length of its prefix",
            ),
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
