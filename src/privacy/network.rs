//! Networks, as they are written.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error as _};

use crate::decode::IpVersion;
use crate::flow;

/// A network as a policy has it: by its highest bits, whatever the version.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Network(flow::Network);

/// Why a text is no [`Network`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// Not an address and a length.
    #[error("`{0}` is no network: use one like 192.0.2.0/24 or 2001:db8::/32")]
    Text(String),
    /// More bits than the prefix has are set: one of the two is a mistake.
    #[error("`{text}` has bits behind its prefix: use {meant}")]
    HostBits {
        /// As given.
        text: String,
        /// The network that this address is in.
        meant: Network,
    },
}

impl Network {
    /// Which addresses it is of.
    pub const fn version(self) -> IpVersion {
        match self.0.address() {
            IpAddr::V4(_) => IpVersion::V4,
            IpAddr::V6(_) => IpVersion::V6,
        }
    }

    /// Leading bits that its addresses share.
    pub const fn length(self) -> u8 {
        self.0.length()
    }

    /// Its first address.
    pub(super) const fn address(self) -> IpAddr {
        self.0.address()
    }

    /// Its first address, from the highest bit on.
    pub(super) const fn bits(self) -> u128 {
        match self.0.address() {
            IpAddr::V4(address) => (address.to_bits() as u128) << 96,
            IpAddr::V6(address) => address.to_bits(),
        }
    }
}

/// The `length` highest bits.
pub(super) const fn prefix_mask(length: u32) -> u128 {
    match u128::MAX.checked_shr(length) {
        Some(rest) => !rest,
        None => u128::MAX,
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    /// As [`flow::Network`] is read: `192.0.2.0/24`, `2001:db8::/32`, or an address.
    fn from_str(text: &str) -> Result<Self, NetworkError> {
        text.parse().map(Self).map_err(|error| match error {
            flow::NetworkError::BitsBehind(meant) => {
                NetworkError::HostBits { text: text.to_owned(), meant: Self(meant) }
            }
            _ => NetworkError::Text(text.to_owned()),
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_as_they_are_written() {
        for text in ["192.0.2.0/24", "0.0.0.0/0", "10.1.2.3/32", "2001:db8::/32", "::/0", "::1/128"]
        {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
        }
        assert_eq!("10.1.2.3".parse::<Network>().unwrap().to_string(), "10.1.2.3/32");
        assert_eq!("::1".parse::<Network>().unwrap().to_string(), "::1/128");
    }

    #[test]
    fn what_is_no_network_is_refused_with_what_would_be_right() {
        for (text, hint) in [
            ("", "use one like"),
            ("10.0.0.0/", "use one like"),
            ("10.0.0.0/33", "use one like"),
            ("10.0.0.0/+8", "use one like"),
            ("::/129", "use one like"),
            ("eth0", "use one like"),
            ("10.0.0.1/8", "use 10.0.0.0/8"),
            ("2001:db8::1/32", "use 2001:db8::/32"),
        ] {
            let error = text.parse::<Network>().unwrap_err().to_string();
            assert!(error.contains(hint), "{text}: {error}");
        }
    }
}
