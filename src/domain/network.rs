//! Networks: addresses that begin alike.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::fmt;
use std::str::FromStr;

/// Leading bits of the addresses that IPv4 has within IPv6.
const MAPPED_BITS: u8 = 96;

/// A network: the addresses whose first bits are its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its first address.
    pub address: IpAddr,
    /// How many leading bits its addresses share.
    pub prefix_bits: u8,
}

/// Why a text is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Neither an address nor a network.
    #[error("is no network; write for example \"10.0.0.0/8\" or \"127.0.0.1\"")]
    Unreadable,
    /// An address within the network where its first one should stand; most likely a slip.
    #[error("is an address inside a network; write \"{0}\" for the network")]
    Inside(Network),
}

impl Network {
    /// Whether `address` is one of it. An IPv4 address is the same however it is written.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => {
                first(address.to_canonical(), self.prefix_bits) == self.address
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, bits) = text
            .split_once('/')
            .map_or((text, None), |(address, bits)| (address, Some(bits)));

        let written: IpAddr = address.parse().map_err(|_| NetworkError::Unreadable)?;
        let bits_max = if written.is_ipv4() { 32 } else { 128 };
        let is_number =
            |bits: &&str| !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());

        let bits: u8 = match bits {
            None => bits_max,
            Some(bits) => Some(bits)
                .filter(is_number)
                .and_then(|bits| bits.parse().ok())
                .ok_or(NetworkError::Unreadable)?,
        };

        let address = written.to_canonical();

        // Of an IPv4 network that was written as IPv6, the bits that are its own.
        let bits = if address == written {
            Some(bits)
        } else {
            bits.checked_sub(MAPPED_BITS)
        };

        let prefix_bits = bits.filter(|bits| *bits <= if address.is_ipv4() { 32 } else { 128 });
        let prefix_bits = prefix_bits.ok_or(NetworkError::Unreadable)?;
        let network = Self {
            address: first(address, prefix_bits),
            prefix_bits,
        };

        if network.address == address {
            Ok(network)
        } else {
            Err(NetworkError::Inside(network))
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_bits)
    }
}

/// The first address of those that share so many leading bits with this one.
fn first(address: IpAddr, prefix_bits: u8) -> IpAddr {
    let bits = u32::from(prefix_bits);
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - bits.min(32)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask))
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - bits.min(128)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
        }
    }
}

/// The network that an address is counted as: whoever has one address of an IPv6 /64 has all of
/// them.
pub fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        address @ IpAddr::V6(_) => first(address, 64),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("10.0.0.0/8", "10.255.1.2", true)]
    #[case("10.0.0.0/8", "11.0.0.0", false)]
    #[case("10.0.0.0/8", "::ffff:10.1.2.3", true)]
    #[case("192.0.2.7", "192.0.2.7", true)]
    #[case("192.0.2.7", "192.0.2.6", false)]
    #[case("0.0.0.0/0", "255.1.1.1", true)]
    #[case("0.0.0.0/0", "2001:db8::1", false)]
    #[case("2001:db8::/32", "2001:db8:ffff::1", true)]
    #[case("2001:db8::/32", "2001:db9::1", false)]
    #[case("2001:db8::1", "2001:db8::1", true)]
    #[case("::/0", "2001:db8::1", true)]
    #[case("::/0", "10.0.0.1", false)]
    #[case("::ffff:10.0.0.0/104", "10.9.9.9", true)]
    #[case("::ffff:10.0.0.0/104", "11.9.9.9", false)]
    fn networks_hold_their_addresses(
        #[case] network: Network,
        #[case] address: IpAddr,
        #[case] holds: bool,
    ) {
        assert_eq!(network.contains(address), holds);
        assert_eq!(
            network.to_string().parse(),
            Ok(network),
            "shown as it is read"
        );
    }

    #[test]
    fn what_is_no_network_is_told_with_the_way_out() {
        for bad in [
            "",
            "/",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.0.0/8",
            "a/8",
            "::/129",
            "::ffff:1.2.3.4/8",
        ] {
            assert_eq!(
                bad.parse::<Network>(),
                Err(NetworkError::Unreadable),
                "{bad:?}"
            );
        }

        let inside = "10.1.2.3/8".parse::<Network>().unwrap_err().to_string();
        assert!(inside.contains("write \"10.0.0.0/8\""), "{inside}");
    }

    #[test]
    fn an_ipv6_address_counts_as_its_64() {
        let counted = |address: &str| counted_as(address.parse().unwrap()).to_string();
        assert_eq!(counted("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(counted("::ffff:192.0.2.1"), "192.0.2.1");
    }
}
